"""Formats of a free thought with a marked answer (`\\boxed{}`, `Answer:`), and of an answer alone."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from seethink.formats.base_format import BaseFormat, steps_of
from seethink.formats.endings import joined
from seethink.markup import BOX, boxed
from seethink.types import Messages, Response

LINE = "Answer:"
_AROUND = re.compile(r"(?:[\s$.*]|\\[()\[\]])*")


@dataclass(frozen=True)
class BoxedFormat(BaseFormat):
    """A free thought that ends with `\\boxed{answer}`. Math delimiters and a full stop may surround the
    box. Another answer after it ("or 43") belongs to the answer."""

    def parse(self, text: str) -> Response:
        boxes = boxed(text)
        count = text.count(BOX)
        if count != 1 or not boxes:
            closed = "times, not once" if count != 1 else "time, but is not closed"
            return Response(text, fault=f"{BOX}}} occurs {count} {closed}")
        start, end, content = boxes[0]
        thought, answer = text[:start].strip(), joined(content.strip(), text, end)
        fault = None
        if not _AROUND.fullmatch(text[end:]):
            fault = "text after the box"
        elif self.thinks and not thought:
            fault = "the thought is empty"
        elif not self.thinks and not _AROUND.fullmatch(thought):
            fault = "a thought where none is asked for"
        elif not answer:
            fault = "the answer is empty"
        return Response(text, thought or None, answer or None, fault=fault)

    def write(self, thought: str | Sequence[str], answer: str) -> str:
        steps = [_joined(thought)] if self.thinks else []
        return self._checked("\n".join([*steps, f"{BOX}{answer.strip()}}}"]).lstrip(), steps, answer)


@dataclass(frozen=True)
class LineFormat(BaseFormat):
    """A free thought, then a line that begins with `Answer:`; the rest is the answer."""

    def parse(self, text: str) -> Response:
        if (count := text.count(LINE)) != 1:
            return Response(text, fault=f"{LINE} occurs {count} times, not once")
        head, _, rest = text.partition(LINE)
        thought, answer = head.strip(), rest.strip()
        fault = None
        if head.rpartition("\n")[2].strip():
            fault = f"{LINE} does not begin its line"
        elif self.thinks and not thought:
            fault = "the thought is empty"
        elif not self.thinks and thought:
            fault = "a thought where none is asked for"
        elif not answer:
            fault = "the answer is empty"
        return Response(text, thought or None, answer or None, fault=fault)

    def write(self, thought: str | Sequence[str], answer: str) -> str:
        steps = [_joined(thought)] if self.thinks else []
        return self._checked("\n".join([*steps, f"{LINE} {answer.strip()}"]).lstrip(), steps, answer)


@dataclass(frozen=True)
class BareFormat(BaseFormat):
    """An answer without any mark: the whole text is the answer. Without an instruction the prompt is the
    conversation as it stands, which the turns before it repeat word for word."""

    thinks: bool = False

    def _instruct(self, messages: Messages) -> None:
        if self.instruction:
            super()._instruct(messages)

    def parse(self, text: str) -> Response:
        answer = text.strip() or None
        return Response(text, answer=answer, fault=None if answer else "the answer is empty")

    def write(self, thought: str | Sequence[str], answer: str) -> str:
        return answer.strip()


def _joined(thought: str | Sequence[str]) -> str:
    return thought.strip() if isinstance(thought, str) else " ".join(steps_of(thought))
