"""Commands that look at single answers and finished work: ask, look, gallery."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer
from rich.console import Console

from seethink import formats
from seethink.cli.options import FORMATS, MODELS, PROMPT_MODES, trained
from seethink.cli.tables import say
from seethink.types import GREEDY, Example, InputError, Response, Score, Task

app = typer.Typer()

SPROUT = (
    "(sprout, the bundled model, is tiny: it errs. It was taught pages of digits and drawn pictures alone; "
    "asked about any other picture, such as a photograph, it gives an answer that means nothing.)"
)


@app.command(epilog='Example: seethink ask page.png "How many 7s are there?"')
def ask(
    words: Annotated[
        list[str], typer.Argument(metavar="PICTURE... QUESTION", help="The question comes last.")
    ],
    model: Annotated[str, typer.Option(help=MODELS)] = "sprout",
    format: Annotated[str, typer.Option(help=FORMATS)] = "think_answer",
    prompt_mode: Annotated[str, typer.Option(help=PROMPT_MODES)] = "suffix",
    max_tokens: Annotated[int, typer.Option(min=1, help="Longest answer, in tokens.")] = 512,
) -> None:
    """Ask a model about one or more pictures."""
    from seethink.media import given, is_file
    from seethink.sources.row_reader import SUFFIXES

    *pictures, question = words
    if data := next((word for word in words if word.endswith(SUFFIXES) and is_file(word)), None):
        raise InputError(
            f"{data} is a file of questions; `seethink eval --model {model} --data {data}` answers them, "
            "with or without reference answers"
        )
    if not pictures or is_file(question):
        raise InputError("give the pictures first and the question last: seethink ask page.png 'How many?'")
    opened = [given.picture(word, Path(), f"picture {i}") for i, word in enumerate(pictures, 1)]
    media = tuple(given.clip_of(picture, {}) or picture for picture in opened)
    example = Example("ask", question, media, where="ask")
    for medium in example.media:
        medium.load()
    task = Task("ask", [example], formats.by_name(format, prompt_mode), _unjudged)

    console = Console()
    model = trained(model, console)
    from seethink.attempt import attempt
    from seethink.engines.local import LocalEngine
    from seethink.models.accepted_media import refuse_unusable

    engine = LocalEngine.load(model)
    refuse_unusable(engine, [task])
    ((rollout,),) = attempt(engine, task, [example], replace(GREEDY, max_tokens=max_tokens))
    _show_response(console, rollout.response)
    if model == "sprout":
        say(console, SPROUT)


def _unjudged(example: Example, response: Response) -> Score:
    return Score(None, "there is no reference answer")


def _show_response(console: Console, response: Response) -> None:
    """Thought and answer; where the text breaks its format, the raw text and the reason."""
    if response.answer is None:
        say(console, f"{response.text}\n(no answer could be read: {response.fault})")
        return
    if response.thought:
        say(console, response.thought)
    say(console, f"answer: {response.answer}")


@app.command(epilog="Example: seethink look runs/r1v-tiny")
def look(
    path: Annotated[Path, typer.Argument(help="Folder of a run or a synthesis, or a file of questions.")],
    out: Annotated[
        Path | None, typer.Option(help="Page to write; look.html beside what it shows by default.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Questions shown, evenly spaced.")] = 200,
) -> None:
    """Write an HTML page of attempts, synthesis traces or unanswered questions."""
    from seethink.report import write_gallery_page, write_traces
    from seethink.synth.status import LEDGER_FILE

    out = out or _page_of(path)
    if (path / LEDGER_FILE).is_file():
        shown, finished = write_traces(path, out, limit)
        return say(Console(), f"{shown:,} of {finished:,} examples: {out}")
    with TemporaryDirectory() as temporary:
        rows, folder = _attempts(path, Path(temporary))
        by_question: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
        for row in rows:
            by_question.setdefault((row["task"], row.get("step"), row["id"]), []).append(row)
        questions = list(by_question.values())
        selected = questions[:: -(-len(questions) // limit)]
        shown = [row for attempts in selected for row in attempts]
        count = f"{len(selected):,} of {len(questions):,} questions"
        write_gallery_page(shown, folder, out, f"{path}: {count}", _trainings(path))
    say(Console(), f"{count}: {out}")


def _trainings(path: Path) -> dict[str, Path]:
    """{stage: metrics.jsonl} of all trainings in a folder, or of the one whose attempts.jsonl `path` is."""
    folder = path.parent if path.is_file() else path
    files = [file for file in sorted(folder.rglob("metrics.jsonl")) if ".stale" not in file.parts]
    return (
        {file.parent.name: file for file in files} if path.is_dir() or path.name == "attempts.jsonl" else {}
    )


def _page_of(path: Path) -> Path:
    """look.html in a folder or beside attempts.jsonl; my.look.html beside the questions of my.jsonl."""
    if path.is_file() and path.name != "attempts.jsonl":
        return path.with_suffix(".look.html")
    return (path.parent if path.is_file() else path) / "look.html"


def _attempts(path: Path, temporary: Path) -> tuple[list[dict[str, Any]], Path]:
    """Rows of all attempts.jsonl in a folder, or of the one that `path` is, and the folder to which the paths
    of their pictures are relative."""
    from seethink.evaluate.attempts import read_attempts

    if path.name == "attempts.jsonl":
        return [_placed(row, path, path.parent) for row in read_attempts(path)], path.parent
    files = [file for file in sorted(path.rglob("attempts.jsonl")) if ".stale" not in file.parts]
    if not files and path.is_dir() and _trainings(path):
        raise InputError(f"{path} holds no attempts: SFT and DPO sample none; evaluate its checkpoint first")
    if not files:
        return _questions(path, temporary), temporary
    rows = ((file, _placed(row, file, path)) for file in files for row in read_attempts(file))
    stages = {file: f"{file.parent.relative_to(path)}: " if file.parent != path else "" for file in files}
    return [row | {"task": f"{stages[file]}{row['task']}"} for file, row in rows], path


def _placed(row: dict[str, Any], file: Path, folder: Path) -> dict[str, Any]:
    """A row of `file`, whose pictures lie in the folder of its run, with their paths relative to `folder`."""
    run = next((parent for parent in file.parents if (parent / "media").is_dir()), file.parent)
    return row | {"media": [os.path.relpath(run / name, folder) for name in row["media"]]}


def _questions(path: Path, temporary: Path) -> list[dict[str, Any]]:
    """Examples of a data file in the form of attempts without an answer; their media are copied to
    `temporary`."""
    from seethink import media
    from seethink.evaluate.attempts import transcript
    from seethink.sources import records

    return [
        {
            "task": path.stem,
            "id": example.id,
            "question": transcript(example),
            "media": [media.save_preview(medium, temporary / "media") for medium in example.media],
            "gold": example.answer,
            "meta": dict(example.meta),
        }
        for example in records.read(path, answered=False)
    ]


@app.command(epilog="Example: seethink gallery")
def gallery(
    out: Annotated[Path, typer.Option(help="Page to write; its sheets go to a folder beside it.")] = Path(
        "docs/gallery.md"
    ),
) -> None:
    """Draw one sheet of examples for each drawn world."""
    from seethink.sources.drawn.sheets import write_gallery

    write_gallery(out)
    say(Console(), f"the drawn worlds: {out}")
