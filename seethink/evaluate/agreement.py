"""Agreement of raters: Cohen's kappa of two, Krippendorff's alpha of any number, and how the rules and a
judge scored the same attempts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from seethink.evaluate.attempts import RIGHT_FROM


def cohen_kappa(pairs: Iterable[tuple[Hashable, Hashable]]) -> float | None:
    """Cohen's kappa (1960) of two raters' labels for the same items, one pair for each item.

    (observed - chance) / (1 - chance): 1 for full agreement, 0 for chance. None without pairs, and where both
    gave one and the same label throughout, which leaves nothing to agree about.
    """
    both = list(pairs)
    if not both:
        return None
    n = len(both)
    first, second = (Counter(labels) for labels in zip(*both, strict=True))
    observed = sum(a == b for a, b in both) / n
    chance = sum(first[label] * second[label] for label in first) / n**2
    return (observed - chance) / (1 - chance) if chance < 1 else None


def krippendorff_alpha(
    ratings: Sequence[Sequence[Any]], metric: Literal["nominal", "interval"] = "nominal"
) -> float | None:
    """Krippendorff's alpha (2011) of any number of raters: 1 for full agreement, 0 for chance.

    ratings: for each rater, a rating of each item, None where there is none; items with fewer than two
    ratings tell nothing and are left out. metric: "nominal", ratings are equal or not; "interval", numbers
    whose squared distance counts. None where no item has two ratings, and where all ratings are equal.
    Raises ValueError for raters with different numbers of items.
    """
    import numpy as np

    if metric not in ("nominal", "interval"):
        raise ValueError(f"metric={metric!r}: it is nominal or interval")
    items = [[value for value in item if value is not None] for item in zip(*ratings, strict=True)]
    rated = [item for item in items if len(item) > 1]
    codes: dict[Any, int] = {}
    for item in rated:
        for value in item:
            codes.setdefault(value, len(codes))
    if len(codes) < 2:
        return None
    coincidences = np.zeros((len(codes), len(codes)))
    for item in rated:
        counts = np.bincount([codes[value] for value in item], minlength=len(codes)).astype(float)
        coincidences += (np.outer(counts, counts) - np.diag(counts)) / (len(item) - 1)
    distance = 1.0 - np.eye(len(codes))
    if metric == "interval":
        numbers = np.array(list(codes), dtype=float)
        distance = (numbers[:, None] - numbers[None, :]) ** 2
    totals = coincidences.sum(axis=0)
    expected = (np.outer(totals, totals) - np.diag(totals)) / (totals.sum() - 1)
    return 1.0 - float((coincidences * distance).sum() / (expected * distance).sum())


@dataclass(frozen=True)
class Agreement:
    """Agreement of two verifiers on the `n` pairs that both judged: share of equal verdicts and Cohen's
    kappa, None as in `cohen_kappa`. unjudged: pairs that not both judged."""

    n: int
    unjudged: int
    share: float | None
    kappa: float | None

    @classmethod
    def of(cls, values: Iterable[tuple[float | None, float | None]]) -> Agreement:
        """The agreement of the values that two verifiers gave to the same answers. A value from `RIGHT_FROM`
        on means right."""
        both = list(values)
        judged = [(a >= RIGHT_FROM, b >= RIGHT_FROM) for a, b in both if a is not None and b is not None]
        n = len(judged)
        share = sum(a == b for a, b in judged) / n if n else None
        return cls(n, len(both) - n, share, cohen_kappa(judged))


@dataclass(frozen=True)
class JudgeSummary:
    """How a judge scored attempts of a task from `tasks.with_judge`.

    attempts: how many. by_rules: read and judged by the rules; by_judge: by the judge alone (scope
    "unjudged").
    agreement: of rules and judge on the attempts that both judged: all (scope "all"), or those that the judge
    audited. step_grades: grades of the steps, in [0, 1].
    """

    attempts: int
    by_rules: int
    by_judge: int
    agreement: Agreement
    step_grades: tuple[float, ...]

    @classmethod
    def of(cls, rows: Iterable[Mapping[str, Any]], headline: str) -> JudgeSummary:
        """rows: of attempts.jsonl."""
        recorded = [row["parts"] for row in rows]
        parts = [{name: part["value"] for name, part in named.items()} for named in recorded]
        verdicts = [(values.get("rules"), values.get("audit", values.get(headline))) for values in parts]
        unread = [named.get("rules", {}).get("unread", False) for named in recorded]
        open_verdicts = [
            values.get(headline)
            for values, passed_on in zip(parts, unread, strict=True)
            if values.get("rules") is None or passed_on
        ]
        return cls(
            attempts=len(verdicts),
            by_rules=len(verdicts) - len(open_verdicts),
            by_judge=sum(verdict is not None for verdict in open_verdicts),
            agreement=Agreement.of(verdicts),
            step_grades=tuple(values["steps"] for values in parts if values.get("steps") is not None),
        )
