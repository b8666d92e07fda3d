"""The command that scores answers which another tool collected."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console

from seethink import formats, systems, verify
from seethink.cli.judge import JudgeOptions
from seethink.cli.options import FORMATS, OWN, MediaGroup, refuse_given, takes
from seethink.cli.tables import say, show_results
from seethink.evaluate.asked_options import has_letter_alone
from seethink.evaluate.attempts import AttemptRow
from seethink.evaluate.importers import ImportedFile, NamedColumns, read_answers
from seethink.evaluate.matching import Joined, join
from seethink.evaluate.questions import mean
from seethink.evaluate.rescoring import (
    REPORTED,
    Disagreement,
    counted,
    disagreement,
    own_questions,
    rescored,
    unanswered,
    write,
)
from seethink.evaluate.statistics import summarise
from seethink.formats.any_form import ANY_FORM
from seethink.identity import digest, of_verifier
from seethink.tasks import load_task, weighted_reward
from seethink.types import Format, InputError, Task, Verifier

app = typer.Typer()
SHOWN = 5
"""Disagreements that are listed at the terminal; disagreements.jsonl has all."""
PANEL = "Columns"


@dataclass(frozen=True, kw_only=True)
class RescoreOptions:
    """Options of `seethink rescore`."""

    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILES",
            help="Files or folders of seethink, lmms-eval, VLMEvalKit, inspect_ai, verl, TRL or verifiers.",
        ),
    ]
    data: Annotated[
        Path | None, typer.Option(help="The questions; not needed where the file has the gold answers.")
    ] = None
    benchmark: Annotated[
        str, typer.Option(help="Or those of a published benchmark, with its scoring.", show_default=False)
    ] = ""
    benchmark_dir: Annotated[
        Path | None, typer.Option(help="Local copy of the benchmark's data; the hub's by default.")
    ] = None
    key: Annotated[
        str, typer.Option(help="Join by this column of the file (as doc.id) instead of question and picture.")
    ] = ""
    format: Annotated[
        str, typer.Option(help=f"Read the answers as {FORMATS} By default in any form.", show_default=False)
    ] = ""
    verifier: Annotated[str, typer.Option(help=f"{', '.join(verify.VERIFIERS)}; NAME@SYSTEM; {OWN}.")] = (
        "auto"
    )
    coordinates: Annotated[
        Literal["original", "thousandths", "unit"] | None,
        typer.Option(help="Units of boxes and points: pixels of the picture, or shares of its sides."),
    ] = None
    answered_only: Annotated[
        bool, typer.Option("--answered-only", help="Leave out questions that have no answer.")
    ] = False
    prediction_column: Annotated[
        str, typer.Option(help="Answers in a table of no known tool.", rich_help_panel=PANEL)
    ] = ""
    question_column: Annotated[str, typer.Option(help="Its questions.", rich_help_panel=PANEL)] = ""
    answer_column: Annotated[str, typer.Option(help="Its gold answers.", rich_help_panel=PANEL)] = ""
    score_column: Annotated[
        str, typer.Option(help="The reported score, where there are several.", rich_help_panel=PANEL)
    ] = ""
    filter: Annotated[
        str, typer.Option(help="lmms-eval's filter, where there are several.", rich_help_panel=PANEL)
    ] = ""
    out: Annotated[Path | None, typer.Option(help="Folder of the results; runs/rescore/... by default.")] = (
        None
    )
    media: MediaGroup
    judge: JudgeOptions

    def task(self) -> Task | None:
        """The task of --data or --benchmark, without the format, which depends on the file."""
        if self.benchmark:
            return self._published()
        refuse_given(self, "there is no --benchmark", "benchmark_dir")
        if self.data is None:
            refuse_given(self.media, "there is no --data", *vars(self.media))
            refuse_given(self, "there is no --data", "answered_only")
            return None
        verifier = systems.verifier(self.verifier)
        return load_task(self.data, verifier=verifier, **self.media.arguments() | {"answered": False})

    def _published(self) -> Task:
        from seethink import benchmarks

        refuse_given(self, "a benchmark has its own questions and scoring", "data", "verifier")
        refuse_given(self.media, "a benchmark has its published media", *vars(self.media))
        return benchmarks.by_name(self.benchmark).task(self.benchmark_dir)


RESULTS = Path("runs/rescore")


@dataclass(frozen=True)
class _Part:
    """A file, the task that scores it, and its answers with their questions."""

    file: ImportedFile
    task: Task
    joined: Joined


@app.command("rescore", epilog="Example: seethink rescore out/20261128_samples_my_task.jsonl --data my.jsonl")
@takes(RescoreOptions)
def rescore(job: RescoreOptions) -> None:
    """Score answers that another tool collected, without a model.

    Answers are joined to the questions of --data by a hash of question and picture. Each file or folder is
    one evaluation, in the layout of `seethink eval`, with the score that the tool reported beside ours.
    """
    if not job.prediction_column:
        refuse_given(job, "the layout of a known tool has its columns", "question_column", "answer_column")
    columns = NamedColumns(
        job.prediction_column, job.question_column, job.answer_column, job.score_column, job.filter
    )
    console, results, data = Console(), {}, job.task()
    names, key = _names(job.files), _key(job)
    out = job.out or RESULTS / f"{'-'.join(names)[:80]}-{key[:8]}"
    _refuse_other(out, key)
    for name, path in names.items():
        folder = out / name if len(names) > 1 else out
        parts = [_prepared(job, data, file, console) for file in read_answers(path, columns)]
        _claim(out, key)
        with job.judge.judged(out, [folder], console, *(part.task for part in parts)) as tasks:
            scored = [replace(part, task=task) for part, task in zip(parts, tasks, strict=True)]
            results[name] = _scored(job, scored, folder, key, console)
    show_results(console, "correct", results)
    for name in names:
        say(console, f"all attempts: {(out / name if len(names) > 1 else out) / 'attempts.jsonl'}")
    say(console, f"to browse them: seethink look {out}")


def _names(paths: Sequence[Path]) -> dict[str, Path]:
    """A short name for each file or folder, by which its results are kept."""
    stems = [path.resolve().name.removesuffix(path.suffix) or "answers" for path in paths]
    names: dict[str, Path] = {}
    for path, stem in zip(paths, stems, strict=True):
        long = re.sub(r"[^\w.+-]+", "-", f"{path.resolve().parent.name}-{stem}")
        name = long if stems.count(stem) > 1 else stem
        if name in names:
            raise InputError(f"{names[name]} and {path} have the same name and folder name; rename one")
        names[name] = path
    return names


def _key(job: RescoreOptions) -> str:
    """What decides the results, apart from the content of the files: the same command replaces its own."""
    told = {field.name: getattr(job, field.name) for field in fields(job) if field.name != "out"}
    paths = {"files": [str(path.resolve()) for path in job.files], "data": str(job.data)}
    return digest({name: str(value) for name, value in told.items()} | paths)


def _refuse_other(out: Path, key: str) -> None:
    if not out.exists():
        return
    if not out.is_dir():
        raise InputError(f"{out} is a file; choose another --out")
    held = [json.loads(file.read_text(encoding="utf-8")).get("key") for file in out.rglob("rescore.json")]
    if any(out.iterdir()) and {*held} != {key}:
        raise InputError(f"{out} holds something else, which stays; choose another --out")


def _claim(out: Path, key: str) -> None:
    """Mark the folder as that of this rescoring, so that after a kill the same command goes on."""
    out.mkdir(parents=True, exist_ok=True)
    if not (out / "rescore.json").exists():
        (out / "rescore.json").write_text(json.dumps({"key": key}), encoding="utf-8")


# One file -------------------------------------------------------------------------------------------------


def _prepared(job: RescoreOptions, data: Task | None, file: ImportedFile, console: Console) -> _Part:
    """The file joined to its questions. What did not join is told; if all of it, InputError."""
    form = _format(job, file)
    say(console, f"{file.tool}, {file.task}: {_rows(len(file.answers))}")
    for note in file.notes:
        say(console, f"  {note}")
    for line in counted(_by_reason((answer.unread, answer.where) for answer in file.answers)):
        say(console, f"  {line}")
    if data is None:
        joined, shared = own_questions(file, job.key)
        for line in counted(joined.refused):
            say(console, f"  not scored, {line}")
        if shared:
            say(
                console,
                f"  {shared:,} questions have the words of another, and no picture in the file tells them "
                "apart: their ids end in the tool's own number; do not compare them with another tool's",
            )
        for line in _letter_lines(joined):
            say(console, f"  {line}")
        examples = {example.id: example for _, example in joined.pairs}
        task = Task(file.task, tuple(examples.values()), form, _reward(job, form))
        return _Part(file, task, joined)
    joined = join(file.answers, data.examples, job.key)
    for line in _join_lines(job, file, joined):
        say(console, f"  {line}")
    if not joined.pairs:
        raise InputError(
            f"no row of {file.answers[0].where.rpartition(', ')[0]} joins the data: "
            f"{'; '.join(counted(joined.refused))}; give the file's own questions, or name a column of ids "
            "with --key"
        )
    return _Part(file, replace(data, format=form, verifier=_reward(job, form)), joined)


def _reward(job: RescoreOptions, form: Format) -> Verifier:
    """Correctness, and obeying the format where one was asked for."""
    correct = systems.verifier(job.verifier)
    return verify.weighted(correct=(correct, 1.0)) if form is ANY_FORM else weighted_reward(correct)


def _format(job: RescoreOptions, file: ImportedFile) -> Format:
    """The chosen format, that of our own attempts, or any."""
    if job.format:
        return formats.by_name(job.format)
    if file.format is not None and file.format[0] in formats.FORMATS:
        return formats.by_name(*file.format)
    return ANY_FORM


def _join_lines(job: RescoreOptions, file: ImportedFile, joined: Joined) -> Iterator[str]:
    by = f"the column {job.key}" if job.key else "question and picture"
    yield f"{len(joined.pairs):,} joined by {by}"
    if joined.blind:
        yield f"{joined.blind:,} of them by the question alone: the file does not hold their pictures"
    if joined.reordered:
        yield (
            f"{_rows(len(joined.reordered))} with the options in another order than in the data "
            f"({'; '.join(joined.reordered[:3])}): a letter means the row's own option"
        )
    for before, after in joined.around:
        yield f"words around the question: {_short(before)!r} before, {_short(after)!r} after"
    for line in counted(joined.refused):
        yield f"not joined, {line}"
    yield from _letter_lines(joined)
    if joined.other_gold:
        first = "; ".join(joined.other_gold[:3])
        yield f"{_rows(len(joined.other_gold))} with another gold in the file than in the data ({first})"
    if joined.unanswered and file.complete and not job.answered_only:
        yield (
            f"{len(joined.unanswered):,} questions of the data have no answer in the file and count as "
            "wrong; --answered-only leaves them out"
        )


def _by_reason(found: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """{reason: its rows} of (reason, row), without those that have none."""
    rows: dict[str, list[str]] = {}
    for reason, row in found:
        if reason:
            rows.setdefault(reason, []).append(row)
    return rows


def _letter_lines(joined: Joined) -> Iterator[str]:
    alone = [answer.where for answer, example in joined.pairs if has_letter_alone(example)]
    if alone:
        yield (
            f"{_rows(len(alone))} with a letter as the gold and no options, neither in columns nor in the "
            f"question ({'; '.join(alone[:3])}): only the letter itself counts as right"
        )


def _scored(
    job: RescoreOptions, parts: Sequence[_Part], folder: Path, key: str, console: Console
) -> dict[str, Mapping[str, Any]]:
    """{task: its `summarise` row}, when all is written."""
    rows: list[AttemptRow] = []
    found: list[Disagreement] = []
    for part in parts:
        scored = [row for _, row in rescored(part.task, part.joined.pairs, job.coordinates, folder / "media")]
        differ = [one for row in scored if (one := disagreement(row)) is not None]
        if part.file.complete and not job.answered_only:
            scored += unanswered(part.task, part.joined.unanswered, part.file.tool, folder / "media")
        for line in _reported_lines(part.file, scored, differ):
            say(console, f"  {line}")
        rows, found = rows + scored, found + differ
    by_task = {
        task: [row for row in rows if row["task"] == task] for task in dict.fromkeys(r["task"] for r in rows)
    }
    results: dict[str, Mapping[str, Any]] = {task: summarise(own) for task, own in by_task.items()}
    files = [
        {
            "tool": part.file.tool,
            "task": part.file.task,
            "reported": part.file.totals,
            "joined": len(part.joined.pairs),
            "not_joined": part.joined.refused,
            "other_gold": part.joined.other_gold,
            "unanswered": [example.id for example in part.joined.unanswered],
        }
        for part in parts
    ]
    about = {"key": key, "verifier": of_verifier(parts[0].task.verifier), "files": files, "results": results}
    write(rows, found, about, folder)
    return results


def _reported_lines(
    file: ImportedFile, rows: Sequence[AttemptRow], differ: Sequence[Disagreement]
) -> Iterator[str]:
    """The reported scores beside ours, over the rows that both judged, and where they disagree."""
    for name, total in file.totals.items():
        yield f"{file.tool} reports {name} {total:.4g} over its file"
    both = [row for row in rows if row["parts"].get(REPORTED, {"value": None})["value"] is not None]
    both = [row for row in both if row["correct"] is not None]
    if not both:
        return
    names = dict.fromkeys(row["parts"][REPORTED]["why"] for row in both)
    reported, here = mean([r["parts"][REPORTED]["value"] for r in both]), mean([r["correct"] for r in both])
    yield (
        f"over the {_rows(len(both))} that both judged: {', '.join(names)} {reported:.4g}, here {here:.4g}; "
        f"they disagree on {len(differ):,}"
    )
    for one in differ[:SHOWN]:
        yield (
            f"{one.where}: reported {one.reported:g}, here {one.here:g}, for {_short(one.said or '')!r}; "
            f"the gold is {_short(one.gold or '')!r}"
        )
    if len(differ) > SHOWN:
        yield f"all {len(differ):,} are in disagreements.jsonl"


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}..."


def _rows(n: int) -> str:
    return f"{n:,} {'row' if n == 1 else 'rows'}"
