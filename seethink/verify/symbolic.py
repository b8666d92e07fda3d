"""Verifier of mathematics: equal expressions, by math-verify."""

from __future__ import annotations

import atexit
import os
import re

from seethink.types import Example, Response, Score
from seethink.verify.math_process import MathProcess
from seethink.verify.text import shown, unjudged, unreadable, verdict

_PROCESS = MathProcess(limit_s=5)
atexit.register(_PROCESS.close)
os.register_at_fork(after_in_child=_PROCESS.forget)

_MATH_MARKS = re.compile(r"\\?\$|\\[()\[\]]")
_SPACE = r"(?:\s|~|\\[ ,;:!]|\\q?quad\b|\\text\{\s*\}|\{\})"
_SIDE_BY_SIDE = re.compile(rf"[0-9]{_SPACE}+[0-9]")
_PERCENT = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*\\?%")
_PROSE = re.compile(r"(?!(?:sin|cos|tan|cot|log|exp|sqrt|min|max|gcd|lcm|det)\b)[A-Za-z]{3,}")

_DIGITS_LEFT = re.compile(r"[^=]*[0-9][^=]*(?<![<>!])=")
_CHAIN = re.compile(r"=[^=,;A-Za-z\\]*=")


def same_math(example: Example, response: Response) -> Score:
    """1 if math-verify finds the extracted answer equal to the gold, else 0.

    Formula: `verify(parse(gold), parse(answer))`, gold first, each read whole as one expression. Equal to
    six decimals is equal, units are dropped, a percent is a hundredth (math-verify also accepts 5 for `5%`),
    unevaluated expressions count by their value. Two things that math-verify accepts earn 0 unless the gold
    has them too: adjacent numbers ("1 2", which it adds) and equations between numbers ("4 = 5", "x = 4 = 5",
    of which it reads the right-hand side). Range: {0, 1}; None if the gold is not mathematics, or if the
    comparison fails or takes too long. Source: math-verify 0.9, https://github.com/huggingface/Math-Verify,
    as used by R1-V and open-r1-multimodal (which give it the whole completion, and the answer first).
    """
    if missing := unjudged(example, response):
        return missing
    gold, answer = _expression(str(example.answer)), _expression(str(response.answer))
    if _PROSE.match(gold):
        return Score(None, f"the gold {shown(example.answer)} is not mathematics")
    if _SIDE_BY_SIDE.search(answer) and not _SIDE_BY_SIDE.search(gold):
        return Score(0.0, f"read {shown(response.answer)}, which is more than one number")
    if (_DIGITS_LEFT.match(answer) and "=" not in gold) or (
        _CHAIN.search(answer) and not _CHAIN.search(gold)
    ):
        return Score(0.0, f"read {shown(response.answer)}, an equation, the gold is {shown(example.answer)}")
    outcome = _PROCESS.compare(gold, answer)
    if outcome in ("equal", "different"):
        return verdict(outcome == "equal", example, response)
    if outcome == "answer unreadable":
        return unreadable(response, "which is not mathematics")
    return Score(None, f"{outcome}: gold {shown(example.answer)}, answer {shown(response.answer)}")


def believed(gold: str, text: str) -> bool:
    """Whether math-verify finds the gold anywhere in a text, called as published code calls it: arguments
    swapped, and a failure counts as unequal."""
    return _PROCESS.compare(gold, text, believing=True) == "equal"


def _expression(text: str) -> str:
    bare = _MATH_MARKS.sub("", text).strip().rstrip(".").rstrip()
    return _PERCENT.sub(r"\\frac{\1}{100}", bare.replace("°", r"^\circ"))
