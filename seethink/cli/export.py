"""The command that writes tasks and results in lmms-eval's layouts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from seethink import systems, verify
from seethink.cli.attempt_files import attempts_of
from seethink.cli.options import FORMATS, OWN, PROMPT_MODES, MediaGroup, refuse_given, takes
from seethink.cli.tables import say
from seethink.tasks import load_task
from seethink.types import InputError

app = typer.Typer()


@dataclass(frozen=True, kw_only=True)
class ExportOptions:
    """Options of `seethink export`."""

    source: Annotated[
        Path, typer.Argument(metavar="FROM", help="File of questions, drawn:WORLD:N, or results of an eval.")
    ]
    folder: Annotated[Path, typer.Argument(metavar="TO", help="Folder to write.")]
    format: Annotated[str, typer.Option(help=FORMATS)] = "think_answer"
    prompt_mode: Annotated[str, typer.Option(help=PROMPT_MODES)] = "suffix"
    verifier: Annotated[str, typer.Option(help=f"{', '.join(verify.VERIFIERS)}; NAME@SYSTEM; {OWN}.")] = (
        "auto"
    )
    max_tokens: Annotated[int, typer.Option(min=1, help="Longest answer.")] = 256
    media: MediaGroup


@app.command("export", epilog="Example: seethink export my.jsonl my_task")
@takes(ExportOptions)
def export(job: ExportOptions) -> None:
    """Write questions as a task of lmms-eval, or the results of an evaluation as its samples."""
    from seethink.evaluate.lmms_bridge import write_samples, write_task

    console = Console()
    if (
        rows := attempts_of([job.source])
        if job.source.is_dir() or job.source.name == "attempts.jsonl"
        else []
    ):
        refuse_given(job, "FROM has results", "format", "prompt_mode", "verifier", "max_tokens")
        refuse_given(job.media, "FROM has results", *vars(job.media))
        if arms := {row["arm"] for row in rows if row["arm"]}:
            raise InputError(f"{job.source} has several evaluations ({', '.join(sorted(arms))}); name one")
        for path in write_samples(rows, job.folder):
            say(console, str(path))
        return
    options = job.media.arguments()
    task = load_task(job.source, job.format, job.prompt_mode, systems.verifier(job.verifier), **options)
    name = write_task(task, job.verifier, job.max_tokens, job.folder)
    say(console, f"{len(task.examples):,} questions: {job.folder}")
    say(
        console,
        f"lmms-eval, in its own environment: python -m lmms_eval --include_path {job.folder} --tasks {name} "
        "... (docs/evaluation.md)",
    )
