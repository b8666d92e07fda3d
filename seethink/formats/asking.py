"""What all formats share: how a question is asked, in one of five modes. How an answer is read and written is
each format's own."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Self, get_args

from seethink.types import PLAIN, Example, InputError, Messages, Response

Mode = Literal["suffix", "before", "system", "base", "direct"]
MODES: tuple[Mode, ...] = get_args(Mode)

JOINT = "\n\n"
"""What stands between the steps of a thought that is told in steps."""


@dataclass(frozen=True)
class Asking:
    """A question with an instruction, and how the answer begins.

    thinks: the thought is asked for and demanded. begun: the answer's first characters, put into the model's
    mouth (base models that need a push; VisualThinker-R1-Zero). instruction: the wording, the same in
    training and testing. directly: the wording where no thought is asked for. mode: where the instruction
    stands: after the question (R1-V, VLM-R1); before it (VLM-R1's detection); in the system prompt; in a
    plain text without chat roles that a base model continues (VisualThinker-R1-Zero); or after the question,
    with the answer alone asked for, the baseline of all that think.
    """

    name: str
    instruction: str
    thinks: bool = True
    begun: str = ""
    mode: Mode = "suffix"
    directly: str = ""

    @property
    def opening(self) -> str:
        """With what a thought begins; empty where it begins with its own words."""
        return ""

    def in_mode(self, mode: str) -> Self:
        """The same format, asked in another mode. Raises InputError where there is no such mode."""
        if mode not in MODES:
            raise InputError(f"unknown mode {mode!r}; the modes are {', '.join(MODES)}")
        if mode == "direct" and self.thinks:
            return replace(self, mode=mode, thinks=False, instruction=self.directly, begun="")
        if mode == "base" and self.thinks:
            return replace(self, mode=mode, begun=self.opening)
        return replace(self, mode=mode)

    def prompt(self, example: Example) -> Messages:
        told = self.instruction
        content = [
            _text(part) if isinstance(part, str) else {"type": part.kind, part.kind: part}
            for part in example.parts()
        ]
        messages: Messages = [{"role": "user", "content": content}]
        if self.mode == "system":
            messages.insert(0, {"role": "system", "content": [_text(told)]})
        elif self.mode == "before":
            content.insert(_first_text(content), _text(f"{told}\n"))
        elif self.mode == "base":
            scene = "A user asks an assistant a question about what is shown."
            content.insert(_first_text(content), _text(f"{scene} {told}".strip() + "\nUser: "))
            content.append(
                _text("\nAssistant: Let me solve this step by step.\n" if self.thinks else "\nAssistant: ")
            )
            messages[0]["role"] = PLAIN
        else:
            content.append(_text(f" {told}"))
        if self.begun:
            messages.append({"role": "assistant", "content": [_text(self.begun)]})
        return messages

    def parse(self, text: str) -> Response:
        raise NotImplementedError

    def write(self, thought: str | Sequence[str], answer: str) -> str:
        raise NotImplementedError

    def _sure(self, text: str, steps: Sequence[str], answer: str) -> str:
        """`text`, which says the steps and the answer. Raises ValueError where it would not be read back."""
        read = self.parse(text)
        if (read.thought or "", read.answer or "") != (JOINT.join(steps), answer.strip()):
            told = f"{self.name}: the text itself contains a tag, or another mark of the format"
            raise ValueError(f"{told}: {text[:80]!r}")
        return text


def steps_of(thought: str | Sequence[str]) -> list[str]:
    """The steps of a thought: as they are given, or the paragraphs of a text; `JOINT` puts them together."""
    steps = re.split(rf"(?<=\S){JOINT}(?=\S)", thought.strip()) if isinstance(thought, str) else thought
    return [step.strip() for step in steps if step.strip()]


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def _first_text(content: Sequence[dict[str, Any]]) -> int:
    """The place behind the media that a question begins with."""
    return next((i for i, part in enumerate(content) if part["type"] == "text"), len(content))
