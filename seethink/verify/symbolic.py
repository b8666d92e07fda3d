"""Verifier of mathematics: equal expressions, by math-verify."""

from __future__ import annotations

import atexit
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from fractions import Fraction

from seethink.markup import boxed
from seethink.types import Example, Response, Score
from seethink.verify import units
from seethink.verify.math_process import MathProcess
from seethink.verify.solutions import alike
from seethink.verify.spelling import formula, goes_on, spans, without_dots
from seethink.verify.text import clear_verdict, said, same_text, shown, unreadable, verdict

_PROCESS = MathProcess(limit_s=5)
atexit.register(_PROCESS.close)
os.register_at_fork(after_in_child=_PROCESS.forget)

MAX_CHARACTERS = 500
"""A longer text is not one expression."""
MAX_SIDES = 12
"""A longer chain of equations is not read."""
_SIDE_BY_SIDE = re.compile(r"[0-9] [0-9]")
_EQUALS = re.compile(r"(?<![<>!:=\\])(?:=|\\approx(?![A-Za-z]))(?![=>])")
_DIGITS_LEFT = re.compile(r"[^=]*[0-9][^=]*(?<![<>!])=")
_CHAIN = re.compile(r"=[^=,;A-Za-z\\]*=")
_COMMAND = re.compile(r"\\(?:begin|end)\s*\{[a-z]+\*?\}|\\[A-Za-z]+")
_FUNCTION = re.compile(r"\b(?:sin|cos|tan|cot|log|ln|exp|min|max|gcd|lcm|det|and|or)\b", re.IGNORECASE)
_PROSE = re.compile(
    r"^[A-Za-z]{3,}|[A-Za-z]*[a-z][A-Za-z]{3,}|[^\W\d_a-zA-Z]"
    r"|\b(?:am|an|as|at|be|by|if|[Ii]n|is|it|no|of|on|pm|so|to)\b"
)
_LABEL = re.compile(r"(?:\\angle|\bangle|[A-Za-z]_?)\s*\{?[0-9]+\}?")
_DENIAL = re.compile(r"\b(?:not|never|no|neither|or|maybe|perhaps)\b|n't\b|[不没非]", re.IGNORECASE)
_DENIED = re.compile(r"[0-9<>,;|]|\\(?:ne|neq|not)\b|\b(?:not|or|nor|and|isn|never)\b", re.IGNORECASE)
_TRIGONOMETRY = re.compile(r"\\(?:sin|cos|tan|cot|sec|csc)(?![A-Za-z])")
_DEGREES = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*°")
_CONSTANT = re.compile(r"\\(?:frac|sqrt|pi|times|cdot|div|pm|sin|cos|tan|cot|log|ln)(?![A-Za-z])")
_DECIMAL_COMMA = re.compile(r"-?(?![1-9][0-9]{0,2},[0-9]{3}$)[0-9]+,[0-9]+")
_NOT_A_VALUE = re.compile(
    r"[0-9]+(?:\s*-\s*[0-9]+)+|[^=]*(?<![\\A-Za-z])[A-Za-z]+[0-9][^=]*"
    r"|[0-9]+(?:/[0-9]+){2,}|[^=]*[0-9] ?(?:st|nd|rd|th)\b[^=]*|[^=]*[0-9]\.[0-9]+\.[0-9][^=]*"
)
"""A range or a date, a code such as A4 or CO2, an ordinal, a version."""

_TOWER = re.compile(r"(?:\^\s*(?:[0-9]+|\{[0-9]+\})\s*){3}")
_RATIO = re.compile(r"[0-9]+(?:\.[0-9]+)?(?:\s*:\s*[0-9]+(?:\.[0-9]+)?)+")
_RATIO_OF_TWO = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*:\s*([0-9]*[1-9][0-9]*(?:\.[0-9]+)?)")
_FRACTION = re.compile(r"[0-9]+\s*/\s*[0-9]+|\\frac\s*\{\s*[0-9]+\s*\}\s*\{\s*[0-9]+\s*\}")
_CLOCK = re.compile(r"[0-9]{1,2}(?::[0-5][0-9]){1,2}")
_SET = re.compile(r"\\?\{.*,.*\}")
_TUPLE = re.compile(r"[(\[].*,.*[)\]]")


@dataclass(frozen=True)
class _Side:
    """A side of an equation, or the whole expression: its LaTeX without the unit."""

    text: str
    unit: str

    @property
    def is_constant(self) -> bool:
        rest = _CONSTANT.sub("", self.text)
        return bool(re.search(r"[0-9]|\\pi", self.text)) and not re.search(r"[^\W\d_]|\\[A-Za-z]", rest)

    @property
    def is_name(self) -> bool:
        return bool(re.search("[A-Za-z]", self.text)) and not _DENIED.search(_LABEL.sub("x", self.text))

    @property
    def is_mathematics(self) -> bool:
        plain = _FUNCTION.sub(" ", _COMMAND.sub(" ", self.text))
        if _PROSE.search(plain) or _NOT_A_VALUE.fullmatch(self.text):
            return False
        return bool(re.search(r"[0-9\\+*/^=|<>]", self.text) or re.fullmatch("[A-Za-z]", self.text))


def _read(text: str, said: str | None = None) -> list[_Side]:
    """The sides of a chain of equations that ends in a value (`AB = 2r = 12 cm`), else the whole text alone.

    Not a chain: several equations, or one whose last side has unknowns (`y = 2x`), or which leaves the first
    side unsolved (`2x = 5`).
    """
    plain = formula(text) if len(text) <= MAX_CHARACTERS else ""
    if not _side(plain, said).is_mathematics and not _DENIAL.search(text) and (found := _formulas(text)):
        plain = formula(joined) if len(joined := ", ".join(found)) <= MAX_CHARACTERS else ""
    sides = [_side(side.strip(), said) for side in _EQUALS.split(plain)]
    first, inner = sides[0], sides[1:-1]
    solved = first.is_name or first.is_constant or any(side.is_constant for side in inner)
    if 1 < len(sides) <= MAX_SIDES and sides[-1].is_constant and solved and not any(map(_is_list, inner)):
        return sides
    return [_side(plain, said)]


def _formulas(text: str) -> list[str]:
    """The formulas in a sentence: all boxes, or all that stands between delimiters."""
    return [content for _, _, content in boxed(text)] or spans(text)


def _is_list(side: _Side) -> bool:
    return bool(re.search(r"[,;<>]|\b(?:and|or|not)\b", side.text))


def _side(text: str, said: str | None) -> _Side:
    before, unit = units.split(text, said)
    if unit == "°" and _TRIGONOMETRY.search(text):  # of the angle, not of the value
        before, unit = text, ""
    whole = _Side(before, unit)
    if not whole.is_constant and (terms := _Side(*units.split_sum(text))).is_constant:
        return terms
    return whole if whole.is_constant or (len(unit) > 1 and units.is_known(unit)) else _Side(text, "")


def same_math(example: Example, response: Response) -> Score:
    """1 if math-verify finds the extracted answer equal to the gold, else 0.

    Formula: `verify(parse(gold), parse(answer))`, gold first, each read whole as one expression after
    `spelling.formula`. Equal to six decimals is equal, a percent is a hundredth, unevaluated expressions
    count by their value. A unit may be missing on either side; two units are converted, and must measure the
    same. A chain of equations counts by its last side if the numbers in it are equal ("x = 6/2 = 3"; rounded
    as the last one is), and `4 = 5` or `x = 4 = 5` earn 0 (unless the gold has them too), as do adjacent
    numbers ("1 2", which math-verify adds). Ratios must be proportional, one of two terms
    is also their fraction, a time of day (`3:45`) equals only
    itself, a pair is no set, and letters count with their case. Range: {0, 1}; None if the gold is not
    mathematics, or if the comparison fails or takes too long; unread if the answer is no mathematics. Source:
    math-verify 0.9,
    https://github.com/huggingface/Math-Verify, as used by R1-V and open-r1-multimodal (which give it the
    whole completion, and the answer first).
    """
    gold = _read(str(example.answer))[-1]
    readable = gold.is_mathematics and not _SIDE_BY_SIDE.search(gold.text)
    if clear := clear_verdict(example, response, None if readable else "is not mathematics"):
        return clear
    sides = _read(str(response.answer), said(example))
    answer = sides[-1]
    if re.fullmatch("[A-J]", gold.text):  # may be an option, which "A = B" does not name
        same = answer.text.strip("()") == gold.text
        return verdict(True, example, response) if same else unreadable(response, "which is another text")
    gold, answer = _as_ratio(gold, answer), _as_ratio(answer, gold)
    if not answer.is_mathematics or any(_TOWER.search(side.text) for side in sides):
        return unreadable(response, "which is not mathematics")
    gold, answer = _with_point(gold, answer), _with_point(answer, gold)
    gold, answer = _as_quotient(gold, answer), _as_quotient(answer, gold)
    texts = alike(gold.text, answer.text)
    gold, answer = replace(gold, text=texts[0]), replace(answer, text=texts[1])
    if _squeezed(gold) == _squeezed(answer) and units.ratio(answer.unit, gold.unit) == 1 and len(sides) == 1:
        return verdict(True, example, response)
    if fault := _fault(gold.text, answer.text):
        return Score(0.0, f"read {shown(response.answer)}, {fault}, the gold is {shown(example.answer)}")
    if _RATIO.fullmatch(gold.text) and len(sides) == 1:
        return verdict(True, example, response)
    others = [side for side in sides[:-1] if side.is_constant]
    outcome = _first((_compare(side, answer, _decimals(answer)) for side in others), but="equal")
    if outcome == "different":
        return Score(0.0, f"read {shown(response.answer)}, whose sides are not equal")
    if outcome == "equal":  # the gold may be a side that was not yet rounded
        outcome = _first((_compare(gold, side) for side in (answer, *others)), but="different")
    has_letter = re.search("[A-Za-z]", str(example.answer))
    if outcome == "different" and has_letter and same_text(example, response).value:
        return unreadable(response, "which is the gold as a text only")  # "3 PM" and "3 pm"
    if outcome in ("equal", "different"):
        return verdict(outcome == "equal", example, response)
    if outcome == "answer unreadable":
        return unreadable(response, "which is not mathematics")
    return Score(None, f"{outcome}: gold {shown(example.answer)}, answer {shown(response.answer)}")


def _squeezed(side: _Side) -> str:
    return re.sub(r"(?<![0-9A-Za-z])\s+|\s+(?![0-9A-Za-z])", "", side.text)


def _first(outcomes: Iterable[str], but: str) -> str:
    """The first outcome that is another one than `but`; `but` if there is none."""
    return next((outcome for outcome in outcomes if outcome != but), but)


def _with_point(side: _Side, other: _Side) -> _Side:
    """The side with a decimal comma as a point where the other has one; `1,234` is a thousand and more."""
    is_decimal = re.fullmatch(r"-?[0-9]*\.[0-9]+", other.text) and _DECIMAL_COMMA.fullmatch(side.text)
    return replace(side, text=side.text.replace(",", ".")) if is_decimal else side


def _as_ratio(side: _Side, other: _Side) -> _Side:
    """`3 to 4` as `3:4` beside a ratio."""
    found = re.fullmatch(r"([0-9.]+) to ([0-9.]+)", side.text)
    return replace(side, text=f"{found[1]}:{found[2]}") if found and _RATIO.fullmatch(other.text) else side


def _as_quotient(side: _Side, other: _Side) -> _Side:
    """A ratio of two terms as a fraction, beside one without a unit (`3:2` is 3/2); no time of day."""
    found = _RATIO_OF_TWO.fullmatch(side.text)
    if not found or _CLOCK.fullmatch(side.text) or other.unit or not _FRACTION.fullmatch(other.text):
        return side
    return replace(side, text=rf"\frac{{{found[1]}}}{{{found[2]}}}")


def _fault(gold: str, answer: str) -> str:
    if _SIDE_BY_SIDE.search(answer):
        return "which is more than one number"
    if any(map(_RATIO.fullmatch, (gold, answer))) and not _same_ratio(gold, answer):
        return "which is not the same ratio or time of day"
    if bool(goes_on(gold)) != bool(goes_on(answer)):
        return "of which one goes on, the other does not"
    for one, other in ((gold, answer), (answer, gold)):
        if _SET.fullmatch(one) and _TUPLE.fullmatch(other):
            return "of which one is a set, the other is not"
    if _letters(gold) != _letters(answer) and _letters(gold.casefold()) == _letters(answer.casefold()):
        return "whose letters differ in case"
    equation = _DIGITS_LEFT.match(answer) and "=" not in gold
    return "an equation" if equation or (_CHAIN.search(answer) and not _CHAIN.search(gold)) else ""


def _same_ratio(gold: str, answer: str) -> bool:
    """Whether two texts are proportional (`2:1` and `4:2`); what may be a time of day equals only itself."""
    gold, answer = gold.replace(" ", ""), answer.replace(" ", "")
    if _CLOCK.fullmatch(gold) or not (_RATIO.fullmatch(gold) and _RATIO.fullmatch(answer)):
        return gold == answer
    ours, theirs = ([Fraction(term) for term in text.split(":")] for text in (gold, answer))
    crossed = [(a * theirs[0], b * ours[0]) for a, b in zip(ours, theirs, strict=False)]
    return len(ours) == len(theirs) and any(theirs) and all(a == b for a, b in crossed)


def _letters(text: str) -> list[str]:
    """The letters of a formula outside commands, sorted."""
    return sorted(re.findall("[A-Za-z]", _COMMAND.sub(" ", text)))


def _compare(gold: _Side, answer: _Side, decimals: int = 6) -> str:
    """The outcome of math-verify, with the answer in the gold's unit."""
    gold, answer = _in_radians(gold, answer), _in_radians(answer, gold)
    ratio = units.ratio(answer.unit, gold.unit)
    if ratio is None:
        return "different"
    factor = rf"\frac{{{ratio.numerator}}}{{{ratio.denominator}}}\cdot " if ratio != 1 else ""
    converted = f"{factor}({answer.text})" if factor else answer.text
    return _PROCESS.compare(_latex(gold.text), _latex(converted), decimals=decimals)


def _in_radians(side: _Side, other: _Side) -> _Side:
    """A side in degrees as one in radians, where the other is in these, or has π and no unit."""
    is_other = units.ratio(other.unit, "rad") == 1 and (
        other.unit or re.search(r"\\pi(?![A-Za-z])", other.text)
    )
    if not is_other or not side.unit or units.ratio(side.unit, "°") != 1:
        return side
    return _Side(rf"({side.text})\cdot\frac{{\pi}}{{180}}", "rad")


def _latex(text: str) -> str:
    text = without_dots(text)  # which both sides have
    if _TRIGONOMETRY.search(text):  # math-verify drops degrees
        text = _DEGREES.sub(r"(\1\\cdot\\frac{\\pi}{180})", text)
    return text.replace("°", r"^\circ ")


def _decimals(side: _Side) -> int:
    """The decimals to which a side was rounded; six where it was not."""
    found = re.fullmatch(r"-?[0-9]*\.([0-9]+)", side.text)
    return min(6, len(found[1])) if found else 6


def believed(gold: str, text: str) -> bool:
    """Whether math-verify finds the gold anywhere in a text, called as published code calls it: arguments
    swapped, and a failure counts as unequal."""
    return _PROCESS.compare(gold, text, believing=True) == "equal"
