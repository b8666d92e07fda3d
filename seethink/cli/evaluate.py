"""The command that evaluates a model on a user's data or a published benchmark."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from seethink.cli.options import (
    FORMATS,
    MODELS,
    PROMPT_MODES,
    SETTINGS,
    SOLVER,
    ScoredDataOptions,
    refuse_given,
    settings_of,
    takes,
    trained,
)
from seethink.cli.progress import execute, run_console
from seethink.cli.tables import say, show_benchmarks, show_results, show_usage
from seethink.identity import digest
from seethink.run.controls import controls
from seethink.run.run import Run, Scale
from seethink.run.stage import Stage
from seethink.solve import by_name
from seethink.types import GREEDY, InputError, Sampling, Task

app = typer.Typer()


@dataclass(frozen=True, kw_only=True)
class EvaluationOptions(ScoredDataOptions):
    """Options of `seethink eval`."""

    model: Annotated[str, typer.Option(help=MODELS, show_default=False)] = ""
    data: Annotated[Path | None, typer.Option(help="File of questions, or drawn:WORLD:N.")] = None  # type: ignore[assignment]
    benchmark: Annotated[str, typer.Option(help="Or a published benchmark.", show_default=False)] = ""
    benchmark_dir: Annotated[
        Path | None, typer.Option(help="Local copy of the benchmark's data; the hub's by default.")
    ] = None
    list_benchmarks: Annotated[bool, typer.Option("--list", help="Print the published benchmarks.")] = False
    format: Annotated[str, typer.Option(help=FORMATS, show_default=False)] = ""
    prompt_mode: Annotated[str, typer.Option(help=PROMPT_MODES, show_default=False)] = ""
    solver: Annotated[str, typer.Option(help=SOLVER, show_default=False)] = ""
    controls: Annotated[
        bool,
        typer.Option(
            "--controls",
            help="Also greedy answers, and majority and likeliest of as many tokens as --solver.",
        ),
    ] = False
    settings: Annotated[
        list[str] | None, typer.Argument(metavar=SETTINGS, help="Settings: max_tokens=512")
    ] = None

    def load(self) -> tuple[Task, Sampling, Mapping[str, float]]:
        """The task, how completions are sampled, and published numbers, {arm: value}."""
        from seethink import benchmarks

        if not self.model or bool(self.data) == bool(self.benchmark):
            raise InputError("name a --model, and either your own --data or a published --benchmark")
        if not self.benchmark:
            refuse_given(self, "--data names your own file", "benchmark_dir")
            own = replace(
                self, format=self.format or "think_answer", prompt_mode=self.prompt_mode or "suffix"
            )
            return own.load_task(answered=False), GREEDY, {}
        refuse_given(self, "a benchmark has its published scoring", "verifier", "reward_weights")
        refuse_given(self.media, "a benchmark has its published media", *vars(self.media))
        benchmark = benchmarks.by_name(self.benchmark)
        task = benchmark.task(self.benchmark_dir, self.format, self.prompt_mode)
        _ = task.examples[0]  # raises InputError for an unknown layout, before any work
        return task, benchmark.sampling, benchmark.claims

    def folder_name(self, model: str, key: str) -> str:
        """A name for the results: model, data and what was chosen besides, then a digest of it all. key: of
        the evaluation, without its judge."""
        data = self.benchmark or (self.data or Path()).stem
        verifier = "" if self.verifier == "auto" else self.verifier.rpartition(":")[2]
        judge = "judge" if self.judge.judge_base_url else ""
        words = [
            _named(model),
            self.solver,
            data,
            self.format.rpartition(":")[2],
            self.prompt_mode,
            verifier,
            judge,
        ]
        texts = [
            re.sub(r"[^\w.+-]+", "-", word)[:40].strip("-.") for word in [*words, *(self.settings or ())]
        ]
        readable = "-".join(filter(None, texts))[:160]  # a name has at most 255 bytes
        return f"{readable}-{digest([key, self.judge])[:8]}"


RESULTS = Path("runs/eval")
"""Where evaluations are kept by model and data."""


@app.command("eval", epilog="Example: seethink eval --model sprout --data my.jsonl --verifier same_number")
@takes(EvaluationOptions)
def evaluate(job: EvaluationOptions) -> None:
    """Evaluate a model on your own data or on a published benchmark.

    Your own data are answered greedily, a benchmark as it was published; with --solver, as it says. Each
    model, data and way of asking has its own folder; the same again is resumed or skipped.
    """
    if job.list_benchmarks:
        from seethink.benchmarks import BENCHMARKS

        return show_benchmarks(Console(), BENCHMARKS.values())
    if job.controls and not job.solver:
        raise InputError("--controls are those of a --solver; name one, or leave --controls out")
    solver = by_name(job.solver) if job.solver else None
    run = Run("eval", Scale("full"), job.out or RESULTS, overrides=settings_of("eval", job.settings))
    (task, sampling, claims), results, console = job.load(), {}, run_console(run)

    model = trained(job.model, console)

    def recipe(run: Run) -> None:
        answering = run.model(model)
        measured = run.evaluate("eval", answering, [task], solver or sampling)
        arms = {job.solver or job.model: measured}
        if solver is not None and job.controls:
            arms = controls(run, "controls", answering, [task], solver, measured) | arms
            run.compare("report", arms)
        results.update({arm: found.rows for arm, found in arms.items()})

    kept = run.out  # the replies of a judge, for all evaluations in RESULTS
    if not job.out:
        run.out = RESULTS / job.folder_name(model, run.dry_run(recipe)["eval"].key)
    with job.judge.judged(kept, run.out / "eval", console, task) as (task,):
        _refuse_other(run.dry_run(recipe)["eval"])
        execute(run, recipe, console)
    if not job.controls:  # the report has shown them
        show_results(console, task.headline, results)
    show_usage(console, results)
    for arm, value in claims.items():
        say(console, f"published, {arm}: {value:.1%}")
    say(console, f"all attempts: {run.out / 'eval' / 'attempts.jsonl'}")
    say(console, f"to browse them: seethink look {run.out}")


def _refuse_other(stage: Stage) -> None:
    """Raises InputError where the stage's folder holds an evaluation of something else."""
    if stage.status() == "changed":
        differs = ", ".join(stage.changes(stage.state()).texts)
        raise InputError(
            f"{stage.run} holds another evaluation, which stays ({differs}); choose another --out, or give "
            "none: each evaluation then has its own folder"
        )


def _named(model: str) -> str:
    """A model in a file name: `own-grpo` of runs/own/grpo/checkpoint, the last part of any other name."""
    folder = Path(model).expanduser()
    parts = folder.resolve().parts if folder.is_dir() else Path(model).parts
    is_checkpoint = parts[-1].startswith("checkpoint")
    return "-".join(parts[-3:] if is_checkpoint else parts[-1:]).removesuffix("-checkpoint")
