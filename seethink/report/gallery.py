"""The gallery: one card per question with the answers of all arms, and how training changed the outcome."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from seethink.evaluate.attempts import AttemptRow, AttemptVerdict, read_attempts, verdict
from seethink.report.pictures import EmbeddedImage, embed_image
from seethink.types import MEDIA_MARK

OUTCOMES = {
    "right": "right",
    "wrong": "wrong",
    "flipped": "flipped by training",
    "broken": "broken by training",
    "unjudged": "not judged",
    "faulty": "breaks its format",
}
PER_OUTCOME = 24
"""Most cards picked for one task, arm and combination of outcomes."""
MAX_CARDS, MAX_ANSWERS = 240, 1500
"""Most cards and answers of one page, over all tasks."""

Key = tuple[str, str]
"""(task, id): what pairs the attempts of different arms."""
Verdicts = Mapping[str, AttemptVerdict]
"""{arm: verdict} on one question; arms without an attempt are absent."""


@dataclass(frozen=True)
class GalleryAnswer:
    """One attempt on a card: the name it is shown under, its row, and its verdict."""

    name: str
    row: AttemptRow
    verdict: AttemptVerdict


@dataclass(frozen=True)
class GalleryCard:
    """A question with its answers. outcomes: for each arm of the page, its keys of `OUTCOMES`. step: of the
    training, if it was asked in one."""

    task: str
    id: str
    question: str
    gold: str | None
    caption: str
    pictures: tuple[EmbeddedImage, ...]
    answers: tuple[GalleryAnswer, ...] = ()
    outcomes: tuple[tuple[str, ...], ...] = ()
    step: int | None = None

    @property
    def reward(self) -> float | None:
        """The mean score of the answers that could be judged."""
        judged = [answer.row["value"] for answer in self.answers if answer.row.get("value") is not None]
        return sum(judged) / len(judged) if judged else None

    @property
    def longest(self) -> int:
        """Tokens of the longest answer."""
        return max((answer.row.get("n_tokens") or 0 for answer in self.answers), default=0)


@dataclass(frozen=True)
class Gallery:
    """Cards and filters. counts[task][i][outcome]: all questions of arm i, not only those shown; the outcome
    "all" counts every question."""

    arms: tuple[str, ...]
    cards: tuple[GalleryCard, ...]
    counts: dict[str, list[dict[str, int]]]


def outcomes(verdicts: Verdicts, first: str, arm: str, faulty: bool = False) -> tuple[str, ...]:
    """Outcomes of one question in `arm`: right or wrong, whether it was flipped or broken since `first`, and
    whether the answer is `faulty`, which is to say breaks its format."""
    if arm not in verdicts:
        return ()
    now, before = verdicts[arm], verdicts.get(first)
    fault = ("faulty",) if faulty else ()
    if now is None:
        return ("unjudged", *fault)
    outcome = "right" if now else "wrong"
    if before is None or before == now:
        return (outcome, *fault)
    return (outcome, "flipped" if now else "broken", *fault)


def gallery_card(
    row: AttemptRow,
    folder: Path,
    answers: Iterable[GalleryAnswer] = (),
    outcomes: Iterable[tuple[str, ...]] = (),
) -> GalleryCard:
    """A card from any row of a question. Media paths are relative to `folder`. Raises InputError for a
    missing image."""
    return GalleryCard(
        task=str(row.get("task", "")),
        id=str(row["id"]),
        question=question_text(row["question"]),
        gold=row.get("gold"),
        caption=str((row.get("meta") or {}).get("caption") or ""),
        pictures=tuple(embed_image(folder / path) for path in row.get("media") or ()),
        answers=tuple(answers),
        outcomes=tuple(outcomes),
        step=row.get("step"),
    )


def question_text(question: str) -> str:
    """The question without its media mark; several marks become numbers, "[1]and [2]"."""
    marks = MEDIA_MARK.findall(question)
    if len(marks) < 2:
        return MEDIA_MARK.sub("", question).strip()
    numbers = iter(range(1, len(marks) + 1))
    return MEDIA_MARK.sub(lambda _: f"[{next(numbers)}]", question).strip()


def build_gallery(arms: Mapping[str, Path], folder: Path, headline: str) -> Gallery:
    """Pair the attempts of `arms`, {name: attempts.jsonl}, by task and id, and sample every kind of outcome.

    Of several attempts of an arm at one question the first counts, as in the paired tests. The files are read
    twice, so that only the sample is held in memory.
    """
    names = tuple(arms)
    judged, faulty = _verdicts(arms, headline)
    by_key = {
        key: [outcomes(verdicts, names[0], arm, (key, arm) in faulty) for arm in names]
        for key, verdicts in judged.items()
    }
    shown = sample_questions(by_key, len(names))
    answers: dict[Key, dict[str, GalleryAnswer]] = {key: {} for key in shown}
    for arm, path in arms.items():
        for row in read_attempts(path):
            if (key := _key(row)) in answers:
                answers[key].setdefault(arm, GalleryAnswer(arm, row, judged[key][arm]))
    cards = tuple(
        gallery_card(next(iter(by_arm.values())).row, folder, by_arm.values(), by_key[key])
        for key, by_arm in answers.items()
    )
    counts = outcome_counts(((task, by_arm) for (task, _), by_arm in by_key.items()), len(names))
    return Gallery(names, cards, counts)


def sample_questions(by_key: Mapping[Key, Sequence[tuple[str, ...]]], n_arms: int) -> list[Key]:
    """Questions to show, in the order of `by_key`, {question: outcomes of each arm}.

    The quota of each (task, arm, outcomes) grows by one at a time, so that rare outcomes are included
    before common ones fill the page. Questions are drawn by the hash of their key: the same on every
    machine, whatever the order of the file.
    """
    tasks = list(dict.fromkeys(task for task, _ in by_key))
    shuffled = sorted(by_key, key=lambda key: hashlib.sha256(repr(key).encode()).digest())
    chosen: set[Key] = set()
    for task in tasks:
        room = max(1, min(MAX_CARDS, MAX_ANSWERS // n_arms) // len(tasks))
        candidates = [key for key in shuffled if key[0] == task]
        filled: Counter[tuple[int, tuple[str, ...]]] = Counter()
        for quota in range(1, PER_OUTCOME + 1):
            for key in candidates:
                groups = [(i, names) for i, names in enumerate(by_key[key]) if names]
                if room and key not in chosen and any(filled[group] < quota for group in groups):
                    filled.update(groups)
                    chosen.add(key)
                    room -= 1
    return [key for key in by_key if key in chosen]


def outcome_counts(
    questions: Iterable[tuple[str, Sequence[tuple[str, ...]]]], n_arms: int
) -> dict[str, list[dict[str, int]]]:
    """`Gallery.counts` of `questions`: (task, outcomes of each arm)."""
    counts: dict[str, list[dict[str, int]]] = {}
    for task, by_arm in questions:
        of_task = counts.setdefault(task, [dict.fromkeys(("all", *OUTCOMES), 0) for _ in range(n_arms)])
        for of_arm, names in zip(of_task, by_arm, strict=True):
            for name in ("all", *names):
                of_arm[name] += 1
    return counts


def _verdicts(
    arms: Mapping[str, Path], headline: str
) -> tuple[dict[Key, dict[str, AttemptVerdict]], set[tuple[Key, str]]]:
    """(verdict of each arm on each question, questions and arms whose answer breaks its format)"""
    judged: dict[Key, dict[str, AttemptVerdict]] = {}
    faulty: set[tuple[Key, str]] = set()
    for arm, path in arms.items():
        for row in read_attempts(path):
            by_arm = judged.setdefault(_key(row), {})
            if arm not in by_arm:
                by_arm[arm] = verdict(row, headline)
                if row.get("fault"):
                    faulty.add((_key(row), arm))
    return judged, faulty


def _key(row: AttemptRow) -> Key:
    return row["task"], row["id"]
