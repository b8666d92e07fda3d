"""Rows of a kept draft, as several chains build them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import Any

from seethink.formats import ANSWER_LINE
from seethink.formats.base_format import steps_of
from seethink.synth.draft import Draft
from seethink.types import Example


def row_meta(draft: Draft) -> dict[str, Any]:
    """The example's meta, with the draft's formal descriptions as `formal`. A `formal` that came with the
    example is removed: drawn worlds store the true description there."""
    meta = without_formal(draft.example).meta
    return dict(meta) | ({"formal": [asdict(part) for part in draft.formal]} if draft.formal else {})


def without_formal(example: Example) -> Example:
    """The example without a description that came with it."""
    return replace(example, meta={name: value for name, value in example.meta.items() if name != "formal"})


def with_reasoning(draft: Draft) -> Example:
    """The example with the paragraphs of its thought as steps; meta has the text after the thought,
    `final`."""
    meta = row_meta(draft) | ({"final": draft.final} if draft.final else {})
    return replace(draft.example, steps=tuple(steps_of(draft.thought or "")), meta=meta)


def data_rows(draft: Draft) -> Iterator[tuple[str, Example]]:
    """One row, the example with its reasoning."""
    yield "data", with_reasoning(draft)


def rewritten_rows(draft: Draft) -> Iterator[tuple[str, Example]]:
    """One row, with the rewritten answer in place of the original one, which was judged to mean the same."""
    answer = ANSWER_LINE.parse(draft.final or "").answer
    rewritten = replace(draft, example=replace(draft.example, answer=answer), final=None)
    yield "data", with_reasoning(rewritten)
