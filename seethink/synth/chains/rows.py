"""What chains have in common: the rows that a kept draft becomes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import Any

from seethink.formats import ANSWER_LINE
from seethink.formats.asking import steps_of
from seethink.synth.draft import Draft
from seethink.types import Example


def told_in_meta(draft: Draft) -> dict[str, Any]:
    """The example's meta; its `formal` is what the teacher made of the pictures alone (drawn worlds
    have the truth there)."""
    meta = {name: value for name, value in draft.example.meta.items() if name != "formal"}
    return meta | ({"formal": [asdict(part) for part in draft.formal]} if draft.formal else {})


def reasoned(draft: Draft) -> Example:
    """The example with its thought as steps, a paragraph each; meta holds what was said after it, `final`."""
    meta = told_in_meta(draft) | ({"final": draft.final} if draft.final else {})
    return replace(draft.example, steps=tuple(steps_of(draft.thought or "")), meta=meta)


def in_data(draft: Draft) -> Iterator[tuple[str, Example]]:
    yield "data", reasoned(draft)


def rewritten(draft: Draft) -> Iterator[tuple[str, Example]]:
    """One row, with the rewritten answer: that it means what the old one means was judged."""
    said = ANSWER_LINE.parse(draft.final or "").answer
    yield "data", reasoned(replace(draft, example=replace(draft.example, answer=said), final=None))
