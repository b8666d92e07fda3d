"""Formal descriptions of images: a syntax check for each kind. No code in them is ever run."""

from __future__ import annotations

import ast
import csv
import io
import re
import warnings
from collections.abc import Callable
from html.parser import HTMLParser

from seethink.boxes import read_boxes
from seethink.synth.draft import Dropped

NO_TEXT = "(no text)"
_FENCE = re.compile(r"```[\w+-]*[ \t]*\n(.*?)```", re.DOTALL)
_NUMBER = r"-?\d+(?:\.\d+)?"
_PLACED = re.compile(rf"(?P<text>\S.*?)\s*@\s*\[\s*{_NUMBER}(?:\s*,\s*{_NUMBER}){{3}}\s*\]")
_LILYPOND_ASIDE = re.compile(r"%\{.*?%\}|%[^\n]*|\"(?:\\.|[^\"\\])*\"", re.DOTALL)
_VOID = {
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track",
    "wbr",
}  # fmt: skip
"""HTML elements without an end tag."""


def read_formal(kind: str, text: str) -> str | Dropped:
    """The description in a reply, without its code fence; `Dropped` if it does not have the syntax of its
    kind."""
    fences = _FENCE.findall(text) if kind != "caption" else []
    description = (fences[-1] if fences else text).strip()
    if not description:
        return Dropped("invalid", f"the description ({kind}) is empty")
    if fault := SYNTAX_CHECKS[kind](description):
        reason = "not JSON" if kind == "boxes" else "invalid"
        return Dropped(reason, f"the description ({kind}) {fault}: {description[:80]!r}")
    return description


def ocr_texts(ocr: str) -> list[str] | None:
    """The texts of a description of the kind "ocr", in reading order; None if its syntax is wrong."""
    lines = [line.strip() for line in ocr.splitlines() if line.strip()]
    if lines == [NO_TEXT]:
        return []
    matches = [_PLACED.fullmatch(line) for line in lines]
    return [match["text"] for match in matches if match] if lines and all(matches) else None


# Syntax checks: the error in a description, or "" ---------------------------------------------------------


def _no_check(text: str) -> str:
    return ""


def _boxes(text: str) -> str:
    return "has no boxes as JSON" if read_boxes(text) is None else ""


def _ocr(text: str) -> str:
    return (
        f"has a line that is not `text @ [x1, y1, x2, y2]`, or {NO_TEXT}" if ocr_texts(text) is None else ""
    )


def _table(text: str) -> str:
    try:
        rows = [row for row in csv.reader(io.StringIO(text), strict=True) if row]
    except csv.Error as error:
        return f"is not CSV ({error})"
    widths = sorted({len(row) for row in rows})
    if len(widths) != 1:
        return f"has rows of {' and '.join(map(str, widths))} columns"
    return "" if widths[0] > 1 else "has one column"


def _chart(text: str) -> str:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # invalid escapes are not syntax errors
            tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return f"is not Python ({type(error).__name__})"
    has_call = any(isinstance(node, ast.Call) for node in ast.walk(tree))
    return "" if has_call else "draws nothing"


def _circuit(text: str) -> str:
    return "" if text.splitlines()[-1].strip().lower() == ".end" else "does not end with .end"


def _flow(text: str) -> str:
    match = re.match(r"(?:graph|flowchart)\b", text)
    return "" if match else "begins with neither graph nor flowchart"


def _ui(text: str) -> str:
    tags = _TagChecker()
    try:
        tags.feed(text)
        tags.close()
    except AssertionError:  # raised by the parser at an unknown declaration
        return "is not HTML"
    if tags.fault:
        return tags.fault
    if tags.open:
        return f"never closes <{tags.open[-1]}>"
    return "" if tags.count else "has no tag"


def _score(text: str) -> str:
    depth, pairs = 0, 0
    for brace in re.findall("[{}]", _LILYPOND_ASIDE.sub("", text)):
        depth += 1 if brace == "{" else -1
        pairs += brace == "}"
        if depth < 0:
            return "closes a brace that was not opened"
    if depth:
        return "leaves a brace open"
    return "" if pairs else "has no braces"


def _geometry(text: str) -> str:
    return "" if re.match(r"given\s*[:：]", text, re.IGNORECASE) else "does not begin with Given:"


class _TagChecker(HTMLParser):
    """Checks that tags are closed in the right order. count: number of start tags. fault: the first error."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.count = 0
        self.fault = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.count += 1
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.count += 1

    def handle_endtag(self, tag: str) -> None:
        if self.open and self.open[-1] == tag:
            self.open.pop()
        elif tag not in _VOID:
            self.fault = self.fault or f"closes <{tag}>, which is not open"


SYNTAX_CHECKS: dict[str, Callable[[str], str]] = {
    "caption": _no_check, "boxes": _boxes, "ocr": _ocr, "table": _table, "chart": _chart, "circuit": _circuit,
    "flow": _flow, "ui": _ui, "score": _score, "geometry": _geometry,
}  # fmt: skip
