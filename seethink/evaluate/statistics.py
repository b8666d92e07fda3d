"""Statistics over attempts: means with 95 % intervals, paired tests, counts of unjudged attempts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from seethink.evaluate.attempts import AttemptRow, read_attempts


def summarise(rows: Sequence[AttemptRow]) -> dict[str, Any]:
    """Statistics of one arm on one task: the mean of the headline part with its interval, and its components.

    value = readable * accuracy_if_readable, since an answer that cannot be read scores 0. Keys ending in
    `by_steps` and `at_once` split the answers by whether they reason first; `lenient` scores each answer in
    whatever form it was given. The keys are those of report.json.
    """
    readable = [row for row in rows if row["said"] is not None]
    by_steps = [row for row in rows if row["by_steps"]]
    at_once = [row for row in rows if not row["by_steps"]]
    strict, forgiving = _values(rows), _values(rows, lenient=True)
    return {
        **interval(strict),
        "asked": formats_and_modes(rows),
        "n": len(strict),
        "unjudged": len(rows) - len(strict),
        "readable": len(readable) / max(1, len(rows)),
        "accuracy_if_readable": mean(_values(readable)),
        "well_formed": mean([float(row["fault"] is None) for row in rows]),
        "by_steps": len(by_steps) / max(1, len(rows)),
        "accuracy_by_steps": mean(_values(by_steps, lenient=True)),
        "accuracy_at_once": mean(_values(at_once, lenient=True)),
        "truncated": mean([float(row["stop"] == "length") for row in rows]),
        "mean_tokens": mean([row["n_tokens"] for row in rows]),
        "lenient": interval(forgiving),
    }


def formats_and_modes(rows: Iterable[AttemptRow]) -> str:
    """The format and prompt mode of the attempts, "think_answer, suffix"; several are joined by commas."""
    return ", ".join(dict.fromkeys(f"{row['format']}, {row['mode']}" for row in rows if "mode" in row))


def interval(values: Sequence[float]) -> dict[str, float | None]:
    """Mean and 95 % interval: Wilson's for 0/1 values, Student's t (clipped to [0, 1]) for graded ones."""
    from scipy import stats

    if not values:
        return {"value": None, "low": None, "high": None}
    average, n = sum(values) / len(values), len(values)
    if set(values) <= {0.0, 1.0}:
        ci = stats.binomtest(int(sum(values)), n).proportion_ci(method="wilson")
        return {"value": average, "low": float(ci.low), "high": float(ci.high)}
    low, high = stats.t.interval(0.95, n - 1, loc=average, scale=stats.sem(values))
    return {"value": average, "low": max(0.0, float(low)), "high": min(1.0, float(high))}


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """The p-values corrected for their number by Holm's method (1979), in the same order; None stays None."""
    known = sorted((p, i) for i, p in enumerate(p_values) if p is not None)
    corrected: list[float | None] = [None] * len(p_values)
    least = 0.0
    for rank, (p, i) in enumerate(known):
        least = max(least, min(1.0, (len(known) - rank) * p))
        corrected[i] = least
    return corrected


def compare(a: Path, b: Path) -> list[dict[str, Any]]:
    """Paired tests between two files of attempts, one row for each task that both answered.

    The key `asked`, [format and mode of a, of b], is present only where the two differ. Raises InputError as
    `read_attempts` does.
    """
    first, second = _first_attempts(read_attempts(a)), _first_attempts(read_attempts(b))
    tasks = list(dict.fromkeys(task for task, _ in first))
    rows = []
    for task in tasks:
        pairs = [(row, second[key]) for key, row in first.items() if key[0] == task and key in second]
        if pairs:
            strict = paired([(x["correct"], y["correct"]) for x, y in pairs])
            loose = paired([(x["lenient"]["value"], y["lenient"]["value"]) for x, y in pairs])
            modes = [formats_and_modes(pair[i] for pair in pairs) for i in range(2)]
            rows.append(
                {"task": task, **strict, **{f"lenient_{k}": loose[k] for k in ("difference", "p")}}
                | ({"asked": modes} if modes[0] != modes[1] else {})
            )
    return rows


def paired(pairs: Iterable[tuple[float | None, float | None]]) -> dict[str, Any]:
    """Mean difference b - a over the questions on which both were judged, and its two-sided p value. graded:
    whether any score is other than 0 and 1.

    0/1 values: McNemar's exact test (a binomial test on the questions that only one of the two got right).
    Graded values: the paired t test; where all differences are equal, which leaves it no variance, the sign
    test on the questions that differ. p is None where there is nothing to test.
    """
    from scipy import stats

    both = [(x, y) for x, y in pairs if x is not None and y is not None]
    only_a, only_b = sum(x > y for x, y in both), sum(y > x for x, y in both)
    binary = {v for pair in both for v in pair} <= {0.0, 1.0}
    constant = len(both) > 1 and len({y - x for x, y in both}) == 1
    p: float | None = None
    if (binary and both) or constant:
        p = float(stats.binomtest(only_b, only_a + only_b).pvalue) if only_a + only_b else 1.0
    elif len(both) > 1:
        p = float(stats.ttest_rel([x for x, _ in both], [y for _, y in both]).pvalue)
    difference = sum(y - x for x, y in both) / len(both) if both else None
    counts = {"only_a": only_a, "only_b": only_b, "n": len(both), "graded": not binary}
    return {"difference": difference, "p": p, **counts}


def _first_attempts(rows: Iterable[AttemptRow]) -> Mapping[tuple[str, str], AttemptRow]:
    """{(task, id): the first attempt at that question}"""
    found: dict[tuple[str, str], AttemptRow] = {}
    for row in rows:
        found.setdefault((row["task"], row["id"]), row)
    return found


def _values(rows: Sequence[AttemptRow], lenient: bool = False) -> list[float]:
    values = [row["lenient"]["value"] if lenient else row["correct"] for row in rows]
    return [value for value in values if value is not None]


def mean(values: Sequence[float | None]) -> float | None:
    """The mean of the values that are not None; None if there are none."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
