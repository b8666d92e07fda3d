"""One stage of a run: planned as a value, recorded in its folder, recognised by its key.

`stage.json` is replaced atomically, so a process killed at any moment leaves a valid state.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from seethink import identity
from seethink.engines.opening import Server
from seethink.tasks import GoldTraces
from seethink.train.continuing import Changes, compare, how_it_continues, reopen
from seethink.train.methods import METHODS
from seethink.types import InputError, Messages, PreferencePair, SFTExample, Task

Status = Literal["pending", "begun", "done", "changed"]
"""begun: interrupted, or finished with fewer steps; will be resumed. changed: finished or begun with settings
or inputs that alter its result."""

_PART = "stage.json.part"


@dataclass(frozen=True)
class Artefact:
    """Result of a stage, as an input of later stages. key: identifies everything that led to it."""

    key: str


@dataclass(frozen=True)
class Model(Artefact):
    """`path` is what is loaded: an alias, a hub id or a folder. `base`: the model from which training
    started. `server`: where it is asked instead."""

    path: Path | str
    base: Path | str
    server: Server | None = None


@dataclass(frozen=True)
class Evaluation(Artefact):
    """`path` is attempts.jsonl; `rows` is {task: row of report.json}, empty if the stage was left out."""

    path: Path
    headline: str
    rows: Mapping[str, Any]


@dataclass(frozen=True)
class StageExamples:
    """Size of a stage's data, and one prompt of it, for estimates.

    count: number of examples. first: returns the first prompt and the replies to be learned for it; a plan
    reads no other example. view: settings of the `MediaView` at which published data are loaded, each
    as one value, or as a list where tasks differ.
    """

    count: int
    first: Callable[[], tuple[Messages, list[str]]]
    view: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, kind: Literal["examples", "pairs", "task"], data: Any) -> StageExamples:
        """Of the data of a training method. kind: as in `TrainingMethod.data`."""
        constructors: Mapping[str, Callable[[Any], StageExamples]] = {
            "examples": cls.of_sft_examples,
            "pairs": cls.of_pairs,
            "task": lambda task: cls.of_tasks([task]),
        }
        return constructors[kind](data)

    @classmethod
    def of_sft_examples(cls, examples: Sequence[SFTExample]) -> StageExamples:
        """Of SFT examples; the text of the first is its only reply."""
        view = _view([examples.task.examples if isinstance(examples, GoldTraces) else examples])
        return cls(len(examples), lambda: (_prompt(examples[0]), [examples[0].text]), view)

    @classmethod
    def of_pairs(cls, pairs: Sequence[PreferencePair]) -> StageExamples:
        """Of preference pairs; both responses of the first are its replies."""
        return cls(len(pairs), lambda: (_prompt(pairs[0]), [pairs[0].better, pairs[0].worse]))

    @classmethod
    def of_tasks(cls, tasks: Sequence[Task]) -> StageExamples:
        """Of tasks, all examples counted; no replies, since they are sampled."""
        count = sum(len(task.examples) for task in tasks)
        view = _view([task.examples for task in tasks])
        return cls(count, lambda: (tasks[0].format.prompt(tasks[0].examples[0]), []), view)


def _view(several: Iterable[Sequence[Any]]) -> dict[str, Any]:
    views = [asdict(view) for examples in several if (view := getattr(examples, "view", None))]
    found = {name: list(dict.fromkeys(view[name] for view in views)) for name in (views[0] if views else ())}
    return {name: values if len(values) > 1 else values[0] for name, values in found.items()}


def _prompt(row: SFTExample | PreferencePair) -> Messages:
    return row.format.prompt(row.example)


NO_EXAMPLES = StageExamples(0, lambda: ([], []))


@dataclass(frozen=True)
class Stage:
    """What is to be done in `<run>/<name>/`, and what is there already.

    kind: "make", "evaluate", "compare" or the name of a training method. product: the file or folder that the
    stage leaves for others, relative to its folder.
    """

    run: Path
    name: str
    kind: str
    product: str
    config: Any
    inputs: Mapping[str, Any]
    examples: StageExamples = NO_EXAMPLES

    @cached_property
    def key(self) -> str:
        """Digest of kind, config and inputs: equal keys, equal results."""
        return identity.digest({"kind": self.kind, "config": self.config, "inputs": self.inputs})

    @property
    def artefact_key(self) -> str:
        """Key of the stage's result as an `Artefact`: name and key of the stage."""
        return f"{self.name}:{self.key}"

    @property
    def trains(self) -> bool:
        """Whether `kind` is a training method."""
        return self.kind in METHODS

    @property
    def needs(self) -> list[Artefact]:
        """Results of earlier stages that this one takes."""
        return [value for value in self.inputs.values() if isinstance(value, Artefact)]

    @property
    def folder(self) -> Path:
        """`<run>/<name>`, which need not exist."""
        return self.run / self.name

    def state(self) -> dict[str, Any]:
        """Content of stage.json; empty if there is none. Raises InputError if it is not JSON."""
        file = self.folder / "stage.json"
        if not file.exists():
            return {}
        try:
            return json.loads(file.read_text(encoding="utf-8"))
        except ValueError as error:
            raise InputError(
                f"{file} is not JSON ({error}); move {self.folder} away and start again"
            ) from error

    def notes(self) -> list[str]:
        """What a finished training has to say (`train.notes`); empty for other stages."""
        return (self.state().get("result") or {}).get("notes", []) if self.trains else []

    def status(self) -> Status:
        """What is left to do, from stage.json, the key and the product. Raises InputError as `state` does."""
        state = self.state()
        if not state:
            return "pending"
        changes = self.changes(state)
        if not changes.continues:
            return "changed"
        finished = state["status"] == "done" and (self.folder / self.product).exists()
        return "done" if finished and changes.finished else "begun"

    def changes(self, state: Mapping[str, Any]) -> Changes:
        """What differs between `state`, the content of stage.json, and what is asked for."""
        if state["key"] == self.key:
            return Changes((), continues=True, finished=True)
        return compare(self.kind, self.config, self.inputs, state, self.folder, self.examples.count)

    def continues(self) -> str:
        """From which step a training that was begun goes on, and what changed; empty for other stages."""
        if not self.trains or not (state := self.state()):
            return ""
        return how_it_continues(self.changes(state), self.config, self.folder)

    @property
    def outside(self) -> list[Path]:
        """The files that the stage leaves outside its folder and that are there: a report in that of the
        run."""
        product = Path(os.path.normpath(self.folder / self.product))
        files = [product, product.with_suffix(".json")] if self.folder not in product.parents else []
        return [file for file in files if file.exists()]

    def set_aside(self) -> Path:
        """Move the results of other settings to `<run>/.stale/`; nothing is deleted. Returns their new
        folder."""
        stale = self.run / ".stale"
        stale.mkdir(exist_ok=True)
        target = stale / f"{self.name.replace('/', '-')}-{self.state()['key'][:8]}"
        while target.exists():
            target = target.with_name(target.name + "+")
        for file in self.outside:  # first: a kill in between leaves a stage to set aside
            os.replace(file, self.folder / file.name)
        os.rename(self.folder, target)
        return target

    def refuse_foreign(self) -> None:
        """Raises InputError where the stage was never begun and its place holds files of something else."""
        if self.state():
            return
        if self.folder.is_dir() and any(file.name != _PART for file in self.folder.iterdir()):
            raise InputError(
                f"{self.folder} holds files that no stage wrote; move it away or choose another --out"
            )
        for file in self.outside:
            raise InputError(f"{file} was written by no stage; move it away or choose another --out")

    def begin(self) -> dict[str, Any]:
        """Mark the stage as running, started or resumed, and return the content of stage.json.

        The checkpoint of a training that had fewer steps is kept as `checkpoint-N`. Raises InputError if the
        folder holds files of something else.
        """
        self.refuse_foreign()
        state = self.state()
        if self.trains and state and not self.changes(state).finished:
            reopen(self.folder)
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
            "versions": identity.versions(),
        }
        self.write(state)
        return state

    def write(self, state: Mapping[str, Any]) -> None:
        """Replace stage.json atomically."""
        self.folder.mkdir(parents=True, exist_ok=True)
        temporary = self.folder / _PART
        temporary.write_text(json.dumps(state, indent=2) + "\n", encoding="utf-8")
        os.replace(temporary, self.folder / "stage.json")


def made_by(stages: Iterable[Stage]) -> dict[str, Artefact]:
    """{folder: model} of the models that stages make, as options of solvers name them."""
    models = [stage for stage in stages if stage.product == "checkpoint"]
    return {str(stage.folder / stage.product): Artefact(stage.artefact_key) for stage in models}
