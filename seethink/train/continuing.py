"""Whether a training may go on in its folder: what it was begun with, compared with what is asked for now.

A field that decides no number ({"identity": False}) is never compared. A change of the number of steps goes
on from the last checkpoint; every other change alters numbers that are learned already. No torch."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seethink import identity
from seethink.settings import leaves
from seethink.train.methods import METHODS
from seethink.train.notes import ROWS_FILE

STEP_FIELDS = ("max_steps", "num_train_epochs", "stop_when")
"""Settings that say how long a training goes on, and nothing about the steps that it has made."""

_INPUTS = {
    "model": "the model",
    "examples": "the rows or their format",
    "pairs": "the rows or their format",
    "task.questions": "the rows",
    "task.examples": "the rows",
    "task.verifier": "the verifier",
    "task.format": "the format",
    "task.name": "the name of the data",
    "measured": "the attempts that say how many tokens may be sampled",
    "chain": "the chain",
    "tasks": "the rows, their format or the verifier",
    "about": "the run",
}


MADE_BY = "data made by "
"""Begins the names of inputs that are results of earlier stages which make what is learned from."""


@dataclass(frozen=True)
class Changes:
    """What differs from the record of a folder. texts: one for each difference, such as "max_steps 40 -> 80".
    continues: nothing that is learned already would have been learned otherwise. finished: the steps asked
    for are made."""

    texts: tuple[str, ...]
    continues: bool
    finished: bool


def compare(kind: str, config: Any, inputs: Any, before: Mapping[str, Any], out: Path, rows: int) -> Changes:
    """The changes since `before`, the record of the work in `out`: its kind, config and inputs as JSON.

    kind: name of a training method, or of other work, which never continues. inputs: what is learned from.
    rows: how many the data have.
    """
    now, old = dict(_settings(identity.plain(config))), dict(_settings(before["config"]))
    undecided = (set(leaves(config)) if config else set()) - now.keys()
    undecided |= {name for name in STEP_FIELDS if name not in old}  # records older than the field
    names = [name for name in now | old if name not in undecided and now.get(name) != old.get(name)]
    other = [] if kind == before["kind"] else ["the method"]
    new_inputs, old_inputs = dict(_parts(identity.plain(inputs))), dict(_parts(before["inputs"]))
    other += [
        _in_words(name) for name in new_inputs | old_inputs if new_inputs.get(name) != old_inputs.get(name)
    ]
    texts = (*dict.fromkeys(other), *(f"{name} {old.get(name)} -> {now.get(name)}" for name in names))
    if not texts or other or kind not in METHODS or any(name not in STEP_FIELDS for name in names):
        return Changes(texts, continues=not texts, finished=not texts)
    method, done, rows = METHODS[kind], steps_done(out), _rows_learned(out, rows)
    steps = method.counts(rows, config)["optimiser steps"]
    was = config.replace(**{name: old[name] for name in names if name in old})
    continues = 0 < done <= steps and method.whole_step(done - 1, rows, was)
    return Changes(texts, continues, finished=done >= steps)


def _in_words(name: str) -> str:
    """An input of a stage as a message names it; those of a report are arms and trainings."""
    if name.startswith("arm "):
        return f"the answers {name.removeprefix('arm ')}"
    if name.startswith(MADE_BY):
        return f"the rows that {name.removeprefix(MADE_BY)} makes"
    return _INPUTS.get(name, name.replace("trained.", "the training "))


def how_it_continues(changes: Changes, config: Any, out: Path) -> str:
    """ "continues from step 40" and why; empty where no step of the training in `out` is kept."""
    if not (done := steps_done(out)):
        return ""
    said = f"continues from step {done:,}"
    if changes.texts:
        said = f"{said}, {', '.join(changes.texts)}"
    training = config.training
    if changes.texts and (training.lr_scheduler_type != "constant" or training.warmup_ratio):
        said += f"; the learning rate follows the {training.lr_scheduler_type} schedule of the new length"
    return said


def reopen(out: Path) -> None:
    """Keep the checkpoint of a finished training as `checkpoint-N`, so that the training in `out` goes on."""
    finished = out / "checkpoint"
    if finished.exists():
        finished.rename(_free(out / f"checkpoint-{steps_done(out)}"))


def steps_done(out: Path) -> int:
    """The optimiser steps from which the training in `out` would go on; 0 without a whole checkpoint."""
    found = (out / "resume").glob("checkpoint-*")
    return max((step_of(path) for path in found if why_unfinished(path) is None), default=0)


def step_of(checkpoint: Path) -> int:
    """40 of `checkpoint-40`"""
    return int(checkpoint.name.split("-")[-1])


def why_unfinished(checkpoint: Path) -> str | None:
    """Why a checkpoint to resume from was not written to its end; None if it was."""
    try:
        json.loads((checkpoint / "trainer_state.json").read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError) as error:
        return str(error)
    return None


def _free(folder: Path) -> Path:
    while folder.exists():
        folder = folder.with_name(folder.name + "+")
    return folder


def _rows_learned(out: Path, rows: int) -> int:
    """The rows without those that were left out when the training in `out` began."""
    facts = out / ROWS_FILE
    left_out = json.loads(facts.read_text(encoding="utf-8")).get("overlong_prompts") if facts.exists() else 0
    return rows - (left_out or 0)


def _settings(config: Any) -> Iterator[tuple[str, Any]]:
    """(name, value) of every setting of a config in JSON; leaf names are unique in the whole."""
    for name, value in (config or {}).items():
        if isinstance(value, Mapping) and "class" in value:
            yield from _settings(value)
        elif name != "class":
            yield name, value


def _parts(inputs: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """(name, value) of every input in JSON, `task.verifier` for a part of one."""
    for name, value in inputs.items():
        if isinstance(value, Mapping):
            yield from ((f"{name}.{part}", content) for part, content in value.items())
        else:
            yield name, value
