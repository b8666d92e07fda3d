"""Base class of all formats: the prompt, in one of five modes. Grammars are in the subclasses."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Self, get_args

from seethink.formats.messages import chat_message, content_part
from seethink.types import PLAIN, Example, InputError, Messages, Response

PromptMode = Literal["suffix", "before", "system", "base", "direct"]
PROMPT_MODES: tuple[PromptMode, ...] = get_args(PromptMode)

STEP_SEPARATOR = "\n\n"
"""Between the steps of a thought that is written as one text."""


@dataclass(frozen=True)
class BaseFormat:
    """A prompt with an instruction, and a grammar for the answer.

    instruction: the wording, the same in training and testing. direct_instruction: the wording of the mode
    "direct", which requests no thought. thinks: whether a thought is requested and required. prefill: the
    first characters of the answer, put into the assistant's turn (base models need it;
    VisualThinker-R1-Zero). prompt_mode: the instruction's place. "suffix": after the question (R1-V,
    VLM-R1); "before": before it (VLM-R1's detection); "system": in the system prompt; "base": in plain text
    without chat roles, for base models (VisualThinker-R1-Zero); "direct": after the question, and only the
    answer is requested, the baseline of all formats with a thought.
    """

    name: str
    instruction: str
    thinks: bool = True
    prefill: str = ""
    prompt_mode: PromptMode = "suffix"
    direct_instruction: str = ""

    @property
    def opening(self) -> str:
        """The text that every thought begins with, such as a tag; empty if there is none."""
        return ""

    def with_prompt_mode(self, mode: str) -> Self:
        """The same format with another prompt mode. Raises InputError for an unknown mode."""
        if mode not in PROMPT_MODES:
            raise InputError(f"unknown prompt mode {mode!r}; the prompt modes are {', '.join(PROMPT_MODES)}")
        if mode == "direct" and self.thinks:
            instruction = self.direct_instruction
            return replace(self, prompt_mode=mode, thinks=False, instruction=instruction, prefill="")
        if mode == "base" and self.thinks:
            return replace(self, prompt_mode=mode, prefill=self.opening)
        return replace(self, prompt_mode=mode)

    def prompt(self, example: Example) -> Messages:
        """The conversation that requests an answer; it ends with the prefill, if there is one."""
        if self.prompt_mode == "base":
            messages = [{"role": PLAIN, "content": self._transcript(example)}]
        else:
            messages = [chat_message(role, *parts) for role, parts in example.turns()]
            self._instruct(messages)
        if self.prefill:
            messages.append({"role": "assistant", "content": [_text(self.prefill)]})
        return messages

    def _instruct(self, messages: Messages) -> None:
        """Put the instruction into a conversation that ends with the question."""
        question = messages[-1]["content"]
        if self.prompt_mode == "before":
            question.insert(_first_text(question), _text(f"{self.instruction}\n"))
        elif self.prompt_mode in ("suffix", "direct"):
            question.append(_text(f" {self.instruction}"))
        elif messages[0]["role"] == "system":
            own = "".join(part["text"] for part in messages[0]["content"])
            messages[0]["content"] = [_text(f"{own}\n{self.instruction}")]
        else:
            messages.insert(0, {"role": "system", "content": [_text(self.instruction)]})

    def _transcript(self, example: Example) -> list[dict[str, Any]]:
        """The conversation as the content of one message without roles; scene and instruction stand before
        the first text of the user."""
        scene = f"A user asks an assistant a question about what is shown. {self.instruction}".strip()
        names = {"user": "\nUser: ", "assistant": "\nAssistant: "}
        transcript: list[dict[str, Any]] = []
        for role, parts in example.turns():
            content = [content_part(part) for part in parts]
            if role == "system":
                content.append(_text("\n"))
            elif role == "user" and scene:
                content.insert(_first_text(content), _text(scene + names[role]))
                scene = ""
            else:
                content.insert(0, _text(names[role]))
            transcript += content
        answering = "Let me solve this step by step.\n" if self.thinks else ""
        return [*transcript, _text(names["assistant"] + answering)]

    def parse(self, text: str) -> Response:
        """Read a whole answer, prefill included; `fault` is the first violation of the grammar."""
        raise NotImplementedError

    def write(self, thought: str | Sequence[str], answer: str) -> str:
        """The text of a thought (or its steps) and an answer. Raises ValueError if `parse` could not read
        it."""
        raise NotImplementedError

    def _checked(self, text: str, steps: Sequence[str], answer: str) -> str:
        """`text`, if `parse` finds these steps and this answer in it; raises ValueError otherwise."""
        read = self.parse(text)
        if (read.thought or "", read.answer or "") != (STEP_SEPARATOR.join(steps), answer.strip()):
            why = "the text itself contains a tag, or another mark of the format"
            raise ValueError(f"{self.name}: {why}: {text[:80]!r}")
        return text


def steps_of(thought: str | Sequence[str]) -> list[str]:
    """The steps of a thought, stripped: the items of a sequence, or the paragraphs of a text."""
    separator = rf"(?<=\S){STEP_SEPARATOR}(?=\S)"
    steps = re.split(separator, thought.strip()) if isinstance(thought, str) else thought
    return [step.strip() for step in steps if step.strip()]


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def _first_text(content: Sequence[dict[str, Any]]) -> int:
    """The index of the first text, behind leading media."""
    return next((i for i, part in enumerate(content) if part["type"] == "text"), len(content))
