"""A page to leaf through: attempts with their verdicts, or examples that nobody has answered yet."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from pathlib import Path

from seethink.report.gallery import OUTCOMES, Answer, Card, Gallery, card, count, outcomes
from seethink.report.page import render, write_whole
from seethink.report.rows import Row, verdict


def write_look(rows: Iterable[Row], folder: Path, out: Path, title: str, headline: str = "correct") -> Path:
    """Write the gallery of `rows` to `out`; returns `out`. Media paths are relative to `folder`.

    A row without `text` is an example without an answer. Neighbouring rows of one question and step are one
    card. Every row is shown: the caller bounds them.
    """
    cards = tuple(_card(list(group), folder, headline) for _, group in groupby(rows, key=_question))
    shown = Gallery(("",), cards, count(((each.task, each.outcomes) for each in cards), n_arms=1))
    write_whole(out, render("look.html", title=title, gallery=shown, outcomes=OUTCOMES))
    return out


def _question(row: Row) -> tuple[object, ...]:
    return row.get("task"), row.get("step"), row["id"]


def _card(rows: list[Row], folder: Path, headline: str) -> Card:
    """One question with all its answers; it is found under the outcome of each."""
    answered = [row for row in rows if "text" in row]
    answers = [Answer("", row, verdict(row, headline)) for row in answered]
    found = dict.fromkeys(name for each in answers for name in outcomes({"": each.verdict}, "", ""))
    return card(rows[0], folder, answers, [tuple(found)])
