"""What goes wrong is said at the step at which it happens, once, and ends a training that is to end then."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from seethink.formats import ANSWER_ONLY
from seethink.sources.handwritten import Pages
from seethink.train.alarms import HIGHEST, PUBLISHED_FOR
from seethink.train.configs import GRPOConfig, SFTConfig, TrainingConfig
from seethink.train.grpo import grpo
from seethink.train.notes import training_notes
from seethink.train.signals import Signals
from seethink.types import Example, Response, Score, Task
from tests import tiny
from tests.train.test_trainer import STEADY, Copying, _rows, _trainer

NOTHING = {"frac_reward_zero_std": 1.0, "reward": 0.0, "loss": 0.0}
SOMETHING = {"frac_reward_zero_std": 0.5, "reward": 0.5, "loss": 0.0}


def said(rows: list[dict[str, Any]], parameters: int = 0, **settings: Any) -> list[tuple[int, str, str]]:
    """(step, kind, text) of everything that rows bring."""
    signals = Signals(TrainingConfig.of(**settings), parameters)
    return [(step, kind, text) for step, row in enumerate(rows, 1) for kind, text in signals(row).items()]


def _alarms(out: Path) -> list[tuple[int, dict[str, str]]]:
    """(step, {kind: sentence}) of the alarms in a training's metrics.jsonl."""
    return [(row["step"], row["alarms"]) for row in _rows(out / "metrics.jsonl") if "alarms" in row]


# No signal ----------------------------------------------------------------------------------------------


def test_ten_steps_without_a_signal_are_said_once() -> None:
    text = "no group had two different rewards in 10 steps, the mean reward was 0.00"
    assert said([NOTHING] * 30) == [(10, "no_signal", text)]
    (_, first, _), last = said([SOMETHING, *[NOTHING] * 9, SOMETHING, *[NOTHING] * 10])
    assert first == "little_spread" and last == (21, "no_signal", text)


def test_rewards_that_nobody_could_judge_are_no_signal() -> None:
    ((_, _, text),) = said([{**NOTHING, "reward": None}] * 10)
    assert text.endswith("none could be judged")


def test_a_supervised_loss_has_no_rewards_to_miss() -> None:
    assert said([{"loss": 1.0}] * 30) == []


# A diverging loss ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("columns", [{}, {"rewards/margins": 0.0}])
def test_a_loss_above_that_of_the_start_diverges(columns) -> None:
    rising = [{"loss": 1.0 + max(0, step - 10) * 0.1, **columns} for step in range(40)]
    ((step, kind, text),) = said(rising)
    assert kind == "diverging" and 20 <= step < 40 and text.startswith("the loss diverges: 1 in the first 10")
    assert said([{"loss": 1.0 - step * 0.01, **columns} for step in range(40)]) == []
    noisy = [{"loss": 1.0 + (step % 3) * 0.5, **columns} for step in range(60)]
    assert said(noisy) == []


def test_the_loss_of_a_policy_gradient_has_no_level() -> None:
    assert said([{**SOMETHING, "loss": (-1) ** step * 0.02 * step} for step in range(40)]) == []
    blown = [{**SOMETHING, "loss": 0.01 if step < 15 else 50.0} for step in range(40)]
    assert [kind for _, kind, _ in said(blown)] == ["diverging"]


# A learning rate ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("lora_rank", [0, 8])
@pytest.mark.parametrize(
    ("method", "row"), [("sft", {}), ("dpo", {"rewards/margins": 0.0}), ("grpo", SOMETHING)]
)
def test_a_learning_rate_above_every_published_one_is_said_at_the_first_step(method, row, lora_rank) -> None:
    highest, whose = HIGHEST[method][lora_rank > 0]
    rows = [{"loss": 1.0, **row}] * 3
    ((step, kind, text),) = said(rows, PUBLISHED_FOR, learning_rate=2 * highest, lora_rank=lora_rank)
    assert (step, kind) == (1, "learning_rate") and whose in text and f"above {highest:g}" in text
    assert said(rows, PUBLISHED_FOR, learning_rate=highest, lora_rank=lora_rank) == []
    assert said(rows, PUBLISHED_FOR - 1, learning_rate=1.0, lora_rank=lora_rank) == []


def test_no_default_is_above_what_was_published() -> None:
    for method, config in (("sft", SFTConfig()), ("grpo", GRPOConfig())):
        assert config.training.learning_rate <= min(rate for rate, _ in HIGHEST[method].values())


# In a training ------------------------------------------------------------------------------------------


def never_differs(example: Example, response: Response) -> Score:
    return Score(0.5)


def _hopeless(stop_when: str, **settings: Any) -> GRPOConfig:
    sizes: dict[str, Any] = dict(prompts_per_step=1, num_generations=2, max_completion_length=2)
    return GRPOConfig.of(max_steps=12, stop_when=stop_when, **sizes, **settings)


def test_a_training_says_it_ends_and_goes_on_when_it_is_told_to(tmp_path, caplog) -> None:
    base = tiny.saved(tmp_path / "base")
    task = Task("sums", list(Pages(2, "train")), ANSWER_ONLY, never_differs)
    rows: list[dict[str, Any]] = []
    out = tmp_path / "out"
    grpo(base, task, _hopeless("no_signal"), out, on_step=rows.append)
    told = {row["step"]: row["said"] for row in rows if "said" in row}
    text = "no group had two different rewards in 10 steps, the mean reward was 0.50"
    ends, goes_on = told.pop(10)
    assert ends == f"{text}; the training ends here (stop_when=no_signal)" and told == {}
    assert goes_on == "100 % of completions are cut off: raise max_completion_length, or punish length"
    assert [row["step"] for row in _rows(out / "metrics.jsonl")][-1] == 10
    ((step, alarms),) = _alarms(out)
    assert step == 10 and alarms["no_signal"].startswith(text)
    with caplog.at_level(logging.WARNING):
        grpo(base, task, _hopeless("never"), out)
    assert [row["step"] for row in _rows(out / "metrics.jsonl")] == list(range(1, 13)), "goes on after it"
    assert (out / "checkpoint-10").is_dir()
    assert [(step, [*alarms]) for step, alarms in _alarms(out)] == [(10, ["no_signal", "truncated"])]
    note, _ = training_notes(out)
    assert note.startswith("no group had two different rewards in 12 steps, so the rewards taught nothing")
    assert note in caplog.text


def test_a_training_ends_after_the_last_update_on_a_rollout_batch_and_can_go_on(tmp_path) -> None:
    base = tiny.saved(tmp_path / "base")
    task = Task("sums", list(Pages(2, "train")), ANSWER_ONLY, never_differs)
    out = tmp_path / "out"
    config = _hopeless("no_signal", num_iterations=4, save_steps=4).replace(max_steps=16)
    grpo(base, task, config, out)
    assert [row["step"] for row in _rows(out / "metrics.jsonl")] == list(range(1, 13))
    ((step, alarms),) = _alarms(out)
    assert step == 10 and alarms["no_signal"].endswith(
        "; the training ends after the last update on this rollout batch (stop_when=no_signal)"
    )
    grpo(base, task, config.replace(stop_when="never"), out)
    assert [row["step"] for row in _rows(out / "metrics.jsonl")] == list(range(1, 17))
    assert [row["step"] for row in _rows(out / "attempts.jsonl")] == [1, 1, 5, 5, 9, 9, 13, 13], "not anew"


def test_a_diverging_training_says_so_in_its_last_line(tmp_path) -> None:
    calls: list[int] = []

    def worse(losses: Any, pack: Any) -> Any:
        calls.append(1)
        return losses * (1 + len(calls) // 10)

    settings = TrainingConfig.of(learning_rate=1e-9, lr_scheduler_type="constant", stop_when="any")
    _trainer(tmp_path, settings, Copying(worse), steps=40).fit()
    assert len(_rows(tmp_path / "metrics.jsonl")) < 40
    (note,) = training_notes(tmp_path)
    assert "the loss diverges" in note and note.endswith("the training ends here (stop_when=any)")


def test_a_healthy_training_says_nothing(tmp_path) -> None:
    rows: list[dict] = []
    _trainer(tmp_path, STEADY, steps=2, on_step=rows.append).fit()
    assert not [row for row in rows if "said" in row] and training_notes(tmp_path) == []
    assert _alarms(tmp_path) == []


def test_notes_of_both_kinds_stand_once(tmp_path) -> None:
    rows = [
        {"step": 1, "alarms": {"learning_rate": "too high"}},
        {"step": 10, "alarms": {"no_signal": "no rewards"}},
    ]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (tmp_path / "metrics.jsonl").write_text(lines, encoding="utf-8")
    assert training_notes(tmp_path) == ["step 1: too high", "step 10: no rewards"]
