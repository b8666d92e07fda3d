"""The folder of a comparison: a page, tables for papers, a figure, and the numbers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from seethink.evaluate.attempts import AttemptRow, AttemptVerdict, verdict_of
from seethink.evaluate.joining import ByArm
from seethink.evaluate.questions import outcome
from seethink.evaluate.side_by_side import SideBySide, flipped
from seethink.lock import writable
from seethink.report import scores
from seethink.report.comparison_files import csv_files, latex, markdown
from seethink.report.comparison_words import one_sentence, what_could_be_shown
from seethink.report.gallery import (
    Gallery,
    GalleryAnswer,
    GalleryCard,
    VerdictsByTime,
    gallery_card,
    outcome_counts,
    outcomes,
)
from seethink.report.page import render_page, write_atomically
from seethink.report.score_figure import FORMATS, score_figure
from seethink.types import InputError

FILES = (
    *("compare.html", "compare.json", "compare.md", "compare.tex"),
    *("scores.csv", "tests.csv", "groups.csv", "questions.csv"),
    *(f"scores.{form}" for form in FORMATS),
)


def refuse_overwriting(out: Path) -> None:
    """Raises InputError where the folder holds a file of this name, or is none."""
    if out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file; name a folder with --out")
    if there := [name for name in FILES if (out / name).exists()]:
        raise InputError(
            f"{out} already holds {', '.join(there)}; name another folder with --out, or replace them with "
            "--overwrite"
        )


def write_comparison(found: SideBySide, out: Path, limit: int) -> Path:
    """Write `FILES` into the folder `out`; returns the page. limit: most flipped questions shown on it."""
    report = found.report
    page = _page(found, limit)
    texts = {
        "compare.json": json.dumps(report, indent=1, ensure_ascii=False, allow_nan=False) + "\n",
        "compare.md": markdown(report),
        "compare.tex": latex(report),
        **csv_files(report, found.questions),
        "compare.html": page,
    }
    figures = score_figure(report)
    for name, data in figures.items():
        with writable(out / name):
            out.mkdir(parents=True, exist_ok=True)
            (out / name).write_bytes(data)
    for name, text in texts.items():
        write_atomically(out / name, text)
    return out / "compare.html"


def _page(found: SideBySide, limit: int) -> str:
    report, arms = found.report, list(found.report["results"])
    changed = flipped(found.questions, arms)
    shown = changed[:: -(-len(changed) // limit) or 1]
    by_question = {id(own): _outcomes(own, arms) for own in found.questions}
    cards = tuple(_card(own, arms, by_question[id(own)]) for own in shown)
    counts = outcome_counts((own[arms[0]][0]["task"], by_question[id(own)]) for own in changed)
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for row in report["groups"]:
        groups.setdefault(row["key"], []).append(row)
    return render_page(
        "compare.html",
        report=report,
        conclusion=one_sentence(report),
        table=scores.score_table(report),
        lenient_differs=scores.lenient_differs(report),
        tests=[
            (test, f"{scores.describe_test(test)} {what_could_be_shown(test)}") for test in report["tests"]
        ],
        groups=groups,
        conditions=list(dict.fromkeys(name for one in report["conditions"].values() for name in one)),
        graded=scores.graded_tasks(report),
        n_questions=len(found.questions),
        n_flipped=len(changed),
        gallery=Gallery(tuple(arms), cards, counts),
    )


def _outcomes(own: ByArm, arms: Sequence[str]) -> list[tuple[str, ...]]:
    verdicts: list[VerdictsByTime] = [[[_verdict(row) for row in own[arm]]] for arm in arms]
    return outcomes(verdicts, [any(row["fault"] for row in own[arm]) for arm in arms])


def _card(own: ByArm, arms: Sequence[str], found: Sequence[tuple[str, ...]]) -> GalleryCard:
    """A question with the answers of all arms, and those of its pictures that are on disk."""
    answers = [GalleryAnswer(arm, row, _verdict(row)) for arm in arms for row in own[arm]]
    return gallery_card(_with_pictures(own, arms), Path(), answers, found)


def _verdict(row: AttemptRow) -> AttemptVerdict:
    """An answer that the engine did not give is wrong here, as in the scores."""
    return verdict_of(row, outcome(row))


def _with_pictures(own: ByArm, arms: Sequence[str]) -> AttemptRow:
    """The first arm's row with the pictures of the first arm that has all of its own on disk; else
    without."""
    files = [own[arm][0].get("media") or [] for arm in arms]
    there = next((one for one in files if one and all(Path(file).is_file() for file in one)), [])
    return own[arms[0]][0] | {"media": there}
