"""The verifier `auto`: each row's own, chosen by its `accu_reward_method`, else by its answer."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from seethink.boxes import read_boxes
from seethink.types import Example, InputError, Response, Score, Verifier
from seethink.verify.text import AnyOf, alternatives
from seethink.verify.yes_or_no import is_yes_or_no

ACCU_REWARD_METHODS = {
    "default": "same_answer",
    "mcq": "same_choice",
    "yes_no": "yes_no",
    "math": "same_math",
    "all_match": "same_text",
    "map": "boxes",
    "od_ap": "boxes",
    "od_ap50": "ap50",
    "odLength": "boxes_length",
    "weighted_sum": "boxes_weighted",
    "llm": None,
}
"""{`accu_reward_method` of VLM-R1's rows: name of our verifier}; None: a model judges (`verify.judge`)."""


_ASKS_FOR_A_BOX = re.compile(r"bounding[ -]?box|\bbbox|\bits box\b", re.IGNORECASE)
"""Then `[1, 2, 30, 40]` is a box, and no list of numbers."""


def verifier_name(example: Example) -> str | None:
    """The name of the row's verifier, by its method, else by its choices and answer; None: a model judges."""
    method = example.meta.get("accu_reward_method")
    if isinstance(method, str) and method in ACCU_REWARD_METHODS:
        return ACCU_REWARD_METHODS[method]
    if example.choices:
        return "same_choice"
    if alternatives(example.answer):
        return "any_of_texts"
    asks = "bbox" in str(example.answer) or _ASKS_FOR_A_BOX.search(example.question)
    if asks and read_boxes(str(example.answer)):
        return "boxes"
    return "yes_no" if is_yes_or_no(str(example.answer)) else "same_answer"


def unknown_method(example: Example) -> str | None:
    """The fault of a row with an unknown method, else None."""
    method = example.meta.get("accu_reward_method")
    known = method is None or (isinstance(method, str) and method in ACCU_REWARD_METHODS)
    return None if known else f"accu_reward_method {method!r:.40} is none of {', '.join(ACCU_REWARD_METHODS)}"


def refuse_unknown(examples: Iterable[Example]) -> None:
    """Raise InputError for the first row with an unknown method."""
    for example in examples:
        if fault := unknown_method(example):
            raise InputError(f"{example.label}: {fault}; name one of them, or leave it out")


@dataclass(frozen=True)
class Auto:
    """The score of the row's own verifier: that of its `accu_reward_method`, else same_choice for a row with
    choices, boxes for boxes (named, or asked for), yes_no for yes or no, and same_answer otherwise; for a
    gold that is a list of texts the best of them, each by its own verifier.

    Range: that of the verifier; None if the method requires a model. Source: VLM-R1's rows, each of which may
    name its reward.
    """

    verifiers: Mapping[str, Verifier] = field(repr=False, hash=False)

    def __call__(self, example: Example, response: Response) -> Score:
        name = verifier_name(example)
        if name is None:
            return Score(None, "the row's method requires a model that judges; give --judge-base-url URL")
        if name == "any_of_texts":
            return AnyOf(self)(example, response)
        return self.verifiers[name](example, response)
