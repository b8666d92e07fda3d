"""What a stage held of a model is gone when the next one begins."""

from __future__ import annotations

import weakref
from typing import Any

import torch

from seethink import verify
from seethink.engines.local import LocalEngine
from seethink.formats import ANSWER_ONLY
from seethink.models import release
from seethink.run.events import StageEvent, StageFinished, StageStarted
from seethink.run.run import Run, Scale
from seethink.sources.handwritten import Pages
from seethink.train.configs import SFTConfig
from seethink.train.resumable import ResumableTrainer
from seethink.types import Sampling, Task
from tests import tiny


def test_model_and_engine_are_dropped_before_the_next_stage(tmp_path, monkeypatch) -> None:
    base = tiny.saved(tmp_path / "base")
    task = Task("pages", list(Pages(2, "train")), ANSWER_ONLY, verify.same_number)
    held: list[weakref.ref[Any]] = []
    alive: dict[str, int] = {}
    load, fit = LocalEngine.load, ResumableTrainer.fit

    def loaded(name: str) -> LocalEngine:
        engine = load(name)
        held.extend((weakref.ref(engine), weakref.ref(engine.model)))
        return engine

    def fitted(trainer: ResumableTrainer, *args: Any) -> Any:
        held.extend((weakref.ref(trainer), weakref.ref(trainer.policy)))
        return fit(trainer, *args)

    def listen(event: StageEvent) -> None:
        if isinstance(event, StageStarted | StageFinished):
            alive[f"{type(event).__name__} {event.stage}"] = sum(ref() is not None for ref in held)

    monkeypatch.setattr(LocalEngine, "load", staticmethod(loaded))
    monkeypatch.setattr(ResumableTrainer, "fit", fitted)
    run = Run("released", Scale("full"), tmp_path / "run", listeners=[listen])

    def recipe(run: Run) -> None:
        model, short = run.model(base), Sampling(temperature=0.0, max_tokens=2)
        run.evaluate("before", model, [task], short)
        tuned = run.sft("sft", model, run.traces(task), SFTConfig.of(max_steps=1, train_batch_size=1))
        run.evaluate("after", tuned, [task], short)

    run.execute(recipe)
    assert len(held) == 6, "two engines with their models, a trainer with its own"
    assert alive == {
        f"{event} {stage}": 0
        for stage in ("before", "sft", "after")
        for event in ("StageStarted", "StageFinished")
    }


def test_what_an_accelerator_keeps_is_given_back(monkeypatch) -> None:
    emptied: list[bool] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: emptied.append(True))
    release.release_memory()
    assert emptied == [True]
