"""The work of a stage that evaluates: the engine of its model, the questions, the record of how they were
asked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from seethink import hub, identity
from seethink.models.names import resolve
from seethink.run.stage import Evaluation, Model, Stage
from seethink.settings import leaves
from seethink.train.methods import OnStep
from seethink.types import Task

CALLS = "calls.sqlite"
"""In the stage's folder: every completion of a server."""


def answered(
    stage: Stage, model: Model, tasks: Sequence[Task], measured: Evaluation | None, on_progress: OnStep
) -> dict[str, Any]:
    """{task: its row of the report, with "record"}; {} in processes of a launch that are not the first.

    The record says how the task was asked (`evaluate.record`). Raises InputError where nothing would be
    measured.
    """
    from seethink.engines.opening import opened
    from seethink.evaluate.evaluate import evaluate
    from seethink.evaluate.record import record
    from seethink.evaluate.references import refuse_unjudgeable
    from seethink.run.controls import solver_of

    refuse_unjudgeable(tasks)
    solver, out = solver_of(stage.config, measured), stage.folder
    with opened(model.server or str(model.path), out / CALLS) as engine:
        rows = evaluate(engine, tasks, solver, out, stage.run / "media", on_progress)
        known = {"model": identified(model), "decoding": stage.config}
        known["seed"] = leaves(stage.config).get("seed")
        return {
            task.name: rows[task.name] | {"record": record(engine, task, known)} for task in tasks if rows
        }


def identified(model: Model) -> dict[str, Any]:
    """A model by name, key, and the digest of its weights, or the commit of a hub's."""
    if model.server:
        return {"name": model.server.url, "key": model.key, "root": model.server.root}
    folder = Path(resolve(str(model.path)))
    if not folder.is_dir():
        return {"name": str(folder), "key": model.key, "commit": hub.commit_here(str(folder))}
    return {"name": str(model.path), "key": model.key, "weights": identity.of_weights(folder)}


def retry(stages: Mapping[str, Stage], names: Iterable[str]) -> int:
    """Open finished evaluations again for the questions that were not answered or not judged, and the report
    about them; returns how many. What a server answered is kept and not asked for again."""
    from seethink.evaluate.attempt_parts import drop_failed

    dropped = 0
    for name in names:
        stage = stages[name]
        if stage.status() == "done" and (n := drop_failed(stage.folder)):
            dropped += n
            stage.write(stage.state() | {"status": "running"})
    if dropped and "report" in stages and (state := stages["report"].state()):
        stages["report"].write(state | {"status": "running"})
    return dropped
