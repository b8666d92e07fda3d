"""Tables and lines that commands print: plans, benchmarks, results."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from seethink.benchmarks import Benchmark
    from seethink.run.plan import StagePlan
    from seethink.synth.measure import ChainQuality


def say(console: Console, text: str) -> None:
    """Print one line as it is: without markup (model names and paths are none) and without wrapping."""
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def visible(text: str) -> str:
    """The text with its control characters escaped (`\\x1b`), which would steer a terminal."""
    return _CONTROL.sub(lambda found: ascii(found[0])[1:-1], text)


_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")
"""All but the line break."""


# Plans ----------------------------------------------------------------------------------------------------


def show_plan(console: Console, plans: Iterable[StagePlan]) -> None:
    """Each stage with its numbers and every setting that `stage.field=value` overrides."""
    for plan in plans:
        say(console, f"\n{plan.name}: {'begun, will be resumed' if plan.status == 'begun' else plan.status}")
        for name, value in _plan_numbers(plan).items():
            say(console, f"    {name:<30}{value}")
        for name, value in plan.settings.items():
            say(console, f"    {plan.name}.{name}={value}")


def _plan_numbers(plan: StagePlan) -> dict[str, str]:
    lines = {name: f"{count:,}" for name, count in plan.counts.items()} | dict(plan.media)
    if plan.parameters is not None:
        lines["parameters"] = f"{plan.parameters:,}"
    if plan.prompt_tokens is not None:
        lines["prompt tokens"] = f"{plan.prompt_tokens:,} of the first example"
    if plan.memory is not None:
        parts = ", ".join(f"{name} {size / 1e9:.2f}" for name, size in plan.memory.parts.items() if size)
        lines["memory, at most"] = f"{plan.memory.peak / 1e9:.2f} GB ({parts})"
    return lines | dict(plan.unknown)


# Benchmarks ----------------------------------------------------------------------------------------------


def show_benchmarks(console: Console, benchmarks: Iterable[Benchmark]) -> None:
    """A row for each benchmark: number of questions, scorer, prompt, decoding, source."""
    tests = list(benchmarks)
    table = Table(box=box.SIMPLE)
    table.add_column("name", no_wrap=True, min_width=max(len(test.name) for test in tests))
    for column in ("questions", "scorer", "prompt", "decoding", "source"):
        table.add_column(column, overflow="fold")
    for test in tests:
        decoding = f"{test.decoding}; {test.resolution}"
        prompt, scorer = f"{test.format}, {test.prompt_mode}", ", ".join(test.verifier)
        source = test.source.partition(", https://")[0]
        table.add_row(test.name, test.questions, scorer, prompt, decoding, source)
    console.print(table)
    say(console, "seethink eval --model M --benchmark NAME runs one; docs/benchmarks.md describes them")


USAGE = {
    "calls": "calls",
    "tokens_sampled": "tokens sampled",
    "tokens_computed": "prompt tokens computed",
    "pictures_encoded": "pictures encoded",
    "seconds": "seconds",
    "duplicates": "equal candidates sampled again",
    "unscored": "candidates without a score",
}

# Results -------------------------------------------------------------------------------------------------


def show_results(console: Console, title: str, results: Mapping[str, Mapping[str, Any]]) -> None:
    """Arms by tasks, {arm: {task: row}}: strict accuracy with its 95 % interval, and lenient accuracy where
    it differs."""
    tasks = list(dict.fromkeys(task for rows in results.values() for task in rows))
    table = Table("", *tasks, title=title)
    for arm, rows in results.items():
        table.add_row(arm, *(_cell(rows.get(task)) for task in tasks))
    console.print(table)


def show_usage(console: Console, results: Mapping[str, Mapping[str, Any]]) -> None:
    """For each arm and task: pass@k and majority of several attempts, chains that were followed, and what a
    question took on average."""
    for arm, rows in results.items():
        for task, row in rows.items():
            for line in _usage_lines(row):
                say(console, f"{arm}, {task}: {line}")


def _usage_lines(row: Mapping[str, Any]) -> Iterator[str]:
    if several := row.get("pass_at"):
        passed = ", ".join(f"pass@{k} {_percent(one['value'])}" for k, one in several.items())
        yield f"{passed}, majority {_percent(row['majority']['value'])}"
    for kind in ("sound", "flawed") if row.get("chains") else ():
        n, followed, overruled, right = row["chains"][kind].values()
        yield f"{kind} chains {n:,}: {followed:,} followed, {overruled:,} overruled, {right:,} right"
    if steps := row.get("steps"):
        faults = ("restated", "repeated", "contradicting", "new_numbers")
        shares = ", ".join(f"{name.replace('_', ' ')} {_percent(steps[name])}" for name in faults)
        yield (
            f"{steps['n']:,} thoughts of {steps['steps']:.1f} steps; of these, by rules: {shares}; the last "
            f"agrees with the answer in {_percent(steps['agrees'])}"
        )
    if usage := row.get("usage"):
        yield f"a question takes {usage_in_words(usage)}"


def usage_in_words(usage: Mapping[str, float | None]) -> str:
    """Counts of a `RolloutUsage`, with "?" for unknown ones; what seldom occurs only where it does."""
    return ", ".join(
        f"{'?' if usage.get(name) is None else f'{usage[name]:,.4g}'} {words}"
        for name, words in USAGE.items()
        if name not in ("duplicates", "unscored") or usage.get(name)
    )


def show_report(console: Console, report: Mapping[str, Any]) -> None:
    """Results, paired tests, published numbers and conclusion of a report.json."""
    from seethink.report.scores import conclusion, lenient_differs

    show_results(console, f"{report['recipe']} at {report['scale']}: {report['headline']}", report["results"])
    differs = lenient_differs(report)
    for test in report["tests"]:
        strict = f"{_points(test['difference'])} (p {_p(test['p'])}, corrected {_p(test['p_holm'])})"
        lenient = f", lenient {_points(test['lenient_difference'])} (p {_p(test['lenient_p'])})"
        numbers = f"{strict}{lenient if differs else ''}, n = {test['n']}"
        say(console, f"{test['task']}: {test['b']} - {test['a']} = {numbers}")
        if prompts := test.get("asked"):
            modes = f"{test['a']} by {prompts[0]}; {test['b']} by {prompts[1]}"
            say(console, f"  but they were asked differently: {modes}")
    for claim in report["claims"]:
        numbers = f"paper {_percent(claim['paper'])}, here {_percent(claim['measured'])}"
        say(console, f"{claim['task']}, {claim['arm']}: {numbers} ({claim['source']})")
    for sentence in conclusion(report):
        say(console, sentence)


def show_measured(console: Console, measured: ChainQuality) -> None:
    """Precision and recall of each filter of a chain against the truth, and the errors left in the kept
    rows."""
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
    lines = [_interval(row)]
    if row["lenient"]["value"] != row["value"]:
        lines.append(f"lenient {_interval(row['lenient'])}")
    for name, words in UNSCORED.items():
        lines += [f"{row[name]:,} {words}"] if row.get(name) else []
    return "\n".join(lines)


UNSCORED = {
    "missing": "without an attempt, counted as wrong",
    "unanswered": "unanswered, counted as wrong",
    "unjudged": "unjudged",
}
"""Keys of a row of report.json that count attempts or questions without a score."""


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
