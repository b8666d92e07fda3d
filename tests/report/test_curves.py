import pytest
from hypothesis import given
from hypothesis import strategies as st

from seethink.formats import ANSWER_ONLY
from seethink.report.curves import (
    LOSS,
    MAX_POINTS,
    METRICS,
    NUMBER,
    SHARE,
    axis_ticks,
    smoothed,
    training_curves,
)
from seethink.train.alarms import ALARMS
from seethink.train.grpo_metrics import RolloutStatistics, UpdateStatistics, step_metrics
from seethink.types import Task
from seethink.verify import same_number
from tests.report.sample_run import write_rows

VALUES = st.floats(-1e6, 1e6, allow_subnormal=False).filter(lambda x: x == 0 or abs(x) > 1e-6)


def coordinates(line):
    return [tuple(float(x) for x in point.split(",")) for point in line.split()]


@given(VALUES, VALUES, st.sampled_from([NUMBER, LOSS]))
def test_an_axis_encloses_its_values_with_few_round_ticks(one, other, unit):
    low, high = sorted((one, other))
    if unit == NUMBER:
        low, high = abs(low), abs(low) + abs(high)
    ticks = axis_ticks(low, high, unit)
    slack = 1e-9 * max(1.0, abs(low), abs(high))
    assert ticks[0] <= low + slack and high <= ticks[-1] + slack
    assert 2 <= len(ticks) <= 5
    assert ticks == sorted(set(ticks))


def test_a_share_is_plotted_from_0_to_1():
    assert axis_ticks(0.4, 0.6, SHARE) == [0, 0.5, 1]


def test_smoothing_leaves_a_straight_line_alone_inside_and_keeps_every_step():
    line = [(float(i), 2.0 * i) for i in range(90)]
    curve = smoothed(line)
    assert [step for step, _ in curve] == [step for step, _ in line]
    assert [value for _, value in curve][3:-3] == pytest.approx([value for _, value in line][3:-3])


def test_reinforcement_learning_and_supervised_training_are_plotted_apart(tmp_path):
    grpo = write_rows(
        tmp_path / "grpo.jsonl",
        [{"step": i, "reward": 0.5, "rewards/format/mean": 1.0, "loss": 0.0} for i in (1, 2)],
    )
    sft = write_rows(tmp_path / "sft.jsonl", [{"step": i, "loss": 1.0 / i} for i in (1, 2)])
    kinds = training_curves({"sft": sft, "grpo": grpo})
    assert [(kind.title, [panel.title for panel in kind.panels]) for kind in kinds] == [
        ("Reinforcement learning", ["Reward", "Reward: format", "Loss"]),
        ("Supervised and preference training", ["Loss"]),
    ]


def test_trainings_of_one_kind_share_their_panels(tmp_path):
    paths = {
        f"seed{i}": write_rows(tmp_path / f"{i}.jsonl", [{"step": 1, "loss": float(i)}]) for i in range(3)
    }
    (kind,) = training_curves(paths)
    assert [line.stage for line in kind.panels[0].curves] == ["seed0", "seed1", "seed2"]
    assert kind.panels[0].values == (0, 2)


def test_a_curve_runs_from_left_to_right_and_upwards_as_its_values_do(tmp_path):
    path = write_rows(tmp_path / "m.jsonl", [{"step": i, "reward": i / 4} for i in range(5)])
    raw = coordinates(training_curves({"grpo": path})[0].panels[0].curves[0].raw)
    assert raw == [(0, 100), (75, 75), (150, 50), (225, 25), (300, 0)]


def test_a_metric_without_values_is_not_plotted(tmp_path):
    path = write_rows(tmp_path / "m.jsonl", [{"step": 1, "reward": 0.5, "kl": None}])
    assert [panel.title for panel in training_curves({"grpo": path})[0].panels] == ["Reward"]


def test_the_metrics_that_grpo_logs_have_their_curves(tmp_path):
    row = {name.replace("*", "correct"): 0.5 for name in METRICS}
    path = write_rows(tmp_path / "m.jsonl", [{"step": 1, **row, "rewards/margins": 0.5, "unjudged": 0}])
    (kind,) = training_curves({"grpo": path})
    assert [panel.title for panel in kind.panels] == [
        title.format("correct") for title, _, _ in METRICS.values()
    ]
    assert "Entropy" in [panel.title for panel in kind.panels]


def test_every_curve_is_a_metric_that_trainings_log():
    rollouts = RolloutStatistics(Task("none", (), ANSWER_ONLY, same_number))
    logged = {
        *step_metrics(rollouts, UpdateStatistics()),
        "loss",
        "grad_norm",
        "learning_rate",
        "eval_correct",
    }
    assert {name for name in METRICS if "*" not in name} <= logged


def test_values_that_are_not_finite_are_left_out_and_counted(tmp_path):
    path = write_rows(tmp_path / "m.jsonl", [{"step": 1, "loss": float("nan")}, {"step": 2, "loss": 1.0}])
    (kind,) = training_curves({"sft": path})
    assert kind.not_finite == 1
    assert len(coordinates(kind.panels[0].curves[0].raw)) == 1


def test_parts_of_the_reward_that_are_not_finite_are_counted(tmp_path):
    logged = [{"rewards/correct/mean": float("nan")}, {"rewards/format/mean": float("inf")}, {"loss": None}]
    rows = [{"step": i, "reward": 0.5, **row} for i, row in enumerate(logged)]
    (kind,) = training_curves({"grpo": write_rows(tmp_path / "m.jsonl", rows)})
    assert kind.not_finite == 2


def test_long_curves_are_thinned_by_means(tmp_path):
    path = write_rows(
        tmp_path / "m.jsonl", [{"step": i, "loss": float(i % 2)} for i in range(4 * MAX_POINTS)]
    )
    (kind,) = training_curves({"sft": path})
    assert kind.steps_per_point == 4
    assert len(coordinates(kind.panels[0].curves[0].raw)) == MAX_POINTS
    assert kind.panels[0].curves[0].first == "0.5"


def test_an_empty_log_has_no_curves(tmp_path):
    assert training_curves({"sft": write_rows(tmp_path / "m.jsonl", [])}) == []


def test_an_alarm_stands_at_its_step_under_the_curve_that_it_is_about(tmp_path):
    rows = [{"step": i, "reward": 0.5, "entropy": 1.0, "kl": 0.1} for i in range(1, 22)]
    rows[10]["alarms"] = {"entropy_rises": "the entropy <rises>", "gone": "of another version"}
    rows[20]["alarms"] = {"truncated": "its curve is not there"}
    (kind,) = training_curves({"grpo": write_rows(tmp_path / "m.jsonl", rows)})
    alarms = {panel.title: panel.alarms for panel in kind.panels}
    assert alarms == {
        "Reward": (),
        "KL divergence": (),
        "Entropy": ((0.5, "step 11: the entropy <rises>"),),
    }


def test_alarms_of_several_trainings_name_theirs(tmp_path):
    rows = [{"step": 1, "reward": 0.5, "kl": 2.0, "alarms": {"far_from_reference": "far"}}]
    paths = {name: write_rows(tmp_path / name, rows) for name in ("a", "b")}
    (kind,) = training_curves(paths)
    assert [text for _, text in kind.panels[-1].alarms] == ["a, step 1: far", "b, step 1: far"]


def test_every_alarm_has_its_curve():
    columns = {alarm.column for alarm in ALARMS.values()}
    parts = {column for column in columns if column.startswith("rewards/")}
    assert columns - parts - METRICS.keys() == set()
