"""Who gives the verdict: pure functions `(Example, Response) -> Score`, and three ways of combining them."""

from seethink.types import InputError, Verifier
from seethink.verify.combine import describe, first_of, only_if, weighted
from seethink.verify.relaxed import relaxed_number
from seethink.verify.shape import well_formed
from seethink.verify.symbolic import same_math
from seethink.verify.text import same_number, same_text

VERIFIERS: dict[str, Verifier] = {
    "same_number": same_number,
    "same_text": same_text,
    "same_math": same_math,
    "same_answer": first_of(same_number, same_text),
    "relaxed_number": relaxed_number,
    "well_formed": well_formed,
}


def by_name(name: str) -> Verifier:
    if name not in VERIFIERS:
        raise InputError(f"unknown verifier {name!r}; the verifiers are {', '.join(VERIFIERS)}")
    return VERIFIERS[name]


__all__ = [
    "VERIFIERS",
    "by_name",
    "describe",
    "first_of",
    "only_if",
    "relaxed_number",
    "same_math",
    "same_number",
    "same_text",
    "weighted",
    "well_formed",
]
