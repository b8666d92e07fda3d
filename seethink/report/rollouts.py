"""Attempts as the page of `seethink look` reads them: questions, answers and outcomes, in parts that can
follow each other while a training goes on."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from seethink.evaluate.attempts import AttemptRow, AttemptVerdict, verdict
from seethink.media import Image
from seethink.report.gallery import outcomes, question_text
from seethink.report.places import Place, places_of


def question_key(row: AttemptRow) -> tuple[object, ...]:
    """What pairs the attempts of different arms and steps: task, example id and the names of the pictures'
    files, which are hashes of their content; of those too that are lost."""
    files = (*(row.get("media") or ()), *(row.get("lost") or ()))
    return row.get("task"), row["id"], *(Path(name).name for name in files)


@dataclass
class _QuestionState:
    """What is remembered of a question. verdicts: {arm: {step: verdicts}}. faulty: arms with an answer that
    breaks its format. sizes: of its pictures, (width, height) in pixels."""

    sizes: list[tuple[int, int]]
    verdicts: dict[str, dict[int, list[AttemptVerdict]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(list))
    )
    faulty: set[str] = field(default_factory=set)


class RolloutTable:
    """The questions and answers that were added so far.

    Only what outcomes are computed from is kept. pictures: {name: path}, the name a hash of the file's
    content, so that a picture is one however often it was asked about. arms: in the order in which they came.
    """

    def __init__(self, folder: Path = Path(), headline: str = "correct") -> None:
        """folder: media paths of rows are relative to it. headline: the part of a score that decides."""
        self.folder, self.headline = folder, headline
        self.arms: dict[str, int] = {}
        self.pictures: dict[str, Path] = {}
        self._names: dict[Path, str] = {}
        self._asked: dict[tuple[object, ...], _QuestionState] = {}
        self._places: dict[tuple[object, ...], int] = {}

    def __len__(self) -> int:
        """How many questions."""
        return len(self._asked)

    def add(self, rows: Iterable[AttemptRow]) -> dict[str, Any]:
        """The part of the page's data that `rows` make: {"arms": all names, "questions": the new ones,
        "answers": of these rows, "outcomes": (place of a question, outcomes of each arm and of all together)
        of the questions whose outcomes may have changed}. A row without `text` is a question without an
        answer; `lost` names pictures that it is shown without. Raises InputError for a missing or broken
        picture."""
        n_arms, new, answers, touched = len(self.arms), [], [], {}
        for row in rows:
            arm = self.arms.setdefault(row.get("arm", ""), len(self.arms))
            key = question_key(row)
            if key not in self._asked:
                self._places[key] = len(self._asked)
                self._asked[key], question = self._question(row, key)
                new.append(question)
            touched[key] = None
            if "text" in row:
                answers.append({"q": self._places[key], "arm": arm} | self._answer(row, self._asked[key]))
        if len(self.arms) != n_arms:
            touched = dict.fromkeys(self._asked)
        return {
            "arms": list(self.arms),
            "questions": new,
            "answers": answers,
            "outcomes": [(self._places[key], self._outcomes(self._asked[key])) for key in touched],
        }

    def _question(self, row: AttemptRow, key: tuple[object, ...]) -> tuple[_QuestionState, dict[str, Any]]:
        paths = [self.folder / name for name in row.get("media") or ()]
        asked = _QuestionState([Image.file(path).size() for path in paths])
        places, placed_on, remark = places_of(row, [], asked.sizes)
        return asked, {
            "key": hashlib.sha256(repr(key).encode("utf-8", "backslashreplace")).hexdigest()[:12],
            "task": str(row.get("task", "")),
            "id": str(row["id"]),
            "question": question_text(row["question"]),
            "gold": row.get("gold"),
            "caption": str((row.get("meta") or {}).get("caption") or ""),
            "pictures": [[self._picture(path), *size] for path, size in zip(paths, asked.sizes, strict=True)],
            "lost": len(row.get("lost") or ()),
            "places": [_place(place) for place in places],
            "placed_on": placed_on,
            "remark": remark,
        }

    def _picture(self, path: Path) -> str:
        if path not in self._names:
            name = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
            self._names[path] = name
            self.pictures.setdefault(name, path)
        return self._names[path]

    def _answer(self, row: AttemptRow, asked: _QuestionState) -> dict[str, Any]:
        arm, found = row.get("arm", ""), verdict(row, self.headline)
        asked.verdicts[arm][row.get("step") or 0].append(found)
        if row.get("fault"):
            asked.faulty.add(arm)
        places, _, remark = places_of(row, [(arm, row)], asked.sizes)
        lenient = row.get("lenient")
        return {
            "step": row.get("step"),
            "verdict": found,
            "value": row["value"],
            "why": row["why"],
            "parts": [[name, part["value"], part["why"]] for name, part in row["parts"].items()],
            "lenient": [lenient["value"], lenient["said"]] if lenient else None,
            "said": row.get("said"),
            "thought": row.get("thought"),
            "text": row["text"],
            "fault": row.get("fault"),
            "stop": row.get("stop"),
            "n_tokens": row.get("n_tokens"),
            "by_steps": row.get("by_steps"),
            "places": [_place(place) for place in places if place.arm is not None],
            "remark": remark,
            "tokens": row.get("tokens"),
        }

    def _outcomes(self, asked: _QuestionState) -> list[tuple[str, ...]]:
        if not asked.verdicts:
            return [("unasked",)] * (len(self.arms) + 1)
        by_arm = [asked.verdicts.get(arm, {}) for arm in self.arms]
        times = [[verdicts[step] for step in sorted(verdicts)] for verdicts in by_arm]
        return outcomes(times, [arm in asked.faulty for arm in self.arms])


def _place(place: Place) -> Mapping[str, Any]:
    return {"corners": place.corners, "label": place.label, "point": place.point}
