"""Format of a thought and an answer between tags, the grammar of most systems."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from seethink.boxes import read_boxes, write_boxes
from seethink.formats.base_format import STEP_SEPARATOR, BaseFormat, steps_of
from seethink.formats.endings import joined
from seethink.types import Response

TAGS = ("<think>", "</think>", "<answer>", "</answer>")


@dataclass(frozen=True)
class TagFormat(BaseFormat):
    """Stages of thought and an answer, each between tags: `<think>...</think> <answer>...</answer>`.

    stages: names of the tags around the thought; if there are several, each is a step of the response. final:
    name of the tag around the answer. boxes: the answer is a JSON list of boxes.
    """

    stages: tuple[str, ...] = ("think",)
    final: str = "answer"
    boxes: bool = False

    @property
    def opening(self) -> str:
        return f"<{self.stages[0]}>"

    @property
    def tags(self) -> tuple[str, ...]:
        """The tags that must occur exactly once, in order."""
        return tuple(tag for name in self._named for tag in (f"<{name}>", f"</{name}>"))

    @property
    def _named(self) -> tuple[str, ...]:
        return (*self.stages, self.final) if self.thinks else (self.final,)

    def parse(self, text: str) -> Response:
        """Strict: the answer counts only if its tag occurs exactly once, closed, and outside the thought;
        another answer after it ("or 43") belongs to it.

        `fault` is the first violation.
        """
        stages = [_only_between(text, stage) for stage in self.stages]
        answer = _only_between(text, self.final)
        if any(stage and f"<{self.final}>" in stage for stage in stages):
            answer = None
        if answer and not self.boxes:
            end = f"</{self.final}>"
            answer = joined(answer, text, text.index(end) + len(end))
        steps = tuple(stage for stage in stages if stage)
        return Response(
            text=text,
            thought=STEP_SEPARATOR.join(steps) if set(stages) != {None} else None,
            answer=answer,
            steps=steps if len(stages) > 1 else (),
            fault=self._fault(text, stages, answer),
        )

    def write(self, thought: str | Sequence[str], answer: str) -> str:
        """A thought of several stages needs one step (in a text: one paragraph) for each."""
        stages = self._stage_texts(thought) if self.thinks else []
        if self.boxes:
            answer = self._as_json(answer)
        for part in (*stages, answer):
            if any(tag in part for tag in {*TAGS, *self.tags}):
                raise ValueError(f"{self.name}: the text itself contains a tag: {part[:80]!r}")
        parts = [*zip(self._named, (*stages, answer), strict=True)]
        return "".join(f"<{name}>{part.strip()}</{name}>" for name, part in parts)

    def _stage_texts(self, thought: str | Sequence[str]) -> list[str]:
        if len(self.stages) == 1:
            return [thought if isinstance(thought, str) else " ".join(thought)]
        steps = steps_of(thought)
        if len(steps) != len(self.stages):
            found = f"{len(steps)} steps: {STEP_SEPARATOR.join(steps)[:80]!r}"
            raise ValueError(f"{self.name}: a thought has the steps {', '.join(self.stages)}, not {found}")
        return steps

    def _as_json(self, answer: str) -> str:
        boxes = read_boxes(answer)
        if boxes is None:
            raise ValueError(f"{self.name}: the answer is not a JSON list of boxes: {answer[:80]!r}")
        return write_boxes(boxes) if boxes else answer

    def _fault(self, text: str, stages: Sequence[str | None], answer: str | None) -> str | None:
        for tag in self.tags:
            if (count := text.count(tag)) != 1:
                return f"{tag} occurs {count} times, not once"
        if not self.thinks and any(f"<{name}>" in text or f"</{name}>" in text for name in self.stages):
            return "a thought where none is asked for"
        shape = r"\s*".join(f"<{name}>.*</{name}>" for name in self._named)
        if not re.fullmatch(shape, text.strip(), re.DOTALL):
            return "text outside the tags, or tags out of order"
        if self.thinks and not all(stages):
            return "the thought is empty" if len(stages) == 1 else "a stage of the thought is empty"
        if not answer:
            return "the answer is empty"
        return "the answer is not a JSON list of boxes" if self.boxes and read_boxes(answer) is None else None


def _only_between(text: str, name: str) -> str | None:
    """The text between the only opening and the only closing tag; None without exactly one such pair."""
    start, end = f"<{name}>", f"</{name}>"
    if text.count(start) != 1 or text.count(end) != 1:
        return None
    i, j = text.index(start) + len(start), text.index(end)
    return text[i:j].strip() if i <= j else None
