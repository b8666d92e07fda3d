"""Verifiers of short answers: the same number, the same text."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from fractions import Fraction

from rapidfuzz.distance import Levenshtein

from seethink.types import Example, Response, Score

MAX_CHARACTERS = 64
"""A longer text is not one number."""

_NUMBER = re.compile(
    r"[$€£]?"
    r"(?P<value>[-+\u2212]?(?:[0-9]+/[0-9]+|(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)(?:\.[0-9]+)?|\.[0-9]+))"
    r"(?:\s*(?P<percent>%|percent\b)"
    r"|\s*(?P<measure>°|(?:[mck]?m|k?g|m?s|min|h|m?l|px)(?:[²³]|\^?[23])?(?![A-Za-z]))"
    r"|\s+(?P<word>[A-Za-z]{2,}))?"
    r"\s*\$?\s*\.?",
    re.IGNORECASE,
)
_NOT_UNITS = {
    *("half", "third", "quarter", "dozen", "score", "hundred", "thousand", "million", "billion", "trillion"),
    *("pi", "and", "or", "to"),
}
"""Words that change the number before them, or begin another one."""
_SYMBOLS = {
    **{"meter": "m", "metre": "m", "kilometer": "km", "kilometre": "km", "pixel": "px", "degree": "°"},
    **{"centimeter": "cm", "centimetre": "cm", "millimeter": "mm", "millimetre": "mm", "hour": "h"},
    **{"gram": "g", "kilogram": "kg", "second": "s", "sec": "s", "minute": "min", "liter": "l", "litre": "l"},
}


@dataclass(frozen=True)
class Quantity:
    """An exact number and its unit, if any."""

    value: Fraction
    unit: str = ""


def read_quantity(text: str) -> Quantity | None:
    """The text as one number, or None if it is anything else or more than that.

    Integers, decimals, `1,234`, `3/4`, `50%` (a half); ASCII digits, no exponents, no number words. A
    currency sign may precede it; a unit word, `$` and a full stop may follow.
    """
    text = text.strip()
    match = _NUMBER.fullmatch(text) if len(text) <= MAX_CHARACTERS else None
    if not match or re.search(r"/0+$", match["value"]):
        return None
    if (match["word"] or "").lower().removesuffix("s") in _NOT_UNITS:
        return None
    value = Fraction(match["value"].replace(",", "").replace("\u2212", "-"))
    unit = match["measure"] or match["word"] or ""
    return Quantity(value / 100 if match["percent"] else value, unit.lower())


def _one_unit(unit: str) -> str:
    unit = unit.replace("²", "2").replace("³", "3").replace("^", "")
    singular = unit.removesuffix("s") if len(unit) > 2 else unit
    return _SYMBOLS.get(singular, singular)


def same_number(example: Example, response: Response) -> Score:
    """1 if the answer, as a whole, is the gold's number, else 0.

    Formula: equality of exact fractions, without rounding (`0.5`, `1/2` and `50%` are equal, `0.33` and `1/3`
    are not). A unit may be missing on either side; if both have one, it must be the same (`m`, `meter` and
    `metres` are, `m` and `km` are not; nothing is converted). Two numbers earn 0.
    Range: {0, 1}; None if the gold is not one number. Source: R1-V's counting evaluation, which takes the
    integer between the answer tags, extended to fractions and units.
    """
    if missing := unjudged(example, response):
        return missing
    gold, answer = read_quantity(str(example.answer)), read_quantity(str(response.answer))
    if gold is None:
        return Score(None, f"the gold {shown(example.answer)} is not one number")
    if answer is None:
        return unreadable(response, "which is not one number")
    same_unit = not gold.unit or not answer.unit or _one_unit(gold.unit) == _one_unit(answer.unit)
    return verdict(gold.value == answer.value and same_unit, example, response)


_OPENING = "\"'`*_([{\u2018\u201c"
_CLOSING = "\"'`*_)]}\u2019\u201d.,;:!?"


def same_text(example: Example, response: Response) -> Score:
    """1 if answer and gold are the same text, else 0.

    Formula: equality after case folding, with whitespace collapsed, and quotes, brackets and closing
    punctuation stripped from the ends. Signs and inner punctuation count. Range: {0, 1}; None if nothing is
    left of the gold. Source: the exact-match fallback of R1-V and open-r1-multimodal.
    """
    if missing := unjudged(example, response):
        return missing
    gold = bare(str(example.answer))
    if not gold:
        return Score(None, f"the gold {shown(example.answer)} holds no text")
    return verdict(gold == bare(str(response.answer)), example, response)


LEAST_RATIO = 0.5
_DIGITS = re.compile(r"[0-9]+")


def text_ratio(example: Example, response: Response) -> Score:
    """Edit similarity of answer and gold.

    Formula: 1 - d / max(len), d the Levenshtein distance of the two texts, compared as `same_text` compares
    them; 0 below one half, and 0 where the numbers in them differ (1984 is not three quarters of 1985).
    Range: {0} and [0.5, 1]; None if nothing is left of the gold. Source: ANLS (Biten et al., ICCV 2019), as
    scored by DocVQA and TextVQA.
    """
    if missing := unjudged(example, response):
        return missing
    gold, answer = bare(str(example.answer)), bare(str(response.answer))
    if not gold:
        return Score(None, f"the gold {shown(example.answer)} holds no text")
    if _DIGITS.findall(gold) != _DIGITS.findall(answer):
        return Score(0.0, f"read {shown(answer)}, whose numbers are not those of {shown(gold)}")
    ratio = Levenshtein.normalized_similarity(gold, answer, score_cutoff=LEAST_RATIO)
    return Score(ratio, f"read {shown(response.answer)}, {ratio:.0%} of {shown(example.answer)}")


def any_of_texts(example: Example, response: Response) -> Score:
    """1 if the answer is one of the gold's texts, else 0.

    Formula: `same_text` with each item of a gold that is a JSON list of texts (`["sofa", "couch"]`); any
    other gold is one text. Range: {0, 1}; None if no item holds text. Source: TextVQA and OK-VQA, whose
    questions have several right answers (there an answer's share of ten annotators counts).
    """
    if missing := unjudged(example, response):
        return missing
    texts = {bare(text) for text in _texts(str(example.answer))} - {""}
    if not texts:
        return Score(None, f"the gold {shown(example.answer)} holds no text")
    return verdict(bare(str(response.answer)) in texts, example, response)


def _texts(gold: str) -> list[str]:
    try:
        found = json.loads(gold)
    except (ValueError, RecursionError):
        return [gold]
    return found if isinstance(found, list) and all(isinstance(text, str) for text in found) else [gold]


def bare(text: str) -> str:
    """The text case-folded, whitespace collapsed, wrapping and closing punctuation stripped."""
    return " ".join(text.casefold().split()).lstrip(_OPENING + " ").rstrip(_CLOSING + " ")


def unjudged(example: Example, response: Response) -> Score | None:
    """The score of a pair without gold or answer; None if both are present."""
    if example.answer is None:
        return Score(None, "the example has no gold answer")
    return Score(0.0, "no answer could be read") if response.answer is None else None


def unreadable(response: Response, what: str) -> Score:
    """0, unread: the answer is nothing that the verifier compares; `what` says what it would have to be."""
    return Score(0.0, f"read {shown(response.answer)}, {what}", unread=True)


def verdict(same: bool, example: Example, response: Response) -> Score:
    """1 or 0, with answer and gold as the reason."""
    if same:
        return Score(1.0, f"read {shown(response.answer)}, as the gold")
    return Score(0.0, f"read {shown(response.answer)}, the gold is {shown(example.answer)}")


def shown(text: str | None, limit: int = 60) -> str:
    """The repr of a text, cut after `limit` characters, for messages."""
    text = str(text)
    return repr(text if len(text) <= limit else text[:limit] + "…")
