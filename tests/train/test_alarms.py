"""Each alarm speaks on a training planted to deserve it, once, and is silent on a healthy one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from seethink.formats import THINK_ANSWER
from seethink.sources.handwritten import Pages
from seethink.train.alarms import ALARMS, BLOW_UP, PUBLISHED_FOR, SOLVED, SignalKind
from seethink.train.configs import GRPOConfig, TrainingConfig
from seethink.train.grpo import grpo
from seethink.train.history import CORRECT, COUNTS, FEWEST, FORMAT, WINDOW
from seethink.train.notes import training_notes
from seethink.train.signals import Signals
from seethink.types import Example, Response, Score, Task
from seethink.verify import weighted
from tests import tiny

STEPS = 60
Row = dict[str, Any]


def healthy(step: int) -> Row:
    """A step of a training that learns first the form and then the task."""
    done = step / STEPS
    return {
        "step": step,
        "loss": (-1) ** step * 0.01,
        "reward": 0.2 + 0.6 * done,
        CORRECT: 0.1 + 0.7 * done,
        FORMAT: min(1.0, 0.4 + 2 * done),
        "frac_reward_zero_std": 0.3 + 0.3 * done,
        "frac_groups_unjudged": 0.0,
        "frac_completions_identical": 0.1,
        "completions/mean_length": 60 + 40 * done,
        "completions/clipped_ratio": 0.2 - 0.2 * done,
        "completions/by_steps_ratio": 0.7 + 0.3 * done,
        "completions/malformed_ratio": max(0.0, 0.6 - 2 * done),
        "completions/reflection_ratio": 0.1,
        "completions/repeated_ratio": 0.02,
        "completions/mean_boxes": 1.2,
        "completions/mean_reference_boxes": 1.0,
        "completions/thought_agrees_ratio": 0.9,
        "entropy": 0.8 - 0.5 * done,
        "kl": 0.2 * done,
        "sampling/sampling_logp_difference/mean": 0.01,
        **({"eval_correct": 0.1 + 0.5 * done - (0.05 if step % 20 else 0.0)} if step % 10 == 0 else {}),
    }


def fades(first: float, last: float):
    """A value that goes from `first` to `last` between a third and two thirds of the training."""
    return lambda step: first + (last - first) * min(1.0, max(0.0, 3 * step / STEPS - 1))


PLANTED: dict[SignalKind, tuple[Row, str]] = {
    "no_signal": ({"frac_reward_zero_std": 1.0}, "no group had two different rewards in 10 steps"),
    "diverging": ({"loss": fades(0.1, 30.0)}, "the loss diverges: 0.1 in the first 10 steps"),
    "little_spread": (
        {"frac_reward_zero_std": 0.93, CORRECT: 0.97},
        "93 % of groups have no spread: the task is too easy or the reward too coarse",
    ),
    "unjudged": ({"frac_groups_unjudged": 0.75}, "75 % of groups could not be judged"),
    "malformed": ({"completions/malformed_ratio": 0.95}, "95 % of completions still break the format"),
    "truncated": ({"completions/clipped_ratio": 0.6}, "60 % of completions are cut off"),
    "format_only": (
        {FORMAT: fades(0.2, 0.9), CORRECT: 0.1},
        "the completions keep it than at the start, while their mean score is 10 %, 10 % at the start",
    ),
    "thought_vanishes": (
        {"completions/by_steps_ratio": fades(0.8, 0.0)},
        "of completions reason before they answer, 80 % at the start",
    ),
    "thought_disagrees": (
        {"completions/thought_agrees_ratio": 0.6},
        "40 % of those completions whose thought states an answer give another one",
    ),
    "longer_not_better": (
        {"completions/mean_length": fades(50, 400), CORRECT: 0.3, FORMAT: 0.9},
        "completions grow and get no better: ",
    ),
    "repeats": ({"completions/repeated_ratio": 0.5}, "completions repeat themselves: 50 % of their runs"),
    "many_boxes": ({"completions/mean_boxes": 6.0}, "answers list 6.0 boxes where their references have 1.0"),
    "entropy_collapses": (
        {"entropy": fades(0.8, 0.01), CORRECT: 0.4, FORMAT: 0.9},
        "the entropy collapses: ",
    ),
    "entropy_rises": ({"entropy": fades(0.8, 4.0)}, "the entropy rises from 0.8 to "),
    "far_from_reference": ({"kl": fades(0.0, 5.0)}, "nats per token from its reference: raise beta"),
    "mismatch": (
        {"sampling/sampling_logp_difference/mean": 0.2},
        "the rollouts' log-probabilities differ from the trainer's by 0.2 nats per token",
    ),
    "held_out_falls": (
        {"eval_correct": lambda step: {10: 0.4, 20: 0.62, 30: 0.5, 40: 0.45}.get(step)},
        "held-out accuracy falls: 45 %, at step 20 it was 62 %",
    ),
}
"""{alarm: (the columns that differ from a healthy training, each a value or a function of the step, what is
said)}"""


def said(rows: list[Row], parameters: int = 0, **settings: Any) -> list[tuple[int, SignalKind, str]]:
    signals = Signals(TrainingConfig.of(**settings), parameters)
    return [(row["step"], kind, text) for row in rows for kind, text in signals(row).items()]


def planted(kind: SignalKind) -> list[Row]:
    changed, _ = PLANTED[kind]
    rows = [healthy(step) for step in range(1, STEPS + 1)]
    return [
        row | {name: value(row["step"]) if callable(value) else value for name, value in changed.items()}
        for row in rows
    ]


def test_a_healthy_training_hears_nothing() -> None:
    assert said([healthy(step) for step in range(1, STEPS + 1)]) == []


@pytest.mark.parametrize("kind", PLANTED)
def test_an_alarm_speaks_once_on_the_training_that_deserves_it_and_no_other_does(kind: SignalKind) -> None:
    ((step, found, text),) = said(planted(kind))
    assert found == kind and PLANTED[kind][1] in text and not text.endswith(".")
    assert step >= ALARMS[kind].after


def test_every_alarm_is_planted_and_has_a_reason_and_a_column() -> None:
    rates = {"learning_rate"}  # of the settings, not of the rows: tests/train/test_signals.py
    assert PLANTED.keys() | rates == ALARMS.keys()
    logged = {*healthy(10), "learning_rate"}
    assert [kind for kind, alarm in ALARMS.items() if not alarm.why or alarm.column not in logged] == []


@pytest.mark.parametrize("kind", PLANTED)
def test_a_training_that_is_resumed_says_it_at_the_same_step(kind: SignalKind) -> None:
    """The watcher is given the rows that are there, alarms included, before the next step."""
    rows = planted(kind)
    ((step, _, _),) = said(rows)
    for cut in (step - 1, step):
        signals = Signals(TrainingConfig(), 0)
        before = [signals(row) for row in rows[:cut]]
        after = [signals(row) for row in rows[cut:]]
        assert [bool(news) for news in [*before, *after]] == [row["step"] == step for row in rows]


@pytest.mark.parametrize("kind", sorted(PLANTED.keys() - {"no_signal", "held_out_falls", "diverging"}))
def test_a_column_without_numbers_is_no_alarm(kind: SignalKind) -> None:
    column = ALARMS[kind].column
    rows = [{**row, column: None} for row in planted(kind)]
    assert kind not in {found for _, found, _ in said(rows)} or kind == "format_only"


def test_the_reason_for_no_spread_is_that_of_the_rewards() -> None:
    rows = [healthy(step) | {"frac_reward_zero_std": 0.95} for step in range(1, 11)]
    assert said(rows)[0][2].endswith("the task is too hard or the reward too coarse")
    same = [row | {"frac_completions_identical": 0.9} for row in rows]
    assert said(same)[0][2].endswith("the model gives the same completion each time; raise temperature")


def test_format_only_without_a_format_part_is_told_by_the_grammar() -> None:
    changed = [(row, {"completions/malformed_ratio": 1 - row[FORMAT]}) for row in planted("format_only")]
    rows = [{**row, **malformed, FORMAT: None} for row, malformed in changed]
    assert "format_only" in {kind for _, kind, _ in said(rows)}


def test_a_model_that_is_right_may_be_sure_of_itself() -> None:
    rows = [row | {CORRECT: 0.97} for row in planted("entropy_collapses")]
    assert said(rows) == []


def test_one_bad_evaluation_is_no_fall() -> None:
    once = {10: 0.4, 20: 0.62, 30: 0.4, 40: 0.6, 50: 0.45, 60: 0.61}
    rows = [healthy(step) | {"eval_correct": once.get(step)} for step in range(1, STEPS + 1)]
    assert said(rows) == []


@pytest.mark.parametrize("kind", ["thought_disagrees", "many_boxes"])
@pytest.mark.parametrize(("each", "speaks"), [(0, False), (2, False), (3, True)])
def test_what_few_completions_show_is_no_alarm(kind: SignalKind, each: int, speaks: bool) -> None:
    counts = dict.fromkeys(COUNTS.values(), each)
    rows = [row | counts for row in planted(kind)]
    assert [found for _, found, _ in said(rows)] == [kind] * speaks
    assert not speaks or WINDOW * each >= FEWEST > WINDOW * 2


def test_steps_are_weighed_by_the_completions_they_are_of() -> None:
    """One thought that disagrees, at one step, among hundreds that agree at another."""
    agree, count = "completions/thought_agrees_ratio", COUNTS["completions/thought_agrees_ratio"]
    own = {1: (0.0, 1), 2: (1.0, 300)}
    measured = {step: own.get(step, (None, 0)) for step in range(1, WINDOW + 1)}
    rows = [healthy(step) | {agree: share, count: n} for step, (share, n) in measured.items()]
    assert said(rows) == []
    assert [kind for _, kind, _ in said([row | {count: 40} for row in rows])] == ["thought_disagrees"]


@pytest.mark.parametrize(("judged", "speaks"), [(100, True), (400, True), (10, False)])
def test_a_fall_on_few_held_out_questions_must_be_larger(judged: int, speaks: bool) -> None:
    rows = [row | {"eval_judged": judged} for row in planted("held_out_falls")]
    assert [kind for _, kind, _ in said(rows)] == ["held_out_falls"] * speaks
    fallen = [row | {"eval_correct": row["eval_correct"] and row["eval_correct"] / 4} for row in rows]
    best = {"eval_correct": 0.9}
    rows = [row | best if row["step"] == 20 else row for row in fallen]
    assert [kind for _, kind, _ in said(rows)] == ["held_out_falls"]


# In a training ------------------------------------------------------------------------------------------


def varied(example: Example, response: Response) -> Score:
    return Score(sum(response.token_ids) % 101 / 100)


def hardly_ever(example: Example, response: Response) -> Score:
    return Score(float(sum(response.token_ids) % 50 == 0))


@pytest.mark.parametrize(
    ("verifier", "alarm"),
    [(varied, None), (hardly_ever, "of groups have no spread: the task is too hard")],
)
def test_a_real_training_writes_its_alarms_beside_its_numbers_and_says_them_at_its_end(
    tmp_path: Path, verifier, alarm
) -> None:
    task = Task("sums", list(Pages(4, "train")), THINK_ANSWER, weighted(correct=(verifier, 1.0)))
    config = GRPOConfig.of(prompts_per_step=4, num_generations=2, max_steps=WINDOW, max_completion_length=5)
    told: list[Row] = []
    grpo(tiny.saved(tmp_path / "base"), task, config, tmp_path / "out", on_step=told.append)
    lines = (tmp_path / "out" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    kinds = {kind: text for row in rows for kind, text in row.get("alarms", {}).items()}
    assert "truncated" in kinds, "five tokens are too few for an answer"
    assert ("little_spread" in kinds) is (alarm is not None)
    assert {text for row in told for text in row.get("said", ())} == {*kinds.values()}
    notes = training_notes(tmp_path / "out")
    assert notes == [f"step {WINDOW}: {text}" for text in kinds.values()]
    assert alarm is None or any(alarm in note for note in notes)


def test_the_page_lists_every_alarm_with_its_limit_and_its_reason() -> None:
    page = (Path(__file__).parents[2] / "docs" / "training.md").read_text(encoding="utf-8")
    section = page.split("## Is it learning?")[1]
    lines = [line for line in section.splitlines() if line.startswith("| `")]
    listed = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines][: len(ALARMS)]
    assert [(name.strip("`"), limit, why) for name, _, limit, why in listed] == [
        (kind, f"{alarm.limit:g}", alarm.why) for kind, alarm in ALARMS.items()
    ]
    assert f"with a mean score under {100 * SOLVED:.0f} %" in section and BLOW_UP == WINDOW == 10
    assert {
        alarm.after for kind, alarm in ALARMS.items() if kind not in ("learning_rate", "format_only")
    } == {*(WINDOW, 2 * WINDOW)}
    assert ALARMS["format_only"].after == 30 and PUBLISHED_FOR == 100_000_000
