"""What a training says at its end: nothing where all is well, else why nothing was learned."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import PIL.Image
import pytest

from seethink import verify
from seethink.formats import ANSWER_ONLY, THINK_ANSWER, by_name
from seethink.media import Image
from seethink.tasks import GoldTraces
from seethink.train.configs import GRPOConfig, SFTConfig
from seethink.train.grpo import grpo
from seethink.train.notes import training_notes
from seethink.train.preflight import check_examples, check_task
from seethink.types import Example, Response, Score, Task
from tests import tiny

GOOD = [Example(f"e{i}", f"What is 2 + {i}?", answer=str(2 + i), steps=("Add.",)) for i in range(4)]
FLAT = {
    "frac_reward_zero_std": 1.0,
    "reward": 0.0,
    "completions/malformed_ratio": 0.0,
    "completions/clipped_ratio": 0.0,
    "frac_groups_unjudged": 0.0,
    "frac_completions_identical": 0.0,
}


def _notes(folder: Path, *rows: dict) -> list[str]:
    text = "".join(json.dumps({"step": step, **row}) + "\n" for step, row in enumerate(rows, 1))
    (folder / "metrics.jsonl").write_text(text, encoding="utf-8")
    return training_notes(folder)


@pytest.mark.parametrize(
    ("facts", "why", "fact"),
    [
        ({"reward": 1.0}, "too easy", "mean reward 1.00"),
        ({"reward": 0.5, "rewards/correct/mean": 1.0}, "too easy", "mean of correct 1.00"),
        ({}, "too hard", "mean reward 0.00"),
        (
            {"completions/malformed_ratio": 0.9},
            "the answer's form is not met",
            "90% of the completions break",
        ),
        ({"completions/clipped_ratio": 0.8}, "raise max_completion_length", "80% are cut off"),
        (
            {"reward": None, "frac_groups_unjudged": 1.0},
            "cannot judge the completions",
            "mean reward unknown",
        ),
        (
            {"reward": 1.0, "frac_completions_identical": 1.0},
            "raise temperature",
            "100% of the groups are one text",
        ),
    ],
)
def test_a_training_without_any_spread_says_so_and_why(tmp_path, facts, why, fact) -> None:
    (note,) = _notes(tmp_path, FLAT | facts, FLAT | facts)
    assert note.startswith("no group had two different rewards in 2 steps, so the rewards taught nothing: ")
    assert why in note and fact in note


def test_one_group_with_spread_is_enough_to_say_nothing(tmp_path) -> None:
    assert _notes(tmp_path, FLAT, FLAT | {"frac_reward_zero_std": 0.75}, FLAT) == []


def test_a_training_without_rewards_says_nothing(tmp_path) -> None:
    assert _notes(tmp_path, {"loss": 1.0}) == []
    assert training_notes(tmp_path / "nothing") == []


def level(example: Example, response: Response) -> Score:
    return Score(1.0)


def only_references(example: Example, response: Response) -> Score:
    known = response.answer in ("75", "76")
    return Score(float(response.answer == example.answer)) if known else Score(None, "no reference")


@pytest.mark.parametrize(
    ("verifier", "words"),
    [
        (level, "too easy for this model (mean reward 1.00, mean of correct 1.00, "),
        (
            verify.same_number,
            "mean of correct 0.00, 100% of the completions break the format",
        ),
        (only_references, "100% of the groups could not be judged"),
    ],
)
def test_the_facts_are_those_of_the_training(tmp_path, verifier, words) -> None:
    examples = [Example(f"e{i}", f"What is 7{i} + 5?", answer=f"7{i + 5}") for i in range(2)]
    task = Task("sums", examples, ANSWER_ONLY, verify.weighted(correct=(verifier, 1.0)))
    config = GRPOConfig.of(prompts_per_step=2, num_generations=3, max_steps=2, max_completion_length=4)
    grpo(tiny.saved(tmp_path / "base"), task, config, tmp_path / "out")
    (note,) = training_notes(tmp_path / "out")
    assert note.startswith("no group had two different rewards in 2 steps") and words in note


@pytest.fixture
def base(tmp_path: Path) -> str:
    return tiny.saved(tmp_path / "base")


def _quiet(row: dict) -> None: ...


# Thoughts ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("form", "taught"),
    [("think_answer", 3), ("boxed", 3), ("answer_line", 3), ("answer_only", 0), ("bare", 0)],
)
def test_answers_without_a_thought_are_counted_where_the_format_asks_for_one(
    tmp_path, base, form, taught
) -> None:
    """Of SFT, and of GRPO where it learns the rows' own traces beside the rewards."""
    examples = [*(replace(example, steps=()) for example in GOOD[:3]), GOOD[3]]
    task = Task("sums", examples, by_name(form), verify.same_answer)
    config = GRPOConfig.of(sft_loss_coef=0.1)
    check_examples(base, GoldTraces(task), SFTConfig(), tmp_path / "sft", _quiet)
    check_task(base, task, config, tmp_path / "both", _quiet)
    check_task(base, task, GRPOConfig(), tmp_path / "grpo", _quiet)
    note = (
        "3 of 4 examples have no steps, so that answers without a thought were learned; give steps, or "
        "choose a format without a thought, such as answer_only"
    )
    for name in ("sft", "both"):
        assert training_notes(tmp_path / name) == ([note] if taught else [])
    assert training_notes(tmp_path / "grpo") == []


def test_rows_that_are_left_out_teach_nothing(tmp_path, base) -> None:
    picture = Image.drawn("large", lambda: PIL.Image.new("RGB", (560, 560)))
    long = Example("p", "How many?", (picture,), "1")
    examples = [replace(example, steps=()) for example in (long, *GOOD)]
    lessons = GoldTraces(Task("sums", examples, THINK_ANSWER, verify.same_answer))
    config = SFTConfig.of(max_prompt_length=100, filter_overlong_prompts=True)
    assert len(check_examples(base, lessons, config, tmp_path / "out", _quiet)) == 4
    (_, note) = training_notes(tmp_path / "out")
    assert note.startswith("4 of 4 examples have no steps")


def _lengths(*lengths: float) -> list[dict]:
    return [{"completions/mean_length": length} for length in lengths]


def test_the_moment_when_completions_begin_to_grow_is_said(tmp_path) -> None:
    falling, rising = range(100, 60, -2), range(60, 100, 2)
    (note,) = _notes(tmp_path, *_lengths(*falling, *rising))
    assert note == (
        "no fault by itself: completions are shortest in steps 16 to 25, 65 tokens, and grow from there to 89"
    )


@pytest.mark.parametrize("lengths", [[50.0] * 40, [*range(100, 60, -1)], [60, 64] * 20, [10, 90], []])
def test_nothing_is_said_of_lengths_that_do_not_grow_or_are_too_few(tmp_path, lengths) -> None:
    assert _notes(tmp_path, *_lengths(*lengths)) == []
