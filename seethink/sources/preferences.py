"""A user's preference pairs: two responses to one prompt, in the columns of `pair_rows`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from seethink.formats import THINK_ANSWER
from seethink.sources import records
from seethink.sources.dialects import PREFERENCES, dialect_of
from seethink.sources.further_columns import further_columns
from seethink.sources.pair_rows import parsed_pair
from seethink.sources.row_reader import Row
from seethink.types import Example, Format, PreferencePair


def read_pairs(
    path: Path, form: Format, media_root: Path | None = None, video_options: Mapping[str, Any] | None = None
) -> tuple[PreferencePair, ...]:
    """All rows of a file as pairs of whole assistant turns, prompted in `form`.

    Ids, media and parameters as in `records.read`. The first fault raises InputError with file, row and fix.
    """
    rows, settings = records.open_rows(path, media_root, video_options)
    if dialect_of(rows) is not PREFERENCES:
        rows[0].refuse(
            "it is no pair of responses; `seethink train dpo` needs the columns chosen and rejected"
        )
    examples = records.validated(rows, (prompt_example(row, settings) for row in rows))
    return tuple(to_pair(row, example, form) for row, example in zip(rows, examples, strict=True))


def read_examples(path: Path, media_root: Path | None = None) -> tuple[Example, ...]:
    """All rows of a file as `records.read` gives them, answered or not. A pair of responses becomes its
    prompt with both in meta `pref`, as the writers of pairs take them."""
    rows, settings = records.open_rows(path, media_root)
    if dialect_of(rows) is not PREFERENCES:
        return records.examples_of(rows, settings, answered=False)
    return records.validated(rows, (_pair_example(row, settings) for row in rows))


def _pair_example(row: Row, settings: records.MediaSettings) -> Example:
    example = prompt_example(row, settings)
    pair = to_pair(row, example, THINK_ANSWER)
    details = example.meta.get("pref", {})
    if not isinstance(details, Mapping):
        row.refuse(f"meta 'pref' must be an object, not {details!r:.40}; rename it")
    lacking = {name: row.values[name] for name in ("choices", "steps") if row.values.get(name)}
    meta = {**lacking, **example.meta, "pref": {**details, "chosen": pair.better, "rejected": pair.worse}}
    answer = meta.pop("answer", None)
    return replace(example, answer=None if answer is None else str(answer), meta=meta)


def prompt_example(row: Row, settings: records.MediaSettings) -> Example:
    """The prompt that both responses answer, as an Example. Raises RowError."""
    further_columns(row, PREFERENCES, settings.root)
    return records.prompt_example(row, PREFERENCES.parse(row), PREFERENCES, settings)


def to_pair(row: Row, example: Example, form: Format) -> PreferencePair:
    """The row's two responses to `example`. Raises RowError if both are equal."""
    _, better, worse = parsed_pair(row)
    if better == worse:
        row.refuse("chosen and rejected are the same text; give two different responses", kind="equal pair")
    return PreferencePair(example, form, better, worse)
