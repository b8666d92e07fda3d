"""Evaluation: every attempt on disk, means with 95 % intervals, paired tests, and what could not be judged,
counted."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from seethink.attempt import record
from seethink.types import Engine, InputError, Solver, Task

Row = dict[str, Any]
CHUNK = 128
"""Examples answered between two writes; what a kill can cost."""


def evaluate(
    engine: Engine,
    tasks: Sequence[Task],
    solver: Solver,
    out: Path,
    media: Path,
    watch: Callable[[Row], None] = lambda row: None,
) -> dict[str, Row]:
    """Answer every example of every task; `out/attempts.jsonl` gets a row for each attempt.

    Called again after a kill, it asks only what has no row yet. Returns `summarise`'s row for each task.
    """
    journal = out / "attempts.jsonl"
    rows = _whole_rows(journal)
    known = {(row["task"], row["id"]) for row in rows}
    total, done = sum(len(task.examples) for task in tasks), len(known)
    out.mkdir(parents=True, exist_ok=True)
    with journal.open("a", encoding="utf-8") as file:
        for task in tasks:
            open_ids = [i for i in range(len(task.examples)) if (task.name, task.examples[i].id) not in known]
            for start in range(0, len(open_ids), CHUNK):
                examples = [task.examples[i] for i in open_ids[start : start + CHUNK]]
                answered = solver(engine, task, examples)
                new = [record(task, rollout, media) for rollouts in answered for rollout in rollouts]
                file.write("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in new))
                file.flush()
                rows += new
                done += len(examples)
                watch(
                    {
                        "step": done,
                        "steps": total,
                        "task": task.name,
                        "correct": _mean([r["correct"] for r in rows]),
                    }
                )
    return {task.name: summarise([row for row in rows if row["task"] == task.name]) for task in tasks}


def read_rows(journal: Path) -> list[Row]:
    """All rows of an attempts.jsonl. Raises InputError naming file and row where a line is not JSON."""
    rows = []
    with journal.open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            try:
                rows.append(json.loads(line))
            except json.JSONDecodeError as error:
                raise InputError(
                    f"{journal}, row {number} is not JSON ({error}); it is not a file of attempts"
                ) from error
    return rows


def _whole_rows(journal: Path) -> list[Row]:
    """The rows of a journal that may end in a line cut by a kill; the cut line is removed from the file."""
    if not journal.exists():
        return []
    text = journal.read_bytes()
    whole = text[: text.rfind(b"\n") + 1]
    if len(whole) < len(text):
        with journal.open("r+b") as file:
            file.truncate(len(whole))
    return [json.loads(line) for line in whole.splitlines()]


# Statistics -------------------------------------------------------------------------------------------------


def summarise(rows: Sequence[Row]) -> Row:
    """One arm on one task: the headline mean with its interval, and the gain taken apart.

    value = readable x accuracy_if_readable, since an answer that cannot be read earns nothing.
    """
    readable = [row for row in rows if row["said"] is not None]
    by_steps = [row for row in rows if row["by_steps"]]
    at_once = [row for row in rows if not row["by_steps"]]
    strict, forgiving = _values(rows), _values(rows, lenient=True)
    return {
        **interval(strict),
        "asked": asked(rows),
        "n": len(strict),
        "unjudged": len(rows) - len(strict),
        "readable": len(readable) / max(1, len(rows)),
        "accuracy_if_readable": _mean(_values(readable)),
        "well_formed": _mean([float(row["fault"] is None) for row in rows]),
        "by_steps": len(by_steps) / max(1, len(rows)),
        "accuracy_by_steps": _mean(_values(by_steps, lenient=True)),
        "accuracy_at_once": _mean(_values(at_once, lenient=True)),
        "truncated": _mean([float(row["stop"] == "length") for row in rows]),
        "mean_tokens": _mean([row["n_tokens"] for row in rows]),
        "lenient": interval(forgiving),
    }


def asked(rows: Iterable[Row]) -> str:
    """The formats and modes that the attempts answer to; results of two are not of one kind."""
    return ", ".join(dict.fromkeys(f"{row['format']}, {row['mode']}" for row in rows if "mode" in row))


def interval(values: Sequence[float]) -> dict[str, float | None]:
    """Mean with a 95 % interval: Wilson's for 0/1 values, Student's t (clipped to [0, 1]) for graded ones."""
    from scipy import stats

    if not values:
        return {"value": None, "low": None, "high": None}
    mean, n = sum(values) / len(values), len(values)
    if set(values) <= {0.0, 1.0}:
        ci = stats.binomtest(int(sum(values)), n).proportion_ci(method="wilson")
        return {"value": mean, "low": float(ci.low), "high": float(ci.high)}
    low, high = stats.t.interval(0.95, n - 1, loc=mean, scale=stats.sem(values))
    return {"value": mean, "low": max(0.0, float(low)), "high": min(1.0, float(high))}


def compare(a: Path, b: Path) -> list[Row]:
    """Paired tests between the attempts of two arms, a row for each task both answered. `asked` holds how
    either was asked, and is there only where the two were asked differently."""
    first, second = _by_question(read_rows(a)), _by_question(read_rows(b))
    tasks = list(dict.fromkeys(task for task, _ in first))
    rows = []
    for task in tasks:
        pairs = [(row, second[key]) for key, row in first.items() if key[0] == task and key in second]
        if pairs:
            strict = paired([(x["correct"], y["correct"]) for x, y in pairs])
            loose = paired([(x["lenient"]["value"], y["lenient"]["value"]) for x, y in pairs])
            ways = [asked(pair[i] for pair in pairs) for i in range(2)]
            rows.append(
                {"task": task, **strict, **{f"lenient_{k}": loose[k] for k in ("difference", "p")}}
                | ({"asked": ways} if ways[0] != ways[1] else {})
            )
    return rows


def paired(pairs: Iterable[tuple[float | None, float | None]]) -> Row:
    """Difference b - a over questions both were judged on, and its two-sided p.

    0/1 values: McNemar's exact test, a binomial test on the questions that only one of the two got right.
    Graded values: the paired t test. p is None where there is nothing to test.
    """
    from scipy import stats

    both = [(x, y) for x, y in pairs if x is not None and y is not None]
    only_a, only_b = sum(x > y for x, y in both), sum(y > x for x, y in both)
    binary = {v for pair in both for v in pair} <= {0.0, 1.0}
    p: float | None = None
    if binary and both:
        p = float(stats.binomtest(only_b, only_a + only_b).pvalue) if only_a + only_b else 1.0
    elif len(both) > 1:
        p = float(stats.ttest_rel([x for x, _ in both], [y for _, y in both]).pvalue)
    difference = sum(y - x for x, y in both) / len(both) if both else None
    return {"difference": difference, "p": p, "only_a": only_a, "only_b": only_b, "n": len(both)}


def _by_question(rows: Sequence[Row]) -> Mapping[tuple[str, str], Row]:
    """The first attempt at each question."""
    found: dict[tuple[str, str], Row] = {}
    for row in rows:
        found.setdefault((row["task"], row["id"]), row)
    return found


def _values(rows: Sequence[Row], lenient: bool = False) -> list[float]:
    every = [row["lenient"]["value"] if lenient else row["correct"] for row in rows]
    return [value for value in every if value is not None]


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
