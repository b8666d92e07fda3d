"""Which attempts of several arms are at the same question: those of equal text and equal pictures.

Never by id, which may be a running number: two runs on other samples of a benchmark share all of their
numbers and few of their questions.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import combinations
from pathlib import Path

from seethink import media
from seethink.evaluate.attempts import AttemptRow, read_attempts
from seethink.types import MEDIA_MARK, InputError

PREVIEW = re.compile(r"[0-9a-f]{16}\.png")
"""A name that `media.save_preview` gives: the hash of what determines the picture."""

ByArm = dict[str, list[AttemptRow]]
"""The attempts at one question, by arm."""


@dataclass(frozen=True)
class JoinedQuestions:
    """questions: of each, the attempts of every arm that was asked it. several: how many questions differ
    in nothing but their ids between arms, so that they count as one, with the mean of their attempts.
    other_pictures: how many questions have the text of another arm's, but not its pictures. by_name:
    pictures that are not on disk, which were told apart by their names."""

    arms: tuple[str, ...]
    questions: list[ByArm]
    several: int = 0
    other_pictures: int = 0
    by_name: int = 0

    def by_task(self, *arms: str) -> dict[str, list[ByArm]]:
        """{task: the questions that all of `arms` were asked}, under `task_of` each."""
        found: dict[str, list[ByArm]] = {}
        for question in self.questions:
            if all(arm in question for arm in arms):
                found.setdefault(self.task_of(question), []).append(question)
        return found

    def task_of(self, question: ByArm) -> str:
        """The name that the first of all arms that was asked a question gives its task, so that it has one
        name whichever arms are compared."""
        return next(question[arm][0]["task"] for arm in self.arms if arm in question)

    def n_left_out(self, arm: str, task: str, others: Sequence[str] = ()) -> int:
        """Questions of a task that `arm` was asked and one of `others`, or of all arms, was not."""
        wanted = others or self.arms
        return sum(
            arm in own and self.task_of(own) == task and not all(one in own for one in wanted)
            for own in self.questions
        )


def join(arms: Mapping[str, Iterable[AttemptRow]]) -> JoinedQuestions:
    """The questions of all arms. Attempts belong to one question if their text and pictures are equal; if
    the arms have tasks in common, their task too, since a task may ask the questions of another in another
    way.

    Where several ids have the same text and pictures, ids keep them apart if all arms have the same ones.
    """
    rows = {arm: list(of_arm) for arm, of_arm in arms.items()}
    named = {arm: {row["task"] for row in of_arm} for arm, of_arm in rows.items()}
    by_task = all(named[a] & named[b] for a in named for b in named if named[a] and named[b])
    pictures = _Pictures.of(rows)
    groups: dict[tuple[object, ...], ByArm] = {}
    for arm, of_arm in rows.items():
        for row in of_arm:
            key = (row["task"] if by_task else "", question_text(row["question"]), *pictures.of_row(row))
            groups.setdefault(key, {}).setdefault(arm, []).append(row)
    questions, several = [], 0
    for group in groups.values():
        split = _by_id(group)
        several += len(split) == 1 and any(len({row["id"] for row in own}) > 1 for own in group.values())
        questions += split
    texts = [(key[:2], frozenset(group)) for key, group in groups.items()]
    alone: dict[tuple[object, ...], set[frozenset[str]]] = {}
    for text, present in texts:
        alone.setdefault(text, set()).add(present)
    other = sum(len(present) < len(rows) and len(alone[text]) > 1 for text, present in texts)
    return JoinedQuestions(tuple(rows), questions, several, other, len(pictures.by_name))


def _by_id(group: ByArm) -> list[ByArm]:
    """A group of equal text and pictures as one question, or as one for each id if all arms have the same
    ids."""
    ids = [list(dict.fromkeys(row["id"] for row in own)) for own in group.values()]
    if len(ids[0]) == 1 or any({*own} != {*ids[0]} for own in ids):
        return [group]
    return [{arm: [row for row in own if row["id"] == id] for arm, own in group.items()} for id in ids[0]]


def refuse_strangers(joined: JoinedQuestions) -> None:
    """Raise InputError for two arms that answered, but have no question in common."""
    by_arm = {arm: [own[arm] for own in joined.questions if arm in own] for arm in joined.arms}
    for a, b in combinations((arm for arm in joined.arms if by_arm[arm]), 2):
        if any(a in own and b in own for own in joined.questions):
            continue
        first, second = ([question_text(own[0]["question"]) for own in by_arm[arm]] for arm in (a, b))
        same = sum(text in {*first} for text in second)
        other = "of another size, other frames of a clip, or other files"
        why = f"; {same:,} have the same text, but other pictures ({other})" if same else ""
        raise InputError(
            f"{a} and {b} have no question in common, by text and pictures{why}; compare evaluations of the "
            "same questions"
        )


def question_text(question: str) -> str:
    """The text without the marks of media, and with single spaces: files of different programs set both at
    will."""
    return " ".join(MEDIA_MARK.sub(" ", question).split())


@dataclass(frozen=True)
class _Pictures:
    """shared: names of previews that every arm has, which are trusted to be the same pictures, so that they
    need not be read. by_name: pictures that are not on disk."""

    shared: frozenset[str]
    by_name: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, rows: Mapping[str, Sequence[AttemptRow]]) -> _Pictures:
        names = [
            {Path(file).name for row in of_arm for file in row.get("media") or ()} for of_arm in rows.values()
        ]
        common = set.intersection(*names) if names else set()
        return cls(frozenset(name for name in common if PREVIEW.fullmatch(name)))

    def of_row(self, row: AttemptRow) -> list[str]:
        """The identities of a row's pictures, in order."""
        return [self._identity(file) for file in row.get("media") or ()]

    def _identity(self, file: str) -> str:
        name = Path(file).name
        if name in self.shared:
            return name
        if not Path(file).is_file():
            self.by_name.add(name)
            return name
        return _content(file)


@lru_cache(maxsize=100_000)
def _content(file: str) -> str:
    """The hash of a picture's size and pixels, whatever its file format."""
    return media.pixels_digest(media.Image.file(file))


def placed_attempts(file: Path) -> list[AttemptRow]:
    """The rows of an attempts.jsonl with absolute paths of their pictures, which lie in a folder `media`
    beside the file or above it. Raises InputError as `read_attempts` does."""
    folder = next((one for one in file.resolve().parents if (one / "media").is_dir()), file.parent)
    return [row | {"media": [str(folder / name) for name in row["media"]]} for row in read_attempts(file)]
