"""The lenient reader: finds a final answer in any form."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from string import ascii_lowercase, ascii_uppercase

from seethink.boxes import NAMED_PLACE, read_boxes, read_points, read_spelled
from seethink.formats.endings import (
    announced,
    first_letter,
    first_word,
    joined,
    last_answer_line,
    last_phrase,
    last_quantity,
    only_right,
    says_no,
)
from seethink.formats.values import (
    chain_end,
    closing_sentence,
    complement,
    first_value,
    last_value,
    lone_formula,
)
from seethink.markup import boxed, text_of_object, without_outer_marks, without_stop_tokens
from seethink.types import Response

_FINALS = (
    *((f"<{name}>", f"</{name}>") for name in ("answer", "final_answer", "output", "conclusion")),
    ("<|begin_of_box|>", "<|end_of_box|>"),
)
"""Tags around an answer, in any case. The last are special tokens of GLM-4.1V and its successors."""

_ANY_TAG = re.compile(
    r"</?(?:think|caption|thoughts|summary|reasoning|answer|output|conclusion)>|<\|(?:begin|end)_of_box\|>",
    re.IGNORECASE,
)
_SMALL = str.maketrans(ascii_uppercase, ascii_lowercase)
_CUT_OFF = re.compile(r"</[a-z]*\Z|<\|[a-z_]*\|?\Z", re.IGNORECASE)
"""A closing tag that the text breaks off in."""

_THOUGHT = re.compile(r"(?<=<think>).*?(?=</think>)", re.DOTALL)
_THINKS = re.compile(r"</?think>")
_JSON = re.compile(
    r'(?:"FINAL ANSWER"\s*,\s*"content"|"(?:final[_ ]?)?answer")\s*:\s*'
    r'("(?:[^"\\]|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4})*"|(?:-?[0-9][0-9.]*|true|false)(?=\s*[,}\n]))',
    re.IGNORECASE,
)
_LAST_OBJECT = re.compile(r"(?:```(?:json)?\s*)?\{[^{}]{1,400}\}\s*(?:```)?\s*\Z")
_FULL_STOP = re.compile(r"(?<!,)(?<!, )(?<![.\u3002])[.\u3002]+\Z")
"""Not the dots of a list that goes on (`1, 2, ...`)."""
_LONE_WORDS, _MEASURE_WORDS = 4, 8
_DENIED = re.compile(r"answer\s+(?:is\s+not|isn't|cannot|can't)\b|答案\s*(?:不|并非|绝不)", re.IGNORECASE)
"""In a short text that says what the answer is not."""
STEPWISE_WORDS = 6
"""A text with fewer words before its answer answers directly. "I think the answer is" has five."""


def read_any(text: str, several: bool = False, sentences: bool = False) -> Response:
    """The final answer in any form, by precedence: the last closed answer tag, else the last open one; the
    answer of a JSON object or of JSON steps; the last `\\boxed{}`, or all of them as a list if the question
    has `several` answers, unless a line "Answer: ..." follows; the last explicit phrase (`formats.endings`);
    an option letter that begins the text, if no second option is named in the same way, or yes or no; the
    value with which the last sentence ends; with `sentences` the only sentence, or one that concludes, which
    may be a remark as well; a text of at most four words, or eight that begin with a number.

    Nothing is cut off that says which answer is meant: an option's letter keeps the text after it. A value
    that corrects a phrase ("The answer is 7. Wait, it is 8.") wins over it; what follows a tag corrects
    nothing. Answers inside a thought do not count: tags in it are ignored, and without an answer tag only
    the text after the last thought is searched. `thought` is all text before the answer, tags removed; None
    if no answer was found.
    """
    return replace(_read_any(with_think_tags(without_stop_tokens(text)), several, sentences), text=text)


_THINK_TAGS = (
    (re.compile(r"<(?:thinking|seed:think)>|\u25c1think\u25b7|\[THINK\]", re.IGNORECASE), "<think>"),
    (re.compile(r"</(?:thinking|seed:think)>|\u25c1/think\u25b7|\[/THINK\]", re.IGNORECASE), "</think>"),
    (re.compile(r"<\|channel\|>(?:analysis|commentary)\b[^<]{0,40}<\|message\|>"), "<think>"),
    (
        re.compile(r"(?:<\|end\|>)?(?:<\|start\|>assistant)?<\|channel\|>final\b[^<]{0,40}<\|message\|>"),
        "</think>",
    ),
)
"""Marks of a thought of Claude, Seed-OSS, Kimi-VL, Magistral and gpt-oss."""


def with_think_tags(text: str) -> str:
    """The text with other models' marks of a thought written as `<think>` and `</think>`."""
    for marks, tag in _THINK_TAGS:
        text = marks.sub(tag, text)
    return text


def _read_any(text: str, several: bool, sentences: bool) -> Response:
    if (tagged := _tagged(text)) is not None:
        return _read(text, *tagged)
    rest = text.rpartition("</think>")[2]
    start = len(text) - len(rest)
    outside = rest.partition("<think>")[0]
    marked = _marked(outside, several) or (closing_sentence(outside) if sentences else None)
    if marked is not None:
        return _read(text, start + marked[0], marked[1])
    most = _MEASURE_WORDS if re.fullmatch(r"\s*[-$]?\d[^\n.?]*\s*", outside) else _LONE_WORDS
    lone = outside.strip() and len(outside.split()) <= most and "<" not in rest
    if lone and not _DENIED.search(outside):
        return _read(text, start, outside)
    return Response(text=text, fault="no final answer in any form")


def _tagged(text: str) -> tuple[int, str] | None:
    """The position of the answer's tag, and its content."""
    closing = text.rfind("</think>")
    visible = _THOUGHT.sub(lambda thought: " " * len(thought[0]), text[: closing + 8]) + text[closing + 8 :]
    closed, opened = [], []
    small = visible.translate(_SMALL)
    for start, end in _FINALS:
        if (last := small.rfind(end)) >= 0 and (at := small.rfind(start, 0, last)) >= 0:
            closed.append((at, visible[at + len(start) : small.find(end, at)]))
        if (at := small.rfind(start)) >= 0:
            opened.append((at, _CUT_OFF.sub("", visible[at + len(start) :])))
    if not opened:
        return None
    at, content = max(closed or opened)
    content = _THINKS.split(content)[0]
    return at, announced(content) or content


def _marked(outside: str, several: bool) -> tuple[int, str] | None:
    """The position and the text of an answer without a tag."""
    if found := list(_JSON.finditer(outside)):
        value = found[-1][1]
        return found[-1].start(), json.loads(value, strict=False) if value.startswith('"') else value
    if (last := _LAST_OBJECT.search(outside)) and (said := text_of_object(last[0])) != last[0]:
        return last.start(), said
    if (places := _places(outside)) is not None:
        return places
    if (boxes := boxed(outside)) and last_answer_line(outside) <= boxes[-1][0]:
        if not several:
            return _last_box(outside, boxes)
        return boxes[0][0], ", ".join(dict.fromkeys(content.strip() for _, _, content in boxes))
    return next(filter(None, (reader(outside) for reader in _READERS)), None)


_READERS = (
    *(last_phrase, only_right, first_letter, first_word, says_no, lone_formula, last_value, last_quantity),
    *(complement, first_value),
)

_SPELLED_IN_PROSE = re.compile(
    r"(?:<\|object_ref_start\|>[^<>]{0,80}<\|object_ref_end\|>\s*)?<\|box_start\|>[^<>]{1,200}<\|box_end\|>"
    r"|(?:<ref>[^<>]{0,80}</ref>\s*)?<box>[^<>]{1,200}</box>"
)
_JSON_IN_PROSE = re.compile(r"\[\s*\{[^\[\]]*(?:\[[^\[\]]*\][^\[\]]*)*\}\s*\]|\{[^{}]*\}")
_CORNERS = r"((?:-?\d+(?:\.\d+)?\s*,\s*){3}-?\d+(?:\.\d+)?)\s*"
_BOX_IN_WORDS = re.compile(
    rf"<bbox>\s*[\[(]?\s*{_CORNERS}|\b(?:bounding\s+box|bbox|box|coordinates)\b[^.\n\[(0-9]{{0,60}}[\[(]\s*{_CORNERS}[\])]",
    re.IGNORECASE,
)


def _places(outside: str) -> tuple[int, str] | None:
    """Boxes or points in the spelling of a model, in JSON that names them, or after the word "box"."""
    if (spelled := read_spelled(outside)) and spelled.units:
        return 0, outside
    if NAMED_PLACE.search(outside):
        if read_boxes(outside) or read_points(outside):
            return 0, outside
        written = [found for found in _JSON_IN_PROSE.finditer(outside) if read_boxes(found[0])]
        if written:
            return written[-1].start(), written[-1][0]
    found = list(_SPELLED_IN_PROSE.finditer(outside))
    if found and read_spelled(together := " ".join(match[0] for match in found)):
        return found[0].start(), together
    if named := list(_BOX_IN_WORDS.finditer(outside)):
        return named[-1].start(), f"[{(named[-1][1] or named[-1][2]).strip()}]"
    return None


def _last_box(text: str, boxes: list[tuple[int, int, str]]) -> tuple[int, str] | None:
    """The last `\\boxed{}`, with those that it is an alternative to; None if the words before it deny it."""
    first = len(boxes) - 1
    while first and _JOINS.fullmatch(text[boxes[first - 1][1] : boxes[first][0]]):
        first -= 1
    if _DENIES.search(text[max(0, boxes[first][0] - _MOST_DENIAL) : boxes[first][0]]):
        return None
    contents = dict.fromkeys(content.strip() for _, _, content in boxes[first:])
    return boxes[first][0], joined(" or ".join(contents), text, boxes[-1][1])


_BLANKS = r"(?:[\s$*]|\\(?:[,;]|q?quad))*"
_JOINS = re.compile(
    rf"{_BLANKS}\(?(?:\\(?:text|mathrm)\{{\s*)?(?:,|\bor\b|\band\b|[或和、])(?:\s*\}})?{_BLANKS}",
    re.IGNORECASE,
)
_DENIES = re.compile(
    r"(?:\b(?:not|cannot\s+be|never)|n't(?:\s+be)?|不(?:会|能|可能)?是|并非)[\s$*:]*\Z", re.IGNORECASE
)
_MOST_DENIAL = 30


def _read(text: str, start: int, answer_text: str) -> Response:
    thought = " ".join(_ANY_TAG.sub(" ", text[:start]).split())
    answer = chain_end(without_outer_marks(_FULL_STOP.sub("", without_outer_marks(answer_text))))
    return Response(
        text=text, thought=thought or None, answer=answer or None, fault=None if answer else "empty answer"
    )


def stated(thought: str) -> str | None:
    """The answer that a thought last states: in a `\\boxed{}`, after a phrase ("so the answer is"), at the
    end of an equation, or as a count. None where it states none."""
    if boxes := boxed(thought):
        found = _last_box(thought, boxes)
    else:
        readers = (last_phrase, last_value, last_quantity)
        found = next(filter(None, (reader(thought) for reader in readers)), None)
    return None if found is None else _read(thought, *found).answer


def by_steps(text: str) -> bool:
    """Whether the text reasons before its answer: at least `STEPWISE_WORDS` words, in any form."""
    return len((read_any(text).thought or "").split()) >= STEPWISE_WORDS


_COMMA = re.compile(r"\s*(?:[,;\u3001\uff0c\uff1b](?!\s*\d{3}(?!\d))|\b(?:and|or)\b|[和或])\s*")


def lists_several(answer: str | None) -> bool:
    """Whether a reference answer lists several values ("2, 3", "x = 1 or x = 2", "\\{2, 3\\}"). A pair, an
    interval and a JSON list in brackets are one value, and so is 12,000."""
    listed = re.sub(r"^\\?\{|\\?\}$", "", without_outer_marks(answer or ""))
    depth, parts, start = 0, [], 0
    for at, mark in enumerate(listed):
        depth += (mark in "([{") - (mark in ")]}")
        if depth == 0 and at >= start and (comma := _COMMA.match(listed, at)):
            parts.append(listed[start:at])
            start = comma.end()
    return len([part for part in (*parts, listed[start:]) if part.strip()]) > 1
