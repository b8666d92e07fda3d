"""Commands on data: check, convert."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from seethink import formats, systems
from seethink.cli.options import FORMATS, MODELS, OWN, MediaGroup, MediaRoot, refuse_given, takes, trained
from seethink.cli.tables import say, visible

if TYPE_CHECKING:
    from seethink.check import CheckReport

DIALECTS = (
    "ours, csv, llama-factory, alpaca, ms-swift, ms-swift-objects, query, openai, trl, trl-sft, "
    "trl-messages, trl-dpo, easyr1, llava, rl, hf, dpo, ms-swift-dpo, vrc, tsv or llava-questions."
)
ROWS_PER_FAULT = 5
"""Rows of each kind of fault that are listed at the terminal; --json lists all."""
MENDS_PER_FAULT = 10
"""Ways to mend one kind of fault that have a line of their own."""
_OF_ROW = re.compile(r"'[^']*'|\"[^\"]*\"|\d+")
FILES_PER_FAULT = 10
"""Missing files that are listed at the terminal; --json lists all."""

app = typer.Typer()


@dataclass(frozen=True, kw_only=True)
class CheckOptions:
    """Options of `seethink check`."""

    data: Annotated[Path, typer.Argument(metavar="DATA", help="File of rows, or a folder with one.")]
    format: Annotated[str, typer.Option(help=FORMATS)] = "think_answer"
    verifier: Annotated[
        str | None,
        typer.Option(help=f"Verifier of all rows, by name, {OWN}; by default each row's own."),
    ] = None
    model: Annotated[str | None, typer.Option(help=f"Count this model's prompt tokens: {MODELS}")] = None
    max_prompt_length: Annotated[
        int | None, typer.Option(min=1, help="Longer prompts (in tokens) are faults.")
    ] = None
    decode: Annotated[bool, typer.Option("--decode", help="Decode all media, not only headers.")] = False
    decontaminate_against: Annotated[
        Path | None, typer.Option(help="Test data whose pictures must not occur.")
    ] = None
    media: MediaGroup
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object with every row.")] = False


@app.command("check", epilog="Example: seethink check my.jsonl --verifier same_number")
@takes(CheckOptions)
def check(job: CheckOptions) -> None:
    """Check data before training: every row, every fault. Exit code 1 if rows are at fault."""
    from seethink.check import Preflight
    from seethink.check import check as find

    report = find(
        Preflight(
            data=job.data,
            form=formats.by_name(job.format),
            media_root=job.media.media_root,
            video_options={"num_frames": job.media.num_frames, "frame_interval": job.media.frame_interval},
            verifier=None if job.verifier in (None, "auto") else systems.verifier(job.verifier),
            label=job.verifier or "",
            decode=job.decode,
            model=job.model and trained(job.model, Console(quiet=job.json)),
            max_prompt_length=job.max_prompt_length,
            decontaminate_against=job.decontaminate_against,
        )
    )
    if not report.clips and "missing clip" not in report.counts:
        refuse_given(job.media, "the data have no clip", "num_frames", "frame_interval")
    if job.json:
        typer.echo(json.dumps(report.as_json()))
    else:
        _show(Console(), report, job.decode)
    if not report.clean:
        raise typer.Exit(1)


@app.command("convert", epilog="Example: seethink convert my.jsonl mine --dialect trl")
def convert(
    source: Annotated[Path, typer.Argument(metavar="FROM", help="File of rows, or a folder with one.")],
    folder: Annotated[Path, typer.Argument(metavar="TO", help="New folder.")],
    dialect: Annotated[str, typer.Option(help=DIALECTS)] = "ours",
    copy: Annotated[bool, typer.Option("--copy/--refer", help="Copy media, or keep their paths.")] = True,
    media_root: MediaRoot = None,
) -> None:
    """Write data in another dialect. Every row and picture is checked first."""
    from seethink.sources import preferences, writing

    examples = preferences.read_examples(source, media_root)
    writing.write(examples, folder, dialect, copy)
    say(Console(), f"{len(examples):,} rows: {folder}")


# Output --------------------------------------------------------------------------------------------------


def _show(console: Console, report: CheckReport, decoded: bool) -> None:
    """Tables of faults and of suspicions, token counts, and a verdict. decoded: whether all media were."""
    missing = f", {report.missing:,} of them missing" if report.missing else ""
    named = f"{report.pictures:,} pictures and clips{missing}"
    say(console, f"{report.data}: {report.rows:,} rows ({report.dialect}), {named}")
    if report.unused:
        unused = ", ".join(f"{column} ({n:,} rows)" for column, n in report.unused.items())
        say(console, f"not used by any method: {unused}")
    if report.further:
        further = ", ".join(f"{column} ({n:,} rows)" for column, n in report.further.items())
        say(console, f"columns of no dialect, kept in meta: {further}")
    for title, suspected in (("at fault", False), ("suspected", True)):
        kinds = {kind: [f for f in report.faults if f.kind == kind] for kind in report.counts}
        found = {kind: faults for kind, faults in kinds.items() if faults[0].suspected is suspected}
        if found:
            console.print(_table(title, found))
    if compared := [f"{name or 'letters alone'} {n:,}" for name, n in report.golds.items()]:
        say(console, f"answers are compared by {', '.join(compared)}")
    if report.tokens:
        _show_tokens(console, report.tokens)
    rows = len({fault.row for fault in report.faults if not fault.suspected})
    if report.pictures and not decoded:
        say(console, "headers of the media are read, not their pixels; --decode finds what is broken inside")
    say(console, "no row is at fault" if report.clean else f"{rows:,} of {report.rows:,} rows are at fault")


def _table(title: str, found: dict[str, list[Any]]) -> Table:
    """A line for each kind of fault and way to mend it: how many rows, the first row numbers, the first
    message."""
    message_column = Column("first message, and how to mend it", overflow="fold")  # paths stay whole
    table = Table(title, "rows", "which", message_column, show_lines=True)
    for kind, faults in ((kind, alike) for kind, of_kind in found.items() for alike in _alike(of_kind)):
        rows = list(dict.fromkeys(fault.row for fault in faults))
        numbers = ", ".join(map(str, rows[:ROWS_PER_FAULT])) + (", ..." if len(rows) > ROWS_PER_FAULT else "")
        first = faults[0]
        said = [] if first.mend in first.message else [f"[italic]{first.mend}[/italic]"]
        lines = [escape(visible(first.message)), *_files(faults), *said]
        table.add_row(kind, f"{len(rows):,}", numbers, "\n".join(lines))
    return table


def _alike(faults: list[Any]) -> list[list[Any]]:
    """Faults of one kind by what is to be done, texts in quotes and numbers apart; after
    `MENDS_PER_FAULT` lines the rest stand together."""
    found: dict[str, list[Any]] = {}
    for fault in faults:
        mend = _OF_ROW.sub("", fault.mend)
        found.setdefault(mend if mend in found or len(found) < MENDS_PER_FAULT else "", []).append(fault)
    return list(found.values())


def _files(faults: list[Any]) -> list[str]:
    """How many files are missing, and their paths; the first `FILES_PER_FAULT` of them."""
    files = list(dict.fromkeys(fault.file for fault in faults if fault.file))
    if len(files) < 2:
        return []
    more = f"and {len(files) - FILES_PER_FAULT:,} more; --json lists all"
    shown = [escape(visible(file)) for file in files[:FILES_PER_FAULT]]
    shown += [more] if len(files) > FILES_PER_FAULT else []
    return [f"{len(files):,} files:", *shown]


def _show_tokens(console: Console, tokens: Any) -> None:
    longest = ", ".join(f"row {long['row']} ({long['tokens']:,})" for long in tokens["longest"])
    mean = f", {tokens['mean']:,.0f} tokens on average" if tokens["prompts"] else ""
    say(console, f"{tokens['model']}: {tokens['prompts']:,} prompts{mean}; longest: {longest or 'none'}")
