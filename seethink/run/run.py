"""Run: one execution of a recipe. Named stages, artefacts with identity, a dry run before any work,
resume."""

from __future__ import annotations

import inspect
import os
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seethink import hub, identity, launch
from seethink.engines.opening import Server
from seethink.lock import alone_in
from seethink.models.names import is_bundled, model_key, resolve, whole
from seethink.run.comparison import (
    Claim,
    Finding,
    budgets,
    common_headline,
    headline_of,
    measured_claims,
    measured_findings,
    paired_tests,
    training_facts,
    write_report_files,
)
from seethink.run.evaluating import answered
from seethink.run.events import (
    Listener,
    ReportReady,
    ReportWritten,
    StageEvent,
    StageFailed,
    StageProgress,
)
from seethink.run.executor import StageExecutor, StageWork
from seethink.run.export import write_bf16
from seethink.run.measured import refuse_shuffled
from seethink.run.scale import Scale
from seethink.run.stage import NO_EXAMPLES, Evaluation, Model, Stage, StageExamples, made_by
from seethink.run.stage_data import identified, made_by_stages, stage_data
from seethink.run.synthesised import SynthConfig, Synthesised, synthesis_inputs, synthesised
from seethink.settings import override, parse, unknown
from seethink.solve.options import SolverOptions
from seethink.sources import drawn
from seethink.sources.drawn.world import DrawnExamples, World
from seethink.synth.chain import Chain
from seethink.synth.export import ROWS
from seethink.tasks import GoldTraces
from seethink.train.card import write_card
from seethink.train.held_out import HeldOut, refuse_missing
from seethink.train.methods import METHODS, OnStep, TrainingContext
from seethink.train.notes import training_notes
from seethink.types import Example, InputError, PreferencePair, Sampling, SFTExample, Task

if TYPE_CHECKING:
    from seethink.solve.equal_tokens import EqualTokens
    from seethink.train.configs import DPOConfig, GRPOConfig, SFTConfig

TINY = "The model is sprout, which ships with SeeThink: five million parameters. It is tiny, and it errs."
LEVEL = 1
"""Of drawn worlds: the easiest level, which sprout's recipe learns."""
_STAGE_NAME = re.compile(r"[a-z0-9_-]+(/[a-z0-9_-]+)*")


@dataclass
class Run:
    """One execution of a recipe. Every method that does work is one stage: skipped if finished before,
    resumed if interrupted, else started.

    out: the run's folder. overrides: `stage.field=value`. only: names of the stages to execute; those they
    depend on must be finished. dry: stages are planned only; no picture is opened and nothing is written.
    notes: what the report says first. listeners: called with every event (`run.events`); without any, a run
    is silent. `seethink.cli.progress.TerminalListener()` shows progress and results at the terminal.
    """

    recipe: str
    scale: Scale
    out: Path
    seed: int = 0
    overrides: Sequence[str] = ()
    only: Sequence[str] = ()
    dry: bool = False
    notes: Sequence[str] = ()
    listeners: Sequence[Listener] = ()
    stages: dict[str, Stage] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self.scale, self.out = Scale(self.scale), Path(self.out)

    # Executing a recipe ------------------------------------------------------------------------------------

    def dry_run(self, recipe: Callable[[Run], None]) -> dict[str, Stage]:
        """The stages of `recipe`, none executed. Raises InputError for overrides or selected stages that it
        lacks."""
        trace = replace(self, dry=True)
        recipe(trace)
        for name in [*self._settings, *self.only]:
            if name not in trace.stages:
                raise unknown("stage", name, trace.stages)
        self._check_only(trace.stages)
        return trace.stages

    def execute(self, recipe: Callable[[Run], None]) -> None:
        """Dry-run the recipe, so that bad input fails before any work; then execute what is not finished."""
        self._refuse_impossible(self.dry_run(recipe))
        with alone_in(self.out) if self.is_main_process else nullcontext():
            recipe(self)

    def _refuse_impossible(self, stages: Mapping[str, Stage]) -> None:
        """Raises InputError for a stage that would overwrite what no stage wrote, and for a model of the hub
        that one is about to load and cannot get."""
        for stage in stages.values():
            if stage.status() == "done" or (self.only and stage.name not in self.only):
                continue
            stage.refuse_foreign()
            for model in stage.needs:
                if not isinstance(model, Model) or model.server is not None:
                    continue
                if isinstance(model.path, str):  # a name, nothing trained here
                    hub.refuse_unreachable(whole(model.path))

    @cached_property
    def is_main_process(self) -> bool:
        """False in all processes of a distributed launch (`torchrun`) but the first. Only the main process
        writes stage states and calls listeners."""
        return launch.rank() == 0

    # Stages ------------------------------------------------------------------------------------------------

    def model(self, name: str | Server) -> Model:
        """A model that exists: the bundled `sprout`, a folder, or a hub id; InputError for any other. Or one
        behind a server, which can be evaluated."""
        if isinstance(name, Server):
            return Model(key=name.key, path=name.url, base=name.url, server=name)
        if is_bundled(Path(resolve(name))) and TINY not in self.notes:
            self.notes = (*self.notes, TINY)
        return Model(key=model_key(name), path=name, base=name)

    def make(
        self, name: str, write: Callable[..., object], on_all_processes: bool = False, **inputs: Any
    ) -> Model:
        """The model that `write(folder, **inputs)` writes; the function's source is part of its identity. A
        function with a parameter `on_step` is given one, for its progress. What it keeps in `<folder>.state`
        to resume from is deleted at the end. on_all_processes: whether every process of a launch calls it;
        then only the main one may write."""
        source = {"function": write.__qualname__, "source": inspect.getsource(write)}
        stage = self._stage(name, "make", "checkpoint", None, {**source, **inputs})

        def work(out: Path, on_progress: OnStep) -> None:
            part = out / "checkpoint.part"
            if self.is_main_process:
                shutil.rmtree(part, ignore_errors=True)
            progress = {"on_step": on_progress} if "on_step" in inspect.signature(write).parameters else {}
            write(part, **inputs, **progress)
            if self.is_main_process:
                shutil.rmtree(out / "checkpoint", ignore_errors=True)
                os.replace(part, out / "checkpoint")
                part.with_suffix(".state").unlink(missing_ok=True)

        self._execute(stage, work, on_all_processes)
        folder = stage.folder / stage.product
        return Model(key=stage.artefact_key, path=folder, base=folder)

    def export(self, name: str, model: Model) -> Model:
        """`model` in bf16, half the size."""
        return self.make(name, write_bf16, model=model)

    def drawn(self, world: str | World, n: int, split: str = "train", shifted: bool = False) -> DrawnExamples:
        """`n` questions of a drawn world: of `LEVEL` at the scales whose model is sprout, else of all levels.
        Raises InputError for an unknown world."""
        level = LEVEL if self.scale in ("smoke", "tiny") else None
        if isinstance(world, str):
            return drawn.by_name(world, n, split, self.seed, shifted, level)
        return DrawnExamples(world, n, split, self.seed, shifted, level=level)

    def traces(self, task: Task) -> GoldTraces:
        """The task's own steps and answers as supervised examples, those inside conversations included."""
        return GoldTraces(task)

    def synth(self, name: str, chain: Chain, examples: Sequence[Example], config: SynthConfig) -> Synthesised:
        """The rows that `chain` makes of `examples` with a teacher; `.rows()` and `.pairs()` are training
        data."""
        stage = self._stage(name, "synth", ROWS, config, synthesis_inputs(chain, examples))
        self._execute(stage, lambda out, on_step: synthesised(stage, chain, examples, on_step))
        return Synthesised(stage.artefact_key, stage.folder, len(examples))

    def train(
        self, name: str, method: str, model: Model, data: Any, config: Any, held_out: HeldOut | None = None
    ) -> Model:
        """`model` after training by a method of `seethink.train.methods.METHODS`.

        data: what the method learns from, by its `data`: a sequence of `SFTExample` ("examples") or
        `PreferencePair` ("pairs"), or a `Task` ("task"); `StageData` come from an earlier stage.
        config: of the method's config class. held_out: no part of the stage's identity.
        """
        if method not in METHODS:
            raise unknown("training method", method, METHODS)
        entry = METHODS[method]
        inputs = {"model": model, entry.data: identified(entry.data, data), **made_by_stages(data)}
        stage = self._stage(name, method, "checkpoint", config, inputs, StageExamples.of(entry.data, data))
        refuse_missing(stage.config.training, held_out)
        refuse_shuffled(stage_data(data), stage.config)

        def work(out: Path, on_step: OnStep) -> dict[str, Any]:
            context = TrainingContext(out, self.out / "media", on_step, held_out)
            checkpoint = entry.run(str(model.path), data, stage.config, context)
            if self.is_main_process:
                write_card(checkpoint, method, str(model.path), str(model.base), data, stage.config)
            return {"notes": training_notes(out)}

        self._execute(stage, work)
        return Model(key=stage.artefact_key, path=stage.folder / stage.product, base=model.base)

    def check(self, name: str, method: str, model: Model, data: Any, config: Any) -> None:
        """Raises InputError for rows that the training `name` could not learn from, ahead of stages that come
        before it; it checks them itself when it begins. Nothing where it is finished, and in a dry run."""
        if self.dry or not self.is_main_process or (self.out / name / "checkpoint").exists():
            return
        config = override(config, self._settings.get(name, {}), name)
        try:
            METHODS[method].check(str(model.path), data, config, partial(self._progress, name))
        except BaseException as error:
            self._emit(StageFailed(name, error))
            raise

    def sft(self, name: str, model: Model, examples: Sequence[SFTExample], config: SFTConfig) -> Model:
        """`model` after supervised fine-tuning on `examples`."""
        return self.train(name, "sft", model, examples, config)

    def dpo(self, name: str, model: Model, pairs: Sequence[PreferencePair], config: DPOConfig) -> Model:
        """`model` after direct preference optimisation on `pairs`."""
        return self.train(name, "dpo", model, pairs, config)

    def grpo(self, name: str, model: Model, task: Task, config: GRPOConfig) -> Model:
        """`model` after group relative policy optimisation on `task`."""
        return self.train(name, "grpo", model, task, config)

    def evaluate(
        self,
        name: str,
        model: Model,
        tasks: Sequence[Task],
        solver: Sampling | SolverOptions | EqualTokens,
        measured: Evaluation | None = None,
    ) -> Evaluation:
        """Every attempt of `model` at `tasks` on disk, and its rows of the report; all tasks share one
        headline. solver: its options; plain sampling is the direct solver's. measured: the evaluation whose
        tokens `EqualTokens` may sample."""
        headline = common_headline({task.headline for task in tasks})
        known = [identity.of_task(task) for task in tasks]
        inputs = {"model": model, "tasks": known, **made_by_stages(*tasks)}
        inputs |= (
            solver.depends_on(made_by(self.stages.values())) if isinstance(solver, SolverOptions) else {}
        )
        inputs |= {"measured": measured} if measured else {}
        examples = StageExamples.of_tasks(tasks)
        stage = self._stage(name, "evaluate", "attempts.jsonl", solver, inputs, examples)

        def work(out: Path, on_progress: OnStep) -> dict[str, Any]:
            return answered(stage, model, tasks, measured, on_progress)

        rows = self._execute(stage, work) or {}
        return Evaluation(stage.artefact_key, stage.folder / stage.product, headline=headline, rows=rows)

    def compare(self, name: str, results: Mapping[str, Evaluation], *published: Claim | Finding) -> None:
        """`report.json` and `report.html` in the run's folder; without results about the trainings alone.
        The first arm is the base; every arm is tested against every earlier one on the same questions.
        published: a paper's numbers, and its findings, which the report says to be reproduced or not."""
        claims = [one for one in published if isinstance(one, Claim)]
        findings = [one for one in published if isinstance(one, Finding)]
        trained = {n: stage for n, stage in self.stages.items() if stage.trains}
        headline = headline_of(results, trained.values())
        inputs = {
            **{f"arm {arm}": result for arm, result in results.items()},
            "about": [self.recipe, self.scale, self.seed, self.notes, list(results), published],
            "trained": {n: stage.key for n, stage in trained.items()},
        }
        stage = self._stage(name, "compare", "../" * (name.count("/") + 1) + "report.html", None, inputs)

        def work(out: Path, on_progress: OnStep) -> dict[str, Any]:
            tests = paired_tests(results)
            report = {
                "recipe": self.recipe,
                "scale": self.scale,
                "seeds": [self.seed],
                "headline": headline,
                "results": {arm: result.rows for arm, result in results.items()},
                "tests": tests,
                "claims": measured_claims(results, claims),
                "findings": measured_findings(tests, findings),
                "trainings": {n: training_facts(stage) for n, stage in trained.items()},
            }
            attempts = {arm: result.path for arm, result in results.items()}
            logs = {n: stage.folder / "metrics.jsonl" for n, stage in trained.items()}
            metrics = {n: log for n, log in logs.items() if log.exists()}  # a method may write none
            said = [f"{n}: {note}" for n, stage in trained.items() for note in stage.notes()]
            notes = (*self.notes, *budgets(trained), *said)
            self._emit(ReportReady(name, report, self.out, attempts, metrics, notes))
            return report

        if report := self._execute(stage, work):
            self._emit(ReportWritten(name, self.out / "report.html", report))

    # How a stage is executed -------------------------------------------------------------------------------

    def _stage(
        self,
        name: str,
        kind: str,
        product: str,
        config: Any,
        inputs: Mapping[str, Any],
        examples: StageExamples = NO_EXAMPLES,
    ) -> Stage:
        """Plan a stage: settings overridden, key known."""
        if not _STAGE_NAME.fullmatch(name) or name in self.stages:
            raise ValueError(
                f"a stage needs a unique name of lower-case letters, digits, - and _, not {name!r}"
            )
        if settings := self._settings.get(name):
            if config is None:
                raise InputError(f"the stage {name} has no settings; leave out {name}.{next(iter(settings))}")
            config = override(config, settings, name)
        self.stages[name] = Stage(self.out, name, kind, product, config, inputs, examples)
        return self.stages[name]

    def _emit(self, event: StageEvent) -> None:
        """Call the listeners; the report's writer is always one of them."""
        if self.is_main_process:
            for listener in (write_report_files, *self.listeners):
                listener(event)

    def _progress(self, stage: str, row: dict[str, Any]) -> None:
        self._emit(StageProgress(stage, row))

    def _execute(self, stage: Stage, work: StageWork, on_all_processes: bool = False) -> Any:
        """The stage's result, from now or before; None in a dry run or if `only` leaves it out."""
        if self.dry:
            return None
        return StageExecutor(self.only, self.is_main_process, self._emit)(stage, work, on_all_processes)

    def _check_only(self, stages: Mapping[str, Stage]) -> None:
        """Raises InputError if a selected stage depends on one that is neither finished nor selected."""
        producers = {stage.artefact_key: stage for stage in stages.values()}
        for name in self.only:
            for producer in (producers.get(need.key) for need in stages[name].needs):
                if producer and producer.name not in self.only and producer.status() != "done":
                    raise InputError(f"--only {name} needs {producer.name}, which is not done; run it first")

    @cached_property
    def _settings(self) -> dict[str, dict[str, str]]:
        """{stage: {field: text}} of the overrides."""
        settings: dict[str, dict[str, str]] = {}
        for text in self.overrides:
            target, value = parse(text)
            stage, dot, name = target.rpartition(".")
            if not dot:
                raise InputError(f"{text!r} names no stage; write stage.field=value, as grpo.beta=0")
            settings.setdefault(stage, {})[name] = value
        return settings
