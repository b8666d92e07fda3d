"""Figures of a comparison for print: scores with their intervals as SVG and PDF."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

COLOURS = ("#7b8590", "#c0752a", "#2a7f74", "#4f6fbd", "#b4577e", "#6d8a35", "#8862ad", "#3487ad")
"""Those of the arms on pages, in the light scheme."""
FORMATS = ("svg", "pdf")


def score_figure(report: Mapping[str, Any]) -> dict[str, bytes]:
    """{"scores.svg": ..., "scores.pdf": ...}: for each task the share of each arm with its 95 % interval,
    published numbers as open diamonds; differences against the first arm beside them. The same bytes for
    the same report."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    arms, tasks = list(report["results"]), list(report["matched"])
    rows = [(task, arm) for task in tasks for arm in arms if task in report["results"][arm]]
    first = {task: (task, arm) for task, arm in reversed(rows)}
    places = {row: -(i + tasks.index(row[0])) for i, row in enumerate(rows)}  # a gap between tasks
    settings: dict[Any, Any] = {
        "svg.hashsalt": "seethink",
        "pdf.fonttype": 42,
        "font.family": "DejaVu Sans",
        "font.size": 9,
        "text.parse_math": False,  # an arm may be named $x$
    }
    with rc_context(settings):
        figure = Figure(figsize=(7.2, 1.2 + 0.28 * (len(rows) + len(tasks))), layout="constrained")
        FigureCanvasAgg(figure)
        left, right = figure.subplots(1, 2, sharey=True)
        _scores(left, report, places, arms)
        _differences(right, report, places, arms)
        left.set_yticks([places[row] for row in rows], [_shortened(arm) for _, arm in rows])
        for task in tasks:
            left.text(0, places[first[task]] + 0.75, _shortened(task, 60), fontweight="bold", fontsize=8)
        left.set_ylim(min(places.values()) - 0.7, 1.4)
        files = {}
        for form in FORMATS:
            data = io.BytesIO()
            undated = {"Date": None} if form == "svg" else {"CreationDate": None, "Producer": None}
            figure.savefig(data, format=form, metadata=undated)
            files[f"scores.{form}"] = data.getvalue()
    return files


def _scores(axes: Any, report: Mapping[str, Any], places: Mapping[Any, float], arms: list[str]) -> None:
    for (task, arm), y in places.items():
        result = report["results"][arm][task]
        if result["value"] is not None:
            _bar(axes, result, y, COLOURS[arms.index(arm) % len(COLOURS)])
    for claim in report["claims"]:
        if (place := (claim["task"], claim["arm"])) in places:
            axes.plot(100 * claim["paper"], places[place], "D", color="#6a4fa3", markerfacecolor="none")
    axes.set_xlim(0, 100)
    axes.set_xlabel("score in %, 95 % interval")
    axes.grid(axis="x", linewidth=0.4)


def _differences(axes: Any, report: Mapping[str, Any], places: Mapping[Any, float], arms: list[str]) -> None:
    for test in report["tests"]:
        if test["a"] == arms[0] and test["difference"] is not None:
            bounds = {"value": test["difference"], "low": test["low"], "high": test["high"]}
            _bar(axes, bounds, places[test["task"], test["b"]], COLOURS[arms.index(test["b"]) % len(COLOURS)])
    axes.axvline(0, color="#23272b", linewidth=0.8)
    axes.set_xlabel(f"points above {_shortened(arms[0])}, 95 % interval")
    axes.tick_params(axis="y", left=False)
    axes.grid(axis="x", linewidth=0.4)


def _bar(axes: Any, bounds: Mapping[str, float], y: float, colour: str) -> None:
    axes.plot([100 * bounds["low"], 100 * bounds["high"]], [y, y], color=colour, linewidth=2)
    axes.plot(100 * bounds["value"], y, "o", color=colour, markersize=4.5)


def _shortened(text: str, most: int = 28) -> str:
    text = " ".join(text.split())
    return text if len(text) <= most else f"…{text[-most + 1 :]}"
