"""The gallery: one card per question with the answers of all arms, and how training changed the outcome."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import pstdev

from seethink.evaluate.attempts import (
    VERDICTS,
    AttemptRow,
    AttemptVerdict,
    overall,
    read_attempts,
    verdict,
)
from seethink.report.pictures import EmbeddedImage, embed_image
from seethink.report.places import Place, places_of
from seethink.types import MEDIA_MARK

OUTCOMES = {
    "right": "right",
    "partly": "partly right",
    "wrong": "wrong",
    "mixed": "right and wrong",
    "unjudged": "not judged",
    "unasked": "without an answer",
    "differs": "differs between arms or steps",
    "mended": "mended",
    "broken": "broken",
    "faulty": "breaks its format",
}
"""Outcomes of a question. It has exactly one of the first six, and any of the others."""
PER_OUTCOME = 24
"""Most cards picked for one task, arm and combination of outcomes."""
MAX_CARDS, MAX_ANSWERS = 240, 1500
"""Most cards and answers of one page, over all tasks."""

Key = tuple[str, str]
"""(task, id): what pairs the attempts of different arms."""
VerdictsByTime = Sequence[Sequence[AttemptVerdict]]
"""The verdicts of one arm on one question, a sequence for each time that it was asked: once by an evaluation,
once for each step by a training."""


@dataclass(frozen=True)
class GalleryAnswer:
    """One attempt on a card: the name it is shown under, its row, and its verdict."""

    name: str
    row: AttemptRow
    verdict: AttemptVerdict


@dataclass(frozen=True)
class AnswerGroup:
    """The answers of one arm to one question, given at one time. step: of the training, None in an
    evaluation."""

    name: str
    step: int | None
    answers: tuple[GalleryAnswer, ...]

    @property
    def reward(self) -> float | None:
        """The mean score of the answers that could be judged."""
        scores = self._scores
        return sum(scores) / len(scores) if scores else None

    @property
    def spread(self) -> float | None:
        """Standard deviation of the scores; None with fewer than two."""
        return pstdev(self._scores) if len(self._scores) > 1 else None

    @property
    def _scores(self) -> list[float]:
        return [answer.row["value"] for answer in self.answers if answer.row.get("value") is not None]


@dataclass(frozen=True)
class GalleryCard:
    """A question with its answers. outcomes: for each arm of the page, and last for all arms together, keys
    of `OUTCOMES`; empty for an arm that did not answer. places: boxes and points of the reference answer and
    of the answers. placed_on: index of the picture that they are drawn on. remark: why none are drawn, if
    there are any."""

    task: str
    id: str
    question: str
    gold: str | None
    caption: str
    pictures: tuple[EmbeddedImage, ...]
    answers: tuple[GalleryAnswer, ...] = ()
    outcomes: tuple[tuple[str, ...], ...] = ()
    places: tuple[Place, ...] = ()
    placed_on: int | None = None
    remark: str = ""

    @property
    def groups(self) -> list[AnswerGroup]:
        """The answers by arm and step, steps in order."""
        found: dict[tuple[str, int | None], list[GalleryAnswer]] = {}
        for answer in self.answers:
            found.setdefault((answer.name, answer.row.get("step")), []).append(answer)
        arms = list(dict.fromkeys(name for name, _ in found))
        in_order = sorted(found, key=lambda key: (arms.index(key[0]), key[1] or 0))
        return [AnswerGroup(*key, tuple(found[key])) for key in in_order]

    @property
    def step(self) -> int | None:
        """The first step of a training that asked the question."""
        return min((group.step for group in self.groups if group.step is not None), default=None)

    @property
    def reward(self) -> float | None:
        """The mean score of the answers that could be judged."""
        return AnswerGroup("", None, self.answers).reward

    @property
    def spread(self) -> float | None:
        """The widest spread of scores among the answers of one arm at one step."""
        return max((g.spread for g in self.groups if g.spread is not None), default=None)

    @property
    def longest(self) -> int:
        """Tokens of the longest answer."""
        return max((answer.row.get("n_tokens") or 0 for answer in self.answers), default=0)

    @property
    def faults(self) -> list[str]:
        """How answers break their format, each once."""
        return list(dict.fromkeys(a.row["fault"] for a in self.answers if a.row.get("fault")))


@dataclass(frozen=True)
class Gallery:
    """Cards and filters. counts[task][i][outcome]: all questions of arm i, not only those shown, and last
    those of all arms together; the outcome "all" counts every question that was answered there."""

    arms: tuple[str, ...]
    cards: tuple[GalleryCard, ...]
    counts: dict[str, list[dict[str, int]]]

    @property
    def faults(self) -> list[str]:
        """How answers of the cards break their format, the most frequent first."""
        return [fault for fault, _ in Counter(f for card in self.cards for f in card.faults).most_common()]

    @property
    def outcomes(self) -> dict[str, str]:
        """The entries of `OUTCOMES` that any question has."""
        found = {name for arms in self.counts.values() for of_arm in arms for name, n in of_arm.items() if n}
        return {name: words for name, words in OUTCOMES.items() if name in found}


def outcomes(arms: Sequence[VerdictsByTime], faulty: Sequence[bool]) -> list[tuple[str, ...]]:
    """Outcomes of one question in each of `arms`, and last in all of them together.

    An arm is right or wrong where all its judged answers are, "mixed" where some are right and some wrong,
    else partly right. It is mended or broken where its verdict is better or worse than what it is compared
    with: a training than at its first step on this question, any other arm than the first of `arms`. Of
    several answers at one time `overall` counts. faulty: whether an answer of the arm breaks its format.
    """
    times = [[overall(verdicts) for verdicts in asked] for asked in arms]
    differs = len({verdict for verdicts in times for verdict in verdicts} - {None}) > 1
    found = []
    for asked, verdicts, breaks in zip(arms, times, faulty, strict=True):
        compared = verdicts if len(verdicts) > 1 else times[0]
        pair = (compared[0], verdicts[-1]) if compared and verdicts else (None, None)
        ranks = [VERDICTS.index(verdict) for verdict in pair if verdict is not None]
        marks = {
            "differs": differs,
            "mended": len(ranks) > 1 and ranks[0] < ranks[1],
            "broken": len(ranks) > 1 and ranks[0] > ranks[1],
        }
        names = (name for name, holds in (marks | {"faulty": breaks}).items() if holds)
        found.append((_overall(asked), *names) if asked else ())
    present = {name for names in found for name in names[1:]}
    every = [verdicts for asked in arms for verdicts in asked]
    together = (_overall(every), *(name for name in OUTCOMES if name in present)) if every else ()
    return [*found, together]


def _overall(asked: VerdictsByTime) -> str:
    judged = {verdict for verdicts in asked for verdict in verdicts if verdict is not None}
    if {"right", "wrong"} <= judged:
        return "mixed"
    return "unjudged" if not judged else "partly" if len(judged) > 1 else judged.pop()


def gallery_card(
    row: AttemptRow,
    folder: Path,
    answers: Iterable[GalleryAnswer] = (),
    outcomes: Iterable[tuple[str, ...]] = (),
) -> GalleryCard:
    """A card from any row of a question. Media paths are relative to `folder`. Raises InputError for a
    missing image."""
    answers = tuple(answers)
    pictures = tuple(embed_image(folder / path) for path in row.get("media") or ())
    sizes = [picture.original for picture in pictures]
    places, placed_on, remark = places_of(row, [(answer.name, answer.row) for answer in answers], sizes)
    return GalleryCard(
        task=str(row.get("task", "")),
        id=str(row["id"]),
        question=question_text(row["question"]),
        gold=row.get("gold"),
        caption=str((row.get("meta") or {}).get("caption") or ""),
        pictures=pictures,
        answers=answers,
        outcomes=tuple(outcomes),
        places=places,
        placed_on=placed_on,
        remark=remark,
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
        key: outcomes(
            [[[verdicts[arm]]] if arm in verdicts else [] for arm in names],
            [(key, arm) in faulty for arm in names],
        )
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
    counts = outcome_counts((task, by_arm) for (task, _), by_arm in by_key.items())
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
    questions: Iterable[tuple[str, Sequence[tuple[str, ...]]]],
) -> dict[str, list[dict[str, int]]]:
    """`Gallery.counts` of `questions`: (task, outcomes of each arm and of all together)."""
    counts: dict[str, list[dict[str, int]]] = {}
    for task, by_arm in questions:
        of_task = counts.setdefault(task, [dict.fromkeys(("all", *OUTCOMES), 0) for _ in by_arm])
        for of_arm, names in zip(of_task, by_arm, strict=True):
            for name in ("all", *names) if names else ():
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
