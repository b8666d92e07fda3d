"""How a question is asked and how an answer is read back, as one value.

A Format is two-way: `parse(write(thought, answer))` gives thought and answer again (property-tested).
`read_any` is the lenient reader: a final answer in whatever form it stands.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from seethink.types import Example, InputError, Messages, Response

TAGS = ("<think>", "</think>", "<answer>", "</answer>")


@dataclass(frozen=True)
class TagFormat:
    """Thought and answer between tags: `<think>...</think> <answer>...</answer>`.

    thinks: the thought is asked for and demanded. begun: the answer's first characters, put into the model's
    mouth (base models that need a push; VisualThinker-R1-Zero). instruction: the wording, the same in
    training and testing.
    """

    name: str
    instruction: str
    thinks: bool = True
    begun: str = ""

    def prompt(self, example: Example) -> Messages:
        content = [
            {"type": "text", "text": part} if isinstance(part, str) else {"type": part.kind, part.kind: part}
            for part in example.parts()
        ]
        content.append({"type": "text", "text": f" {self.instruction}"})
        messages: Messages = [{"role": "user", "content": content}]
        if self.begun:
            messages.append({"role": "assistant", "content": [{"type": "text", "text": self.begun}]})
        return messages

    def parse(self, text: str) -> Response:
        """Strict: the answer counts only if its tag occurs exactly once, closed, and not inside the thought.

        `fault` names the first breach.
        """
        thought = _only_between(text, "<think>", "</think>")
        answer = _only_between(text, "<answer>", "</answer>")
        if thought and "<answer>" in thought:
            answer = None
        return Response(text=text, thought=thought, answer=answer, fault=self._fault(text, answer))

    def write(self, thought: str, answer: str) -> str:
        for part in (thought, answer):
            if any(tag in part for tag in TAGS):
                raise ValueError(f"{self.name}: the text itself contains a tag: {part[:80]!r}")
        told = f"<answer>{answer.strip()}</answer>"
        return f"<think>{thought.strip()}</think>{told}" if self.thinks else told

    def _fault(self, text: str, answer: str | None) -> str | None:
        for tag in TAGS if self.thinks else TAGS[2:]:
            if (count := text.count(tag)) != 1:
                return f"{tag} occurs {count} times, not once"
        if not self.thinks and ("<think>" in text or "</think>" in text):
            return "a thought where none is asked for"
        shape = r"<think>.*</think>\s*<answer>.*</answer>" if self.thinks else r"<answer>.*</answer>"
        if not re.fullmatch(shape, text.strip(), re.DOTALL):
            return "text outside the tags, or tags out of order"
        if self.thinks and not _only_between(text, "<think>", "</think>"):
            return "the thought is empty"
        return None if answer else "the answer is empty"


THINK_ANSWER = TagFormat(
    "think_answer",
    "First think step by step inside <think> </think>, then give the final answer inside <answer> </answer>.",
)
ANSWER_ONLY = TagFormat("answer_only", "Give only the final answer, inside <answer> </answer>.", thinks=False)
PREFILLED_THINK = replace(THINK_ANSWER, name="prefilled_think", begun="<think>")

FORMATS = {f.name: f for f in (THINK_ANSWER, ANSWER_ONLY, PREFILLED_THINK)}


def by_name(name: str) -> TagFormat:
    if name not in FORMATS:
        raise InputError(f"unknown format {name!r}; the formats are {', '.join(FORMATS)}")
    return FORMATS[name]


def _only_between(text: str, start: str, end: str) -> str | None:
    """What stands between the only `start` and the only `end`; None if they are not such a pair."""
    if text.count(start) != 1 or text.count(end) != 1:
        return None
    i, j = text.index(start) + len(start), text.index(end)
    return text[i:j].strip() if i <= j else None


# The lenient reader ---------------------------------------------------------------------------------------

_BOXED = re.compile(r"\\boxed\{((?:[^{}]|\{[^{}]*\})*)\}")
_PHRASE = re.compile(
    r"\b(?:answer|sum|total|count|number|difference|result)\s*(?:is|:|=)\s*(.+?)\s*(?=[.;](?:\s|$)|\n|$)"
    r"|\bthere\s+(?:is|are)\s+(-?\d+)",
    re.IGNORECASE,
)
_LONE_WORDS = 4
STEPWISE_WORDS = 6
"""With fewer words before its answer, a text answers at once. "I think the answer is" has five."""


def read_any(text: str) -> Response:
    """The final answer in any form: last answer tag, else last box, last explicit phrase, lone short text.

    What a thought says in passing is no final answer: without an answer tag, only what follows the last
    thought is read. `thought` is everything said before the answer, tags removed; None if nothing readable
    was found.
    """
    opened = text.rfind("<answer>")
    if opened >= 0:
        told = re.split(r"</answer>|<think>|</think>", text[opened + len("<answer>") :])[0]
        return _read(text, opened, told)
    rest = text.rpartition("</think>")[2]
    start = len(text) - len(rest)
    spoken = rest.partition("<think>")[0]
    for pattern in (_BOXED, _PHRASE):
        matches = list(pattern.finditer(spoken))
        if matches:
            told = next(group for group in matches[-1].groups() if group is not None)
            return _read(text, start + matches[-1].start(), told)
    if spoken.strip() and len(spoken.split()) <= _LONE_WORDS and "<" not in rest:
        return _read(text, start, spoken)
    return Response(text=text, fault="no final answer in any form")


def _read(text: str, start: int, told: str) -> Response:
    thought = " ".join(re.sub("|".join(TAGS), " ", text[:start]).split())
    answer = re.sub(r"^\$|\$$", "", told.strip()).strip().rstrip(".")
    return Response(
        text=text, thought=thought or None, answer=answer or None, fault=None if answer else "empty answer"
    )


def by_steps(text: str) -> bool:
    """Whether the text reasons before it answers, in whatever form (at least `STEPWISE_WORDS` words)."""
    return len((read_any(text).thought or "").split()) >= STEPWISE_WORDS
