"""The results of a task in parts: by level and category, by part of the score, and on twins."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from seethink.report.scores import Result

TWINS = {
    "same": "answered alike",
    "both": "both right",
    "only_original": "right in words only",
    "only_twin": "right as a picture only",
}


class Breakdown(NamedTuple):
    """A table of one task. rows: (name, for each arm its result or None)."""

    task: str
    title: str
    arms: list[str]
    rows: list[tuple[str, list[Result | None]]]


def breakdowns(results: Mapping[str, Mapping[str, Result]], headline: str) -> Iterator[Breakdown]:
    """The tables of every task. results: {arm: {task: row of report.json}}."""
    for task in dict.fromkeys(task for by_task in results.values() for task in by_task):
        found = {arm: by_task[task] for arm, by_task in results.items() if task in by_task}
        divided = {arm: row.get("by_meta", {}) for arm, row in found.items()}
        tables = {
            key: {arm: groups.get(key, {}) for arm, groups in divided.items()}
            for key in dict.fromkeys(key for groups in divided.values() for key in groups)
        }
        parts = {arm: _other_parts(row, headline) for arm, row in found.items()}
        tables |= {"part of the score": parts, "twins": {arm: _twins(row) for arm, row in found.items()}}
        for title, by_arm in tables.items():
            names = dict.fromkeys(name for own in by_arm.values() for name in own)
            rows = [(name, [own.get(name) for own in by_arm.values()]) for name in names]
            if rows:
                yield Breakdown(task, title, [*found], rows)


def _other_parts(row: Result, headline: str) -> Mapping[str, Result]:
    """Without the headline, which is the score, and "format", which `readable` tells."""
    return {name: part for name, part in row.get("parts", {}).items() if name not in (headline, "format")}


def _twins(row: Result) -> Mapping[str, Result]:
    if not (found := row.get("twins")):
        return {}
    shares = {name: found[name] if name == "same" else {"value": found[name]} for name in TWINS}
    return {words: {**shares[name], "n": found["n"]} for name, words in TWINS.items()}
