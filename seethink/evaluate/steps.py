"""Metrics of reasoning steps: by rules, without a reference; and a judge's grades, averaged here.

The rules find faults that need no model to see. A step without any may still be wrong.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from rapidfuzz.distance import Indel

from seethink.evaluate.attempts import AttemptRow
from seethink.evaluate.questions import mean

REPEATED_FROM = 0.9
"""Two steps of at least this Indel similarity say the same."""
RESTATED_FROM = 0.9
"""A step restates the question from this share of its words on, if it brings no number of its own."""
FEWEST_WORDS = 4
"""A shorter step cannot restate anything."""

_NUMBER = r"\d+(?:,\d{3})*(?:\.\d+)?"
_EQUATION = re.compile(
    rf"(?<![\w.,)\]^*/×÷+=%√-])(?<![*/×÷+=^-] )(-?{_NUMBER}(?:\s*[-+*/×÷−]\s*{_NUMBER})+)\s*=\s*"
    rf"(-?{_NUMBER})(?![\w%]|[.,]\d|\s*[-+*/×÷−^(=])"
)
"""`12 + 3 * 4 = 24`, numbers alone: no units, unknowns or brackets, of which a rule may think wrongly."""
_FUNCTION = re.compile(r"(?:log|ln|lg|exp|sin|cos|tan|sqrt|root of|times|plus|minus|by)\s*\Z", re.IGNORECASE)
"""Before a number, whose value it changes."""
_STEP_NAME = re.compile(r"^\s*(?:[-*]|#+)?\s*(?:\**step\s*\d+\**\s*[:.)-]?|\d+[.)])\s*", re.IGNORECASE)
_SENTENCE_END = re.compile(r"(?<=[.!?。])\s+(?=[\w(])")


def steps_in(thought: str) -> list[str]:
    """The steps of a thought: its paragraphs, else its lines, else its sentences, without "Step 2:"."""
    for separator in (re.compile(r"\n\s*\n"), re.compile(r"\n"), _SENTENCE_END):
        parts = [_STEP_NAME.sub("", part).strip() for part in separator.split(thought)]
        if len(parts := [part for part in parts if part]) > 1:
            return parts
    return parts


def false_equations(text: str) -> list[str]:
    """The equations of numbers in a text that are wrong, by more than the rounding of their result."""
    found = (match for match in _EQUATION.finditer(text) if not _FUNCTION.search(text, 0, match.start()))
    return [match[0].strip() for match in found if not _holds(match[1], match[2])]


def _holds(left: str, right: str) -> bool:
    value, result = _value(left), Fraction(right.replace(",", ""))
    digits = len(right.partition(".")[2])
    return value is None or abs(value - result) <= Fraction(1, 2 * 10**digits)


def _value(expression: str) -> Fraction | None:
    """The value of a sum of products; None for a division by 0."""
    tokens = re.findall(rf"{_NUMBER}|[-+*/×÷−]", expression.lstrip("-"))
    sign = -1 if expression.startswith("-") else 1
    total, product = Fraction(0), sign * Fraction(tokens[0].replace(",", ""))
    for operator, number in zip(tokens[1::2], tokens[2::2], strict=True):
        n = Fraction(number.replace(",", ""))
        if operator in "*×":
            product *= n
        elif operator in "/÷":
            if not n:
                return None
            product /= n
        else:
            total, product = total + product, n if operator == "+" else -n
    return total + product


def _numbers(text: str) -> set[Fraction]:
    return {Fraction(number.replace(",", "")) for number in re.findall(_NUMBER, text)}


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())


def rule_metrics(question: str, thought: str, answer: str | None) -> dict[str, float | None]:
    """The metrics of one thought, shares of its steps but for the first and the last.

    steps: how many. restated: say nothing but the question. repeated: say what an earlier step said.
    contradicting: hold an equation of numbers that is wrong. new_numbers: hold a number that is neither in
    the question nor in an earlier step nor a result of the step's own equations: read off a picture, or
    invented. agrees: 1 if the last step holds the answer, 0 if it does not; None without an answer.
    """
    steps = steps_in(thought)
    asked, seen = {*_words(question)}, _numbers(question)
    restated = repeated = contradicting = new = 0
    for i, step in enumerate(steps):
        words, own = _words(step), _numbers(step)
        known = sum(word in asked for word in words) >= RESTATED_FROM * len(words)
        restated += len(words) >= FEWEST_WORDS and known and own <= seen
        folded = " ".join(words)
        repeated += any(
            Indel.normalized_similarity(folded, " ".join(_words(earlier))) >= REPEATED_FROM
            and _numbers(earlier) == own
            for earlier in steps[:i]
        )
        contradicting += bool(false_equations(step))
        results = {Fraction(match[2].replace(",", "")) for match in _EQUATION.finditer(step)}
        new += bool(own - seen - results)
        seen |= own
    n = max(1, len(steps))
    return {
        "steps": float(len(steps)),
        "restated": restated / n,
        "repeated": repeated / n,
        "contradicting": contradicting / n,
        "new_numbers": new / n,
        "agrees": _agrees(steps[-1] if steps else "", answer),
    }


def _agrees(last: str, answer: str | None) -> float | None:
    if answer is None or not answer.strip():
        return None
    if numbers := _numbers(answer):
        return float(numbers <= _numbers(last))
    words = _words(answer)
    return float(bool(words) and f" {' '.join(words)} " in f" {' '.join(_words(last))} ")


def step_metrics(rows: Sequence[AttemptRow]) -> dict[str, Any]:
    """{"steps": means of `rule_metrics` over the `n` thoughts, "step_grades": of a judge of steps}; nothing
    for what no row has."""
    found = [rule_metrics(row["question"], row["thought"], row["said"]) for row in rows if row.get("thought")]
    names = found[0] if found else ()
    metrics = {name: mean(one[name] for one in found) for name in names}
    parts = [row.get("parts") or {} for row in rows]  # rescored rows may have none
    grades = [own["steps"] for own in parts if "steps" in own]
    return ({"steps": {"n": len(found), **metrics}} if found else {}) | (
        {"step_grades": _grades(grades)} if grades else {}
    )


def _grades(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The judge's grades in [0, 1]: mean over those that were given, `ungraded_as_0` over all, and the mean
    of each attribute. A thought that was not graded (no answer of the judge, or none that could be read) is
    counted, and cannot raise the mean unnoticed."""
    values = [part["value"] for part in parts]
    given = [part["parts"] for part in parts if part.get("parts")]
    attributes = given[0] if given else ()
    return {
        "n": sum(value is not None for value in values),
        "ungraded": sum(value is None for value in values),
        "mean": mean(values),
        "ungraded_as_0": mean(value or 0.0 for value in values),
        "attributes": {name: mean(one[name] for one in given) for name in attributes},
    }
