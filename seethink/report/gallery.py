"""The gallery: one card for a question, with what every arm answered; and what became of it in training."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from seethink.report.pictures import Picture, embed
from seethink.report.rows import Row, Verdict, read_attempts, verdict
from seethink.types import MEDIA_MARK

OUTCOMES = {
    "right": "right",
    "wrong": "wrong",
    "flipped": "flipped by training",
    "broken": "broken by training",
    "unjudged": "not judged",
}
PER_CLASS = 24
"""At most so many cards are picked for the sake of one task, arm and class of outcome."""
MAX_CARDS, MAX_ANSWERS = 240, 1500
"""What one page holds, all tasks together."""

Key = tuple[str, str]
"""Task and id: what pairs attempts across arms."""
Verdicts = Mapping[str, Verdict]
"""Arm -> verdict on one question; an arm that was not asked is absent."""


@dataclass(frozen=True)
class Answer:
    """One attempt as it is shown: under which name, and how it was judged."""

    name: str
    row: Row
    verdict: Verdict


@dataclass(frozen=True)
class Card:
    """A question with its answers. `outcomes` holds, for each arm of the page, its names in `OUTCOMES`."""

    task: str
    id: str
    question: str
    gold: str | None
    caption: str
    pictures: tuple[Picture, ...]
    answers: tuple[Answer, ...] = ()
    outcomes: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True)
class Gallery:
    """`counts[task][i][outcome]` counts all questions of arm i ("all" included), not only the cards shown."""

    arms: tuple[str, ...]
    cards: tuple[Card, ...]
    counts: dict[str, list[dict[str, int]]]


def outcomes(verdicts: Verdicts, first: str, arm: str) -> tuple[str, ...]:
    """What became of a question in `arm`; against `first`, right may be "flipped" and wrong "broken"."""
    if arm not in verdicts:
        return ()
    now, before = verdicts[arm], verdicts.get(first)
    if now is None:
        return ("unjudged",)
    told = "right" if now else "wrong"
    if before is None or before == now:
        return (told,)
    return (told, "flipped" if now else "broken")


def card(
    row: Row, folder: Path, answers: Iterable[Answer] = (), outcomes: Iterable[tuple[str, ...]] = ()
) -> Card:
    """A card from any row of a question; the media paths are relative to `folder`."""
    return Card(
        task=str(row.get("task", "")),
        id=str(row["id"]),
        question=question_text(row["question"]),
        gold=row.get("gold"),
        caption=str((row.get("meta") or {}).get("caption") or ""),
        pictures=tuple(embed(folder / path) for path in row.get("media") or ()),
        answers=tuple(answers),
        outcomes=tuple(outcomes),
    )


def question_text(question: str) -> str:
    """The question without its mark, or, where several pictures are woven in, with their numbers."""
    marks = MEDIA_MARK.findall(question)
    if len(marks) < 2:
        return MEDIA_MARK.sub("", question).strip()
    numbers = iter(range(1, len(marks) + 1))
    return MEDIA_MARK.sub(lambda _: f"[{next(numbers)}]", question).strip()


def gallery(arms: Mapping[str, Path], folder: Path, headline: str) -> Gallery:
    """Pair the arms' attempts by task and id, and show a bounded sample of every class of outcome.

    Where an arm answered a question several times, its first attempt is meant, as in the paired tests. The
    files are read twice, so that only the sample is ever held in memory.
    """
    names = tuple(arms)
    judged = _judged(arms, headline)
    found = {key: [outcomes(verdicts, names[0], arm) for arm in names] for key, verdicts in judged.items()}
    shown = sample(found, len(names))
    answers: dict[Key, dict[str, Answer]] = {key: {} for key in shown}
    for arm, path in arms.items():
        for row in read_attempts(path):
            if (key := _key(row)) in answers:
                answers[key].setdefault(arm, Answer(arm, row, judged[key][arm]))
    cards = tuple(
        card(next(iter(by_arm.values())).row, folder, by_arm.values(), found[key])
        for key, by_arm in answers.items()
    )
    return Gallery(names, cards, count(((task, by_arm) for (task, _), by_arm in found.items()), len(names)))


def sample(found: Mapping[Key, Sequence[tuple[str, ...]]], n_arms: int) -> list[Key]:
    """Questions to show, in the order of `found`: as many of each task, arm and class as there is room for.

    The quota of every class grows by one at a time, so that rare classes are served before common ones fill
    the page; within a class the draw is by hash, hence the same on every machine and blind to the order of
    the file.
    """
    tasks = list(dict.fromkeys(task for task, _ in found))
    drawn = sorted(found, key=lambda key: hashlib.sha256(repr(key).encode()).digest())
    chosen: set[Key] = set()
    for task in tasks:
        room = max(1, min(MAX_CARDS, MAX_ANSWERS // n_arms) // len(tasks))
        waiting = [key for key in drawn if key[0] == task]
        filled: Counter[tuple[int, tuple[str, ...]]] = Counter()
        for quota in range(1, PER_CLASS + 1):
            for key in waiting:
                classes = [(i, names) for i, names in enumerate(found[key]) if names]
                if room and key not in chosen and any(filled[each] < quota for each in classes):
                    filled.update(classes)
                    chosen.add(key)
                    room -= 1
    return [key for key in found if key in chosen]


def count(
    found: Iterable[tuple[str, Sequence[tuple[str, ...]]]], n_arms: int
) -> dict[str, list[dict[str, int]]]:
    """`Gallery.counts` of (task, outcomes of every arm)."""
    counts: dict[str, list[dict[str, int]]] = {}
    for task, by_arm in found:
        tallies = counts.setdefault(task, [dict.fromkeys(("all", *OUTCOMES), 0) for _ in range(n_arms)])
        for tally, names in zip(tallies, by_arm, strict=True):
            for name in ("all", *names):
                tally[name] += 1
    return counts


def _judged(arms: Mapping[str, Path], headline: str) -> dict[Key, dict[str, Verdict]]:
    judged: dict[Key, dict[str, Verdict]] = {}
    for arm, path in arms.items():
        for row in read_attempts(path):
            judged.setdefault(_key(row), {}).setdefault(arm, verdict(row, headline))
    return judged


def _key(row: Row) -> Key:
    return row["task"], row["id"]
