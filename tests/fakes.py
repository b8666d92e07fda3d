"""Trainings and evaluations that take no time, for tests of what surrounds them.

They keep the real ones' promises: rows appended as they come, resume from what `out` holds,
a folder at the end.
"""

from __future__ import annotations

import io
import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

from PIL import Image as Pillow
from rich.console import Console

from seethink import media, verify
from seethink.cli.progress import TerminalListener
from seethink.evaluate import statistics
from seethink.formats import THINK_ANSWER
from seethink.run.run import Claim, Run, Scale
from seethink.sequences import LazySequence
from seethink.train.configs import GRPOConfig, SFTConfig
from seethink.types import GREEDY, Example, Task

NAMES = (
    "seethink.train.sft",
    "seethink.train.grpo",
    "seethink.train.preflight",
    "seethink.models.loading",
    "seethink.train.memory",
    "seethink.engines.local",
    "seethink.evaluate.evaluate",
    "seethink.evaluate.statistics",
)

calls: list[str] = []
"""Names of what was carried out, in order."""


@dataclass(frozen=True)
class Drawn(LazySequence[Example]):
    """Lazy examples whose pictures must not be looked at in a dry run."""

    n: int
    name: str = "drawn"
    readable: bool = True
    loaded: list[str] = field(default_factory=list, compare=False, repr=False)

    def __len__(self) -> int:
        return self.n

    def item(self, i: int) -> Example:
        key = f"{self.name}/{i}"
        picture = media.Image.drawn(key, lambda: self._draw(key))
        return Example(key, "How many?", (picture,), str(i), steps=(f"I count {i}.",))

    def _draw(self, key: str) -> Pillow.Image:
        assert self.readable, f"{key} was looked at"
        self.loaded.append(key)
        return Pillow.new("RGB", (4, 4))


def task(n: int = 6, name: str = "counting", readable: bool = True) -> Task:
    judged = verify.weighted(correct=(verify.same_number, 1.0), format=(verify.well_formed, 0.5))
    return Task(name, Drawn(n, name, readable), THINK_ANSWER, judged)


def model_folder(folder: Path, weights: bytes = b"weights") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text('{"model_type": "fake"}', encoding="utf-8")
    (folder / "model.safetensors").write_bytes(weights)
    return folder


@contextmanager
def installed() -> Iterator[None]:
    """The fakes in place of the real modules, for as long as it lasts; `calls` begins empty."""
    real = {name: sys.modules.get(name) for name in NAMES}
    calls.clear()
    install()
    try:
        yield
    finally:
        for name, module in real.items():
            sys.modules.pop(name)
            if module is not None:
                sys.modules[name] = module


def install() -> None:
    """Put the fakes where `seethink.run.run` looks for the real modules."""
    fakes = {
        "seethink.train.sft": {"sft": _sft},
        "seethink.models.loading": {"count_parameters": lambda name: None if "hub" in name else 1_000_000},
        "seethink.train.memory": {"prompt_shape": _prompt_shape, "estimate": estimate},
        "seethink.train.grpo": {"grpo": _grpo},
        "seethink.train.preflight": dict.fromkeys(("check_examples", "check_pairs", "check_task"), _check),
        "seethink.engines.local": {"LocalEngine": type("LocalEngine", (), {"load": staticmethod(str)})},
        "seethink.evaluate.evaluate": {"evaluate": _evaluate},
        "seethink.evaluate.statistics": {"compare": _compare, "summarise": statistics.summarise},
    }
    for name in NAMES:
        sys.modules[name] = ModuleType(name)
        sys.modules[name].__dict__.update(fakes[name])


def _prompt_shape(name: str, messages: Any, replies: Sequence[str], config: Any) -> Any:
    return SimpleNamespace(prompt=SimpleNamespace(ids=[0] * 1_234), replies=replies)


def estimate(name: str, shape: Any, config: Any, n_examples: int) -> Any:
    return SimpleNamespace(peak=2_500_000_000, parts={"libraries": 0, "update": 10**9 * n_examples})


def _check(model: str, data: Any, config: Any, out: None, on_step: Any) -> Any:
    assert Path(model).is_dir(), model
    return data


def _sft(model: str, examples: Sequence[Any], config: Any, out: Path, on_step: Any, held_out: Any) -> Path:
    assert all(example.text for example in examples)
    return _train("sft", model, config.max_steps or 3, out, on_step)


def _grpo(model: str, task: Task, config: Any, out: Path, media: Path, on_step: Any, held_out: Any) -> Path:
    return _train("grpo", model, config.max_steps, out, on_step)


def _train(kind: str, model: str, steps: int, out: Path, on_step: Any) -> Path:
    assert Path(model).is_dir(), model
    calls.append(kind)
    for step in range(_lines(out / "metrics.jsonl") + 1, steps + 1):
        time.sleep(float(os.environ.get("FAKE_STEP_S", "0")))
        row = {"step": step, "loss": 1 / step, "pid": os.getpid()}
        _append(out / "metrics.jsonl", row)
        on_step({**row, "steps": steps})
    kept = out / "resume" / f"checkpoint-{steps}"
    kept.mkdir(parents=True, exist_ok=True)
    (kept / "trainer_state.json").write_text("{}", encoding="utf-8")
    return model_folder(out / "checkpoint", json.dumps([kind, model, steps]).encode())


def _evaluate(
    engine: str, tasks: Sequence[Task], solver: Any, out: Path, media: Path, on_progress: Any
) -> dict[str, Any]:
    assert Path(engine).is_dir(), engine
    calls.append("evaluate")
    examples = [(task, example) for task in tasks for example in task.examples]
    for i, (task, example) in enumerate(examples, 1):
        _append(out / "attempts.jsonl", attempt_row(task.name, example, right=i % 2 == 0))
        on_progress({"step": i, "steps": len(examples), "correct": 0.5})
    return {task.name: result_row(0.5, len(task.examples)) for task in tasks}


def attempt_row(task: str, example: Example, right: bool) -> dict[str, Any]:
    value = float(right)
    return {
        "task": task, "id": example.id, "step": None, "question": example.question, "media": [],
        "gold": example.answer, "meta": {}, "text": "<think>so</think><answer>1</answer>", "thought": "so",
        "said": "1", "stop": "stop", "n_tokens": 9, "fault": None, "value": value, "why": "",
        "parts": {"correct": {"value": value, "why": ""}}, "by_steps": False,
        "lenient": {"value": value, "said": "1", "why": ""},
    }  # fmt: skip


def result_row(value: float, n: int) -> dict[str, Any]:
    interval = {"value": value, "low": value - 0.1, "high": value + 0.1}
    return {
        **interval, "n": n, "unjudged": 0, "readable": 1.0, "accuracy_if_readable": value, "by_steps": 0.0,
        "accuracy_by_steps": None, "accuracy_at_once": value, "truncated": 0.0, "mean_tokens": 9.0,
        "lenient": interval,
    }  # fmt: skip


def _compare(a: Path, b: Path) -> list[dict[str, Any]]:
    tasks = list(dict.fromkeys(row["task"] for row in _rows(a)))
    return [
        {
            "task": task, "difference": 0.0, "p": 1.0, "lenient_difference": 0.0, "lenient_p": 1.0,
            "only_a": 0, "only_b": 0, "n": sum(row["task"] == task for row in _rows(b)), "graded": False,
        }
        for task in tasks
    ]  # fmt: skip


def _append(path: Path, row: dict[str, Any]) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    return map(json.loads, path.read_text(encoding="utf-8").splitlines())


def _lines(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines()) if path.exists() else 0


# A run of them ------------------------------------------------------------------------------------------


def recipe_of(tmp_path, questions=None, steps=4):
    """Base, SFT and GRPO arms on one task: what r1v looks like."""

    def recipe(run: Run) -> None:
        practice = questions or task()
        base = run.model(str(tmp_path / "base"))
        tuned = run.sft("sft", base, run.traces(practice), SFTConfig.of(max_steps=steps))
        reinforced = run.grpo("grpo", base, practice, GRPOConfig.of(max_steps=steps, seed=run.seed))
        arms = {"base": base, "sft": tuned, "grpo": reinforced}
        results = {
            name: run.evaluate(f"eval/{name}", model, [practice], GREEDY) for name, model in arms.items()
        }
        run.compare(
            "report", results, Claim("counting", {"base": 0.48, "grpo": 0.825, "dpo": 0.5}, "a paper")
        )

    return recipe


def a_run(tmp_path, **settings):
    """(run, what its listener prints)"""
    output = io.StringIO()
    listeners = [TerminalListener(Console(file=output, width=120))]
    settings = {"recipe": "r1v", "scale": Scale("tiny"), "out": tmp_path / "run", **settings}
    return Run(**{"listeners": listeners, **settings}), output


def go(tmp_path, recipe=None, **settings):
    """Execute a run; returns what its listener prints."""
    run, output = a_run(tmp_path, **settings)
    calls.clear()
    run.execute(recipe or recipe_of(tmp_path))
    return output.getvalue()


def state(tmp_path, stage):
    return json.loads((tmp_path / "run" / stage / "stage.json").read_text(encoding="utf-8"))


def evaluations():
    """The folders of all evaluations that were not given one, the newest last."""
    return sorted(
        Path("runs/eval").glob("*/eval"), key=lambda folder: (folder / "stage.json").stat().st_mtime_ns
    )
