"""The command that evaluates a model on a user's data or a published benchmark."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

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
from seethink.engines.opening import Server
from seethink.evaluate.probes import PLAIN, applicable, probed
from seethink.identity import digest
from seethink.models.names import is_server
from seethink.run.controls import controls
from seethink.run.evaluating import retry
from seethink.run.run import Run, Scale
from seethink.run.stage import Stage
from seethink.solve import by_name
from seethink.types import GREEDY, InputError, Sampling, Task

app = typer.Typer()


@dataclass(frozen=True, kw_only=True)
class ServerOptions:
    """How the server of --model is asked."""

    key_env: Annotated[str, typer.Option(help="Environment variable with the API key of --model URL.")] = (
        "OPENAI_API_KEY"
    )
    max_concurrency: Annotated[int, typer.Option(min=1, help="Requests to --model URL in flight.")] = 64

    def model(self, name: str, console: Console) -> str | Server:
        """The model that --model names; a server's by the names that it gives."""
        if not is_server(name):
            refuse_given(self, "--model is not behind a server", "key_env", "max_concurrency")
            return trained(name, console)
        return Server(name, key_env=self.key_env, max_concurrency=self.max_concurrency).named()


@dataclass(frozen=True, kw_only=True)
class EvaluationOptions(ScoredDataOptions):
    """Options of `seethink eval`."""

    model: Annotated[
        str, typer.Option(help=f"{MODELS} Or http://host:port/v1#model.", show_default=False)
    ] = ""
    data: Annotated[Path | None, typer.Option(help="File of questions, or drawn:WORLD:N.")] = None  # type: ignore[assignment]
    benchmark: Annotated[str, typer.Option(help="Or a published benchmark.", show_default=False)] = ""
    benchmark_dir: Annotated[
        Path | None, typer.Option(help="Local copy of the benchmark's data; the hub's by default.")
    ] = None
    list_benchmarks: Annotated[bool, typer.Option("--list", help="Print the published benchmarks.")] = False
    format: Annotated[str, typer.Option(help=FORMATS, show_default=False)] = ""
    prompt_mode: Annotated[
        str,
        typer.Option(help=f"{PROMPT_MODES} Several, as direct,suffix, are compared.", show_default=False),
    ] = ""
    solver: Annotated[str, typer.Option(help=SOLVER, show_default=False)] = ""
    controls: Annotated[
        bool,
        typer.Option(
            "--controls",
            help="Also greedy answers, and majority and likeliest of as many tokens as --solver.",
        ),
    ] = False
    robustness: Annotated[
        str,
        typer.Option(
            help="Also with changed pictures or options: all, or some of resize,crop,jpeg,options,blank.",
            show_default=False,
        ),
    ] = ""
    retry: Annotated[
        bool, typer.Option("--retry", help="Answer again what was not answered or not judged.")
    ] = False
    server: ServerOptions
    settings: Annotated[
        list[str] | None, typer.Argument(metavar=SETTINGS, help="Settings: max_tokens=512")
    ] = None

    def load(self) -> tuple[dict[str, Task], Sampling, Mapping[str, float]]:
        """{stage: task}: one for each prompt mode and each probe, the plain one first; how completions are
        sampled; published numbers, {arm: value}."""
        modes = self.prompt_mode.split(",")
        if len({*modes}) < len(modes):
            raise InputError(f"--prompt-mode {self.prompt_mode} names a mode twice; name each once")
        loaded = [replace(self, prompt_mode=mode.strip())._load_one() for mode in modes]
        task, sampling, claims = loaded[0]
        if len(modes) == 1:
            return {STAGE: task} | self._probes(task), sampling, claims
        if self.robustness or self.controls:
            raise InputError("--robustness and --controls are about one --prompt-mode; name one alone")
        return {f"modes/{one.format.prompt_mode}": one for one, _, _ in loaded}, sampling, claims

    def _probes(self, task: Task) -> dict[str, Task]:
        if not self.robustness:
            return {}
        names = self.robustness.split(",") if self.robustness != "all" else applicable(task)
        if not names:
            raise InputError("the questions have neither pictures nor options; leave --robustness out")
        return {f"{PROBE}/{name.strip()}": probed(task, name.strip()) for name in names}

    def _load_one(self) -> tuple[Task, Sampling, Mapping[str, float]]:
        """Of one prompt mode."""
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
STAGE, PROBE = "eval", "probes"


@app.command("eval", epilog="Example: seethink eval --model sprout --data my.jsonl --verifier same_number")
@takes(EvaluationOptions)
def evaluate(job: EvaluationOptions) -> None:
    """Evaluate a model on your own data or on a published benchmark.

    Your own data are answered greedily, a benchmark as it was published; with --solver, as it says. Each
    model, data and way of asking has its own folder; the same again is resumed or skipped. Under torchrun the
    processes share the questions (docs/evaluation.md).
    """
    if job.list_benchmarks:
        from seethink.benchmarks import BENCHMARKS

        return show_benchmarks(Console(), BENCHMARKS.values())
    if job.controls and not job.solver:
        raise InputError("--controls are those of a --solver; name one, or leave --controls out")
    overrides = settings_of(STAGE, job.settings)
    run = Run(STAGE, Scale("full"), job.out or RESULTS)
    (tasks, sampling, claims), console = job.load(), run_console(run)
    run.overrides = [f"{name}{text.removeprefix(STAGE)}" for text in overrides for name in tasks]
    work = EvaluationRecipe(job, job.server.model(job.model, console), tasks, sampling)

    kept = run.out  # the replies of a judge, for all evaluations in RESULTS
    if not job.out:
        keys = [run.dry_run(work)[name].key for name in tasks if not name.startswith(PROBE)]
        run.out = RESULTS / job.folder_name(work.model_name, digest(keys))
    with job.judge.judged(kept, [run.out / name for name in tasks], console, *tasks.values()) as judged:
        work.tasks = dict(zip(tasks, judged, strict=True))
        stages = run.dry_run(work)
        for name in tasks:
            _refuse_other(stages[name])
        if job.retry and run.is_main_process:
            say(console, f"answered again: {retry(stages, tasks):,} questions")
        execute(run, work, console)
    work.show(run, console, claims)


@dataclass
class EvaluationRecipe:
    """The recipe of `seethink eval`, and what it found: {arm: {task: row}}."""

    job: EvaluationOptions
    model: str | Server
    tasks: Mapping[str, Task]
    sampling: Sampling
    results: dict[str, Mapping[str, Any]] = field(default_factory=dict)

    def __call__(self, run: Run) -> None:
        solver = by_name(self.job.solver) if self.job.solver else None
        answering = run.model(self.model)
        arms = {
            self.arm(name): run.evaluate(name, answering, [task], solver or self.sampling)
            for name, task in self.tasks.items()
        }
        if solver is not None and self.job.controls:
            measured = arms[self.arm(STAGE)]
            arms = controls(run, "controls", answering, [self.tasks[STAGE]], solver, measured) | arms
        if len(arms) > 1 and not self.job.robustness:
            run.compare("report", arms)
        self.results.update({arm: found.rows for arm, found in arms.items()})

    @property
    def model_name(self) -> str:
        """The model, for people."""
        return self.model.url if isinstance(self.model, Server) else self.model

    def arm(self, stage: str) -> str:
        """What a stage is called in tables."""
        if stage == STAGE:
            return PLAIN if self.job.robustness else self.job.solver or self.job.model
        return stage.partition("/")[2]

    def show(self, run: Run, console: Console, claims: Mapping[str, float]) -> None:
        """Print the results, what they took, and where they are."""
        if len(self.results) == 1 or self.job.robustness:  # else the report has shown them
            show_results(console, next(iter(self.tasks.values())).headline, self.results)
        show_usage(console, self.results)
        if self.job.robustness and run.is_main_process:
            from seethink.report.robustness import write_robustness

            arms = {self.arm(name): (run.out / name, task) for name, task in self.tasks.items()}
            for line in write_robustness(run.out, arms):
                say(console, line)
        for arm, value in claims.items():
            say(console, f"published, {arm}: {value:.1%}")
        for name in self.tasks:
            say(console, f"all attempts: {run.out / name / 'attempts.jsonl'}")
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
    model = model.rpartition("#")[2] if is_server(model) else model
    folder = Path(model).expanduser()
    parts = folder.resolve().parts if folder.is_dir() else Path(model).parts
    is_checkpoint = parts[-1].startswith("checkpoint")
    return "-".join(parts[-3:] if is_checkpoint else parts[-1:]).removesuffix("-checkpoint")
