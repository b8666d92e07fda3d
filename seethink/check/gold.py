"""Whether a row's own reference answer, written and read back in the format, earns 1.0 by its verifier."""

from __future__ import annotations

from collections.abc import Iterator

from seethink import verify
from seethink.attempt import judge, lesson
from seethink.types import Completion, Example, Format, InputError, Task
from seethink.verify.own import own_verifier, unknown_method


def gold_faults(example: Example, form: Format, chosen: str | None) -> Iterator[tuple[str, str]]:
    """(kind, sentence)."""
    if fault := unknown_method(example):
        yield "unknown method", fault
    name = own_verifier(example) if chosen in (None, "own") else chosen
    if name is None:
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
