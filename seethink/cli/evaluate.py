"""The command that evaluates a model on a user's data or a published benchmark."""

from __future__ import annotations

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
    ScoredDataOptions,
    refuse_given,
    settings_of,
    takes,
    trained,
)
from seethink.cli.progress import execute, run_console
from seethink.cli.tables import say, show_benchmarks, show_results
from seethink.run.run import Run, Scale
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


@app.command("eval", epilog="Example: seethink eval --model sprout --data my.jsonl --verifier same_number")
@takes(EvaluationOptions)
def evaluate(job: EvaluationOptions) -> None:
    """Evaluate a model on your own data or on a published benchmark.

    Your own data are answered greedily, a benchmark as it was published.
    """
    if job.list_benchmarks:
        from seethink.benchmarks import BENCHMARKS

        return show_benchmarks(Console(), BENCHMARKS.values())
    folder = job.out or Path("runs/eval")
    run = Run("eval", Scale("full"), folder, overrides=settings_of("eval", job.settings))
    (task, sampling, claims), results, console = job.load(), {}, run_console(run)

    model = trained(job.model, console)

    def recipe(run: Run) -> None:
        results[job.model] = run.evaluate("eval", run.model(model), [task], sampling).rows

    with job.judge.judged(task, folder / "eval", console) as task:
        execute(run, recipe, console)
    show_results(console, task.headline, results)
    for arm, value in claims.items():
        say(console, f"published, {arm}: {value:.1%}")
    say(console, f"all attempts: {folder / 'eval' / 'attempts.jsonl'}")
    say(console, f"to browse them: seethink look {folder}")
