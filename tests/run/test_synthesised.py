"""A synthesis as a stage of a run: its rows are planned before they exist, and trained on when they do."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from seethink import systems
from seethink.engines.base import RequestFailed
from seethink.formats import THINK_ANSWER, THOUGHTS_SUMMARY
from seethink.run.run import Run
from seethink.run.scale import Scale
from seethink.run.synthesised import SynthConfig
from seethink.sequences import Concatenated
from seethink.sources.drawn import by_name
from seethink.synth.draft import AskTeacher, Draft
from seethink.synth.ledger import Ledger
from seethink.synth.status import LEDGER_FILE
from seethink.train.configs import DPOConfig, SFTConfig
from seethink.types import GREEDY, InputError, Task
from seethink.verify import by_name as verifier
from tests import tiny

EXAMPLES = by_name("counting", 12, "train")
SFT = SFTConfig.of(train_batch_size=4, learning_rate=1e-3)


@pytest.fixture
def model(tmp_path) -> str:
    return tiny.saved(tmp_path / "model")


def distilled(model: str, teacher: str = "oracle:wrong=0.3", examples=EXAMPLES, done: list | None = None):
    def recipe(run: Run) -> None:
        made = run.synth("distill", systems.chain("r1v_distill"), examples, SynthConfig(teacher))
        traces = run.traces(Task("traces", made.rows(), THINK_ANSWER, verifier("same_number")))
        run.sft("sft", run.model(model), traces, SFT)
        if done is not None:
            done.append(traces)

    return recipe


def run_of(out: Path, *overrides: str) -> Run:
    return Run("toy", Scale("smoke"), out, overrides=overrides)


def keys(out: Path) -> dict[str, str]:
    states = [json.loads(file.read_text(encoding="utf-8")) for file in out.rglob("stage.json")]
    return {state["name"]: state["key"] for state in states}


def test_a_training_learns_from_what_a_chain_kept(tmp_path, model) -> None:
    done: list = []
    run_of(tmp_path / "run").execute(distilled(model, done=done))
    rows = [
        *(
            line
            for line in (tmp_path / "run/distill/rows/data.jsonl").read_text(encoding="utf-8").splitlines()
        )
    ]
    traces = done[-1]
    assert 0 < len(traces) == len(rows) < len(EXAMPLES), "wrong answers are dropped"
    assert [trace.example.id for trace in traces] == [json.loads(row)["id"] for row in rows]
    assert all(trace.text.count("<answer>") == 1 for trace in traces)
    state = json.loads((tmp_path / "run/distill/stage.json").read_text(encoding="utf-8"))
    assert state["result"] == {"rows": {"data": len(rows)}}
    assert (tmp_path / "run/sft/checkpoint/model.safetensors").exists()


def test_a_plan_knows_the_keys_and_the_most_rows_and_writes_nothing(tmp_path, model) -> None:
    run = run_of(tmp_path / "run")
    planned = run.dry_run(distilled(model))
    assert planned["sft"].examples.count == len(EXAMPLES)
    with pytest.raises(InputError, match="known when it is finished"):
        planned["sft"].examples.first()
    assert not (tmp_path / "run").exists()
    run.execute(distilled(model))
    again = run_of(tmp_path / "run").dry_run(distilled(model))
    assert {name: stage.key for name, stage in again.items()} == keys(tmp_path / "run")
    assert {name: stage.key for name, stage in planned.items()} == keys(tmp_path / "run")
    assert [stage.status() for stage in again.values()] == ["done", "done"]


def test_another_teacher_or_other_questions_change_what_was_learned(tmp_path, model) -> None:
    first = run_of(tmp_path).dry_run(distilled(model))
    teacher = run_of(tmp_path, "distill.teacher=oracle").dry_run(distilled(model))
    questions = run_of(tmp_path).dry_run(distilled(model, examples=by_name("counting", 11, "train")))
    pace = run_of(tmp_path, "distill.max_concurrency=2").dry_run(distilled(model))
    judge = run_of(tmp_path, "distill.judge_teacher=oracle:verdict=0.1").dry_run(distilled(model))
    for other in (teacher, questions, judge):
        assert all(other[name].key != stage.key for name, stage in first.items())
    assert {name: stage.key for name, stage in pace.items()} == {n: s.key for n, s in first.items()}


def test_a_teacher_may_be_another_one_for_requests_of_text(tmp_path) -> None:
    def recipe(run: Run) -> None:
        run.synth(
            "distill", systems.chain("r1v_distill"), EXAMPLES, SynthConfig(text_teacher="oracle:wrong=1")
        )

    run_of(tmp_path).execute(recipe)
    assert not (tmp_path / "distill/rows/data.jsonl").exists(), "the text-only reasoner is always wrong"


def test_how_rows_are_built_is_part_of_what_a_synthesis_is(tmp_path) -> None:
    def key(name: str, **settings: str) -> str:
        run = replace(run_of(tmp_path), dry=True)
        return run.synth("made", systems.chain(name, settings), EXAMPLES, SynthConfig()).key

    for name in systems.chains():
        assert key(name) == key(name)
    assert key("r1_vision") != key("r1_vision", tex="mathtext")
    assert key("insight_v") != key("insight_v", per_summary="2")


def test_an_interrupted_synthesis_asks_nothing_twice(tmp_path, model, monkeypatch) -> None:
    undisturbed, killed = tmp_path / "whole", tmp_path / "killed"
    run_of(undisturbed).execute(distilled(model))
    from seethink.synth import synthesis

    def stopped(*args: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(synthesis, "write_rows", stopped)
        with pytest.raises(KeyboardInterrupt):
            run_of(killed).execute(distilled(model))
    with Ledger(killed / "distill" / LEDGER_FILE) as ledger:
        before = ledger.usage()
    run_of(killed).execute(distilled(model))
    with Ledger(killed / "distill" / LEDGER_FILE) as ledger:
        assert ledger.usage() == before
    for file in ("distill/rows/data.jsonl", "sft/checkpoint/model.safetensors"):
        assert (undisturbed / file).read_bytes() == (killed / file).read_bytes()


@dataclass(frozen=True)
class RefusedStep:
    """A step whose requests the server refuses while `out` exists."""

    out: str
    name: str = "refused"

    async def __call__(self, draft: Draft, ask: AskTeacher) -> Draft:
        if Path(self.out).exists():
            raise RequestFailed("refused", "no")
        return draft


def test_examples_that_failed_stop_the_run_and_are_tried_again(tmp_path, model) -> None:
    (refusing := tmp_path / "refusing").touch()

    def recipe(run: Run) -> None:
        chain = systems.chain("r1v_distill")
        chain = replace(chain, steps=(RefusedStep(str(refusing)), *chain.steps))
        run.synth("distill", chain, EXAMPLES, SynthConfig())

    with pytest.raises(InputError, match="12 examples of distill failed; the same command tries them again"):
        run_of(tmp_path / "run").execute(recipe)
    refusing.unlink()
    run_of(tmp_path / "run").execute(recipe)
    assert (tmp_path / "run/distill/rows/data.jsonl").exists()


def test_pairs_of_a_synthesis_are_preferred(tmp_path, model) -> None:
    def recipe(run: Run) -> None:
        made = run.synth(
            "paths",
            systems.chain("insight_v"),
            by_name("exams", 12, "train"),
            SynthConfig("oracle:wrong=0.5"),
        )
        config = DPOConfig.of(train_batch_size=2, learning_rate=1e-3)
        run.dpo("dpo", run.model(model), made.pairs(THOUGHTS_SUMMARY), config)

    run_of(tmp_path).execute(recipe)
    assert (tmp_path / "dpo/checkpoint/model.safetensors").exists()


def test_a_part_that_no_row_belongs_to_is_named(tmp_path) -> None:
    run = run_of(tmp_path)
    made: list = []

    def recipe(run: Run) -> None:
        made.append(run.synth("distill", systems.chain("r1v_distill"), EXAMPLES, SynthConfig()))

    run.execute(recipe)
    with pytest.raises(InputError, match="distill kept no row of the part summary"):
        made[-1].rows("summary")[0]
    assert replace(made[-1], size=3).rows()[0].id == made[-1].rows()[0].id


def test_a_training_depends_on_every_stage_that_makes_some_of_its_data(tmp_path, model) -> None:
    """Also where they are joined, inside a task or outside."""

    def recipe(run: Run) -> None:
        first, second = (
            run.synth(name, systems.chain("r1v_distill"), by_name("counting", n, "train"), SynthConfig())
            for name, n in (("first", 2), ("second", 3))
        )
        form, verify = THINK_ANSWER, verifier("same_number")
        inside = Task("inside", Concatenated((first.rows(), second.rows())), form, verify)
        outside = Concatenated(
            tuple(run.traces(Task("one", made.rows(), form, verify)) for made in (first, second))
        )
        base = run.model(model)
        run.sft("inside", base, run.traces(inside), SFT)
        run.sft("outside", base, outside, SFT)
        run.evaluate("eval", base, [inside], GREEDY)

    stages = run_of(tmp_path / "run").dry_run(recipe)
    made = {stages[name].artefact_key for name in ("first", "second")}
    for name in ("inside", "outside", "eval"):
        assert made <= {need.key for need in stages[name].needs}, name
    with pytest.raises(InputError, match="--only inside needs first, which is not done; run it first"):
        Run("toy", Scale("smoke"), tmp_path / "run", only=["inside"]).dry_run(recipe)
    run_of(tmp_path / "run").execute(distilled(model))
    changed = run_of(tmp_path / "run", "distill.teacher=oracle").dry_run(distilled(model))["sft"]
    assert changed.changes(changed.state()).texts[-1] == "the rows that distill makes"
