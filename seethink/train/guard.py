"""What `sft`, `dpo` and `grpo` do when Python calls them: they compare their folder with what they are asked
for, as a run does with its stages, show their progress, and say what a training has to say at its end."""

from __future__ import annotations

import inspect
import json
import logging
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec

from rich.console import Console

from seethink import identity
from seethink.lock import alone_in
from seethink.models.names import model_key
from seethink.train.card import write_card
from seethink.train.continuing import compare, how_it_continues, reopen, steps_done
from seethink.train.methods import METHODS, OnStep
from seethink.train.notes import training_notes
from seethink.train.progress_bar import ProgressBar, is_watched
from seethink.types import InputError, Response, Score, Task

P = ParamSpec("P")

RECORDS = ("stage.json", "training.json")
"""Records of what a folder was begun with: by a stage of a run, and by a call from Python."""
REFERENCE = "reference"
"""What DPO computes of its data before the first step, in the folder of the training."""

_LOG = logging.getLogger(__name__)


def guarded(method: str) -> Callable[[Callable[P, Path]], Callable[P, Path]]:
    """Decorator of the function of a training method. Its parameters begin with model, data, config, out.

    Called again with the same arguments it returns the checkpoint or resumes, with more steps it goes on, and
    with anything else it raises InputError, since the checkpoint in `out` is another training's. Without
    `on_step` it shows a bar on a terminal or in a notebook and nothing elsewhere. A run has its own record
    and progress: it calls the function itself (`inspect.unwrap`).
    """

    def decorate(train: Callable[P, Path]) -> Callable[P, Path]:
        signature = inspect.signature(train)

        @wraps(train)
        def call(*args: P.args, **kwargs: P.kwargs) -> Path:
            given = signature.bind(*args, **kwargs).arguments
            model, data, config, out = list(given.values())[:4]
            main = int(os.environ.get("RANK", "0")) == 0
            with alone_in(out) if main else nullcontext():
                said = _begin(method, model, data, config, out, main)
                with _progress(method, said, main) if "on_step" not in given else nullcontext() as on_step:
                    checkpoint = train(**given, **({"on_step": on_step} if on_step else {}))  # type: ignore[call-arg]
                if main:
                    write_card(checkpoint, method, model, model, data, config)
                    for note in training_notes(out):
                        _LOG.warning("%s: %s", method, note)
            return checkpoint

        return call

    return decorate


def _begin(method: str, model: str, data: Any, config: Any, out: Path, main: bool) -> str:
    """Record what is begun in `out`, and return how it continues what is there. Raises InputError where that
    was begun with other settings or data."""
    kind = METHODS[method].data
    inputs = {"model": model_key(model), kind: _of_task(data) if kind == "task" else _of_rows(data)}
    said, now = "", {"kind": method, "config": identity.plain(config), "inputs": inputs}
    made = (out / "checkpoint").exists() or steps_done(out) > 0
    if made and (before := _record(out)) != now:
        changes = compare(method, config, inputs, before, out, len(data.examples if kind == "task" else data))
        if not changes.continues:
            raise InputError(
                f"{out} holds a training with other settings or data ({', '.join(changes.texts)}); choose "
                "another folder, or move it away"
            )
        said = how_it_continues(changes, config, out)
        if main and not changes.finished:
            reopen(out)
    elif made and not (out / "checkpoint").exists():
        said = f"continues from step {steps_done(out):,}"
    elif main and not made and (out / REFERENCE).exists() and (not _is_recorded(out) or _record(out) != now):
        shutil.rmtree(out / REFERENCE)  # of a training that ended before its first checkpoint
    if main and not (out / RECORDS[0]).exists():
        part = out / f"{RECORDS[1]}.part"
        part.write_text(json.dumps(now, indent=2) + "\n", encoding="utf-8")
        os.replace(part, out / RECORDS[1])
    return said


def _is_recorded(out: Path) -> bool:
    return any((out / name).exists() for name in RECORDS)


def _record(out: Path) -> Mapping[str, Any]:
    """What the training in `out` was begun with. Raises InputError where nothing says so."""
    for name in RECORDS:
        if (out / name).exists():
            record = json.loads((out / name).read_text(encoding="utf-8"))
            return {part: record[part] for part in ("kind", "config", "inputs")}
    raise InputError(
        f"{out} holds a training without a record of its settings; choose another folder, or move it away"
    )


@contextmanager
def _progress(name: str, said: str, main: bool) -> Iterator[OnStep]:
    """A bar where somebody watches, else nothing. said: what stands above it."""
    console = Console(stderr=True)
    if not (main and is_watched(console)):
        yield _warn
        return
    if said:
        console.print(f"{name}: {said}", markup=False, highlight=False, soft_wrap=True)
    with ProgressBar(console, name) as bar:
        yield bar


def _warn(row: Mapping[str, Any]) -> None:
    """Say what goes wrong where nobody sees a bar."""
    for text in row.get("said", ()):
        _LOG.warning("step %d: %s", row["step"], text)


def _of_rows(rows: Any) -> Any:
    """The identity of training rows. Where a file is missing, its name: the check of rows says which row."""
    try:
        return identity.of_sequence(rows)
    except OSError as error:
        return f"unreadable: {error}"


def _of_task(task: Task) -> dict[str, Any]:
    """The identity of a task. A lambda or closure, which a run refuses, is known by its name alone."""
    known = identity.of_task(replace(task, examples=(), verifier=_unjudged))
    try:
        verifier = identity.plain(identity.of_verifier(task.verifier))
    except ValueError as error:
        _LOG.info("only the name of the verifier is recorded: %s", error)
        verifier = getattr(task.verifier, "__qualname__", type(task.verifier).__qualname__)
    return known | {
        "questions": len(task.examples),
        "examples": _of_rows(task.examples),
        "verifier": verifier,
    }


def _unjudged(example: Any, response: Response) -> Score:
    return Score(None)
