from __future__ import annotations

import sys
from dataclasses import replace

import pytest

from seethink import benchmarks
from seethink.run.plan import StagePlan, plan, plan_stage
from seethink.run.run import Run, Scale
from seethink.run.stage import Stage
from seethink.solve import Direct, Stages, TwoAgents
from seethink.solve.equal_tokens import EqualTokens
from seethink.sources import published
from seethink.sources.published import MediaView
from seethink.train.configs import GRPOConfig, SFTConfig
from seethink.types import InputError, Sampling
from tests import fakes


@pytest.fixture(autouse=True)
def installed():
    with fakes.installed():
        yield


def plans(tmp_path, recipe, **settings) -> dict[str, StagePlan]:
    return {each.name: each for each in plan(Run("toy", Scale("tiny"), tmp_path / "run", **settings), recipe)}


def test_a_plan_holds_the_numbers_that_follow_from_the_settings(tmp_path):
    def recipe(run: Run) -> None:
        base = run.model(str(fakes.model_folder(tmp_path / "base")))
        run.sft("sft", base, run.traces(fakes.task()), SFTConfig.of(max_steps=10, train_batch_size=4))
        reward = GRPOConfig.of(
            max_steps=10, prompts_per_step=2, num_generations=4, max_completion_length=10, num_iterations=2
        )
        run.grpo("grpo", run.model("hub/model"), fakes.task(readable=False), reward)
        run.evaluate("eval/base", base, [fakes.task()], Sampling(n=2, max_tokens=10))

    found = plans(tmp_path, recipe)
    assert found["sft"].counts == {"examples": 6, "optimiser steps": 10, "examples seen": 40}
    assert (found["sft"].parameters, found["sft"].prompt_tokens) == (1_000_000, 1_234)
    assert found["sft"].memory and found["sft"].memory.peak == 2_500_000_000
    assert found["grpo"].counts == {
        "examples": 6, "optimiser steps": 10, "prompts": 10, "completions": 40,
        "completion tokens, at most": 400,
    }  # fmt: skip
    assert found["grpo"].unknown == {
        "parameters": "unknown: the configuration of hub/model is not on this machine"
    }
    assert (found["grpo"].settings["beta"], found["grpo"].settings["num_generations"]) == (0.0, 4)
    assert found["eval/base"].counts == {
        "examples": 6, "completions": 12, "completion tokens, at most": 120,
    }  # fmt: skip
    assert found["eval/base"].memory and {each.status for each in found.values()} == {"pending"}
    assert not (tmp_path / "run").exists()


def test_a_solver_is_planned_with_its_longest_completions_and_no_number_of_them(tmp_path):
    solvers = {
        "stages": Stages(4, max_tokens=30),
        "agents": TwoAgents.of(max_tokens=30),
        "direct": Direct(Sampling(n=3, max_tokens=30)),
        "equal": EqualTokens("majority", one=Sampling(max_tokens=30)),
    }

    def recipe(run: Run) -> None:
        base = run.model(str(fakes.model_folder(tmp_path / "base")))
        for name, solver in solvers.items():
            run.evaluate(name, base, [fakes.task()], solver)

    for found in plans(tmp_path, recipe).values():
        assert found.counts == {"examples": 6, "tokens of each, at most": 30}
        assert found.memory and found.prompt_tokens == 1_234


def test_a_plan_says_at_which_size_published_media_are_shown(tmp_path):
    views = {n: MediaView(num_frames=n, max_frame_px=1_000) for n in (4, 8, 16)}
    clips = {n: published.load("longvideobench", source="nowhere", view=view) for n, view in views.items()}
    view = MediaView(max_image_px=2_000)
    pictures = published.load("geoqa_test", source="nowhere", view=view)

    def recipe(run: Run) -> None:
        base, task = run.model("hub/model"), fakes.task()
        for name, data in (("clips", clips[16]), ("pictures", pictures), ("drawn", task.examples)):
            shown = replace(task, examples=data)
            run.evaluate(f"eval/{name}", base, [shown], Sampling())
            run.sft(f"sft-{name}", base, run.traces(shown), SFTConfig())
        run.evaluate("eval/all", base, [replace(task, examples=data) for data in clips.values()], Sampling())
        whole = published.load("geoqa_test", source="nowhere")
        run.evaluate("eval/sizes", base, [replace(task, examples=p) for p in (pictures, whole)], Sampling())
        run.evaluate("eval/benchmark", base, [benchmarks.by_name("mmmu_val").task("nowhere")], Sampling())

    found = {name: each.media for name, each in plans(tmp_path, recipe).items()}
    of_clips = {"frames of a clip": "16", "pixels of a frame, at most": "1,000"}
    assert found["eval/clips"] == found["sft-clips"] == of_clips
    assert found["eval/pictures"] == found["sft-pictures"] == {"pixels of a picture, at most": "2,000"}
    assert found["eval/drawn"] == found["sft-drawn"] == {}
    assert found["eval/all"] == of_clips | {"frames of a clip": "4, 8, 16"}
    assert found["eval/sizes"] == {"pixels of a picture, at most": "2,000, no limit"}
    assert found["eval/benchmark"] == {"pixels of a picture, at most": "2,359,296"}


def test_overrides_are_in_the_plan(tmp_path):
    def recipe(run: Run) -> None:
        base = run.model(str(fakes.model_folder(tmp_path / "base")))
        run.grpo("grpo", base, fakes.task(), GRPOConfig())

    found = plans(tmp_path, recipe, overrides=["grpo.max_steps=7"])
    assert (found["grpo"].settings["max_steps"], found["grpo"].counts["optimiser steps"]) == (7, 7)
    with pytest.raises(InputError, match="unknown stage 'gpro'"):
        plans(tmp_path, recipe, overrides=["gpro.max_steps=7"])


def test_a_first_example_that_cannot_be_read_leaves_the_memory_unknown_and_says_why(tmp_path, monkeypatch):
    def gone(*_):
        raise InputError("there is no picture at a.png")

    def recipe(run: Run) -> None:
        base = run.model(str(fakes.model_folder(tmp_path / "base")))
        run.grpo("grpo", base, fakes.task(readable=False), GRPOConfig())

    monkeypatch.setattr(sys.modules["seethink.train.memory"], "prompt_shape", gone)
    found = plans(tmp_path, recipe)["grpo"]
    assert (found.parameters, found.memory) == (1_000_000, None)
    assert found.unknown == {
        "memory": "unknown, the first example cannot be read: there is no picture at a.png"
    }


def test_a_model_that_a_stage_makes_has_no_size_until_it_is_made(tmp_path):
    def recipe(run: Run) -> None:
        run.sft("sft", run.make("seed", fakes.model_folder), run.traces(fakes.task()), SFTConfig())

    found = plans(tmp_path, recipe)
    assert found["sft"].unknown["parameters"].startswith("known when")
    assert found["seed"] == StagePlan("seed", "pending", {})


def test_stages_without_a_model_have_no_numbers(tmp_path):
    stage = Stage(tmp_path, "report", "compare", "", None, {})
    assert plan_stage(stage) == StagePlan("report", "pending", {})
