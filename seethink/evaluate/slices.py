"""Results by level, category and part: the keys of `meta` whose values divide the questions into groups;
and the gap between questions of kinds that were trained on and others."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from seethink.evaluate.intervals import Interval, gap_interval, interval
from seethink.evaluate.questions import Attempts, question_score

MOST_GROUPS = 24
"""A key with more values than this names questions rather than groups of them."""


def groups_of(questions: Sequence[Attempts]) -> dict[str, dict[str, list[int]]]:
    """{key of meta: {value: indices of its questions}}, for keys whose values divide the questions: two
    values to `MOST_GROUPS`, and two questions to a value on average. Questions without the key are under
    ""."""
    metas: list[Mapping[str, Any]] = [own[0].get("meta") or {} for own in questions]
    found: dict[str, dict[str, list[int]]] = {}
    for key in dict.fromkeys(key for meta in metas for key in meta):
        groups: dict[str, list[int]] = {}
        for i, meta in enumerate(metas):
            groups.setdefault(str(meta.get(key, "")), []).append(i)
        if 2 <= len(groups) <= MOST_GROUPS and 2 * len(groups) <= len(questions):
            found[key] = {name: groups[name] for name in sorted(groups, key=_natural)}
    return found


def by_meta(questions: Sequence[Attempts], clusters: Sequence[int]) -> dict[str, dict[str, dict[str, Any]]]:
    """{key of meta: {value: {value, low, high, n, unjudged}}}; n counts the questions that have a score."""
    scores = [question_score(own) for own in questions]
    return {
        key: {name: _result(scores, clusters, indices) for name, indices in groups.items()}
        for key, groups in groups_of(questions).items()
    }


def _result(
    scores: Sequence[float | None], clusters: Sequence[int], indices: Sequence[int]
) -> dict[str, Any]:
    known = [(score, clusters[i]) for i in indices if (score := scores[i]) is not None]
    found = interval([score for score, _ in known], [cluster for _, cluster in known])
    return {**found, "n": len(known), "unjudged": len(indices) - len(known)}


def seen_gaps(results: Mapping[str, Interval]) -> dict[tuple[str, str], Interval]:
    """{(seen, unseen): unseen less seen, with its interval}, for every two names of tasks or groups of
    which one says "unseen" where the other says "seen": `seen` and `unseen`, `seen` and `unseen: denser
    pages`."""
    seen = [name for name in results if _says(name, "seen")]
    unseen = [name for name in results if _says(name, "unseen")]
    return {
        (a, b): gap_interval(results[a], results[b]) for a in seen for b in unseen if _belong(a, b, len(seen))
    }


def _says(name: str, word: str) -> bool:
    return re.search(rf"(?<![a-z]){word}(?![a-z])", name.lower()) is not None


def _belong(seen: str, unseen: str, n_seen: int) -> bool:
    """Names that differ by the word alone; where a single name is seen, it belongs to all."""
    return n_seen == 1 or re.sub("unseen", "seen", unseen.lower()) == seen.lower()


def _natural(name: str) -> list[tuple[int, Any]]:
    """Sorts level 2 before level 10."""
    return [(0, int(part)) if part.isdigit() else (1, part) for part in re.split(r"(\d+)", name) if part]
