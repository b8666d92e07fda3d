"""Who gives the verdict: pure functions `(Example, Response) -> Score`, and three ways of combining them."""

from seethink.types import InputError, Verifier
from seethink.verify.boxes import BoxesWeighted, BoxIoU, ap50, boxes_f1, boxes_length, mean_precision
from seethink.verify.choice import same_choice, yes_no
from seethink.verify.combine import describe, first_of, only_if, weighted
from seethink.verify.ordering import Ordering
from seethink.verify.own import Own
from seethink.verify.points import Points
from seethink.verify.published import PUBLISHED
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
from seethink.verify.text import any_of_texts, same_number, same_text, text_ratio

same_answer = first_of(same_number, same_text)

VERIFIERS: dict[str, Verifier] = {
    "same_number": same_number,
    "same_text": same_text,
    "same_math": same_math,
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
VERIFIERS["own"] = Own({**VERIFIERS})
"""By name, each as it should be. A judge (`verify.judge`) needs an engine, so it has no name here."""


def by_name(name: str, as_published: str | None = None) -> Verifier:
    """as_published: the form of that system with its defects, also written `name@system`."""
    name, _, system = name.partition("@")
    system = as_published or system
    known = PUBLISHED.get(system, {}) if system else VERIFIERS
    if name not in known:
        asked = f"{name}@{system}" if system else name
        offered = [f"{verifier}@{system}" for system in PUBLISHED for verifier in PUBLISHED[system]]
        raise InputError(
            f"unknown verifier {asked!r}; the verifiers are {', '.join(offered if system else VERIFIERS)}"
        )
    return known[name]


__all__ = [
    "PUBLISHED",
    "VERIFIERS",
    "any_of_texts",
    "by_name",
    "describe",
    "first_of",
    "only_if",
    "relaxed_number",
    "same_answer",
    "same_choice",
    "same_math",
    "same_number",
    "same_text",
    "text_ratio",
    "weighted",
    "well_formed",
    "yes_no",
]
