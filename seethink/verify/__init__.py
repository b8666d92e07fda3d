"""Verifiers: pure functions `(Example, Response) -> Score`, and three combinators of them."""

from seethink import own
from seethink.types import InputError, Verifier
from seethink.verify.auto import Auto
from seethink.verify.box_metrics import BoxesWeighted, BoxIoU, ap50, boxes_f1, boxes_length, mean_precision
from seethink.verify.choice import same_choice
from seethink.verify.combine import Weighted, first_of, members, only_if, uses_judge, weighted
from seethink.verify.dates import same_date
from seethink.verify.ordering import Ordering
from seethink.verify.own_verifier import OwnVerifier
from seethink.verify.points import Points
from seethink.verify.relaxed import relaxed_number
from seethink.verify.shape import (
    Consistent,
    LengthCosine,
    PerToken,
    Repetition,
    SoftOverlong,
    box_repetition,
    well_formed,
)
from seethink.verify.symbolic import same_math
from seethink.verify.text import AnyOf, same_number, same_text, text_ratio
from seethink.verify.times import same_time
from seethink.verify.yes_or_no import yes_no

same_answer = first_of(same_number, same_date, same_time, same_math, same_text)
exam_answer = first_of(same_choice, same_answer)
any_of_texts = AnyOf(same_answer)

VERIFIERS: dict[str, Verifier] = {
    "same_number": same_number,
    "same_text": same_text,
    "same_math": same_math,
    "same_date": same_date,
    "same_time": same_time,
    "same_answer": same_answer,
    "same_choice": same_choice,
    "relaxed_number": relaxed_number,
    "text_ratio": text_ratio,
    "any_of_texts": any_of_texts,
    "yes_no": yes_no,
    "box_iou": BoxIoU(),
    "box_iou_50": BoxIoU(above=0.5),
    "boxes": mean_precision,
    "ap50": ap50,
    "boxes_f1": boxes_f1,
    "boxes_weighted": BoxesWeighted(),
    "boxes_length": boxes_length,
    "points": Points(),
    "ordering": Ordering(),
    "ordering_tau": Ordering(partial=True),
    "well_formed": well_formed,
    "length_cosine": LengthCosine(same_answer),
    "per_token": PerToken(),
    "soft_overlong": SoftOverlong(),
    "repetition": Repetition(),
    "box_repetition": box_repetition,
    "consistent": Consistent(first_of(same_choice, same_number, same_text)),
}
VERIFIERS["auto"] = Auto({**VERIFIERS})
"""{name: verifier without known defects}. A judge (`verify.judge`) needs an engine, so it has no name
here."""


def by_name(name: str) -> Verifier:
    """A verifier by name, or by the address of your own (`./mine.py:near`, docs/own.md); `systems.verifier`
    also finds published rewards, `name@system`. Raises InputError for an unknown name."""
    if own.is_address(name):
        return OwnVerifier.load(name)
    if name not in VERIFIERS:
        raise InputError(
            f"unknown verifier {name!r}; the verifiers are {', '.join(VERIFIERS)}; your own is ./FILE.py:NAME"
        )
    return VERIFIERS[name]


def rules(verifier: Verifier, part: str) -> tuple[Verifier, ...]:
    """The verifiers of this package that decide the part of a verifier; `auto` where there is none."""
    parts = {name: own for name, own, _ in verifier.parts} if isinstance(verifier, Weighted) else {}
    found = [
        own
        for own in members(parts.get(part, verifier))
        if own.__module__.startswith(f"{__name__}.")
        and not isinstance(own, OwnVerifier)
        and not uses_judge(own)
    ]
    return (*found,) or (VERIFIERS["auto"],)


__all__ = [
    "VERIFIERS",
    "any_of_texts",
    "by_name",
    "exam_answer",
    "first_of",
    "only_if",
    "relaxed_number",
    "rules",
    "same_answer",
    "same_choice",
    "same_date",
    "same_math",
    "same_number",
    "same_text",
    "text_ratio",
    "weighted",
    "well_formed",
    "yes_no",
]
