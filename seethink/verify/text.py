"""Verifiers of short answers: the same number, the same text."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import TypeVar

from rapidfuzz.distance import Levenshtein

from seethink.types import Example, Response, Score, Verifier
from seethink.verify import units
from seethink.verify.number_words import in_digits
from seethink.verify.numerals import in_plain_digits, is_ambiguous
from seethink.verify.phrasing import alike, in_one_line
from seethink.verify.spelling import formula, goes_on, unwrapped

MAX_CHARACTERS = 64
"""A longer text is not one number."""

MAX_FORMULA = 100
"""A longer text is no formula."""

MAX_WRAPPED = 40
"""A text is not more than so many times longer in marks than without."""

_NUMBER = re.compile(
    r"(?P<sign>[-+\u2212]?)\s*"
    r"(?:\\frac\s*(?:\{\s*(?P<above>[0-9]+)\s*\}|(?P<above1>[0-9]))"
    r"\s*(?:\{\s*(?P<below>[0-9]+)\s*\}|(?P<below1>[0-9]))"
    r"|(?P<value>[0-9]+/[0-9]+"
    r"|(?:[1-9][0-9]{0,2}(?:(?:,[0-9]{3})+|(?: [0-9]{3})+)|[0-9]+)(?:\.[0-9]+)?|\.[0-9]+))"
    r"\s*(?P<percent>%|(?:percent|per cent|pct|prozent|por ciento)\b)?",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Quantity:
    """An exact number and its unit, if any; `in_words` if it was written as a word, `percent` if as a
    percentage, whose value is a hundredth."""

    value: Fraction
    unit: str = ""
    in_words: bool = False
    percent: bool = field(default=False, compare=False)

    def in_unit_of(self, gold: Quantity) -> Fraction | None:
        """`units.ratio`. Words that count a noun may be a name ("Two Towers"), which no number alone is."""
        is_name = gold.in_words and gold.unit and not units.is_known(gold.unit)
        return None if is_name and not self.unit else units.ratio(self.unit, gold.unit)


def read_quantity(text: str, said: str | None = None) -> Quantity | None:
    """The text as one number, or None if it is anything else or more than that.

    Integers, decimals, `1,234`, `1 234`, `3/4`, `\\frac{3}{4}`, `50%` (a half), in the marks that
    `spelling.unwrapped` drops, numbers in words (`number_words.in_digits`), and `1.234,5`, `1e3`, `2.5M`
    (`numerals.in_plain_digits`); ASCII digits, no mixed numbers in digits. A unit may follow, as
    `units.split` finds it; `said` is its. `3,5` without a unit may be a list: None.
    """
    if len(text) > 4 * MAX_CHARACTERS or len(plain := units.merged(unwrapped(text))) > MAX_CHARACTERS:
        return None
    plain = _EXACTLY.sub("", plain)
    number, unit = units.split(plain, said)
    match, in_words = _NUMBER.fullmatch(number), False
    if not match and (digits := in_digits(plain)):
        number, unit = units.split(digits, said)
        match, in_words = _NUMBER.fullmatch(number), True
    if not match and (digits := in_plain_digits(plain, said or plain)):
        if is_ambiguous(plain):
            return None
        number, unit = units.split(digits, said)
        match = _NUMBER.fullmatch(number)
    if not match:
        return None
    above, below = match["above"] or match["above1"], match["below"] or match["below1"]
    written = re.sub("[, ]", "", match["value"]) if match["value"] else f"{above}/{below}"
    if re.search(r"/0+$", written):
        return None
    value = Fraction(written) * (-1 if match["sign"] in ("-", "\u2212") else 1)
    percent = bool(match["percent"])
    return Quantity(value / 100 if percent else value, unit, in_words, percent)


_EXACTLY = re.compile(r"\A(?:(?:only|just|exactly)\s+(?=\w)|(?:->|=>|→|⇒|≈|\\approx)\s*)", re.IGNORECASE)


def computed(text: str) -> str:
    """The value at the end of a computation with numbers that is true (`12` for "10 + 2 = 12"); any other
    text as it is."""
    text = _TIMES.sub(lambda sign: "/" if "d" in sign[0] and "c" not in sign[0] else "*", text)
    if "=" not in text or len(text) > MAX_CHARACTERS or not _COMPUTATION.fullmatch(text):
        return text
    if text.rstrip().endswith("°"):  # of all numbers
        text = text.replace("°", "", text.count("°") - 1)
    *sides, last = re.sub("[×✕·*]", "*", text.replace("÷", "/").replace("\u2212", "-")).split("=")
    value = read_quantity(last)
    return last if value and all(_value(side) == value.value for side in sides) else text


_TIMES = re.compile(r"\\(?:times|cdot|div)(?![A-Za-z])")
_COMPUTATION = re.compile(r"[0-9.\s+\-\u2212×✕·*÷/=°]+?=\s*-?[0-9][0-9.,]*\s*[A-Za-z²³°%]{0,12}")
_TERM = re.compile(r"\s*([-+]?)\s*([0-9]+(?:\.[0-9]+)?(?:\s*[*/]\s*[0-9]+(?:\.[0-9]+)?)*)\s*")


def _value(side: str) -> Fraction | None:
    """A sum of products of numbers; None for anything else, and where it divides by 0."""
    total, at = Fraction(0), 0
    while at < len(side):
        if not (term := _TERM.match(side, at)) or (at and not term[1]):
            return None
        first, *factors = re.split(r"\s*([*/])\s*", term[2])
        product = Fraction(first)
        for sign, factor in zip(factors[::2], factors[1::2], strict=True):
            if sign == "/" and Fraction(factor) == 0:
                return None
            product = product * Fraction(factor) if sign == "*" else product / Fraction(factor)
        total, at = total + (-product if term[1] == "-" else product), term.end()
    return total if at else None


def same_number(example: Example, response: Response) -> Score:
    """1 if the answer, as a whole, is the gold's number, else 0.

    Formula: equality of exact fractions, without rounding (`0.5`, `1/2` and `50%` are equal, `0.33` and
    `1/3` are not). A percentage is a hundredth, and the same as its figure alone where the question asks for
    percent (`50%` and `50`). A unit may be missing on either side; if both have one, it must be the same
    (`m`, `meter` and `metres` are, `m` and `km` are not: `same_math` converts). A word counts as a unit as
    `units.split` says. Number words count as digits, and `1.234,5`, `1k`, `2.5M`, `1e3` as the numbers that
    they are; `1.234` is little more than one, and `3,5` without a unit may be a list and is unread. Two
    numbers earn 0; what is not one number is unread. Range: {0, 1}; None if the gold is not one number.
    Source: R1-V's counting evaluation, which takes the integer between the answer tags, extended to
    fractions and units.
    """
    gold = read_quantity(str(example.answer))
    if clear := clear_verdict(example, response, None if gold else "is not one number"):
        return clear
    answer = read_quantity(str(response.answer), said(example))
    if gold and answer is None and gold.value == 0 and _is_nothing(str(response.answer), example.question):
        return verdict(True, example, response)
    if gold is None or answer is None:
        return unreadable(response, "which is not one number")
    ratio = answer.in_unit_of(gold)
    if ratio not in (None, 1):
        return unreadable(
            response, f"whose unit would have to be converted to that of {shown(example.answer)}"
        )
    if gold.value != answer.value and _differ_by_rounding(gold.value, answer.value):
        return unreadable(response, f"which rounds {shown(example.answer)}, or is rounded by it")
    same = ratio is not None and (gold.value == answer.value or _same_percentage(gold, answer, example))
    if not same and bare(str(example.answer)) == bare(str(response.answer)):
        return unreadable(response, "which is the gold as a text only")  # "3 K" and "3 k"
    return verdict(same, example, response)


def _is_nothing(answer: str, question: str) -> bool:
    """Whether the answer to "how many" is none."""
    return bool(_HOW_MANY.search(question)) and bare(answer) in _NOTHING


_HOW_MANY = re.compile(
    r"\bhow\s+many\b|\bnumber\s+of\b|\bcount\b|[几多]少?[个只条张件名位本辆棵]", re.IGNORECASE
)
_NOTHING = {"none", "no", "nothing", "zero", "没有"}
_ASKS_FOR_PERCENT = re.compile(r"percent|per cent|%|prozent|百分", re.IGNORECASE)


def _same_percentage(gold: Quantity, answer: Quantity, example: Example) -> bool:
    """Whether one is a percentage, and the other its figure without the sign, which the question names."""
    rescaled = in_percent(gold, answer, example)
    return rescaled is not None and rescaled == gold.value


def in_percent(gold: Quantity, answer: Quantity, example: Example) -> Fraction | None:
    """The value of an answer whose sign of percent is missing, or is too much, beside the gold, where the
    question names percent."""
    if gold.percent == answer.percent or not _ASKS_FOR_PERCENT.search(example.question):
        return None
    return answer.value / 100 if gold.percent else answer.value * 100


def _differ_by_rounding(a: Fraction, b: Fraction) -> bool:
    """Whether they are equal to six decimals, and one of them has no last decimal, as 1/3."""
    return abs(a - b) < Fraction(1, 10**6) and any(10**MAX_CHARACTERS % x.denominator for x in (a, b))


_OPENING = "\"'`*_([{\u2018\u201c"
_CLOSING = "\"'`*_)]}\u2019\u201d.,;:!?"


def same_text(example: Example, response: Response) -> Score:
    """1 if answer and gold are the same text, else 0.

    Formula: equality after case folding, with whitespace collapsed, and quotes, brackets and closing
    punctuation stripped from the ends, or after dropping the marks of LaTeX and markdown that
    `spelling.unwrapped` drops, and the small words of `phrasing.alike` (articles, "it is"). Signs
    and inner punctuation count, and so does a question mark that only the answer ends with.
    Range: {0, 1}; None if nothing is left of the gold. Source: the exact-match fallback of R1-V and
    open-r1-multimodal.
    """
    gold, answer = str(example.answer), str(response.answer)
    if clear := clear_verdict(example, response, None if bare(gold) else "holds no text"):
        return clear
    asked = re.search(r"[?？]\W*$", answer) and not re.search("[?？]", gold)
    return verdict(_same_words(gold, answer, example.question) and not asked, example, response)


def _same_words(gold: str, answer: str, question: str) -> bool:
    if bare(gold) == bare(answer):
        return True
    if len(answer) > MAX_WRAPPED * (1 + len(gold)):
        return False
    ours, theirs = (bare(unwrapped(in_one_line(text))) for text in (gold, answer))
    if ours == theirs != "" or alike(ours, theirs, question):
        return True
    signs = [formula(text).replace(" ", "") if len(text) <= MAX_FORMULA else "" for text in (gold, answer)]
    return "\\" in signs[0] and signs[0] == signs[1]  # AB ∥ CD


LEAST_RATIO = 0.5
_DIGITS = re.compile(r"[0-9]+")


def text_ratio(example: Example, response: Response) -> Score:
    """Edit similarity of answer and gold.

    Formula: 1 - d / max(len), d the Levenshtein distance of the two texts, compared as `same_text` compares
    them; 0 below one half, and 0 where the numbers in them differ (1984 is not three quarters of 1985).
    Range: {0} and [0.5, 1]; None if nothing is left of the gold. Source: ANLS (Biten et al., ICCV 2019), as
    scored by DocVQA and TextVQA.
    """
    gold, answer = bare(str(example.answer)), bare(str(response.answer))
    if clear := clear_verdict(example, response, None if gold else "holds no text"):
        return clear
    if _same_words(str(example.answer), str(response.answer), example.question):
        return Score(1.0, f"read {shown(response.answer)}, the gold is {shown(example.answer)}")
    if _DIGITS.findall(gold) != _DIGITS.findall(answer):
        return Score(0.0, f"read {shown(answer)}, whose numbers are not those of {shown(gold)}")
    ratio = Levenshtein.normalized_similarity(gold, answer, score_cutoff=LEAST_RATIO)
    return Score(ratio, f"read {shown(response.answer)}, {ratio:.0%} of {shown(example.answer)}")


@dataclass(frozen=True)
class AnyOf:
    """The best score by one of the gold's texts, each as if it were the gold.

    Formula: the maximum of `rule` over the items of a gold that is a list of texts, as JSON or as Python
    source (`["sofa", "couch"]`, `['24/7', '3.429']`); any other gold is one text. The list itself is no
    answer. Range: that of `rule`; None if it can judge no item. Source: TextVQA and OK-VQA, whose questions
    have several right answers (there an answer's share of ten annotators counts).
    """

    rule: Verifier

    def __call__(self, example: Example, response: Response) -> Score:
        texts = alternatives(example.answer) or (example.answer,)
        scores = [self.rule(replace(example, answer=text), response) for text in texts]
        judged = [score for score in scores if score.value is not None]
        if not judged:
            return scores[0]
        best = max(judged, key=lambda score: score.value or 0.0)
        if best.value or len(texts) == 1 or response.answer is None:
            return best
        why = f"read {shown(response.answer)}, which is none of {len(texts)} texts: {shown(example.answer)}"
        return Score(0.0, why, unread=all(score.unread for score in judged))


def alternatives(gold: str | None) -> tuple[str, ...]:
    """The texts of a gold that is a list of nothing else, as JSON or as Python source, each once; empty for
    any other gold, as for a list of numbers."""
    if gold is None or not gold.strip().startswith("["):
        return ()
    for read in (json.loads, ast.literal_eval):
        try:
            found = read(gold.strip())
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            found = None
        if isinstance(found, list) and found and all(isinstance(text, str) for text in found):
            return tuple(dict.fromkeys(found))
    return ()


_QUOTES = str.maketrans("\u2018\u2019\u201c\u201d", "''\"\"")


def bare(text: str) -> str:
    """The text case-folded, quotes as in ASCII, whitespace collapsed, wrapping and closing punctuation
    stripped; a list that goes on ends with three dots. Grey is gray."""
    open_list = goes_on(text)
    text = text[: open_list.start()] if open_list else text
    text = text.translate(_QUOTES).casefold().replace("grey", "gray")
    kept = " ".join(text.split()).lstrip(_OPENING + " ").rstrip(_CLOSING + " ")
    return f"{kept}, ..." if open_list else kept


def unjudged(example: Example, response: Response, gold_fault: str | None = None) -> Score | None:
    """The score of a pair without a gold that can be judged, or without an answer; None if both are present.

    gold_fault: why the verifier cannot read the gold ("is not one number"), if so. It decides before the
    answer, so that answers of all models are counted over the same examples.
    """
    if example.answer is None:
        return Score(None, "the example has no gold answer")
    if gold_fault:
        return Score(None, f"the gold {shown(example.answer)} {gold_fault}")
    return Score(0.0, "no answer could be read") if response.answer is None else None


Gold = TypeVar("Gold")
Predicted = TypeVar("Predicted")


def both_listed(
    example: Example,
    response: Response,
    gold: Sequence[Gold] | None,
    predicted: Sequence[Predicted] | None,
    kinds: tuple[str, str],
) -> tuple[Sequence[Gold], Sequence[Predicted]] | Score:
    """Gold and predicted boxes or points, at least one of each; or the score if a side is missing, unreadable
    (None) or empty. kinds: what the gold and the answer would have to be, for the reason."""
    if missing := unjudged(example, response, f"is {kinds[0]}" if gold is None else None):
        return missing
    if gold is None or predicted is None:
        return Score(0.0, f"read {shown(response.answer)}, which is not a list of {kinds[1]}")
    if not gold or not predicted:
        why = f"read {len(predicted)} {kinds[1]}, the gold has {len(gold)}"
        return Score(float(not gold and not predicted), why)
    return gold, predicted


def said(example: Example) -> str:
    """The question and the gold, whose words an answer may count."""
    return f"{example.question}\n{example.answer}"


def clear_verdict(example: Example, response: Response, gold_fault: str | None = None) -> Score | None:
    """1 for an answer that is the gold letter by letter, else `unjudged`; None if it takes a comparison."""
    gold, answer = (None if text is None else str(text).split() for text in (example.answer, response.answer))
    if gold and gold == answer:
        return verdict(True, example, response)
    return unjudged(example, response, gold_fault)


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
