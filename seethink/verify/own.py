"""Each row's own verifier: the one that its method names, else the one for what its answer is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from seethink.boxes import read_boxes
from seethink.types import Example, InputError, Response, Score, Verifier

METHODS = {
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
"""Our verifier for each `accu_reward_method` of VLM-R1's rows; None: a model judges (`verify.judge`)."""


def own_verifier(example: Example) -> str | None:
    """The name of the verifier of the row's method, else by what the answer is; None: a model."""
    method = example.meta.get("accu_reward_method")
    if isinstance(method, str) and method in METHODS:
        return METHODS[method]
    if example.choices:
        return "same_choice"
    if "bbox" in str(example.answer) and read_boxes(str(example.answer)):
        return "boxes"
    return "same_answer"


def unknown_method(example: Example) -> str | None:
    """What is wrong with the row's method, None where nothing is."""
    method = example.meta.get("accu_reward_method")
    known = method is None or (isinstance(method, str) and method in METHODS)
    return None if known else f"accu_reward_method {method!r:.40} is none of {', '.join(METHODS)}"


def refuse_unknown(examples: Iterable[Example]) -> None:
    """Raises InputError for the first row with a method that nobody knows."""
    for example in examples:
        if fault := unknown_method(example):
            raise InputError(f"row {example.id}: {fault}; name one of them, or leave it out")


@dataclass(frozen=True)
class Own:
    """What the row's own verifier says: the one of its `accu_reward_method`, else same_choice where there are
    options, boxes where the answer is boxes, same_answer otherwise.

    Range: that of each; None for a method that is a model's. Source: VLM-R1's rows, each of which may name
    its reward.
    """

    known: Mapping[str, Verifier] = field(compare=False, repr=False)

    def __call__(self, example: Example, response: Response) -> Score:
        name = own_verifier(example)
        if name is None:
            return Score(None, "the row's method asks a model to judge; give --judge URL")
        return self.known[name](example, response)
