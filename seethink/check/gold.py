"""Check of reference answers: each one, written and parsed in the format, must score 1.0 by its verifier, and
may be earned in other spellings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from seethink import verify
from seethink.attempt import judge, sft_example
from seethink.types import Completion, Example, Format, InputError, Response, Task, Verifier
from seethink.verify.auto import unknown_method, verifier_name
from seethink.verify.combine import members, uses_judge
from seethink.verify.text import alternatives

LETTER_BY_LETTER = (verify.same_text, verify.text_ratio)
"""Verifiers that compare texts, whatever they mean."""
OTHER_ANSWER = Response("?", answer="?")
"""An answer that no gold is."""
_VALUE = re.compile("[0-9√π½°]")


def gold_faults(
    example: Example, form: Format, verifier: Verifier | str | None, label: str = ""
) -> Iterator[tuple[str, str]]:
    """(kind, message) of each fault of the reference answer. verifier, label: as in `check.Preflight`."""
    if fault := unknown_method(example):
        yield "unknown method", fault
    if (function := _of_row(example, verifier)) is None:
        return
    verifier = verifier_name(example) if verifier in (None, "auto") else verifier
    given = verifier if isinstance(verifier, str) else getattr(verifier, "__name__", repr(verifier))
    name = label or given
    task = Task("check", (), form, function)
    try:
        target = sft_example(task, _with_one_text(example, verifier))
    except InputError as error:
        yield "not writable", str(error).removeprefix(f"{example.label} ")
        return
    score = judge(task, example, Completion(target.text)).score
    if score.value is None:
        yield "gold not judged", f"{name}: {score.why}"
    elif score.value < 1:
        yield "gold not paid", f"{name} gives {score.value:g}: {score.why}"
    elif uses_judge(function):
        return
    elif (other := function(example, OTHER_ANSWER)).value is None:
        yield "gold not judged", f"{name}: {other.why}"
    elif _VALUE.search(str(example.answer)) and not gold_reader(example, verifier):
        yield "one spelling", f"no verifier of {name} reads the answer {example.answer!r:.60} as a value"


def _with_one_text(example: Example, verifier: Verifier | str | None) -> Example:
    """The example with the first of its gold's texts where any of them is right: the list is no answer."""
    texts = alternatives(example.answer) if verifier in ("any_of_texts", verify.any_of_texts) else ()
    return replace(example, answer=texts[0]) if texts else example


def gold_reader(example: Example, verifier: Verifier | str | None) -> str:
    """The name of the first verifier that pays for the gold in another spelling ("1/2" for "0.5"); empty if
    only its letters are paid. verifier: as in `gold_faults`."""
    if (function := _of_row(example, verifier)) is None or uses_judge(function):
        return ""
    for member in members(function):
        if member not in LETTER_BY_LETTER and member(example, OTHER_ANSWER).value is not None:
            named = (name for name, known in verify.VERIFIERS.items() if known is member)
            return next(named, getattr(member, "__name__", type(member).__name__))
    return ""


def _of_row(example: Example, verifier: Verifier | str | None) -> Verifier | None:
    """The verifier, or the row's own; None if a model judges."""
    name = verifier_name(example) if verifier in (None, "auto") else verifier
    return verify.by_name(name) if isinstance(name, str) else name
