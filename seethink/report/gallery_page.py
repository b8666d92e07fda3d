"""A gallery page: attempts with their verdicts, or examples without answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import groupby
from pathlib import Path

from seethink.evaluate.attempts import AttemptRow, verdict
from seethink.report.curves import training_curves
from seethink.report.gallery import (
    OUTCOMES,
    Gallery,
    GalleryAnswer,
    GalleryCard,
    gallery_card,
    outcome_counts,
    outcomes,
)
from seethink.report.page import render_page, write_atomically


def write_gallery_page(
    rows: Iterable[AttemptRow],
    folder: Path,
    out: Path,
    title: str,
    trainings: Mapping[str, Path] | None = None,
    headline: str = "correct",
) -> Path:
    """Write the gallery of `rows` to `out`; returns `out`. Media paths are relative to `folder`.

    A row without `text` is an example without an answer. Consecutive rows of the same question and step
    share a card. All rows are shown; callers limit their number. trainings: {stage: metrics.jsonl} whose
    curves stand above the cards.
    """
    cards = tuple(_card(list(group), folder, headline) for _, group in groupby(rows, key=_question))
    counts = outcome_counts(((card.task, card.outcomes) for card in cards), n_arms=1)
    write_atomically(
        out,
        render_page(
            "gallery.html",
            title=title,
            gallery=Gallery(("",), cards, counts),
            outcomes=OUTCOMES,
            trainings=training_curves(trainings or {}),
        ),
    )
    return out


def _question(row: AttemptRow) -> tuple[object, ...]:
    return row.get("task"), row.get("step"), row["id"]


def _card(rows: list[AttemptRow], folder: Path, headline: str) -> GalleryCard:
    """One question with all its answers, listed under the outcome of each."""
    answers = [GalleryAnswer("", row, verdict(row, headline)) for row in rows if "text" in row]
    names = dict.fromkeys(
        name
        for answer in answers
        for name in outcomes({"": answer.verdict}, "", "", faulty=bool(answer.row.get("fault")))
    )
    return gallery_card(rows[0], folder, answers, [tuple(names)])
