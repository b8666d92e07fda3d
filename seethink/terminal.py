"""What a run tells the person at the terminal: its plan, its progress, its table."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars
from rich.table import Table

from seethink.stage import Model, Stage
from seethink.types import InputError

if TYPE_CHECKING:
    from seethink.benchmarks import Benchmark
    from seethink.synth.measure import Measured

PLAIN_EVERY_S = 10.0
_MEASURES = ("reward", "loss", "correct")


def say(console: Console, text: str) -> None:
    """One line as it is: model names and paths are no markup, and a path is never wrapped."""
    console.print(text, markup=False, highlight=False, soft_wrap=True)


class Progress:
    """Where a stage stands: a bar on a terminal, else a line every ten seconds; called with metrics rows."""

    def __init__(self, console: Console, name: str) -> None:
        self._console, self._name = console, name
        self._first: tuple[int, float] | None = None
        self._bars = Bars(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[told]}"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )

    def __enter__(self) -> Progress:
        self._bars.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._bars.stop()

    def __call__(self, row: Mapping[str, Any]) -> None:
        """`row` has "step" (from 1) and "steps", and its measures, or "told"; a resumed stage begins in the
        middle."""
        step, steps, now = row["step"], row["steps"], time.monotonic()
        measures = (f"{name} {row[name]:.3f}" for name in _MEASURES if row.get(name) is not None)
        told = row.get("told") or ", ".join(measures)
        if self._first is None:
            self._first, self._told_at = (step, now), now
            self._bar = self._bars.add_task(self._name, total=steps, completed=step - 1, told=told)
        self._bars.update(self._bar, completed=step, told=told)
        if not self._console.is_terminal and now - self._told_at >= PLAIN_EVERY_S:
            first, since = self._first
            left = f"{(now - since) / max(1, step - first) * (steps - step):.0f} s left"
            say(self._console, ", ".join(filter(None, (f"{self._name}: {step} of {steps}", told, left))))
            self._told_at = now


# The plan -------------------------------------------------------------------------------------------------


def show_plan(console: Console, stages: Iterable[Stage]) -> None:
    """Each stage with what it will take and every setting that `stage.field=value` may change."""
    for stage in stages:
        status = "begun, will continue" if stage.status() == "begun" else stage.status()
        say(console, f"\n{stage.name}: {status}")
        for name, value in derived(stage).items():
            say(console, f"    {name:<22}{value}")
        for field in fields(stage.config) if stage.config else ():
            say(console, f"    {stage.name}.{field.name}={getattr(stage.config, field.name)}")


def derived(stage: Stage) -> dict[str, str]:
    """The numbers that follow from the settings, as text. Loads no weights, and of the data one question."""
    if stage.kind in ("make", "compare"):
        return {}
    counts = {"questions": stage.asked.questions, **_COUNTS[stage.kind](stage.asked.questions, stage.config)}
    return {name: f"{count:,}" for name, count in counts.items()} | _size(stage)


def _sft_counts(n_lessons: int, config: Any) -> dict[str, int]:
    steps = config.steps_for(n_lessons)
    return {"optimiser steps": steps, "lessons taught": steps * config.lessons_per_step}


def _dpo_counts(n_pairs: int, config: Any) -> dict[str, int]:
    steps = config.steps_for(n_pairs)
    return {"optimiser steps": steps, "pairs compared": steps * config.pairs_per_step}


def _grpo_counts(n_questions: int, config: Any) -> dict[str, int]:
    asked = config.steps * config.questions_per_step
    return {
        "optimiser steps": config.steps * config.updates_per_rollout,
        "questions asked": asked,
        "responses": asked * config.responses_per_question,
        "response tokens, most": asked * config.responses_per_question * config.max_tokens,
    }


def _evaluate_counts(n_questions: int, config: Any) -> dict[str, int]:
    responses = n_questions * config.n
    return {"responses": responses, "response tokens, most": responses * config.max_tokens}


_COUNTS = {"sft": _sft_counts, "dpo": _dpo_counts, "grpo": _grpo_counts, "evaluate": _evaluate_counts}


def _size(stage: Stage) -> dict[str, str]:
    (model,) = (need for need in stage.needs if isinstance(need, Model))
    if isinstance(model.base, Path) and not model.base.exists():
        return {"parameters": f"known when {model.base} is made"}
    n = _parameters(str(model.base))
    if n is None:
        return {"parameters": f"unknown: the configuration of {model.base} is not on this machine"}
    return {"parameters": f"{n:,}"} | _memory(stage, str(model.base))


def _memory(stage: Stage, model: str) -> dict[str, str]:
    from seethink.train.memory import estimate, question

    try:
        asked = question(model, *stage.asked.first(), stage.config)
    except (InputError, OSError) as error:
        return {"memory": f"unknown, the first question cannot be read: {error}"}
    needed = estimate(model, asked, stage.config, stage.asked.questions)
    told = ", ".join(f"{name} {size / 1e9:.2f}" for name, size in needed.parts.items() if size)
    return {
        "prompt tokens": f"{len(asked.prompt.ids):,} of the first question",
        "memory, most": f"{needed.peak / 1e9:.2f} GB ({told})",
    }


@cache
def _parameters(name: str) -> int | None:
    from seethink.train.model import parameters

    return parameters(name)


# The benchmarks ------------------------------------------------------------------------------------------


def show_benchmarks(console: Console, benchmarks: Iterable[Benchmark]) -> None:
    """Every named test: how many questions, and how they are scored, asked, decoded, and by whom."""
    tests = list(benchmarks)
    table = Table(box=box.SIMPLE)
    table.add_column("name", no_wrap=True, min_width=max(len(test.name) for test in tests))
    for column in ("questions", "scorer", "prompt", "decoding", "source"):
        table.add_column(column, overflow="fold")
    for test in tests:
        decoding = f"{test.decoding}; {test.seen}"
        prompt, scorer = f"{test.form}, {test.mode}", ", ".join(test.verifier)
        source = test.source.partition(", https://")[0]
        table.add_row(test.name, test.questions, scorer, prompt, decoding, source)
    console.print(table)
    say(console, "seethink eval --model M --task NAME runs one; docs/benchmarks.md tells all about them")


# The table ------------------------------------------------------------------------------------------------


def show_results(console: Console, title: str, results: Mapping[str, Mapping[str, Any]]) -> None:
    """Arms by tasks, {arm: {task: row}}: strict over lenient accuracy, each with its 95 % interval."""
    tasks = list(dict.fromkeys(task for rows in results.values() for task in rows))
    table = Table("", *tasks, title=title)
    for arm, rows in results.items():
        table.add_row(arm, *(_cell(rows.get(task)) for task in tasks))
    console.print(table)


def show_report(console: Console, report: Mapping[str, Any]) -> None:
    """The results, the paired tests and the paper's claims."""
    show_results(console, f"{report['recipe']} at {report['scale']}: {report['headline']}", report["results"])
    for test in report["tests"]:
        lenient = f"lenient {_points(test['lenient_difference'])} (p {_p(test['lenient_p'])})"
        strict = f"{_points(test['difference'])} (p {_p(test['p'])})"
        say(console, f"{test['task']}: {test['b']} - {test['a']} = {strict}, {lenient}, n = {test['n']}")
        if asked := test.get("asked"):
            ways = f"{test['a']} by {asked[0]}; {test['b']} by {asked[1]}"
            say(console, f"  but they were asked differently: {ways}")
    for claim in report["claims"]:
        numbers = f"paper {_percent(claim['paper'])}, here {_percent(claim['measured'])}"
        say(console, f"{claim['task']}, {claim['arm']}: {numbers} ({claim['source']})")


def show_measured(console: Console, measured: Measured) -> None:
    """How good each filter of a chain is against the truth, and what is left in the rows that were kept."""
    table = Table(title=f"{measured.chain}: filters against the truth", box=box.SIMPLE, pad_edge=False)
    for column in ("filter", "of", "reached", "faulty", "dropped", "precision", "recall"):
        table.add_column(column, justify="left" if column in ("filter", "of") else "right", no_wrap=True)
    for one in measured.filters:
        counts = (f"{n:,}" for n in (one.reached, one.faulty, one.dropped))
        name = f"{one.step}: {one.reason}"
        table.add_row(name, one.of, *counts, _percent(one.precision), _percent(one.recall))
    console.print(table)
    kept, reasons = measured.kept, "".join(f", {n:,} {reason}" for reason, n in measured.dropped.items())
    say(
        console,
        f"of {measured.examples:,} examples {kept.examples:,} kept, {measured.failed:,} failed{reasons}",
    )
    wrong = f"{kept.wrong:,} with a wrong answer ({_percent(kept.wrong_share)})"
    say(console, f"{kept.rows:,} rows: {wrong}, {kept.unjudged:,} unjudged, {kept.leaking:,} with a leak")


def _cell(row: Mapping[str, Any] | None) -> str:
    if row is None:
        return "-"
    lines = [f"{_interval(row)}", f"lenient {_interval(row['lenient'])}"]
    return "\n".join([*lines, f"{row['unjudged']} unjudged"] if row["unjudged"] else lines)


def _interval(row: Mapping[str, Any]) -> str:
    return (
        "-" if row["value"] is None else f"{_percent(row['value'])} ({row['low']:.1%} to {row['high']:.1%})"
    )


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"


def _points(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:+.1f} points"


def _p(value: float | None) -> str:
    return "-" if value is None else f"{value:.2g}"
