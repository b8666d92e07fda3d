"""What attempts of an earlier stage decide: an order from easy to hard, and pairs for rounds of DPO."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from seethink.evaluate.attempts import append_rows, read_attempts
from seethink.evaluate.pass_rates import easy_to_hard, pass_rates
from seethink.formats import ANSWER_ONLY
from seethink.run.measured import BestAgainstWorst, EasyToHard
from seethink.run.run import Run
from seethink.run.scale import Scale
from seethink.run.stage import Evaluation
from seethink.sources.handwritten import Pages
from seethink.tasks import GoldTraces
from seethink.train.configs import DPOConfig, GRPOConfig, SFTConfig
from seethink.types import Example, InputError, Response, Sampling, Score, Task
from tests import tiny

PAGES = Pages(4, "train", seed=7)


def variety(example: Example, response: Response) -> Score:
    return Score(round(len(set(response.text)) / (1 + len(response.text)), 3))


TASK = Task("variety", [*PAGES], ANSWER_ONLY, variety)


def row(name: str, value: float | None, text: str = "", **more: object) -> dict:
    known = {"task": "variety", "question": "?", "media": [], "gold": "1", "why": "", "parts": {}}
    return {**known, "id": name, "value": value, "text": text or f"said {value}", **more}


def measured(folder: Path, rows: list[dict], key: str = "eval:1") -> Evaluation:
    append_rows(folder / "attempts.jsonl", rows)
    return Evaluation(key, folder / "attempts.jsonl", "correct", {"variety": {"value": 0.5}})


IDS = [page.id for page in PAGES]


# From easy to hard -----------------------------------------------------------------------------------------


def test_a_pass_rate_is_the_share_of_right_attempts_that_could_be_judged(tmp_path) -> None:
    append_rows(
        tmp_path / "a.jsonl",
        [row("a", 1.0), row("a", 0.2), row("a", None), row("b", None), {**row("c", 1.0), "task": "other"}],
    )
    assert pass_rates(tmp_path / "a.jsonl", "variety") == {"a": 0.5, "b": None}


def test_the_easiest_come_first_equal_ones_keep_their_order_and_unjudged_ones_come_last(
    tmp_path, caplog
) -> None:
    rates = {"a": [None], "b": [0.0, 1.0], "c": [1.0, 1.0], "d": [0.0, 0.0], "e": [1.0, 0.0]}
    append_rows(
        tmp_path / "a.jsonl", [row(name, value) for name, values in rates.items() for value in values]
    )
    assert easy_to_hard([*rates], tmp_path / "a.jsonl", "variety") == [2, 1, 4, 3, 0]
    assert "1 of 5 examples could not be judged and come last" in caplog.text
    with pytest.raises(
        InputError, match="no attempt of 1 of 2 examples of variety, the first is z; measure the"
    ):
        easy_to_hard(["a", "z"], tmp_path / "a.jsonl", "variety")


def test_lessons_in_order_are_known_by_what_measured_them_and_read_only_then(tmp_path) -> None:
    found = measured(tmp_path, [row(name, value) for name, value in zip(IDS, (0, 1, 0, 1), strict=True)])
    lessons = EasyToHard(GoldTraces(TASK), TASK, found)
    assert [lesson.example.id for lesson in lessons] == [IDS[i] for i in (1, 3, 0, 2)]
    again = EasyToHard(GoldTraces(TASK), TASK, replace(found, key="eval:2"))
    planned = EasyToHard(GoldTraces(TASK), TASK, replace(found, rows={}))
    assert planned.identity == lessons.identity != again.identity
    assert len(planned) == 4
    with pytest.raises(InputError, match=r"known when the attempts in .*attempts\.jsonl are made"):
        planned[0]


# The best against the worst ---------------------------------------------------------------------------------


def test_the_best_attempt_is_paired_with_the_worst_where_they_are_far_enough_apart(tmp_path, caplog) -> None:
    far = [row(IDS[0], value) for value in (0.2, 0.9, None, 0.1, 0.9)]
    far.append(row(IDS[0], 0.0, " "))  # nothing to learn from
    near = [row(IDS[1], value) for value in (0.5, 0.6)]
    found = measured(tmp_path, [*far, *near, row(IDS[2], 1.0), {**row(IDS[3], 0.0), "task": "other"}])
    (pair,) = BestAgainstWorst(TASK, found, margin=0.5)
    assert (pair.example, pair.better, pair.worse) == (PAGES[0], "said 0.9", "said 0.1")
    assert "3 of 4 questions have no two attempts whose scores are 0.5 apart" in caplog.text
    assert len(BestAgainstWorst(TASK, found, margin=0.1)) == 2
    assert len(BestAgainstWorst(TASK, replace(found, rows={}))) == 4, "before, the most that there can be"
    with pytest.raises(ValueError, match="margin=0 must be above 0"):
        BestAgainstWorst(TASK, found, margin=0)


def test_boxes_are_paired_in_pixels_of_the_picture(tmp_path) -> None:
    frame = {"kind": "thousandths", "size": [200, 100], "units": [1000, 1000]}
    rows = [row(IDS[0], v, f'{{"bbox_2d": [{v:.0f}00, 0, 500, 1000]}}', frame=frame) for v in (1.0, 0.0)]
    (pair,) = BestAgainstWorst(TASK, measured(tmp_path, rows))
    assert pair.better == '{"bbox_2d": [20, 0, 100, 100]}'


# In a recipe ------------------------------------------------------------------------------------------------

SAMPLING = Sampling(n=4, max_tokens=6)
ROUND = DPOConfig.of(
    learning_rate=1e-3, train_batch_size=2, max_steps=3, save_steps=1, lr_scheduler_type="constant"
)


def rounds(base: str):
    """Two rounds of DPO on what the model itself says, and a curriculum."""

    def recipe(run: Run) -> None:
        model = run.model(base)
        first = run.evaluate("pass_rate", model, [TASK], replace(SAMPLING, seed=9))
        ordered = EasyToHard(run.traces(TASK), TASK, first)
        model = run.sft("sft", model, ordered, SFTConfig.of(max_steps=1, train_batch_size=4, shuffle=False))
        for number in (1, 2):
            samples = run.evaluate(f"round{number}/samples", model, [TASK], replace(SAMPLING, seed=number))
            pairs = BestAgainstWorst(TASK, samples, margin=0.01)
            model = run.dpo(f"round{number}/dpo", model, pairs, ROUND)

    return recipe


class Killed(BaseException):
    """Ends a run at once."""


def execute(base: str, out: Path, kill: tuple[str, int] | None = None) -> Run:
    """kill: the stage and step after which the run ends."""

    def watch(event) -> None:
        row = getattr(event, "row", {})
        if kill and event.stage == kill[0] and row.get("step") == kill[1] and "detail" not in row:
            raise Killed

    run = Run("rounds", Scale("tiny"), out, listeners=[watch])
    run.execute(rounds(base))
    return run


def test_rounds_of_dpo_are_planned_trained_and_continued_after_a_kill_as_if_undisturbed(tmp_path) -> None:
    base, cut, whole = tiny.saved(tmp_path / "base"), tmp_path / "cut", tmp_path / "whole"
    planned = Run("rounds", Scale("tiny"), whole).dry_run(rounds(base))
    for stage, step in (("round1/dpo", 2), ("round2/samples", 4), ("round2/dpo", 1)):
        with pytest.raises(Killed):
            execute(base, cut, (stage, step))
    runs = [execute(base, out) for out in (cut, whole)]
    assert {name: stage.key for name, stage in runs[1].stages.items()} == {
        n: s.key for n, s in planned.items()
    }
    for number in (1, 2):
        models = [load_file(run.out / f"round{number}/dpo/checkpoint/model.safetensors") for run in runs]
        for name, value in models[1].items():
            torch.testing.assert_close(models[0][name], value, atol=1e-5, rtol=0)
    files = [whole / f"round{number}/samples/attempts.jsonl" for number in (1, 2)]
    texts = [[row["text"] for row in read_attempts(file)] for file in files]
    assert texts[0] != texts[1], "each round samples from the model of the one before"


def test_a_stage_depends_on_the_attempts_that_decide_its_rows(tmp_path) -> None:
    base = tiny.saved(tmp_path / "base")
    stages = Run("rounds", Scale("tiny"), tmp_path / "run").dry_run(rounds(base))
    needs = {name: [need.key.partition(":")[0] for need in stage.needs] for name, stage in stages.items()}
    assert needs["sft"] == ["base", "pass_rate"] and needs["round2/dpo"] == ["round1/dpo", "round2/samples"]
    other = Run("rounds", Scale("tiny"), tmp_path / "run", overrides=["pass_rate.seed=1"]).dry_run(
        rounds(base)
    )
    assert other["sft"].key != stages["sft"].key
    with pytest.raises(InputError, match="--only round1/dpo needs sft"):
        Run("rounds", Scale("tiny"), tmp_path / "run", only=["round1/dpo"]).dry_run(rounds(base))


@pytest.mark.parametrize("method", ["sft", "grpo", "dpo"])
def test_an_order_that_training_would_shuffle_is_refused(tmp_path, method: str) -> None:
    base = tiny.saved(tmp_path / "base")

    def recipe(run: Run) -> None:
        model = run.model(base)
        found = run.evaluate("pass_rate", model, [TASK], SAMPLING)
        data = {
            "sft": run.traces(replace(TASK, examples=EasyToHard(TASK.examples, TASK, found))),
            "grpo": replace(TASK, examples=EasyToHard(TASK.examples, TASK, found)),
            "dpo": EasyToHard([], TASK, found),
        }
        config = {"sft": SFTConfig(), "grpo": GRPOConfig(), "dpo": DPOConfig()}
        run.train(method, method, model, data[method], config[method])

    with pytest.raises(InputError, match="would lose their order; add shuffle=false"):
        Run("order", Scale("tiny"), tmp_path / "run").dry_run(recipe)
    if method != "dpo":
        Run("order", Scale("tiny"), tmp_path / "run", overrides=[f"{method}.shuffle=false"]).dry_run(recipe)
