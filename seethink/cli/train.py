"""The commands that train a model on a user's data, one for each method."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from seethink.cli.options import (
    SETTINGS,
    ScoredDataOptions,
    own_setting,
    refuse_given,
    settings_of,
    takes,
    trained,
)
from seethink.cli.progress import execute, run_console
from seethink.cli.tables import say
from seethink.run.run import Run, Scale
from seethink.settings import described, override, unknown
from seethink.train.held_out import HeldOut
from seethink.train.methods import METHODS, TrainingMethod
from seethink.types import GREEDY, InputError, Task


class MethodGroup(TyperGroup):
    """A command for each training method, with the options that it uses."""

    def __init__(self, **values: Any) -> None:
        super().__init__(**values)
        self.commands = {name: _command(method) for name, method in METHODS.items()}

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args[0] not in self.commands:
            raise unknown("training method", args[0], self.commands)
        return super().resolve_command(ctx, args)


app = typer.Typer()
app.add_typer(
    typer.Typer(
        cls=MethodGroup,
        no_args_is_help=True,
        help="Train a model on your own data. One command for each method.",
        epilog="Example: seethink train grpo --model sprout --data my.jsonl max_steps=50",
    ),
    name="train",
)


TEST = "test"
"""Prefix of the stages that evaluate --test, and of their settings on the command line."""


@dataclass(frozen=True, kw_only=True)
class TrainingOptions(ScoredDataOptions):
    """Options of `seethink train`."""

    settings: Annotated[
        list[str] | None, typer.Argument(metavar=SETTINGS, help="Settings: learning_rate=1e-6")
    ] = None
    test: Annotated[
        Path | None,
        typer.Option(help="Held-out questions, answered before and after (test.max_tokens=256)."),
    ] = None
    also: Annotated[
        list[Path] | None,
        typer.Option(help="Questions of other kinds, answered like --test: is anything forgotten?"),
    ] = None
    config: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="YAML file of settings.")
    ] = None
    seed: Annotated[int | None, typer.Option(help="Random seed.")] = None

    def tests(self) -> list[Task]:
        """The held-out tasks, that of --test first. Raises InputError where two have one name."""
        if self.also and not self.test:
            raise InputError("--also asks beside --test; give --test FILE, or --test alone")
        tasks = [self.task_of(data) for data in ([self.test] if self.test else []) + (self.also or [])]
        names = [task.name for task in tasks]
        if len({*names}) < len(names):
            name = next(name for name in names if names.count(name) > 1)
            raise InputError(f"two files of --test and --also are called {name}; rename one of them")
        return tasks

    def overrides(self, method: str) -> list[str]:
        """The settings as `stage.field=value` of the training and of both evaluations."""
        tested = [text for text in self.settings or () if text.startswith(f"{TEST}.")]
        if tested and not self.test:
            raise InputError(f"{tested[0]!r} is of the evaluations, and there are none; give --test FILE")
        own = [text for text in self.settings or () if text not in tested]
        evaluations = [f"{stage}{text.removeprefix(TEST)}" for text in tested for stage in stages(method)]
        return [*settings_of(method, own), *evaluations]

    def refuse_unscored(self, method: TrainingMethod) -> None:
        """Raises InputError where nothing is scored and an option says how."""
        if method.data != "task" and not self.test:
            why = f"{method.name} learns from no reward, and there is no --test to score"
            refuse_given(self, why, "verifier", "reward_weights")
            self.judge.refuse_given(f"judges nothing: {why}; leave it out")

    def evaluated_alike(self) -> list[str]:
        """The options that were given and that `eval` has too, as they are typed."""
        own = {"model", "data", "out", "settings", "config", "seed", "test", "also"}
        options = {f.name: (getattr(self, f.name), f.default) for f in fields(self) if f.name not in own}
        for group in [value for value, _ in options.values() if is_dataclass(value)]:
            options |= {f.name: (getattr(group, f.name), f.default) for f in fields(group)}
        given = {name: value for name, (value, usual) in options.items() if value != usual}
        return [
            word
            for name, value in given.items()
            if not is_dataclass(value)
            for word in [f"--{name.replace('_', '-')}", *([] if value is True else [str(value)])]
        ]


def stages(method: str) -> tuple[str, str]:
    """The stages that evaluate --test before and after a training."""
    return f"{TEST}/before-{method}", f"{TEST}/after-{method}"


def _command(method: TrainingMethod) -> Any:
    own = typer.Typer(add_completion=False)
    settings = "\n".join(described(method.config()))

    @own.command(
        method.name,
        help=f"Train a model on your own data: {method.about}.\n\nThe checkpoint is an ordinary model "
        f"folder. Settings, each with its default (docs/names.md says what they are elsewhere):\n\n\b\n"
        f"{settings}",
        short_help=f"{method.about.capitalize()}.",
        epilog=f"Example: seethink train {method.name} --model sprout --data my.jsonl max_steps=50",
    )
    @takes(TrainingOptions)
    def command(job: TrainingOptions) -> None:
        _train(method, job)

    return typer.main.get_command(own)


def _train(method: TrainingMethod, job: TrainingOptions) -> None:
    config: Any = method.config()
    if job.config:
        config = override(config, _read_yaml(job.config, method.name), str(job.config))
    if job.seed is not None:
        config = config.replace(seed=job.seed)
    job.refuse_unscored(method)
    from seethink.report.scores import AFTER, BEFORE

    name = f"train-{method.name}"
    folder = job.out or Path("runs") / name
    data: Any = job.load_pairs() if method.data == "pairs" else job.load_task()
    tests = job.tests()
    title = f"{method.name.upper()} of {job.model} on {job.data}: {method.about}."
    said = list(_in_both(job, data, tests))
    overrides = job.overrides(method.name)
    run = Run(name, Scale("full"), folder, config.training.seed, overrides, notes=(title, *said))
    console = run_console(run)
    for sentence in said:
        say(console, sentence)
    model = trained(job.model, console)
    rewarded = method.data == "task"
    stage = method.name if rewarded else stages(method.name)[1]
    with job.judge.judged(folder, [folder / stage], console, *([data] if rewarded else []), *tests) as tasks:
        tests = [*tasks][rewarded:]
        learned = tasks[0] if rewarded else run.traces(data) if method.data == "examples" else data

        def recipe(run: Run) -> None:
            before, after = stages(method.name)
            base, results, held_out = run.model(model), {}, None
            if tests:
                run.check(method.name, method.name, base, learned, config)
                results = {BEFORE: run.evaluate(before, base, tests, GREEDY)}
                held_out = HeldOut(tests[0], run.stages[before].config)
            tuned = run.train(method.name, method.name, base, learned, config, held_out)
            results |= {AFTER: run.evaluate(after, tuned, tests, GREEDY)} if tests else {}
            run.compare("report", results)

        execute(run, recipe, console, summaries=False)  # the last lines have them
    for line in (*_figures(run, job, method.name), *said, *_report_and_next(run, job, method)):
        say(console, line)
    notes = run.stages[method.name].notes()
    say(console, "; ".join((f"checkpoint: {folder / method.name / 'checkpoint'}", *notes)))


def _in_both(job: TrainingOptions, data: Any, tests: Sequence[Task]) -> Iterator[str]:
    """That rows of --test are trained on, and how many."""
    from seethink.check.overlap import rows_in_both

    for file, test in zip([job.test, *(job.also or [])], tests, strict=True) if tests else ():
        learned = data.examples if isinstance(data, Task) else [pair.example for pair in data]
        if shared := rows_in_both(learned, test.examples):
            rows = f"{len(shared):,} of the {len(test.examples):,} rows of {file}"
            first = test.examples[shared[0]].label
            yield (
                f"{rows} are also in {job.data} (same question, same pictures; the first is {first}), "
                "so they are not held out."
            )


def _figures(run: Run, job: TrainingOptions, method: str) -> Iterator[str]:
    """The reward or loss at start and end, and the scores of --test before and after."""
    from seethink.report.scores import AFTER, BEFORE, forgetting, held_out, training_ends

    report = run.stages["report"].state()["result"]
    yield from training_ends(report)
    results = report["results"]
    for i, test in enumerate(report["tests"]):
        both = [results[arm][test["task"]] for arm in (BEFORE, AFTER)]
        yield forgetting(test, *both) if i else held_out(test, *both)
    for stage, arm in zip(stages(method), (BEFORE, AFTER), strict=True):
        for result in results.get(arm, {}).values():
            if result["truncated"]:
                limit = run.stages[stage].config.max_tokens
                yield (
                    f"{result['truncated']:.0%} of the answers {arm} were cut off at {limit} tokens; "
                    f"{TEST}.max_tokens=N sets another limit"
                )


def _report_and_next(run: Run, job: TrainingOptions, method: TrainingMethod) -> Iterator[str]:
    """The page, and the command that shows the attempts or evaluates the checkpoint alike."""
    yield f"report: {run.out / 'report.html'}"
    checkpoint = run.out / method.name / "checkpoint"
    evaluation = ["eval", "--model", checkpoint, "--data", "HELD_OUT.jsonl", *job.evaluated_alike()]
    words = ["look", run.out] if job.test else evaluation
    yield f"next: {shlex.join(map(str, ('seethink', *words)))}"


def _read_yaml(file: Path, method: str) -> dict[str, Any]:
    """Settings by name; also where they are `grpo.max_steps: 4`, or stand under `grpo:`."""
    import yaml

    try:
        settings = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{file} is not YAML: {error}") from error
    if not isinstance(settings, dict):
        raise InputError(f"{file} holds no settings; write lines such as learning_rate: 1e-6")
    under = settings.pop(method, {})
    if not isinstance(under, dict):
        raise InputError(f"{file}: {method}={under} is no setting; write them under {method}:, a line each")
    return {own_setting(method, str(name)): value for name, value in (settings | under).items()}
