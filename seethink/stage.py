"""One stage of a run: planned as a value, remembered in its folder, recognised by its key.

`stage.json` is replaced in one step: a process killed at any moment leaves a folder that tells the truth.
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from seethink import __version__, identity
from seethink.types import InputError, Lesson, Messages, Pair, Task

Kind = Literal["make", "sft", "dpo", "grpo", "evaluate", "compare"]
TRAININGS: tuple[Kind, ...] = ("sft", "dpo", "grpo")
Status = Literal["pending", "begun", "done", "changed"]

_PART = "stage.json.part"


@dataclass(frozen=True)
class Artefact:
    """What a stage made, as a value for later stages; its key stands for everything that led to it."""

    key: str


@dataclass(frozen=True)
class Model(Artefact):
    """`path` is what is loaded: an alias, a hub id or a folder. `base`: the model that it began as."""

    path: Path | str
    base: Path | str


@dataclass(frozen=True)
class Evaluation(Artefact):
    """`path` is attempts.jsonl; `rows` is {task: row of report.json}, empty if the stage was left out."""

    path: Path
    headline: str
    rows: Mapping[str, Any]


@dataclass(frozen=True)
class Asked:
    """How many questions a stage has. `first` gives the first as it is asked, and the texts to be learned of
    it; a plan looks at no other."""

    questions: int
    first: Callable[[], tuple[Messages, list[str]]]

    @classmethod
    def lessons(cls, lessons: Sequence[Lesson]) -> Asked:
        return cls(len(lessons), lambda: (_prompt(lessons[0]), [lessons[0].text]))

    @classmethod
    def pairs(cls, pairs: Sequence[Pair]) -> Asked:
        return cls(len(pairs), lambda: (_prompt(pairs[0]), [pairs[0].better, pairs[0].worse]))

    @classmethod
    def tasks(cls, tasks: Sequence[Task]) -> Asked:
        n = sum(len(task.examples) for task in tasks)
        return cls(n, lambda: (tasks[0].format.prompt(tasks[0].examples[0]), []))


def _prompt(asked: Lesson | Pair) -> Messages:
    return asked.format.prompt(asked.example)


NOTHING = Asked(0, lambda: ([], []))


@dataclass(frozen=True)
class Stage:
    """What is to be done in `<run>/<name>/`, and what is there already.

    product: what the stage leaves for others, relative to its folder. asked: what it asks or teaches.
    """

    run: Path
    name: str
    kind: Kind
    product: str
    config: Any
    inputs: Mapping[str, Any]
    asked: Asked = NOTHING

    @cached_property
    def key(self) -> str:
        return identity.digest({"kind": self.kind, "config": self.config, "inputs": self.inputs})

    @property
    def artefact_key(self) -> str:
        return f"{self.name}:{self.key}"

    @property
    def needs(self) -> list[Artefact]:
        return [value for value in self.inputs.values() if isinstance(value, Artefact)]

    @property
    def folder(self) -> Path:
        return self.run / self.name

    def state(self) -> dict[str, Any]:
        """What stage.json says; empty where there is none. Raises InputError when somebody broke it."""
        file = self.folder / "stage.json"
        if not file.exists():
            return {}
        try:
            return json.loads(file.read_text())
        except ValueError as error:
            raise InputError(
                f"{file} is not JSON ({error}); move {self.folder} away and start again"
            ) from error

    def status(self) -> Status:
        state = self.state()
        if not state:
            return "pending"
        if state["key"] != self.key:
            return "changed"
        return "done" if state["status"] == "done" and (self.folder / self.product).exists() else "begun"

    def set_aside(self) -> Path:
        """Move what other settings made to `<run>/.stale/`, where nothing is lost. Returns its new place."""
        stale = self.run / ".stale"
        stale.mkdir(exist_ok=True)
        target = stale / f"{self.name.replace('/', '-')}-{self.state()['key'][:8]}"
        while target.exists():
            target = target.with_name(target.name + "+")
        os.rename(self.folder, target)
        return target

    def begin(self) -> dict[str, Any]:
        """Mark the stage as running, for the first time or once more, and return what stage.json now says."""
        state = self.state()
        if not state and self.folder.is_dir() and any(file.name != _PART for file in self.folder.iterdir()):
            raise InputError(
                f"{self.folder} holds files that no stage wrote; move it away or choose another --out"
            )
        state = {
            "name": self.name,
            "kind": self.kind,
            "key": self.key,
            "status": "running",
            "started": state.get("started", datetime.now().astimezone().isoformat(timespec="seconds")),
            "seconds": state.get("seconds", 0.0),
            "resumed": state["resumed"] + 1 if state else 0,
            "config": identity.plain(self.config),
            "inputs": identity.plain(self.inputs),
            "result": None,
            "versions": _versions(),
        }
        self.write(state)
        return state

    def write(self, state: Mapping[str, Any]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        temporary = self.folder / _PART
        temporary.write_text(json.dumps(state, indent=2) + "\n")
        os.replace(temporary, self.folder / "stage.json")


def _versions() -> dict[str, str]:
    told = {name: version(name) for name in ("torch", "transformers")}
    return {"seethink": __version__, "python": platform.python_version(), **told}
