"""The page of `seethink look`: attempts with their verdicts, or examples without answers.

A page holds questions, answers and pictures as data, which its script reads; the HTML around them never
depends on what a model wrote.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from seethink.evaluate.attempts import AttemptRow
from seethink.report.curves import TrainingCurves, training_curves
from seethink.report.gallery import OUTCOMES
from seethink.report.page import keep_other_files, render_page, write_atomically
from seethink.report.pictures import picture_within
from seethink.report.rollouts import RolloutTable

PICTURE_BYTES = 18_000_000
"""What all pictures of a page may take before they are written as base64, a third more."""
MOST_OF_ONE = 150_000
"""What one picture may take at most."""


def write_gallery_page(
    rows: Iterable[AttemptRow],
    folder: Path,
    out: Path,
    title: str,
    trainings: Mapping[str, Path] | None = None,
    headline: str = "correct",
) -> Path:
    """Write the page of `rows` to `out`; returns `out`. Media paths are relative to `folder`.

    A row without `text` is an example without an answer; `arm` names the evaluation or training of an
    attempt. Rows of the same task, example and picture are one question, the arms and steps beside each
    other. All rows are shown; callers limit their number. trainings: {stage: metrics.jsonl} whose curves
    stand above the questions. Raises InputError where `out` is another file than such a page.
    """
    keep_other_files(out)
    table = RolloutTable(folder, headline)
    part = table.add(rows)
    max_bytes = min(MOST_OF_ONE, PICTURE_BYTES // max(1, len(table.pictures)))
    pictures = {name: _base64(picture_within(path, max_bytes)) for name, path in table.pictures.items()}
    curves = training_curves(trainings or {}, colours_of(table.arms))
    page = look_page(title, curves, rollouts=_base64(packed(part)), pictures=pictures)
    write_atomically(out, page)
    return out


def colours_of(arms: Iterable[str]) -> dict[str, int]:
    """{arm: number of its colour}: the same one for its answers, boxes and curves."""
    return {arm: i for i, arm in enumerate(arms)}


def packed(part: Mapping[str, Any]) -> bytes:
    """A part of a `RolloutTable` as compressed JSON, the same bytes for the same part."""
    return gzip.compress(json.dumps(part, allow_nan=False, separators=(",", ":")).encode("ascii"), 6, mtime=0)


def look_page(title: str, curves: list[TrainingCurves], **data: Any) -> str:
    """The HTML of a page. data: `rollouts` and `pictures`, which the page holds; or `live`, the address that
    it asks for them."""
    return render_page(
        "look.html",
        scripts=("figures.js", "rollouts.js", "answers.js", "browser.js"),
        title=title,
        trainings=curves,
        outcomes=OUTCOMES,
        **{"rollouts": "", "pictures": {}, "live": False} | data,
    )


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
