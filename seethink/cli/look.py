"""Commands that look at single answers and finished work: ask, look, gallery."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer
from rich.console import Console

from seethink import formats
from seethink.cli.options import FORMATS, MODELS, PROMPT_MODES, SOLVER, Seed, refuse_given, takes, trained
from seethink.cli.tables import say, usage_in_words
from seethink.solve import Direct, SolverOptions, by_name
from seethink.types import Example, InputError, Response, Rollout, RolloutUsage, Sampling, Score, Task

app = typer.Typer()

SPROUT = (
    "(sprout, the bundled model, is tiny: it errs. It was taught pages of digits and drawn pictures alone; "
    "asked about any other picture, such as a photograph, it gives an answer that means nothing.)"
)

ANSWERS, TRACES = 20_000, 200
"""Most answers and synthesis traces of one page."""


@dataclass(frozen=True, kw_only=True)
class AskOptions:
    """Options of `seethink ask`."""

    words: Annotated[
        list[str], typer.Argument(metavar="PICTURE... QUESTION", help="The question comes last.")
    ]
    model: Annotated[str, typer.Option(help=MODELS)] = "sprout"
    format: Annotated[str, typer.Option(help=FORMATS)] = "think_answer"
    prompt_mode: Annotated[str, typer.Option(help=PROMPT_MODES)] = "suffix"
    max_tokens: Annotated[
        int | None, typer.Option(min=1, help="Longest answer, in tokens; 512 without --solver.")
    ] = None
    solver: Annotated[str, typer.Option(help=SOLVER, show_default=False)] = ""
    samples: Annotated[int, typer.Option(min=1, help="Answers to sample, instead of one greedy one.")] = 1
    seed: Seed = 0

    def answering(self) -> SolverOptions:
        """The solver. Raises InputError where two options say the same."""
        if not self.solver:
            temperature = 1.0 if self.samples > 1 else 0.0
            tokens = self.max_tokens or 512
            return Direct(Sampling(self.samples, temperature, max_tokens=tokens, seed=self.seed))
        refuse_given(self, f"--solver {self.solver} has options of its own", "samples", "max_tokens", "seed")
        return by_name(self.solver)


@app.command("ask", epilog='Example: seethink ask page.png "How many 7s are there?"')
@takes(AskOptions)
def ask(job: AskOptions) -> None:
    """Ask a model about one or more pictures."""
    answering, words, model = job.answering(), job.words, job.model
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
    task = Task("ask", [example], formats.by_name(job.format, job.prompt_mode), _unjudged)

    console = Console()
    model = trained(model, console)
    from seethink.engines.local import LocalEngine
    from seethink.models.accepted_media import refuse_unusable

    engine = LocalEngine.load(model)
    refuse_unusable(engine, [task])
    (rollouts,) = answering(engine, task, [example])
    for rollout in rollouts:
        _show_rollout(console, rollout)
    if job.solver:
        used = sum((one.usage for one in rollouts if one.usage), RolloutUsage())
        say(console, f"({usage_in_words(asdict(used))})")
    if model == "sprout":
        say(console, SPROUT)


def _unjudged(example: Example, response: Response) -> Score:
    return Score(None, "there is no reference answer")


def _show_rollout(console: Console, rollout: Rollout) -> None:
    """What the solver went through, and the response."""
    for part in rollout.parts:
        value = "" if part.value is None else f" ({part.value:.3g})"
        say(console, f"{part.name}{value}: {part.text}")
    _show_response(console, rollout.response)


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
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="PATH...",
            help="Folders of runs or single attempts.jsonl, shown beside each other; or one synthesis; or "
            "one file of questions.",
        ),
    ],
    out: Annotated[
        Path | None, typer.Option(help="Page to write; look.html beside what it shows by default.")
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(
            min=1,
            help=f"Most answers shown, {ANSWERS:,} by default: whole questions, evenly spaced; of a "
            f"synthesis, most examples, {TRACES} by default.",
            show_default=False,
        ),
    ] = None,
    live: Annotated[
        bool, typer.Option("--live", help="Follow a training on a page of this machine, until Ctrl-C.")
    ] = False,
    port: Annotated[int, typer.Option(min=0, max=65_535, help="With --live; 0: any free one.")] = 0,
) -> None:
    """Write an HTML page of attempts, synthesis traces or unanswered questions; or follow a training.

    Evaluations and training steps that asked the same question are shown beside each other; the first
    evaluation is what the others are compared with.
    """
    from seethink.cli.attempt_files import attempts_of, questions_of, trainings_of, with_found_pictures
    from seethink.report import write_gallery_page, write_traces
    from seethink.synth.status import LEDGER_FILE

    paths = list(dict.fromkeys(paths))
    if live:
        if out:
            raise InputError("--live writes no page; leave out --out")
        return _follow(paths, limit or ANSWERS, port)
    if port:
        raise InputError("a page that is a file has no port; leave out --port or add --live")
    out = out or _page_of(paths)
    if len(paths) == 1 and (paths[0] / LEDGER_FILE).is_file():
        shown, finished = write_traces(paths[0], out, limit or TRACES)
        return say(Console(), f"{shown:,} of {finished:,} examples: {out}")
    with TemporaryDirectory() as temporary:
        rows = attempts_of(paths) or questions_of(paths[0], Path(temporary))
        rows, n_lost = with_found_pictures(rows)
        selected, n_questions = _evenly(rows, limit or ANSWERS)
        count = f"{len(selected):,} of {n_questions:,} questions"
        title = f"{', '.join(map(str, paths))}: {count}"
        shown_rows = [row for attempts in selected for row in attempts]
        write_gallery_page(shown_rows, Path(), out, title, trainings_of(paths))
    if n_lost:
        say(Console(), f"{n_lost:,} picture{'s' * (n_lost > 1)} not on disk: the page shows a space instead")
    say(Console(), f"{count}: {out}")


def _evenly(rows: list[dict[str, Any]], limit: int) -> tuple[list[list[dict[str, Any]]], int]:
    """(questions with all their rows, as many as `limit` rows allow but at least one, evenly spaced; how many
    there are)"""
    from seethink.report import question_key

    by_question: dict[tuple[object, ...], list[dict[str, Any]]] = {}
    for row in rows:
        by_question.setdefault(question_key(row), []).append(row)
    questions = [*by_question.values()]
    stride = max(1, -(-len(rows) // limit))
    while stride < len(questions) and sum(map(len, questions[::stride])) > limit:
        stride += 1
    return questions[::stride], len(questions)


def _follow(paths: list[Path], limit: int, port: int) -> None:
    """Serve the live page until the user ends it, at a low priority: the training comes first."""
    from seethink.cli.attempt_files import live_attempts, placed, trainings_of
    from seethink.cli.serve import require_extra

    if gone := next((path for path in paths if not path.exists()), None):
        raise InputError(f"there is no {gone} to follow; give the folder of a run")
    require_extra(("fastapi", "uvicorn"))
    import uvicorn

    from seethink.report.live import LiveRun, live_app
    from seethink.serve.startup import bound

    title = ", ".join(map(str, paths))
    run = LiveRun(title, lambda: live_attempts(paths), lambda: trainings_of(paths), placed, limit)
    with bound("127.0.0.1", port) as sock:
        os.nice(10)
        address = f"http://127.0.0.1:{sock.getsockname()[1]}"
        say(Console(), f"{title}: {address} (for this machine alone; Ctrl-C ends it)")
        config = uvicorn.Config(live_app(run), log_level="warning", access_log=False, ws="none")
        uvicorn.Server(config).run(sockets=[sock])


def _page_of(paths: list[Path]) -> Path:
    """look.html in a folder or beside attempts.jsonl, and here for several of them; my.look.html beside the
    questions of my.jsonl."""
    path = paths[0]
    if len(paths) > 1:
        return Path("look.html")
    if path.is_file() and path.name != "attempts.jsonl":
        return path.with_suffix(".look.html")
    return (path.parent if path.is_file() else path) / "look.html"


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
