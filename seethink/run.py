"""Run: one execution of a recipe. Stages by name, artefacts with identity, a plan before any work, resume."""

from __future__ import annotations

import inspect
import os
import re
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, overload

from rich.console import Console

from seethink import identity
from seethink.attempt import lesson
from seethink.families import resolve
from seethink.lock import alone_in
from seethink.settings import override, parse, unknown
from seethink.stage import NOTHING, TRAININGS, Asked, Evaluation, Kind, Model, Stage
from seethink.terminal import Progress, say, show_report
from seethink.types import InputError, Lesson, Pair, Sampling, Task

if TYPE_CHECKING:
    from seethink.train.configs import DPO, GRPO, SFT

SCALES = ("smoke", "tiny", "one_gpu", "full")
TINY = "The model is sprout, which ships with SeeThink: five million parameters. It is tiny, and it errs."
_FALLS_BACK = {"smoke": "tiny", "one_gpu": "full"}
_STAGE_NAME = re.compile(r"[a-z0-9_-]+(/[a-z0-9_-]+)*")
_STATE_EVERY_S = 10.0
_LOOK_EVERY_S = 0.5

T = TypeVar("T")
Watch = Callable[[dict[str, Any]], None]
Work = Callable[[Path, Watch], Any]


class Scale(str):
    """The name of a scale; called, it picks a value: `run.scale(smoke=8, tiny=2_000, full=70_000)`."""

    def __new__(cls, name: str) -> Scale:
        if name not in SCALES:
            raise unknown("scale", name, SCALES)
        return super().__new__(cls, name)

    def __call__(self, **values: T) -> T:
        """smoke falls back to tiny, one_gpu to full. Raises InputError where the recipe has no such scale."""
        if foreign := values.keys() - set(SCALES):
            raise TypeError(f"no such scale: {', '.join(sorted(foreign))}")
        for name in (str(self), _FALLS_BACK.get(self)):
            if name in values:
                return values[name]
        raise InputError(f"this recipe has no scale {self}; it has {', '.join(values)}")


@dataclass(frozen=True)
class Claim:
    """A paper's numbers on a task, {arm: value in 0..1}, to stand beside ours; `source`: where they are."""

    task: str
    paper: Mapping[str, float]
    source: str


@dataclass(frozen=True)
class Traces(Sequence[Lesson]):
    """The task's own steps and answers, as a model that obeys its format would write them."""

    task: Task

    def __len__(self) -> int:
        return len(self.task.examples)

    @overload
    def __getitem__(self, i: int) -> Lesson: ...
    @overload
    def __getitem__(self, i: slice) -> list[Lesson]: ...
    def __getitem__(self, i: int | slice) -> Lesson | list[Lesson]:
        if isinstance(i, slice):
            return [self[j] for j in range(*i.indices(len(self)))]
        return lesson(self.task, self.task.examples[i])

    @property
    def identity(self) -> list[Any] | None:
        """None unless the examples have one: lessons are walked then, and a bad row is found at once."""
        told = getattr(self.task.examples, "identity", None)
        return None if told is None else ["traces", told, identity.plain(self.task.format)]


@dataclass
class Run:
    """What a recipe works with. Every verb is one stage: done before, continued, or done now.

    out: the run's folder. overrides: `stage.field=value`. only: the stages to carry out; what they consume
    must be done. dry: verbs only plan, touching neither pictures nor disk. notes: what the report says first.
    """

    recipe: str
    scale: Scale
    out: Path
    seed: int = 0
    overrides: Sequence[str] = ()
    only: Sequence[str] = ()
    dry: bool = False
    notes: Sequence[str] = ()
    console: Console = field(default_factory=Console)
    stages: dict[str, Stage] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self.scale, self.out = Scale(self.scale), Path(self.out)

    # Walking the recipe ------------------------------------------------------------------------------------

    def plan(self, recipe: Callable[[Run], None]) -> dict[str, Stage]:
        """The stages of `recipe`, none carried out. Raises InputError for overrides of any other."""
        walk = replace(self, dry=True)
        recipe(walk)
        for name in [*self._settings, *self.only]:
            if name not in walk.stages:
                raise unknown("stage", name, walk.stages)
        self._check_only(walk.stages)
        return walk.stages

    def execute(self, recipe: Callable[[Run], None]) -> None:
        """Plan, so that a bad word fails before any work; then carry out what is not done yet."""
        self.plan(recipe)
        if self.helps:
            self.console = Console(quiet=True)
        with nullcontext() if self.helps else alone_in(self.out):
            recipe(self)

    @cached_property
    def helps(self) -> bool:
        """Whether this is one of several processes of a launch (`torchrun`), and not the first of them."""
        return int(os.environ.get("RANK", "0")) > 0

    # Verbs -------------------------------------------------------------------------------------------------

    def model(self, name: str) -> Model:
        """A model that exists: the bundled `sprout`, a folder, or a hub id; InputError for any other."""
        folder = Path(resolve(name))
        if not folder.is_dir():
            return Model(key=name, path=name, base=name)
        bundled = folder.is_relative_to(Path(__file__).parent)
        if bundled and TINY not in self.notes:
            self.notes = (*self.notes, TINY)
        return Model(key=f"{folder.name}:{identity.of_folder(folder, content=bundled)}", path=name, base=name)

    def make(self, name: str, write: Callable[..., object], **inputs: Any) -> Model:
        """The model that `write(folder, **inputs)` writes; the function's source is part of its identity."""
        source = {"function": write.__qualname__, "source": inspect.getsource(write)}
        stage = self._stage(name, "make", "checkpoint", None, {**source, **inputs})

        def work(out: Path, watch: Watch) -> None:
            part = out / "checkpoint.part"
            shutil.rmtree(part, ignore_errors=True)
            write(part, **inputs)
            shutil.rmtree(out / "checkpoint", ignore_errors=True)
            os.replace(part, out / "checkpoint")

        self._carry_out(stage, work)
        folder = stage.folder / stage.product
        return Model(key=stage.artefact_key, path=folder, base=folder)

    def export(self, name: str, model: Model) -> Model:
        """`model` as it ships, in bf16: half the size."""
        return self.make(name, _write_bf16, model=model)

    def traces(self, task: Task) -> Traces:
        """What a perfect model would say to each of the task's examples."""
        return Traces(task)

    def sft(self, name: str, model: Model, lessons: Sequence[Lesson], config: SFT) -> Model:
        """`model` after supervised training on `lessons`."""
        inputs = {"model": model, "lessons": identity.of_sequence(lessons)}
        stage = self._stage(name, "sft", "checkpoint", config, inputs, Asked.lessons(lessons))

        def work(out: Path, watch: Watch) -> None:
            from seethink.train.sft import sft

            sft(str(model.path), lessons, stage.config, out, watch)

        return self._trained(stage, work, model)

    def dpo(self, name: str, model: Model, pairs: Sequence[Pair], config: DPO) -> Model:
        """`model` after learning to prefer the better of each pair."""
        inputs = {"model": model, "pairs": identity.of_sequence(pairs)}
        stage = self._stage(name, "dpo", "checkpoint", config, inputs, Asked.pairs(pairs))

        def work(out: Path, watch: Watch) -> None:
            from seethink.train.dpo import dpo

            dpo(str(model.path), pairs, stage.config, out, watch)

        return self._trained(stage, work, model)

    def grpo(self, name: str, model: Model, task: Task, config: GRPO) -> Model:
        """`model` after reinforcement on `task`."""
        inputs = {"model": model, "task": identity.of_task(task)}
        stage = self._stage(name, "grpo", "checkpoint", config, inputs, Asked.tasks([task]))

        def work(out: Path, watch: Watch) -> None:
            from seethink.train.grpo import grpo

            grpo(str(model.path), task, stage.config, out, self.out / "media", watch)

        return self._trained(stage, work, model)

    def _trained(self, stage: Stage, work: Work, model: Model) -> Model:
        self._carry_out(stage, work)
        return Model(key=stage.artefact_key, path=stage.folder / stage.product, base=model.base)

    def evaluate(self, name: str, model: Model, tasks: Sequence[Task], sampling: Sampling) -> Evaluation:
        """Every attempt of `model` at `tasks` on disk, and its rows of the report; all share one headline."""
        headline = _only_one({task.headline for task in tasks})
        inputs = {"model": model, "tasks": [identity.of_task(task) for task in tasks]}
        stage = self._stage(name, "evaluate", "attempts.jsonl", sampling, inputs, Asked.tasks(tasks))

        def work(out: Path, watch: Watch) -> dict[str, Any]:
            from seethink.engines.local import LocalEngine
            from seethink.evaluate import evaluate
            from seethink.solve import direct

            engine = LocalEngine.load(str(model.path))
            return evaluate(engine, tasks, direct(stage.config), out, self.out / "media", watch)

        rows = self._carry_out(stage, work) or {}
        return Evaluation(stage.artefact_key, stage.folder / stage.product, headline=headline, rows=rows)

    def compare(self, name: str, results: Mapping[str, Evaluation], *claims: Claim) -> None:
        """`report.json` and `report.html` in the run's folder, and the table at the terminal.

        The first arm is the base; every arm is tested against every earlier one on the same questions.
        """
        trained = {n: stage for n, stage in self.stages.items() if stage.kind in TRAININGS}
        headline = _only_one({result.headline for result in results.values()})
        inputs = {
            **{f"arm {arm}": result for arm, result in results.items()},
            "about": [self.recipe, self.scale, self.seed, self.notes, list(results), claims],
            "trained": {n: stage.key for n, stage in trained.items()},
        }
        stage = self._stage(name, "compare", "../" * (name.count("/") + 1) + "report.html", None, inputs)

        def work(out: Path, watch: Watch) -> dict[str, Any]:
            from seethink.report import write_report

            report = {
                "recipe": self.recipe,
                "scale": self.scale,
                "seeds": [self.seed],
                "headline": headline,
                "results": {arm: result.rows for arm, result in results.items()},
                "tests": _tests(results),
                "claims": _claims(results, claims),
            }
            arms = {arm: result.path for arm, result in results.items()}
            curves = {n: stage.folder / "metrics.jsonl" for n, stage in trained.items()}
            write_report(self.out, report, arms, curves, self.notes)
            return report

        if report := self._carry_out(stage, work):
            show_report(self.console, report)
            say(self.console, f"report: {self.out / 'report.html'}")

    # How a stage is carried out ----------------------------------------------------------------------------

    def _stage(
        self,
        name: str,
        kind: Kind,
        product: str,
        config: Any,
        inputs: Mapping[str, Any],
        asked: Asked = NOTHING,
    ) -> Stage:
        """Plan a stage: settings overridden, key known."""
        if not _STAGE_NAME.fullmatch(name) or name in self.stages:
            raise ValueError(f"a stage needs its own name of small letters, digits, - and _, not {name!r}")
        if settings := self._settings.get(name):
            if config is None:
                raise InputError(f"the stage {name} has no settings; leave out {name}.{next(iter(settings))}")
            config = override(config, settings, name)
        self.stages[name] = Stage(self.out, name, kind, product, config, inputs, asked)
        return self.stages[name]

    def _carry_out(self, stage: Stage, work: Work) -> Any:
        """The stage's result, now or from before; None in a dry run or if `only` leaves it out."""
        if self.dry:
            return None
        if self.helps:
            return self._help(stage, work)
        status = stage.status()
        if status == "done":
            state = stage.state()
            say(self.console, f"{stage.name}: done before, {state['seconds']:.0f} s")
            return state["result"]
        if self.only and stage.name not in self.only:
            say(self.console, f"{stage.name}: left out")
            return None
        if status == "changed":
            aside = stage.set_aside()
            say(self.console, f"{stage.name}: its settings changed; the old folder is now {aside}")
        say(self.console, f"{stage.name}: {'continues' if status == 'begun' else 'begins'}")
        state = self._work(stage, work)
        say(self.console, f"{stage.name}: done, {state['seconds']:.0f} s")
        return state["result"]

    def _help(self, stage: Stage, work: Work) -> Any:
        """Train beside the first process, and wait for whatever it does alone."""
        chosen = not self.only or stage.name in self.only
        if chosen and stage.kind in TRAININGS and stage.status() != "done":
            work(stage.folder, lambda row: None)
        while stage.status() != "done":
            if not chosen:
                return None
            time.sleep(_LOOK_EVERY_S)
        return stage.state()["result"]

    def _work(self, stage: Stage, work: Work) -> dict[str, Any]:
        """Do it. The seconds of all processes that worked on it add up, a killed one's too."""
        state = stage.begin()
        before, began, written = state["seconds"], time.monotonic(), time.monotonic()
        with Progress(self.console, stage.name) as progress:

            def watch(row: dict[str, Any]) -> None:
                nonlocal written
                progress(row)
                if time.monotonic() - written >= _STATE_EVERY_S:
                    written = time.monotonic()
                    stage.write(state | {"seconds": round(before + written - began, 1)})

            result = work(stage.folder, watch)
        seconds = round(before + time.monotonic() - began, 1)
        state |= {"status": "done", "seconds": seconds, "result": result}
        stage.write(state)
        return state

    def _check_only(self, stages: Mapping[str, Stage]) -> None:
        """Raises InputError if what the chosen stages consume is neither done nor chosen."""
        makers = {stage.artefact_key: stage for stage in stages.values()}
        for name in self.only:
            for maker in (makers.get(need.key) for need in stages[name].needs):
                if maker and maker.name not in self.only and maker.status() != "done":
                    raise InputError(f"--only {name} needs {maker.name}, which is not done; run it first")

    @cached_property
    def _settings(self) -> dict[str, dict[str, str]]:
        """{stage: {field: text}} of the overrides."""
        told: dict[str, dict[str, str]] = {}
        for text in self.overrides:
            target, value = parse(text)
            stage, dot, name = target.rpartition(".")
            if not dot:
                raise InputError(f"{text!r} names no stage; write stage.field=value, as grpo.kl_weight=0")
            told.setdefault(stage, {})[name] = value
        return told


def _write_bf16(folder: Path, model: Model) -> None:
    from seethink.engines.local import pretrained

    weights, processor = pretrained(str(model.path))
    weights.bfloat16().save_pretrained(folder)
    processor.save_pretrained(folder)


def _only_one(headlines: set[str]) -> str:
    if len(headlines) != 1:
        raise ValueError(f"what is reported together shares one headline, not {sorted(headlines)}")
    return headlines.pop()


def _tests(results: Mapping[str, Evaluation]) -> list[dict[str, Any]]:
    from seethink.evaluate import compare

    return [
        {"a": a, "b": b, **row}
        for a, b in combinations(results, 2)
        for row in compare(results[a].path, results[b].path)
    ]


def _claims(results: Mapping[str, Evaluation], claims: Sequence[Claim]) -> list[dict[str, Any]]:
    """The paper's numbers beside ours; None where an arm or a task was not measured."""

    def measured(arm: str, task: str) -> float | None:
        row = results[arm].rows.get(task) if arm in results else None
        return row["value"] if row else None

    return [
        {"task": c.task, "arm": arm, "paper": paper, "measured": measured(arm, c.task), "source": c.source}
        for c in claims
        for arm, paper in c.paper.items()
    ]
