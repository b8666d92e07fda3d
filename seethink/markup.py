"""LaTeX, markdown, HTML's emphasis and full-width characters around an answer."""

from __future__ import annotations

import ast
import json
import re
from typing import Any

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
    unstyled_text = unstyled(text_of_object(without_stop_tokens(text)), BOUNDARY)
    spaced = _SPACING.sub(BOUNDARY, _MARKDOWN.sub(BOUNDARY, unstyled_text))
    return _ESCAPED.sub(r"\1", _DOLLARS.sub(rf"{BOUNDARY}\1{BOUNDARY}", spaced))


_STOP_TOKENS = re.compile(
    r"(?:\s*(?:</s>|<eos>|<pad>|<end_of_turn>|<end_of_utterance>|<turn\|>|\[EOS\]"
    r"|<\|(?:im_end|endoftext|end|eot_id|eom_id|end_of_text|end_of_turn|eos|eot|return|user|observation"
    r"|END_OF_TURN_TOKEN)\|>|<[|\uff5c]end[_\u2581]of[_\u2581]sentence[|\uff5c]>))+\s*\Z"
)


def without_stop_tokens(text: str) -> str:
    """The text without the stop tokens that it ends with (`B</s>`, `B<|im_end|>`); some servers show them."""
    found = _STOP_TOKENS.search(text) if text.rstrip().endswith((">", "]")) else None
    return text[: found.start()] if found else text


_OBJECT = re.compile(r"\s*(?:```(?:json)?\s*)?(\{.*\})\s*(?:```)?\s*", re.DOTALL)
_ANSWER_KEY = re.compile(
    r"(?:(?:the|my|final|correct|predicted|total|overall)[ _]?)?"
    r"(?:answers?|result|value|count|total|number|sum|output|response|prediction|solution|choice|option|label|letter|ans)"
    r"|(?:num|number|count|total)[ _](?:of[ _])?[a-z][a-z _]{0,30}|[a-z][a-z_]{0,30}[ _]count"
    r"|(?:最终|正确)?答案|结果|数量|总数|选项"
)
_NOT_ANSWER_KEY = re.compile(
    r"(?:^|[ _])(?:not|no|wrong|incorrect|false|other|max|min|old|previous)(?:[ _]|$)"
)
_UNIT_KEYS = {"unit", "units", "单位"}
_BESIDE_KEYS = {
    *("reason", "reasoning", "explanation", "rationale", "analysis", "thought", "thoughts", "think", "steps"),
    *("confidence", "解析", "理由"),
}
_MOST_OBJECT = 4_000


def text_of_object(text: str) -> str:
    """The answer of a JSON object with one (`{"answer": 7}` and `{"count": 7}` are `7`), which may also hold
    reasons and a unit; a list is joined by commas. Any other text as it is, also an object with a second
    answer."""
    if len(text) > _MOST_OBJECT or not (found := _OBJECT.fullmatch(text)):
        return text
    said = _answer_of(_pairs(found[1]))
    return text if said is None else said


def _pairs(text: str) -> Any:
    """The value of an object in JSON or as Python prints it, objects as tuples of pairs; None for neither."""
    try:
        return _parsed(text)
    except (ValueError, RecursionError):
        return _printed(text)


def _printed(text: str) -> Any:
    try:
        return _parsed(json.dumps(ast.literal_eval(text)))
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        return None


def _parsed(text: str) -> Any:
    return json.loads(text, object_pairs_hook=tuple, parse_int=str, parse_float=str, strict=False)


def _answer_of(value: Any) -> str | None:
    """The one answer of a parsed JSON value, whose objects are tuples of pairs; None if there is not one."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        items = [item for item in value if isinstance(item, str)]
        return ", ".join(items) if items and len(items) == len(value) else None
    if not isinstance(value, tuple):
        return value if isinstance(value, str) else None
    keys = [key.casefold().strip() for key, _ in value]
    answers = [item for key, (_, item) in zip(keys, value, strict=True) if _is_answer_key(key)]
    units = [item for key, (_, item) in zip(keys, value, strict=True) if key in _UNIT_KEYS]
    others = {key for key in keys if not _is_answer_key(key)} - _BESIDE_KEYS - _UNIT_KEYS
    said = _answer_of(answers[0]) if len(answers) == 1 and not others else None
    if said is None or len(units) > 1 or not all(isinstance(unit, str) for unit in units):
        return None
    return " ".join((said, *units)).strip()


def _is_answer_key(key: str) -> bool:
    return bool(_ANSWER_KEY.fullmatch(key)) and not _NOT_ANSWER_KEY.search(key)


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
