"""The command that sets evaluations side by side."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from seethink.cli.tables import say, show_results
from seethink.types import InputError

app = typer.Typer()


@app.command(
    epilog="Example: seethink compare base=runs/eval/sprout-my tuned=runs/eval/own-grpo-my --out compared"
)
def compare(
    arms: Annotated[
        list[str],
        typer.Argument(
            metavar="[NAME=]PATH...",
            help="Runs, folders of evaluations or of rescored results, or attempts.jsonl; the first is the "
            "base. A run gives an arm for each of its evaluations.",
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder to write.")] = Path("compare"),
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier comparison.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="Flipped questions shown, evenly spaced.")] = 200,
) -> None:
    """Compare evaluations on the questions that all of them were asked.

    Writes a page with intervals, tests and the questions that flipped, tables as Markdown, LaTeX and CSV,
    and a figure. Questions are joined by their text and pictures.
    """
    from seethink.evaluate.arms import read_arms
    from seethink.evaluate.side_by_side import side_by_side
    from seethink.report.compare_page import refuse_overwriting, write_comparison
    from seethink.report.comparison_words import one_sentence

    if not overwrite:
        refuse_overwriting(out)
    compared = read_arms(arms)
    found = side_by_side(
        compared, _claims(arms, (row["task"] for arm in compared.values() for row in arm.rows))
    )
    page = write_comparison(found, out, limit)
    console, report = Console(), found.report
    show_results(console, report["headline"], report["results"])
    for warning in report["warnings"]:
        say(console, f"note: {warning}")
    say(console, one_sentence(report))
    say(console, f"page, tables and figure: {page}")


def _claims(words: Iterable[str], tasks: Iterable[str]) -> list[dict[str, Any]]:
    """Published numbers: those in the reports of runs, and those of the benchmarks that tasks are named
    after."""
    from seethink.benchmarks import BENCHMARKS

    found: dict[tuple[str, str], dict[str, Any]] = {}
    for word in words:
        file = Path(word.rpartition("=")[2]) / "report.json"
        for claim in _report(file).get("claims", ()) if file.is_file() else ():
            found.setdefault((claim["task"], claim["arm"]), dict(claim))
    for task in dict.fromkeys(tasks):
        for arm, value in BENCHMARKS[task].claims.items() if task in BENCHMARKS else ():
            claim = {"task": task, "arm": arm, "paper": value, "measured": None}
            found.setdefault((task, arm), claim | {"source": BENCHMARKS[task].source})
    return list(found.values())


def _report(file: Path) -> Mapping[str, Any]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{file} is no report of a run ({error}); move it away") from error
    return found if isinstance(found, dict) else {}
