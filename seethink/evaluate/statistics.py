"""Statistics over attempts: means with 95 % intervals, paired tests, counts of unjudged attempts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from seethink.evaluate.attempts import RIGHT_FROM, AttemptRow, read_attempts
from seethink.evaluate.chains import followed
from seethink.evaluate.voting import majority, pass_at
from seethink.types import InputError


def summarise(rows: Sequence[AttemptRow]) -> dict[str, Any]:
    """Statistics of one arm on one task: the mean of the headline part with its interval, and its components.

    value = readable * accuracy_if_readable, since an answer that cannot be read scores 0. Keys ending in
    `by_steps` and `at_once` split the answers by whether they reason first; `lenient` scores each answer in
    whatever form it was given. The keys are those of report.json.

    A question with several attempts counts once, with their mean, and n counts questions; then `majority` and
    `pass_at` (`voting.py`) are there too; `chains` (`chains.py`) where an agent read another's. `usage`:
    the mean of what questions took, where it was counted.
    """
    readable = [row for row in rows if row["said"] is not None]
    by_steps = [row for row in rows if row["by_steps"]]
    at_once = [row for row in rows if not row["by_steps"]]
    questions = list(_by_question(rows).values())
    strict, forgiving = (_means(questions, lenient) for lenient in (False, True))
    return {
        **interval(strict),
        "asked": formats_and_modes(rows),
        "n": len(strict),
        "unjudged": sum(row["correct"] is None for row in rows),
        "readable": len(readable) / max(1, len(rows)),
        "accuracy_if_readable": mean(_values(readable)),
        "well_formed": mean([float(row["fault"] is None) for row in rows]),
        "by_steps": len(by_steps) / max(1, len(rows)),
        "accuracy_by_steps": mean(_values(by_steps, lenient=True)),
        "accuracy_at_once": mean(_values(at_once, lenient=True)),
        "truncated": mean([float(row["stop"] == "length") for row in rows]),
        "mean_tokens": mean([row["n_tokens"] for row in rows]),
        "lenient": interval(forgiving),
        **_usage(questions),
        **({"chains": chains} if (chains := followed(rows)) else {}),
        **(_several(questions) if len(questions) < len(rows) else {}),
    }


def _several(questions: Sequence[Sequence[AttemptRow]]) -> dict[str, Any]:
    """The majority's answers, and pass@k for powers of two up to the attempts that every question has. A
    question counts for pass@k if k of its attempts were judged."""
    votes = [own[majority([_ballot_of(row) for row in own])]["correct"] for own in questions]
    judged = [[value for row in own if (value := row["correct"]) is not None] for own in questions]
    most = min(len(own) for own in questions)
    sizes = [1 << i for i in range(most.bit_length()) if 1 << i < most] + [most]
    counted = [(len(own), sum(value >= RIGHT_FROM for value in own)) for own in judged]
    passed = {str(k): interval([pass_at(k, n, right) for n, right in counted if n >= k]) for k in sizes}
    known = [value for value in votes if value is not None]
    return {"attempts": most, "majority": interval(known), "pass_at": passed}


def _ballot_of(row: AttemptRow) -> str | None:
    """The answer; None for an error in its place."""
    return None if row["stop"] == "unanswered" else row["said"]


def _usage(questions: Sequence[Sequence[AttemptRow]]) -> dict[str, Any]:
    """{"usage": {count: mean over questions}}, None for what one of them does not tell; nothing where no row
    counts."""
    counts = [[row["usage"] for row in own if row.get("usage")] for own in questions]
    names = dict.fromkeys(name for own in counts for one in own for name in one)
    if not names:
        return {}
    sums = {name: [_sum([one[name] for one in own]) for own in counts if own] for name in names}
    return {"usage": {name: None if None in values else mean(values) for name, values in sums.items()}}


def _sum(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None


def tokens_sampled(path: Path) -> dict[tuple[str, str], int]:
    """{(task, id): tokens sampled for the question}. Raises InputError where a row does not tell."""
    found: dict[tuple[str, str], int] = {}
    for row in read_attempts(path):
        tokens = (row.get("usage") or {}).get("tokens_sampled")
        if tokens is None:
            raise InputError(
                f"{path}: the engine did not count the tokens sampled for {row['id']}, so nothing can be "
                "compared at equal tokens; use the local engine"
            )
        key = (row["task"], row["id"])
        found[key] = found.get(key, 0) + tokens
    return found


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
    if len(set(values)) == 1:  # no spread to tell the error from
        return {"value": average, "low": 0.0, "high": 1.0}
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
    first, second = _questions(read_attempts(a)), _questions(read_attempts(b))
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


def _questions(rows: Iterable[AttemptRow]) -> Mapping[tuple[str, str], AttemptRow]:
    """{(task, id): a row with the means of all attempts at that question}"""
    return {
        key: {
            **own[0],
            "correct": mean(_values(own)),
            "lenient": {**own[0]["lenient"], "value": mean(_values(own, lenient=True))},
        }
        for key, own in _by_question(rows).items()
    }


def _by_question(rows: Iterable[AttemptRow]) -> dict[tuple[str, str], list[AttemptRow]]:
    """{(task, id): the attempts at that question}"""
    found: dict[tuple[str, str], list[AttemptRow]] = {}
    for row in rows:
        found.setdefault((row["task"], row["id"]), []).append(row)
    return found


def _means(questions: Sequence[Sequence[AttemptRow]], lenient: bool) -> list[float]:
    """The mean of each question's judged attempts."""
    means = [mean(_values(own, lenient)) for own in questions]
    return [value for value in means if value is not None]


def _values(rows: Sequence[AttemptRow], lenient: bool = False) -> list[float]:
    values = [row["lenient"]["value"] if lenient else row["correct"] for row in rows]
    return [value for value in values if value is not None]


def mean(values: Sequence[float | None]) -> float | None:
    """The mean of the values that are not None; None if there are none."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
