from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from seethink import identity
from seethink.run.events import StageProgress
from seethink.run.run import Run, Scale
from seethink.train.configs import GRPOConfig, SFTConfig
from seethink.types import GREEDY, Example, InputError, Response, Score, Task
from tests import fakes
from tests.fakes import a_run, go, recipe_of, state


@pytest.fixture(autouse=True)
def world(tmp_path):
    """Fake trainings and a base model."""
    fakes.model_folder(tmp_path / "base")
    with fakes.installed():
        yield


ALL = ["sft", "grpo", "evaluate", "evaluate", "evaluate"]

# Identity, resume, stale ------------------------------------------------------------------------------------


def test_finished_stages_are_skipped_and_reported(tmp_path):
    first = go(tmp_path)
    assert fakes.calls == ALL
    second = go(tmp_path)
    assert fakes.calls == []
    assert re.search(r"^grpo: skipped, finished before in \d+ s$", second, re.MULTILINE)
    assert "r1v at tiny: correct" in first and "r1v at tiny: correct" in second
    assert f"report: {tmp_path / 'run' / 'report.html'}" in second.splitlines()


def test_stage_json_records_what_was_done(tmp_path):
    go(tmp_path)
    stage = state(tmp_path, "grpo")
    assert stage["status"] == "done" and stage["kind"] == "grpo" and stage["resumed"] == 0
    assert stage["config"]["class"] == "GRPOConfig" and stage["config"]["max_steps"] == 4
    assert stage["inputs"]["task"]["questions"] == 6
    assert set(stage["versions"]) == {"seethink", "python", "torch", "transformers", "pillow"}
    assert state(tmp_path, "eval/base")["result"]["counting"]["value"] == 0.5


def test_another_setting_redoes_the_stage_and_what_follows_and_loses_nothing(tmp_path):
    go(tmp_path)
    old = state(tmp_path, "grpo")["key"][:8]
    output = go(tmp_path, overrides=["grpo.beta=0.1"])
    assert fakes.calls == ["grpo", "evaluate"]
    assert (tmp_path / "run" / ".stale" / f"grpo-{old}" / "checkpoint" / "config.json").is_file()
    assert "grpo: starts anew (beta 0.0 -> 0.1); the old folder is now" in output
    assert "sft: skipped" in output
    go(tmp_path)
    go(tmp_path, overrides=["grpo.beta=0.1"])
    go(tmp_path)
    assert len([f for f in (tmp_path / "run" / ".stale").iterdir() if f.name.startswith(f"grpo-{old}")]) == 2


def test_more_steps_continue_and_what_follows_is_done_again(tmp_path):
    go(tmp_path)
    output = go(tmp_path, overrides=["grpo.max_steps=6"])
    assert fakes.calls == ["grpo", "evaluate"]
    assert "grpo: resumed, continues from step 4, max_steps 4 -> 6" in output.splitlines()
    rows = (tmp_path / "run" / "grpo" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(row)["step"] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert (tmp_path / "run" / "grpo" / "checkpoint-4" / "config.json").is_file()
    assert not any(path.name.startswith("grpo") for path in (tmp_path / "run" / ".stale").iterdir())
    assert "grpo: skipped" in go(tmp_path, overrides=["grpo.max_steps=6"])
    output = go(tmp_path, overrides=["grpo.max_steps=5"])
    assert "grpo: starts anew (max_steps 6 -> 5); the old folder is now" in output


def test_a_setting_that_alters_no_number_redoes_nothing(tmp_path):
    go(tmp_path)
    go(tmp_path, overrides=["grpo.save_steps=7", "sft.gradient_checkpointing=true"])
    assert fakes.calls == []


def test_a_report_set_aside_keeps_its_page_even_if_killed_in_between(tmp_path, monkeypatch):
    go(tmp_path)
    page = (tmp_path / "run" / "report.html").read_bytes()
    with monkeypatch.context() as killed:
        killed.setattr("seethink.run.stage.os.rename", _killed)
        with pytest.raises(KeyboardInterrupt):
            go(tmp_path, notes=("another title",))
    assert not (tmp_path / "run" / "report.html").exists()
    assert "report: starts anew (the run); the old folder is now" in go(tmp_path, notes=("another title",))
    (stale,) = (tmp_path / "run" / ".stale").glob("report-*")
    assert (stale / "report.html").read_bytes() == page and (stale / "report.json").is_file()
    assert (tmp_path / "run" / "report.html").is_file()


def _killed(*_):
    raise KeyboardInterrupt


def test_another_base_model_redoes_everything(tmp_path):
    go(tmp_path)
    fakes.model_folder(tmp_path / "base", b"other weights")
    go(tmp_path)
    assert fakes.calls == ALL


def test_other_examples_redo_everything(tmp_path):
    go(tmp_path)
    go(tmp_path, recipe_of(tmp_path, fakes.task(7)))
    assert fakes.calls == ALL


def strict(example: Example, response: Response) -> Score:
    return Score(0.0)


@dataclass(frozen=True)
class Graded:
    tolerance: float

    def __call__(self, example: Example, response: Response) -> Score:
        return Score(0.0)


@pytest.mark.parametrize(("a", "b"), [(strict, Graded(0.1)), (Graded(0.1), Graded(0.2))])
def test_another_verifier_is_another_stage_but_trains_on_the_same_examples(tmp_path, a, b):
    def with_verifier(verifier):
        task = fakes.task()
        return recipe_of(tmp_path, Task(task.name, task.examples, task.format, verifier))

    go(tmp_path, with_verifier(a))
    go(tmp_path, with_verifier(b))
    assert fakes.calls == ALL[1:]


def test_a_lost_checkpoint_is_made_again(tmp_path):
    go(tmp_path)
    (tmp_path / "run" / "sft" / "checkpoint").rename(tmp_path / "gone")
    go(tmp_path)
    assert fakes.calls == ["sft"]
    assert state(tmp_path, "sft")["resumed"] == 1


def test_a_stage_that_raises_is_resumed_inside(tmp_path):
    run, _ = a_run(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        run.listeners = [_stop_at_step_3]
        run.execute(recipe_of(tmp_path))
    assert state(tmp_path, "sft")["status"] == "running"
    output = go(tmp_path)
    rows = [
        json.loads(line)
        for line in (tmp_path / "run/sft/metrics.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    assert [row["step"] for row in rows] == [1, 2, 3, 4]
    assert "sft: resumed" in output and "grpo: started" in output


def _stop_at_step_3(event):
    if isinstance(event, StageProgress) and event.row["step"] == 3:
        raise KeyboardInterrupt


# Overrides and --only ---------------------------------------------------------------------------------------


def test_overrides_reach_the_stage(tmp_path):
    go(tmp_path, overrides=["grpo.max_steps=2", "sft.shuffle=no", "eval/base.max_tokens=64"])
    assert state(tmp_path, "grpo")["config"]["max_steps"] == 2
    assert state(tmp_path, "sft")["config"]["shuffle"] is False
    assert state(tmp_path, "eval/base")["config"]["max_tokens"] == 64
    assert state(tmp_path, "eval/sft")["config"]["max_tokens"] == GREEDY.max_tokens


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("gpro.steps=2", "unknown stage 'gpro'; did you mean grpo"),
        ("grpo.max_stepz=2", "unknown field of grpo: 'max_stepz'; did you mean max_steps"),
        ("grpo.max_steps=two", "grpo: max_steps=two is not a whole number"),
        ("grpo.num_generations=1", "num_generations of at least 2"),
        ("max_steps=2", "names no stage"),
        ("grpo.max_steps", "is not a setting"),
        ("report.max_steps=2", "has no settings"),
    ],
)
def test_a_bad_override_fails_before_any_work(tmp_path, override, message):
    with pytest.raises(InputError, match=message):
        go(tmp_path, overrides=["sft.max_steps=2", override])
    assert fakes.calls == [] and not (tmp_path / "run").exists()


def test_only_the_chosen_stage_is_carried_out(tmp_path):
    output = go(tmp_path, only=["grpo"])
    assert fakes.calls == ["grpo"]
    assert "sft: left out" in output and "report: left out" in output


def test_what_the_chosen_stage_consumes_must_be_done(tmp_path):
    with pytest.raises(InputError, match="--only eval/grpo needs grpo, which is not done"):
        go(tmp_path, only=["eval/grpo"])
    assert not (tmp_path / "run").exists()
    go(tmp_path, only=["grpo"])
    go(tmp_path, only=["eval/grpo"])
    assert fakes.calls == ["evaluate"]


def test_an_unknown_stage_is_answered_with_the_near_ones(tmp_path):
    with pytest.raises(InputError, match="unknown stage 'eval'; did you mean eval/sft"):
        go(tmp_path, only=["eval"])


# Dry runs --------------------------------------------------------------------------------------------------


def test_a_dry_run_touches_neither_pictures_nor_disk(tmp_path):
    run, _ = a_run(tmp_path)
    stages = run.dry_run(recipe_of(tmp_path, fakes.task(readable=False)))
    assert list(stages) == ["sft", "grpo", "eval/base", "eval/sft", "eval/grpo", "report"]
    assert {stage.status() for stage in stages.values()} == {"pending"}
    assert not (tmp_path / "run").exists() and fakes.calls == []


def test_a_dry_run_knows_what_is_done_and_what_has_changed(tmp_path):
    go(tmp_path)
    run, _ = a_run(tmp_path, overrides=["grpo.beta=0.1", "sft.max_steps=5"])
    statuses = {name: stage.status() for name, stage in run.dry_run(recipe_of(tmp_path)).items()}
    assert statuses == {
        "sft": "begun", "grpo": "changed", "eval/base": "done", "eval/sft": "changed", "eval/grpo": "changed",
        "report": "changed",
    }  # fmt: skip


def test_an_example_that_cannot_be_taught_is_found_in_the_dry_run(tmp_path):
    task = fakes.task()
    silent = [*task.examples, Example("row 7", "How many?")]
    run, _ = a_run(tmp_path)
    with pytest.raises(InputError, match="example row 7 has no answer to teach"):
        run.dry_run(recipe_of(tmp_path, Task(task.name, silent, task.format, task.verifier)))


def test_traces_write_steps_and_answer_in_the_tasks_format(tmp_path):
    run, _ = a_run(tmp_path)
    example = run.traces(fakes.task())[3]
    assert example.text == "<think>I count 3.</think><answer>3</answer>"
    assert [each.text for each in run.traces(fakes.task())[2:4]][1] == example.text


# Scales -----------------------------------------------------------------------------------------------------


def test_a_scale_picks_its_value_and_falls_back():
    values = {"tiny": 2_000, "full": 70_000}
    assert [Scale(name)(**values) for name in ("smoke", "tiny", "one_gpu", "full")] == [
        2000,
        2000,
        70000,
        70000,
    ]
    assert Scale("smoke")(smoke=8, **values) == 8


def test_a_scale_that_the_recipe_lacks_is_an_error():
    with pytest.raises(InputError, match="no scale full; it has smoke, tiny"):
        Scale("full")(smoke=1, tiny=2)


def test_an_unknown_scale_is_answered_with_the_near_ones(tmp_path):
    with pytest.raises(InputError, match="unknown scale 'tinny'; did you mean tiny"):
        a_run(tmp_path, scale="tinny")


# Models and reports -----------------------------------------------------------------------------------------


def seedling(folder: Path, seed: int) -> None:
    fakes.calls.append("make")
    fakes.model_folder(folder, str(seed).encode())
    folder.with_suffix(".state").write_bytes(b"to resume from")


def test_a_model_made_from_nothing_is_a_stage_like_any_other(tmp_path):
    def recipe(run: Run) -> None:
        seed = run.make("seed", seedling, seed=run.seed)
        run.sft("sft", seed, run.traces(fakes.task()), SFTConfig.of(max_steps=2))

    for seed, expected in ((0, ["make", "sft"]), (0, []), (1, ["make", "sft"])):
        go(tmp_path, recipe, seed=seed)
        assert fakes.calls == expected
    assert (tmp_path / "run/seed/checkpoint/model.safetensors").read_bytes() == b"1"
    assert not [*(tmp_path / "run/seed").glob("*.state")], "its state goes once the model is in place"


def test_the_report_holds_results_tests_of_all_pairs_and_claims(tmp_path):
    output = go(tmp_path)
    report = json.loads((tmp_path / "run" / "report.json").read_text(encoding="utf-8"))
    assert {name: report[name] for name in ("recipe", "scale", "seeds", "headline")} == {
        "recipe": "r1v", "scale": "tiny", "seeds": [0], "headline": "correct",
    }  # fmt: skip
    assert list(report["results"]) == ["base", "sft", "grpo"]
    assert [(t["a"], t["b"]) for t in report["tests"]] == [("base", "sft"), ("base", "grpo"), ("sft", "grpo")]
    measured = {claim["arm"]: claim["measured"] for claim in report["claims"]}
    assert measured == {"base": 0.5, "grpo": 0.5, "dpo": None}
    assert "paper 82.5%, here 50.0%" in output


def test_a_lost_report_is_written_again(tmp_path):
    go(tmp_path)
    (tmp_path / "run" / "report.html").unlink()
    go(tmp_path)
    assert (tmp_path / "run" / "report.html").is_file() and fakes.calls == []


def test_two_stages_of_one_name_are_a_mistake_of_the_recipe(tmp_path):
    def recipe(run: Run) -> None:
        for _ in range(2):
            run.grpo("grpo", run.model(str(tmp_path / "base")), fakes.task(), GRPOConfig())

    with pytest.raises(ValueError, match="needs a unique name"):
        go(tmp_path, recipe)


def test_a_hub_model_is_known_by_its_name_and_the_bundled_one_by_its_content(tmp_path, monkeypatch):
    run, _ = a_run(tmp_path)
    assert run.model("owner/model").key == "owner/model"
    for module in ("seethink.run.run", "seethink.models.names"):
        monkeypatch.setattr(f"{module}.resolve", lambda name: str(tmp_path / "base"))
    monkeypatch.setattr("seethink.models.names.__file__", str(tmp_path / "models" / "names.py"))
    assert run.model("sprout").key == f"sprout:{identity.of_folder(tmp_path / 'base', content=True)}"


def test_a_model_that_is_not_there_is_refused(tmp_path):
    run, _ = a_run(tmp_path)
    with pytest.raises(InputError, match="no model at"):
        run.model(str(tmp_path / "nowhere"))
