"""Whether a row's own reference answer, written and read back in the format, earns 1.0 by its verifier."""

from __future__ import annotations

from collections.abc import Iterator

from seethink import verify
from seethink.attempt import judge, lesson
from seethink.boxes import read_boxes
from seethink.types import Completion, Example, Format, InputError, Task

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
"""Our verifier for each `accu_reward_method` of VLM-R1's rows; None: judged by a model, so not here."""


def verifier_of(example: Example, chosen: str | None) -> str | None:
    """The chosen verifier, else the one of the row's method, else by what the answer is; None: a model."""
    if chosen:
        return chosen
    method = example.meta.get("accu_reward_method")
    if isinstance(method, str) and method in METHODS:
        return METHODS[method]
    if example.choices and "same_choice" in verify.VERIFIERS:
        return "same_choice"
    if "bbox" in str(example.answer) and read_boxes(str(example.answer)) and "boxes" in verify.VERIFIERS:
        return "boxes"
    return "same_answer"


def gold_faults(example: Example, form: Format, chosen: str | None) -> Iterator[tuple[str, str]]:
    """(kind, sentence)."""
    method = example.meta.get("accu_reward_method")
    if method is not None and method not in [*METHODS]:
        yield "unknown method", f"accu_reward_method {method!r:.40} is none of {', '.join(METHODS)}"
    if (name := verifier_of(example, chosen)) is None:
        return
    task = Task("check", (), form, verify.by_name(name))
    try:
        written = lesson(task, example)
    except InputError as error:
        yield "not writable", str(error)
        return
    score = judge(task, example, Completion(written.text)).score
    if score.value is None:
        yield "gold not judged", f"{name}: {score.why}"
    elif score.value < 1:
        yield "gold not paid", f"{name} gives {score.value:g}: {score.why}"
