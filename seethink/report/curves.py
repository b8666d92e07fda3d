"""The curves of training as small multiples, in SVG: raw values pale, a light smoothing over them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from seethink.report.page import percent, plain
from seethink.report.rows import Row, read_rows

WIDTH, HEIGHT = 300, 100
"""Units of the plotting area; the page stretches it."""
MAX_POINTS = 400
"""Longer curves are thinned: every point is then the mean of as many neighbouring steps."""

SHARE, NUMBER, LOSS = "share", "number", "loss"
"""What a metric is measured in: 0 to 1; a number from 0 upwards; or a number whose own range matters."""

METRICS = {
    "reward": ("Reward", SHARE, "mean score of the sampled answers"),
    "reward/*": ("Reward: {}", SHARE, "one part of the reward"),
    "response_tokens": ("Response length", NUMBER, "mean tokens of an answer"),
    "think_rate": ("Think rate", SHARE, "share of answers that reason first"),
    "skipped_groups": ("Skipped groups", SHARE, "questions whose answers all earned the same"),
    "truncated": ("Truncated", SHARE, "share of answers cut off at the limit"),
    "loss": ("Loss", LOSS, "what the optimiser lowers"),
    "kl": ("KL", NUMBER, "distance from the start, nats per token"),
    "grad_norm": ("Gradient norm", NUMBER, "before clipping"),
}

Series = list[tuple[float, float]]
"""(step, value), steps rising."""


@dataclass(frozen=True)
class Line:
    """`raw` and `smooth` are points of SVG polylines; `first` and `last` the smoothed ends, dressed."""

    stage: str
    colour: int
    raw: str
    smooth: str
    first: str
    last: str


@dataclass(frozen=True)
class Panel:
    """One metric. `ticks` are (share of the height, label); `steps` and `values` the ends of the axes."""

    title: str
    about: str
    unit: str
    steps: tuple[float, float]
    values: tuple[float, float]
    ticks: tuple[tuple[float, str], ...]
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Block:
    """Trainings of one kind share their panels.

    `thinned`: how many steps a drawn point stands for, at most; `undrawn`: how many values are not finite.
    """

    title: str
    stages: tuple[tuple[str, int], ...]
    panels: tuple[Panel, ...]
    thinned: int
    undrawn: int


def blocks(trainings: Mapping[str, Path]) -> list[Block]:
    """Reinforcement apart from supervised training: their losses have nothing in common."""
    rows = {stage: list(read_rows(path, ("step",))) for stage, path in trainings.items()}
    colours = {stage: i for i, stage in enumerate(trainings, 1)}
    reinforced = {stage: log for stage, log in rows.items() if any("reward" in row for row in log)}
    supervised = {stage: log for stage, log in rows.items() if stage not in reinforced}
    kinds = {"Reinforcement": reinforced, "Supervised training": supervised}
    return [_block(title, logs, colours) for title, logs in kinds.items() if any(logs.values())]


def _block(title: str, logs: Mapping[str, Sequence[Row]], colours: Mapping[str, int]) -> Block:
    panels = []
    for name, dress in _metrics(logs):
        series = {stage: _series(log, name) for stage, log in logs.items()}
        series = {stage: points for stage, points in series.items() if points}
        if series:
            panels.append(_panel(dress, series, colours))
    stages = tuple((stage, colours[stage]) for stage in logs)
    longest = max(len(log) for log in logs.values())
    undrawn = sum(
        not math.isfinite(row.get(name) or 0) for log in logs.values() for row in log for name in METRICS
    )
    return Block(title, stages, tuple(panels), math.ceil(longest / MAX_POINTS), undrawn)


def _metrics(logs: Mapping[str, Sequence[Row]]) -> Iterable[tuple[str, tuple[str, str, str]]]:
    """The metrics to draw in the order of `METRICS`, parts of the reward under their own names."""
    found = dict.fromkeys(name for log in logs.values() for row in log for name in row)
    for name, (title, unit, about) in METRICS.items():
        if name.endswith("*"):
            parts = [part for part in found if part.startswith(name[:-1])]
            yield from ((part, (title.format(part[len(name) - 1 :]), unit, about)) for part in parts)
        elif name in found:
            yield name, (title, unit, about)


def _series(log: Sequence[Row], name: str) -> Series:
    points = [
        (row["step"], row[name]) for row in log if row.get(name) is not None and math.isfinite(row[name])
    ]
    size = math.ceil(len(points) / MAX_POINTS) if points else 1
    packs = [points[i : i + size] for i in range(0, len(points), size)]
    return [(_mean(step for step, _ in pack), _mean(value for _, value in pack)) for pack in packs]


def smoothed(series: Series) -> Series:
    """A centred mean over about a fifteenth of the curve: it lags behind nothing and keeps the ends."""
    reach = max(1, len(series) // 30)
    near = [series[max(0, i - reach) : i + reach + 1] for i in range(len(series))]
    return [
        (step, _mean(value for _, value in window)) for (step, _), window in zip(series, near, strict=True)
    ]


def _panel(dress: tuple[str, str, str], series: Mapping[str, Series], colours: Mapping[str, int]) -> Panel:
    title, unit, about = dress
    steps = [step for points in series.values() for step, _ in points]
    values = [value for points in series.values() for _, value in points]
    across = (min(steps), max(steps))
    ticks = axis(min(values), max(values), unit)
    upward = (ticks[0], ticks[-1])
    show = percent if unit == SHARE else plain
    lines = []
    for stage, points in series.items():
        curve = smoothed(points)
        drawn = (_polyline(points, across, upward), _polyline(curve, across, upward))
        lines.append(Line(stage, colours[stage], *drawn, show(curve[0][1]), show(curve[-1][1])))
    marks = tuple(
        (_place(tick, upward), f"{100 * tick:.0f} %" if unit == SHARE else plain(tick)) for tick in ticks
    )
    return Panel(title, about, unit, across, upward, marks, tuple(lines))


def axis(low: float, high: float, unit: str) -> list[float]:
    """Round marks that enclose the values, lowest to highest; of shares always the whole way from 0 to 1."""
    if unit == SHARE:
        return [0.0, 0.5, 1.0]
    low = min(low, 0.0) if unit == NUMBER else low
    span = (high - low) or abs(high) or 1.0
    step = 10 ** math.floor(math.log10(span))
    step = next(step * times for times in (0.5, 1, 2.5, 5) if span / (step * times) <= 3)
    first, last = math.floor(low / step), math.ceil(high / step)
    return [step * i for i in range(first, max(last, first + 1) + 1)]


def _polyline(series: Series, across: tuple[float, float], upward: tuple[float, float]) -> str:
    return " ".join(
        f"{WIDTH * _place(step, across):.4g},{HEIGHT * (1 - _place(value, upward)):.4g}"
        for step, value in series
    )


def _place(value: float, span: tuple[float, float]) -> float:
    low, high = span
    return (value - low) / (high - low) if high > low else 0.5


def _mean(values: Iterable[float]) -> float:
    listed = list(values)
    return sum(listed) / len(listed)
