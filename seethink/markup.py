"""LaTeX, markdown, HTML's emphasis and full-width characters around an answer."""

from __future__ import annotations

import json
import re

BOUNDARY = "\x1f"
"""What `plain` leaves where markup ended or began. Python and `re` take it for white space."""

SEEN_AS_ASCII = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | str.maketrans(
    "\u3000\u00a0\u3002\u3001\u3010\u3011\u300c\u300d\u2018\u2019\u201c\u201d\u2212",
    "  .,[][]''\"\"-",
)
"""{code of a character: the one, or its code, that it is read as}; the one table of such signs."""
_STYLE = (
    r"\\(?:boxed|fbox|framebox|mbox|underline|emph|bm|boldsymbol|displaystyle"
    r"|text(?:bf|it|rm|sf|tt|normal)?|math(?:bf|rm|it|sf|tt|bb|cal|normal)?)"
)
_TAG = r"</?(?i:b|strong|i|em|u|code|mark|small|big|tt|span|p|br)\s*/?>"
_BRACES = re.compile(rf"{_STYLE}\s*\{{|\\[^A-Za-z]|[{{}}]|{_TAG}")
SPACING = (
    r"(?<!\\)\\(?:[,;:! ]|[()\[\]])|\\(?:(?:q?quad|displaystyle|bf|rm|it|sf|tt|left|right)(?![A-Za-z]))|~"
)
"""LaTeX's delimiters, blanks and switches of fonts, which leave a blank."""
_SPACING = re.compile(SPACING)
_MARKDOWN = re.compile(r"\*\*|__|`+|^[ \t]*(?:#{1,6}|>)[ \t]+", re.MULTILINE)
_DOLLARS = re.compile(r"\$\$?([^$]*)\$\$?")
_ESCAPED = re.compile(r"\\([%$#&_{}])")

_PAIRS = (("**", "**"), ("__", "__"), ("`", "`"), ("$$", "$$"), ("$", "$"), ("\\(", "\\)"), ("\\[", "\\]"))


def seen_as_ascii(text: str) -> str:
    """The text with full-width letters, digits and punctuation, typographic quotes and the minus sign
    replaced by the ASCII characters that they are read as. Its length does not change."""
    return text.translate(SEEN_AS_ASCII)


def unstyled(text: str, mark: str) -> str:
    """The text with `mark` for each of LaTeX's commands of fonts and boxes, for the braces of these, and for
    HTML's emphasis. Without a mark: a blank for HTML, and where a command would run into the next word."""
    pieces: list[str] = []
    is_style: list[bool] = []
    end = 0
    for brace in _BRACES.finditer(text):
        said = text[end : brace.start()]
        end = brace.end()
        kept = brace[0]
        if kept == "}":
            kept = mark if is_style and is_style.pop() else "}"
        elif kept[0] == "<":
            kept = mark or " "
        elif kept.endswith("{") and kept != "\\{":
            is_style.append(kept != "{")
            kept = mark if is_style[-1] else "{"
        pieces += (said, " " if not kept and _ENDS_COMMAND.search(said) else kept)
    return "".join((*pieces, text[end:]))


_ENDS_COMMAND = re.compile(r"\\[A-Za-z]{1,20}$")


def plain(text: str) -> str:
    """The text without LaTeX's fonts, boxes, delimiters and spacing, and without the emphasis and headings of
    markdown and HTML; each leaves a `BOUNDARY`. Mathematics proper (`\\frac`, `^`) stays. A JSON object is
    its answer."""
    unstyled_text = unstyled(text_of_object(text), BOUNDARY)
    spaced = _SPACING.sub(BOUNDARY, _MARKDOWN.sub(BOUNDARY, unstyled_text))
    return _ESCAPED.sub(r"\1", _DOLLARS.sub(rf"{BOUNDARY}\1{BOUNDARY}", spaced))


_OBJECT = re.compile(r"\s*(?:```(?:json)?\s*)?(\{.*\})\s*(?:```)?\s*", re.DOTALL)
_ANSWER_KEYS = {"answer", "final answer", "final_answer", "finalanswer", "答案", "最终答案"}
_BESIDE_KEYS = {
    *("reason", "reasoning", "explanation", "rationale", "analysis", "thought", "thoughts", "think", "steps"),
    *("confidence", "解析", "理由"),
}
_MOST_OBJECT = 4_000


def text_of_object(text: str) -> str:
    """The answer of a JSON object with one (`{"answer": 7}` is `7`), which may also hold reasons; any other
    text as it is, also an object with a second answer."""
    if len(text) > _MOST_OBJECT or not (found := _OBJECT.fullmatch(text)):
        return text
    try:
        pairs = json.loads(found[1], object_pairs_hook=list, parse_int=str, parse_float=str, strict=False)
    except (ValueError, RecursionError):
        return text
    answers = [value for key, value in pairs if key.casefold() in _ANSWER_KEYS]
    others = {key.casefold() for key, _ in pairs} - _ANSWER_KEYS
    is_one = len(answers) == 1 and isinstance(answers[0], str) and others <= _BESIDE_KEYS
    return answers[0] if is_one else text


def without_outer_marks(text: str) -> str:
    """The text without emphasis, code marks and mathematical delimiters that surround all of it."""
    text, before = text.strip(), None
    while text != before:
        before = text
        for start, end in _PAIRS:
            inner = text[len(start) : len(text) - len(end)]
            if text.startswith(start) and text.endswith(end) and inner.strip() and start not in inner:
                text = inner.strip()
                break
    return text


BOX = "\\boxed{"
_BOX_OR_BRACE = re.compile(r"\\boxed\{|\\.|[{}]")


def boxed(text: str) -> list[tuple[int, int, str]]:
    """(start, end, content) of every closed outermost `\\boxed{...}`, in one pass."""
    open_braces: list[tuple[bool, int]] = []
    found: list[tuple[int, int, str]] = []
    for brace in _BOX_OR_BRACE.finditer(text):
        if brace[0] in (BOX, "{"):
            open_braces.append((brace[0] == BOX, brace.start()))
        elif brace[0] == "}" and open_braces:
            is_box, start = open_braces.pop()
            if is_box:
                while found and found[-1][0] > start:
                    found.pop()
                found.append((start, brace.end(), text[start + len(BOX) : brace.end() - 1]))
    return found
