"""A gallery page: attempts with their verdicts, or examples without answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from seethink.evaluate.attempts import AttemptRow, verdict
from seethink.report.curves import training_curves
from seethink.report.gallery import (
    Gallery,
    GalleryAnswer,
    GalleryCard,
    gallery_card,
    outcome_counts,
    outcomes,
)
from seethink.report.page import keep_other_files, render_page, write_atomically


def write_gallery_page(
    rows: Iterable[AttemptRow],
    folder: Path,
    out: Path,
    title: str,
    trainings: Mapping[str, Path] | None = None,
    headline: str = "correct",
) -> Path:
    """Write the gallery of `rows` to `out`; returns `out`. Media paths are relative to `folder`.

    A row without `text` is an example without an answer; `arm` names the evaluation or training of an
    attempt. Rows of the same task, example and picture share a card, the arms beside each other. All rows are
    shown; callers limit their number. trainings: {stage: metrics.jsonl} whose curves stand above the cards.
    Raises InputError where `out` is another file than such a page.
    """
    keep_other_files(out)
    questions: dict[tuple[object, ...], list[AttemptRow]] = {}
    arms: dict[str, None] = {}
    for row in rows:
        questions.setdefault(question_key(row), []).append(row)
        arms.setdefault(row.get("arm", ""))
    cards = tuple(_card(asked, list(arms), folder, headline) for asked in questions.values())
    counts = outcome_counts((card.task, card.outcomes) for card in cards)
    page = render_page(
        "gallery.html",
        title=title,
        gallery=Gallery(tuple(arms), cards, counts),
        trainings=training_curves(trainings or {}),
    )
    write_atomically(out, page)
    return out


def question_key(row: AttemptRow) -> tuple[object, ...]:
    """What pairs the attempts of different arms and steps: task, example id and the names of the pictures'
    files, which are hashes of their content."""
    return row.get("task"), row["id"], *(Path(name).name for name in row.get("media") or ())


def _card(rows: Sequence[AttemptRow], arms: Sequence[str], folder: Path, headline: str) -> GalleryCard:
    """One question with the answers of all arms."""
    answers = [
        GalleryAnswer(row.get("arm", ""), row, verdict(row, headline)) for row in rows if "text" in row
    ]
    asked: list[list[list[bool | None]]] = []
    faulty = []
    for arm in arms:
        by_step: dict[int, list[bool | None]] = {}
        own = [answer for answer in answers if answer.name == arm]
        for answer in own:
            by_step.setdefault(answer.row.get("step") or 0, []).append(answer.verdict)
        asked.append([by_step[step] for step in sorted(by_step)])
        faulty.append(any(answer.row.get("fault") for answer in own))
    found = outcomes(asked, faulty)
    return gallery_card(rows[0], folder, answers, found if answers else [("unasked",)] * len(found))
