"""Training curves as small multiples in SVG: raw values in a pale line, a smoothed line over them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seethink.evaluate.attempts import read_rows
from seethink.report.page import number, percent
from seethink.train.alarms import ALARMS

WIDTH, HEIGHT = 300, 100
"""Size of the plotting area in SVG units; the page stretches it."""
MAX_POINTS = 400
"""Longer curves are thinned: each point is then the mean over several consecutive steps."""

SHARE, NUMBER, LOSS = "share", "number", "loss"
"""Axis of a metric: 0 to 1; a number from 0 upwards; or a number plotted over its own range."""

HELD_OUT = "eval_correct"

METRICS = {
    HELD_OUT: ("Held-out accuracy", SHARE, "mean score of held-out questions, answered greedily"),
    f"{HELD_OUT}/*": ("Held-out accuracy: {}", SHARE, "mean score of them, answered greedily"),
    "reward": ("Reward", SHARE, "mean over the sampled completions"),
    "rewards/*/mean": ("Reward: {}", SHARE, "one part of the reward, mean"),
    "completions/mean_length": ("Completion length", NUMBER, "mean, in tokens"),
    "completions/by_steps_ratio": ("Reasoning rate", SHARE, "share of completions that reason first"),
    "frac_reward_zero_std": ("Groups without spread", SHARE, "share of prompts whose rewards are all equal"),
    "frac_groups_unjudged": ("Unjudged groups", SHARE, "share of prompts without any score"),
    "completions/clipped_ratio": ("Truncated", SHARE, "share of completions cut off at the length limit"),
    "completions/malformed_ratio": ("Malformed", SHARE, "share of completions that break the format"),
    "completions/thought_agrees_ratio": (
        "Thought and answer agree",
        SHARE,
        "of the completions whose thought states an answer",
    ),
    "completions/reflection_ratio": (
        "Reflection",
        SHARE,
        "share of completions with aha, check, wait, yet ...",
    ),
    "completions/repeated_ratio": ("Repetition", SHARE, "share of runs of six words that occurred before"),
    "completions/mean_boxes": ("Boxes", NUMBER, "mean number in an answer"),
    "loss": ("Loss", LOSS, ""),
    "kl": ("KL divergence", NUMBER, "from the reference model, nats per token"),
    "entropy": ("Entropy", NUMBER, "of the policy, nats per token"),
    "sampling/sampling_logp_difference/mean": (
        "Rollout against trainer",
        NUMBER,
        "distance of their log-probabilities, nats per token",
    ),
    "grad_norm": ("Gradient norm", NUMBER, "before clipping"),
    "learning_rate": ("Learning rate", NUMBER, ""),
}
"""{name in metrics.jsonl: (title, unit, description)}, in the order of the panels; `*` is a part of the
reward, or a further held-out task."""

MetricsRow = Mapping[str, Any]
"""A line of metrics.jsonl."""
Series = list[tuple[float, float]]
"""(step, value) pairs by increasing step."""


@dataclass(frozen=True)
class Curve:
    """One stage's curve. raw, smooth: points of SVG polylines. first, last: the smoothed ends as text."""

    stage: str
    colour: int
    raw: str
    smooth: str
    first: str
    last: str


@dataclass(frozen=True)
class MetricPanel:
    """The plot of one metric. steps, values: ends of the axes. ticks: (share of the height, label). alarms:
    (where on the axis of steps, 0 to 1; what was said there)."""

    title: str
    description: str
    unit: str
    steps: tuple[float, float]
    values: tuple[float, float]
    ticks: tuple[tuple[float, str], ...]
    curves: tuple[Curve, ...]
    alarms: tuple[tuple[float, str], ...] = ()


@dataclass(frozen=True)
class TrainingCurves:
    """The panels of all trainings of one kind.

    steps_per_point: the most steps that one plotted point averages. not_finite: values left out as NaN or
    infinite.
    """

    title: str
    stages: tuple[tuple[str, int], ...]
    panels: tuple[MetricPanel, ...]
    steps_per_point: int
    not_finite: int


def training_curves(
    trainings: Mapping[str, Path],
    colours: Mapping[str, int] | None = None,
    untrained: float | None = None,
) -> list[TrainingCurves]:
    """The curves of `trainings`, {stage: metrics.jsonl}. Methods with a reward are plotted apart from the
    others, since their losses are not comparable. colours: {name: number of its colour} on the rest of the
    page; a stage of that name has it, any other one of its own. untrained: held-out accuracy before the first
    step. Raises InputError where a row is not JSON or has no step."""
    rows = {stage: list(read_rows(path, ("step",))) for stage, path in trainings.items()}
    if untrained is not None:
        rows = {stage: _from_the_start(log, untrained) for stage, log in rows.items()}
    taken = dict(colours or {"": 0})
    for stage in trainings:
        taken.setdefault(stage, len(taken))
    reinforced = {stage: log for stage, log in rows.items() if any("reward" in row for row in log)}
    supervised = {stage: log for stage, log in rows.items() if stage not in reinforced}
    kinds = {"Reinforcement learning": reinforced, "Supervised and preference training": supervised}
    return [_curves(title, logs, taken) for title, logs in kinds.items() if any(logs.values())]


def _from_the_start(log: Sequence[MetricsRow], untrained: float) -> list[MetricsRow]:
    """The rows of a training that answered held-out questions, with one before them for the untrained
    model."""
    start: MetricsRow = {"step": 0, HELD_OUT: untrained}
    return [*([start] if any(row.get(HELD_OUT) is not None for row in log) else []), *log]


def _curves(
    title: str, logs: Mapping[str, Sequence[MetricsRow]], colours: Mapping[str, int]
) -> TrainingCurves:
    panels, metrics = [], list(_metrics(logs))
    for name, labels in metrics:
        series = {stage: _series(log, name) for stage, log in logs.items()}
        series = {stage: points for stage, points in series.items() if points}
        if series:
            is_noisy = name.partition("/")[0] != HELD_OUT
            panels.append(_panel(labels, series, colours, is_noisy, _alarms(logs, name)))
    stages = tuple((stage, colours[stage]) for stage in logs)
    longest = max(len(log) for log in logs.values())
    not_finite = sum(
        not math.isfinite(row.get(name) or 0) for log in logs.values() for row in log for name, _ in metrics
    )
    return TrainingCurves(title, stages, tuple(panels), math.ceil(longest / MAX_POINTS), not_finite)


def _metrics(logs: Mapping[str, Sequence[MetricsRow]]) -> Iterable[tuple[str, tuple[str, str, str]]]:
    """(name, labels) of the metrics to plot in the order of `METRICS`, one for each part of the reward."""
    logged = dict.fromkeys(name for log in logs.values() for row in log for name in row)
    for name, (title, unit, description) in METRICS.items():
        prefix, star, suffix = name.partition("*")
        if star:
            for part in logged:
                if part.startswith(prefix) and part.endswith(suffix):
                    part_name = part.removeprefix(prefix).removesuffix(suffix)
                    yield part, (title.format(part_name), unit, description)
        elif name in logged:
            yield name, (title, unit, description)


def _series(log: Sequence[MetricsRow], name: str) -> Series:
    points = [
        (row["step"], row[name]) for row in log if row.get(name) is not None and math.isfinite(row[name])
    ]
    size = math.ceil(len(points) / MAX_POINTS) if points else 1
    chunks = [points[i : i + size] for i in range(0, len(points), size)]
    return [(_mean(step for step, _ in chunk), _mean(value for _, value in chunk)) for chunk in chunks]


def smoothed(series: Series) -> Series:
    """Centred moving average over about a fifteenth of the series; narrower windows at the ends."""
    reach = max(1, len(series) // 30)
    windows = [series[max(0, i - reach) : i + reach + 1] for i in range(len(series))]
    return [
        (step, _mean(value for _, value in window)) for (step, _), window in zip(series, windows, strict=True)
    ]


def _alarms(logs: Mapping[str, Sequence[MetricsRow]], name: str) -> list[tuple[int, str]]:
    """(step, sentence) of what was said about a metric."""
    return [
        (row["step"], f"{f'{stage}, ' if len(logs) > 1 else ''}step {row['step']:,}: {text}")
        for stage, log in logs.items()
        for row in log
        for kind, text in row.get("alarms", {}).items()
        if kind in ALARMS and ALARMS[kind].column == name
    ]


def _panel(
    labels: tuple[str, str, str],
    series: Mapping[str, Series],
    colours: Mapping[str, int],
    is_noisy: bool,
    alarms: Sequence[tuple[int, str]],
) -> MetricPanel:
    """is_noisy: of every step, so that a moving average is drawn too."""
    title, unit, description = labels
    steps = [step for points in series.values() for step, _ in points]
    values = [value for points in series.values() for _, value in points]
    x_range = (min(steps), max(steps))
    ticks = axis_ticks(min(values), max(values), unit)
    y_range = (ticks[0], ticks[-1])
    show = percent if unit == SHARE else number
    curves = []
    for stage, points in series.items():
        smooth = smoothed(points) if is_noisy else points
        lines = (_polyline(points, x_range, y_range), _polyline(smooth, x_range, y_range))
        curves.append(Curve(stage, colours[stage], *lines, show(smooth[0][1]), show(smooth[-1][1])))
    labelled = tuple(
        (_fraction(tick, y_range), f"{100 * tick:.0f} %" if unit == SHARE else number(tick)) for tick in ticks
    )
    said = tuple((_fraction(step, x_range), text) for step, text in alarms)
    return MetricPanel(title, description, unit, x_range, y_range, labelled, tuple(curves), said)


def axis_ticks(low: float, high: float, unit: str) -> list[float]:
    """Round tick values in increasing order that enclose [low, high]; for a share always 0, 0.5 and 1."""
    if unit == SHARE:
        return [0.0, 0.5, 1.0]
    low = min(low, 0.0) if unit == NUMBER else low
    span = (high - low) or abs(high) or 1.0
    step = 10 ** math.floor(math.log10(span))
    step = next(step * times for times in (0.5, 1, 2.5, 5) if span / (step * times) <= 3)
    first, last = math.floor(low / step), math.ceil(high / step)
    return [step * i for i in range(first, max(last, first + 1) + 1)]


def _polyline(series: Series, x_range: tuple[float, float], y_range: tuple[float, float]) -> str:
    return " ".join(
        f"{WIDTH * _fraction(step, x_range):.4g},{HEIGHT * (1 - _fraction(value, y_range)):.4g}"
        for step, value in series
    )


def _fraction(value: float, bounds: tuple[float, float]) -> float:
    """Where `value` lies between the bounds, 0 to 1; the middle where they are equal."""
    low, high = bounds
    return (value - low) / (high - low) if high > low else 0.5


def _mean(values: Iterable[float]) -> float:
    numbers = list(values)
    return sum(numbers) / len(numbers)
