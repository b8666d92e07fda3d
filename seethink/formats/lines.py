"""Free thoughts with an answer that is marked in the text, and answers alone."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from seethink.formats.asking import Asking, steps_of
from seethink.types import Response

BOX = "\\boxed{"
LINE = "Answer:"
_AROUND = re.compile(r"(?:[\s$.*]|\\[()\[\]])*")
_BRACES = re.compile(r"\\boxed\{|\\.|[{}]")


@dataclass(frozen=True)
class BoxedFormat(Asking):
    """A free thought, at whose end the answer stands in `\\boxed{...}`; mathematics around the box, and a
    full stop, belong to it."""

    def parse(self, text: str) -> Response:
        boxes = boxed(text)
        count = text.count(BOX)
        if count != 1 or not boxes:
            closed = "times, not once" if count != 1 else "time, but is not closed"
            return Response(text, fault=f"{BOX}}} occurs {count} {closed}")
        start, end, told = boxes[0]
        thought, answer = text[:start].strip(), told.strip()
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
        told = [_joined(thought)] if self.thinks else []
        return self._sure("\n".join([*told, f"{BOX}{answer.strip()}}}"]).lstrip(), told, answer)


@dataclass(frozen=True)
class LineFormat(Asking):
    """A free thought, and a line that begins with `Answer:`; what follows is the answer."""

    def parse(self, text: str) -> Response:
        if (count := text.count(LINE)) != 1:
            return Response(text, fault=f"{LINE} occurs {count} times, not once")
        head, _, told = text.partition(LINE)
        thought, answer = head.strip(), told.strip()
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
        told = [_joined(thought)] if self.thinks else []
        return self._sure("\n".join([*told, f"{LINE} {answer.strip()}"]).lstrip(), told, answer)


@dataclass(frozen=True)
class BareFormat(Asking):
    """The answer alone, without any mark: all that is said is the answer."""

    thinks: bool = False

    def parse(self, text: str) -> Response:
        answer = text.strip() or None
        return Response(text, answer=answer, fault=None if answer else "the answer is empty")

    def write(self, thought: str | Sequence[str], answer: str) -> str:
        return answer.strip()


def boxed(text: str) -> list[tuple[int, int, str]]:
    """(start, end, content) of every closed `\\boxed{...}` outside all others, in one walk."""
    open_braces: list[tuple[bool, int]] = []
    found: list[tuple[int, int, str]] = []
    for brace in _BRACES.finditer(text):
        if brace[0] in (BOX, "{"):
            open_braces.append((brace[0] == BOX, brace.start()))
        elif brace[0] == "}" and open_braces:
            is_box, start = open_braces.pop()
            if is_box:
                while found and found[-1][0] > start:
                    found.pop()
                found.append((start, brace.end(), text[start + len(BOX) : brace.end() - 1]))
    return found


def _joined(thought: str | Sequence[str]) -> str:
    return thought.strip() if isinstance(thought, str) else " ".join(steps_of(thought))
