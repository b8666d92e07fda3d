"""The commands that work on data alone: check it, convert it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from seethink import formats, verify
from seethink.options import takes
from seethink.terminal import say

if TYPE_CHECKING:
    from seethink.check import Report

DIALECTS = "ours, llama-factory, ms-swift, trl, easyr1, llava, rl, hf, dpo, vrc or tsv."
ROWS_NAMED = 5
"""So many rows of each fault are named at the terminal; --json names all."""

Images = Annotated[Path | None, typer.Option(help="The folder that paths of media begin at.")]


@dataclass(frozen=True, kw_only=True)
class Checking:
    """The options of `seethink check`."""

    data: Annotated[Path, typer.Argument(metavar="DATA", help="A file of rows, or a folder with one.")]
    images: Images = None
    frames: Annotated[int, typer.Option(min=1, help="Frames of each clip, unless its row says.")] = 8
    every_s: Annotated[float | None, typer.Option(help="Or one frame every so many seconds.")] = None
    format: Annotated[str, typer.Option(help=", ".join(formats.FORMATS))] = "think_answer"
    verifier: Annotated[str | None, typer.Option(help="Of all rows; without it, each row's own.")] = None
    model: Annotated[str | None, typer.Option(help="Whose tokens are counted: a name as in train.")] = None
    max_prompt_tokens: Annotated[int | None, typer.Option(min=1, help="Longer prompts are faults.")] = None
    decode: Annotated[bool, typer.Option("--decode", help="Decode all media, not headers alone.")] = False
    against: Annotated[Path | None, typer.Option(help="Test data: its pictures must not be here.")] = None
    json: Annotated[bool, typer.Option("--json", help="One JSON object that names every row.")] = False


@takes(Checking)
def check(job: Checking) -> None:
    """Find all that is wrong with data before anything runs. Exit code 1 if rows are at fault."""
    from seethink.check import Preflight
    from seethink.check import check as find

    if job.verifier:
        verify.by_name(job.verifier)
    report = find(
        Preflight(
            data=job.data,
            form=formats.by_name(job.format),
            images=job.images,
            clips={"count": job.frames, "every_s": job.every_s},
            verifier=job.verifier,
            decode=job.decode,
            model=job.model,
            max_prompt_tokens=job.max_prompt_tokens,
            against=job.against,
        )
    )
    if job.json:
        typer.echo(json.dumps(report.as_json()))
    else:
        _show(Console(), report)
    if not report.clean:
        raise typer.Exit(1)


def convert(
    source: Annotated[Path, typer.Argument(metavar="FROM", help="A file of rows, a folder with one.")],
    folder: Annotated[Path, typer.Argument(metavar="TO", help="A new folder.")],
    dialect: Annotated[str, typer.Option(help=DIALECTS)] = "ours",
    copy: Annotated[bool, typer.Option("--copy/--refer", help="Copy media, or refer to them.")] = True,
    images: Images = None,
) -> None:
    """Write data in another dialect. Every row and picture is checked first."""
    from seethink.sources import records, writing

    examples = records.read(source, images)
    writing.write(examples, folder, dialect, copy)
    say(Console(), f"{len(examples):,} rows: {folder}")


# The report at the terminal -------------------------------------------------------------------------------


def _show(console: Console, report: Report) -> None:
    say(
        console,
        f"{report.data}: {report.rows:,} rows ({report.dialect}), {report.pictures:,} pictures and clips",
    )
    for title, suspected in (("at fault", False), ("suspected", True)):
        kinds = {kind: [f for f in report.faults if f.kind == kind] for kind in report.counts}
        found = {kind: faults for kind, faults in kinds.items() if faults[0].suspected is suspected}
        if found:
            console.print(_table(title, found))
    if report.tokens:
        _show_tokens(console, report.tokens)
    rows = len({fault.row for fault in report.faults if not fault.suspected})
    say(console, "no row is at fault" if report.clean else f"{rows:,} of {report.rows:,} rows are at fault")


def _table(title: str, found: dict[str, list[Any]]) -> Table:
    from seethink.check import FAULTS, SUSPICIONS

    table = Table(title, "rows", "which", "the first of them, and the mend", show_lines=True)
    for kind, faults in found.items():
        rows = list(dict.fromkeys(fault.row for fault in faults))
        named = ", ".join(map(str, rows[:ROWS_NAMED])) + (", ..." if len(rows) > ROWS_NAMED else "")
        mend = FAULTS[kind] if kind in FAULTS else SUSPICIONS[kind]
        table.add_row(kind, f"{len(rows):,}", named, f"{escape(faults[0].told)}\n[italic]{mend}[/italic]")
    return table


def _show_tokens(console: Console, tokens: Any) -> None:
    longest = ", ".join(f"row {long['row']} ({long['tokens']:,})" for long in tokens["longest"])
    mean = f", {tokens['mean']:,.0f} tokens on average" if tokens["prompts"] else ""
    say(console, f"{tokens['model']}: {tokens['prompts']:,} prompts{mean}; the longest: {longest or 'none'}")
