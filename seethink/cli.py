"""The command line: one short function per command, which imports what is heavy for itself alone."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Annotated, Any, Literal

import typer
from rich.console import Console

from seethink import cli_data, cli_synth, formats, recipes, verify
from seethink.cli_judge import Judging
from seethink.options import takes
from seethink.run import Run, Scale
from seethink.settings import override, unknown
from seethink.terminal import say, show_benchmarks, show_plan, show_results
from seethink.types import GREEDY, Example, InputError, NotFinite, Pair, Response, Sampling, Score, Task
from seethink.verify.own import refuse_unknown

SETTING = "[FIELD=VALUE]..."
ASKED = f"Where the instruction stands: {', '.join(formats.MODES)}."
MODELS = "sprout (bundled, tiny), a model's folder, or a hub id."

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_show_locals=False)


@app.callback()
def seethink() -> None:
    """Teach small vision-language models to reason, and see what they learned."""


def main(arguments: Sequence[str] | None = None) -> None:
    """The console script. Input that cannot be used becomes one message on stderr and exit code 2."""
    try:
        app(arguments)
    except InputError as error:
        say(Console(stderr=True), f"error: {error}")
        sys.exit(2)
    except NotFinite as error:
        say(Console(stderr=True), f"stopped: {error}")
        sys.exit(1)


# Recipes --------------------------------------------------------------------------------------------------

RecipeName = Annotated[str, typer.Argument(metavar="RECIPE", help="One of the recipes in seethink/recipes.")]
Overrides = Annotated[
    list[str] | None,
    typer.Argument(metavar="[STAGE.FIELD=VALUE]...", help="Settings to change: grpo.kl_weight=0.04"),
]
ScaleName = Annotated[str, typer.Option(help="smoke, tiny, one_gpu or full.")]
RunFolder = Annotated[Path | None, typer.Option(help="The run's folder; runs/RECIPE-SCALE by default.")]
Seed = Annotated[int, typer.Option(help="Of everything random.")]


@app.command("run", epilog="Example: seethink run r1v --scale tiny grpo.steps=50")
def run_recipe(
    recipe: RecipeName,
    overrides: Overrides = None,
    scale: ScaleName = "tiny",
    out: RunFolder = None,
    seed: Seed = 0,
    only: Annotated[list[str] | None, typer.Option(help="This stage alone; may be repeated.")] = None,
) -> None:
    """Carry out a recipe. What was done before is recognised, what was stopped continues."""
    module, run = _recipe_run(recipe, scale, out, seed, overrides)
    _execute(replace(run, only=only or ()), module.recipe)


@app.command("show", epilog="Example: seethink show r1v --scale full")
def show_recipe(
    recipe: RecipeName,
    overrides: Overrides = None,
    scale: ScaleName = "tiny",
    out: RunFolder = None,
    seed: Seed = 0,
) -> None:
    """Print a recipe's stages, settings and derived numbers. Of the data, one question is looked at."""
    module, run = _recipe_run(recipe, scale, out, seed, overrides)
    stages = run.plan(module.recipe)
    for note in run.notes:
        say(run.console, note)
    say(run.console, f"scale {run.scale}, seed {run.seed}, in {run.out}")
    show_plan(run.console, stages.values())


def _recipe_run(
    recipe: str, scale: str, out: Path | None, seed: int, overrides: list[str] | None
) -> tuple[ModuleType, Run]:
    known = [module.name for module in pkgutil.iter_modules(recipes.__path__)]
    if recipe not in known:
        raise unknown("recipe", recipe, known)
    module = importlib.import_module(f"seethink.recipes.{recipe}")
    folder = out or Path("runs") / f"{recipe}-{scale}"
    return module, Run(recipe, Scale(scale), folder, seed, overrides or (), notes=_notes(module))


def _notes(module: ModuleType) -> tuple[str, ...]:
    """The title and the fields of a recipe's docstring, one line each; indented lines continue a field."""
    lines = re.split(r"\n+(?=\S)", inspect.getdoc(module) or "")
    return tuple(" ".join(line.split()) for line in lines)


def _execute(run: Run, recipe: Callable[[Run], None]) -> None:
    try:
        run.execute(recipe)
    except KeyboardInterrupt:
        say(run.console, "stopped; the same command continues")
        raise typer.Exit(130) from None


# Your own data --------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class OwnData(Judging):
    """The options of every command that works on a user's data."""

    model: Annotated[str, typer.Option(help=MODELS)]
    data: Annotated[Path, typer.Option(help="A file of questions (JSONL, JSON, parquet), or drawn:WORLD:N.")]
    images: Annotated[Path | None, typer.Option(help="The folder that paths of media begin at.")] = None
    frames: Annotated[int, typer.Option(min=1, help="Frames of each clip, unless its row says.")] = 8
    every_s: Annotated[float | None, typer.Option(help="Or one frame every so many seconds.")] = None
    format: Annotated[str, typer.Option(help=", ".join(formats.FORMATS))] = "think_answer"
    mode: Annotated[str, typer.Option(help=ASKED)] = "suffix"
    verifier: Annotated[str, typer.Option(help=", ".join(verify.VERIFIERS))] = "own"
    out: Annotated[Path | None, typer.Option(help="The run's folder; runs/COMMAND by default.")] = None

    def task(self) -> Task:
        """Everything that can be wrong with it is found here, before any work: pictures are opened, too."""
        from seethink.sources import drawn, records

        asked, judged = formats.by_name(self.format, self.mode), verify.by_name(self.verifier)
        address = str(self.data)
        if address.startswith(drawn.PREFIX):
            examples = drawn.by_address(address)
        else:
            examples = records.read(self.data, self.images, self._clips)
            if self.verifier == "own":
                refuse_unknown(examples)
        paid = verify.weighted(correct=(judged, 1.0), format=(verify.well_formed, 0.5))
        return Task(self.data.stem, examples, asked, paid)

    def pairs(self) -> tuple[Pair, ...]:
        """The same for pairs of responses, of which one is better."""
        from seethink.sources.pairs import read_pairs

        return read_pairs(self.data, formats.by_name(self.format, self.mode), self.images, self._clips)

    @property
    def _clips(self) -> dict[str, Any]:
        return {"count": self.frames, "every_s": self.every_s}


@dataclass(frozen=True, kw_only=True)
class Evaluating(OwnData):
    model: Annotated[str, typer.Option(help=MODELS, show_default=False)] = ""
    data: Annotated[Path | None, typer.Option(help="A file of questions.")] = None  # type: ignore[assignment]
    benchmark: Annotated[str, typer.Option("--task", help="Or a published test.", show_default=False)] = ""
    folder: Annotated[Path | None, typer.Option(help="Where the published test's copy is.")] = None
    listed: Annotated[bool, typer.Option("--list", help="Print the published tests.")] = False
    format: Annotated[str, typer.Option(help=", ".join(formats.FORMATS), show_default=False)] = ""
    mode: Annotated[str, typer.Option(help=ASKED, show_default=False)] = ""
    settings: Annotated[list[str] | None, typer.Argument(metavar=SETTING, help="max_tokens=512")] = None

    def chosen(self) -> tuple[Task, Sampling, Mapping[str, float]]:
        """The task, how it is decoded, and what was published about it."""
        from seethink import benchmarks

        if not self.model or bool(self.data) == bool(self.benchmark):
            raise InputError("name a --model, and either your own --data or a published --task")
        if not self.benchmark:
            own = replace(self, format=self.format or "think_answer", mode=self.mode or "suffix")
            return own.task(), GREEDY, {}
        test = benchmarks.by_name(self.benchmark)
        task = test.task(self.folder, self.format, self.mode)
        _ = task.examples[0]  # another layout is found here, before any work
        return task, test.sampling, test.claims


@dataclass(frozen=True, kw_only=True)
class Training(OwnData):
    method: Annotated[
        Literal["grpo", "sft", "dpo"],
        typer.Argument(help="Reinforcement, imitation of steps, or preference between two responses."),
    ]
    settings: Annotated[list[str] | None, typer.Argument(metavar=SETTING, help="learning_rate=1e-6")] = None
    config: Annotated[Path | None, typer.Option(exists=True, dir_okay=False, help="Fields as YAML.")] = None
    seed: Annotated[int | None, typer.Option(help="Of everything random.")] = None


@app.command("eval", epilog="Example: seethink eval --model sprout --data my.jsonl --verifier same_number")
@takes(Evaluating)
def evaluate(job: Evaluating) -> None:
    """Ask a model every question of a file, greedily, or of a published test, as it was published; judge."""
    if job.listed:
        from seethink.benchmarks import BENCHMARKS

        return show_benchmarks(Console(), BENCHMARKS.values())
    run = Run("eval", Scale("full"), job.out or Path("runs/eval"), overrides=_of("eval", job.settings))
    (task, sampling, claims), results = job.chosen(), {}

    def recipe(run: Run) -> None:
        results[job.model] = run.evaluate("eval", run.model(job.model), [task], sampling).rows

    with job.judged(task, run, "eval") as task:
        _execute(run, recipe)
    show_results(run.console, task.headline, results)
    for arm, value in claims.items():
        say(run.console, f"published, {arm}: {value:.1%}")
    say(run.console, f"every attempt: {run.out / 'eval' / 'attempts.jsonl'}")
    say(run.console, f"to leaf through them: seethink look {run.out}")


@app.command("train", epilog="Example: seethink train grpo --model sprout --data my.jsonl steps=50")
@takes(Training)
def train(job: Training) -> None:
    """Teach a model on your own questions; leaves an ordinary model folder."""
    from seethink.train.configs import DPO, GRPO, SFT

    config: Any = {"grpo": GRPO, "sft": SFT, "dpo": DPO}[job.method]()
    if job.config:
        config = override(config, _yaml(job.config), str(job.config))
    if job.seed is not None:
        config = replace(config, seed=job.seed)
    name = f"train-{job.method}"
    run = Run(name, Scale("full"), job.out or Path("runs") / name, config.seed, _of(job.method, job.settings))
    given: Any = job.pairs() if job.method == "dpo" else job.task()

    def recipe(run: Run) -> None:
        model = run.model(job.model)
        if job.method == "grpo":
            run.grpo("grpo", model, given, config)
        elif job.method == "dpo":
            run.dpo("dpo", model, given, config)
        else:
            run.sft("sft", model, run.traces(given), config)

    with job.judged(given, run, job.method) as given:
        _execute(run, recipe)
    say(run.console, f"checkpoint: {run.out / job.method / 'checkpoint'}")


def _of(stage: str, settings: list[str] | None) -> list[str]:
    return [f"{stage}.{setting}" for setting in settings or ()]


def _yaml(file: Path) -> dict[str, Any]:
    import yaml

    try:
        read = yaml.safe_load(file.read_text())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{file} is not YAML: {error}") from error
    if not isinstance(read, dict):
        raise InputError(f"{file} holds no fields; write lines such as learning_rate: 1e-6")
    return read


app.add_typer(cli_synth.app, name="synth")
app.command("check", epilog="Example: seethink check my.jsonl --verifier same_number")(cli_data.check)
app.command(epilog="Example: seethink convert my.jsonl mine --dialect trl")(cli_data.convert)


# Looking --------------------------------------------------------------------------------------------------


@app.command(epilog='Example: seethink ask page.png "How many 7s are there?"')
def ask(
    words: Annotated[list[str], typer.Argument(metavar="PICTURE... QUESTION", help="The question is last.")],
    model: Annotated[str, typer.Option(help=MODELS)] = "sprout",
    format: Annotated[str, typer.Option(help=", ".join(formats.FORMATS))] = "think_answer",
    mode: Annotated[str, typer.Option(help=ASKED)] = "suffix",
    max_tokens: Annotated[int, typer.Option(min=1, help="Longest answer.")] = 512,
) -> None:
    """Ask a model about one picture or several."""
    from seethink.media import Image

    *pictures, question = words
    if not pictures or Path(question).is_file():
        raise InputError("give the pictures first and the question last: seethink ask page.png 'How many?'")
    example = Example("ask", question, tuple(Image.file(picture) for picture in pictures))
    for picture in example.media:
        picture.load()
    task = Task("ask", [example], formats.by_name(format, mode), _nobody_knows)

    from seethink.attempt import attempt
    from seethink.engines.local import LocalEngine

    ((rollout,),) = attempt(LocalEngine.load(model), task, [example], replace(GREEDY, max_tokens=max_tokens))
    _tell(Console(), rollout.response)
    if model == "sprout":
        say(Console(), "(sprout is a tiny model: it errs)")


def _nobody_knows(example: Example, response: Response) -> Score:
    return Score(None, "nobody told the answer")


def _tell(console: Console, response: Response) -> None:
    """What was said, as it was said; where the form is broken, the raw text and the breach."""
    if response.answer is None:
        say(console, f"{response.text}\n(no answer could be read: {response.fault})")
        return
    if response.thought:
        say(console, response.thought)
    say(console, f"answer: {response.answer}")


@app.command(epilog="Example: seethink look runs/r1v-tiny")
def look(
    path: Annotated[Path, typer.Argument(help="The folder of a run or a synthesis, or a file.")],
    out: Annotated[Path, typer.Option(help="The page to write.")] = Path("look.html"),
    limit: Annotated[int, typer.Option(min=1, help="Questions shown, evenly spaced.")] = 200,
) -> None:
    """Leaf through a run's attempts, a synthesis' walks, or questions that nobody has answered yet."""
    from seethink.report import write_look, write_walks
    from seethink.synth.status import LEDGER

    if (path / LEDGER).is_file():
        shown, ended = write_walks(path, out, limit)
        return say(Console(), f"{shown:,} of {ended:,} examples: {out}")
    with TemporaryDirectory() as drawn:
        rows, folder = _rows_to_look_at(path, Path(drawn))
        asked = [
            list(same) for _, same in groupby(rows, key=lambda row: (row["task"], row.get("step"), row["id"]))
        ]
        shown = asked[:: -(-len(asked) // limit)]
        write_look([row for rows in shown for row in rows], folder, out, title=str(path))
    say(Console(), f"{len(shown):,} of {len(asked):,} questions: {out}")


@app.command(epilog="Example: seethink gallery")
def gallery(
    out: Annotated[
        Path, typer.Option(help="The page to write; its sheets stand in a folder beside it.")
    ] = Path("docs/gallery.md"),
) -> None:
    """Draw one sheet of examples for each drawn world, and a page that shows them."""
    from seethink.sources.drawn.sheets import write_gallery

    write_gallery(out)
    say(Console(), f"the drawn worlds: {out}")


def _rows_to_look_at(path: Path, drawn: Path) -> tuple[list[dict[str, Any]], Path]:
    """Rows of attempts.jsonl, and the folder that their pictures' paths begin at."""
    from seethink.report.rows import read_attempts

    if path.name == "attempts.jsonl":
        run = next((folder for folder in path.parents if (folder / "media").is_dir()), path.parent)
        return list(read_attempts(path)), run
    stages = [file for file in sorted(path.rglob("attempts.jsonl")) if ".stale" not in file.parts]
    if not stages:
        return _unanswered(path, drawn), drawn
    told = ((str(file.parent.relative_to(path)), row) for file in stages for row in read_attempts(file))
    return [row | {"task": f"{stage}: {row['task']}"} for stage, row in told], path


def _unanswered(path: Path, drawn: Path) -> list[dict[str, Any]]:
    from seethink import media
    from seethink.sources import records

    return [
        {
            "task": path.stem,
            "id": example.id,
            "question": example.question,
            "media": [media.keep(medium, drawn / "media") for medium in example.media],
            "gold": example.answer,
            "meta": dict(example.meta),
        }
        for example in records.read(path)
    ]
