"""Check of reference answers: each one, written and parsed in the format, must score 1.0 by its verifier."""

from __future__ import annotations

from collections.abc import Iterator

from seethink import verify
from seethink.attempt import judge, sft_example
from seethink.types import Completion, Example, Format, InputError, Task, Verifier
from seethink.verify.auto import unknown_method, verifier_name


def gold_faults(
    example: Example, form: Format, verifier: Verifier | str | None, label: str = ""
) -> Iterator[tuple[str, str]]:
    """(kind, message) of each fault of the reference answer. verifier, label: as in `check.Preflight`."""
    if fault := unknown_method(example):
        yield "unknown method", fault
    if verifier in (None, "auto"):
        verifier = verifier_name(example)
    if verifier is None:
        return
    function = verify.by_name(verifier) if isinstance(verifier, str) else verifier
    given = verifier if isinstance(verifier, str) else getattr(verifier, "__name__", repr(verifier))
    name = label or given
    task = Task("check", (), form, function)
    try:
        target = sft_example(task, example)
    except InputError as error:
        yield "not writable", str(error).removeprefix(f"{example.label} ")
        return
    score = judge(task, example, Completion(target.text)).score
    if score.value is None:
        yield "gold not judged", f"{name}: {score.why}"
    elif score.value < 1:
        yield "gold not paid", f"{name} gives {score.value:g}: {score.why}"
