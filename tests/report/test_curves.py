import pytest
from hypothesis import given
from hypothesis import strategies as st

from seethink.report.curves import LOSS, MAX_POINTS, NUMBER, SHARE, axis, blocks, smoothed
from tests.report.made import write_rows

VALUES = st.floats(-1e6, 1e6, allow_subnormal=False).filter(lambda x: x == 0 or abs(x) > 1e-6)


def drawn(line):
    return [tuple(float(x) for x in point.split(",")) for point in line.split()]


@given(VALUES, VALUES, st.sampled_from([NUMBER, LOSS]))
def test_an_axis_encloses_its_values_with_few_round_marks(one, other, unit):
    low, high = sorted((one, other))
    if unit == NUMBER:
        low, high = abs(low), abs(low) + abs(high)
    marks = axis(low, high, unit)
    slack = 1e-9 * max(1.0, abs(low), abs(high))
    assert marks[0] <= low + slack and high <= marks[-1] + slack
    assert 2 <= len(marks) <= 5
    assert marks == sorted(set(marks))


def test_a_share_is_drawn_from_nothing_to_all():
    assert axis(0.4, 0.6, SHARE) == [0, 0.5, 1]


def test_smoothing_leaves_a_straight_line_alone_inside_and_keeps_every_step():
    line = [(float(i), 2.0 * i) for i in range(90)]
    curve = smoothed(line)
    assert [step for step, _ in curve] == [step for step, _ in line]
    assert [value for _, value in curve][3:-3] == pytest.approx([value for _, value in line][3:-3])


def test_reinforcement_and_supervised_training_are_drawn_apart(tmp_path):
    grpo = write_rows(
        tmp_path / "grpo.jsonl",
        [{"step": i, "reward": 0.5, "reward/format": 1.0, "loss": 0.0} for i in (1, 2)],
    )
    sft = write_rows(tmp_path / "sft.jsonl", [{"step": i, "loss": 1.0 / i} for i in (1, 2)])
    kinds = blocks({"sft": sft, "grpo": grpo})
    assert [(kind.title, [panel.title for panel in kind.panels]) for kind in kinds] == [
        ("Reinforcement", ["Reward", "Reward: format", "Loss"]),
        ("Supervised training", ["Loss"]),
    ]


def test_trainings_of_one_kind_share_their_panels(tmp_path):
    paths = {
        f"seed{i}": write_rows(tmp_path / f"{i}.jsonl", [{"step": 1, "loss": float(i)}]) for i in range(3)
    }
    (kind,) = blocks(paths)
    assert [line.stage for line in kind.panels[0].lines] == ["seed0", "seed1", "seed2"]
    assert kind.panels[0].values == (0, 2)


def test_a_curve_runs_from_left_to_right_and_upwards_as_its_values_do(tmp_path):
    path = write_rows(tmp_path / "m.jsonl", [{"step": i, "reward": i / 4} for i in range(5)])
    raw = drawn(blocks({"grpo": path})[0].panels[0].lines[0].raw)
    assert raw == [(0, 100), (75, 75), (150, 50), (225, 25), (300, 0)]


def test_a_metric_that_was_never_measured_is_not_drawn(tmp_path):
    path = write_rows(tmp_path / "m.jsonl", [{"step": 1, "reward": 0.5, "kl": None}])
    assert [panel.title for panel in blocks({"grpo": path})[0].panels] == ["Reward"]


def test_values_that_are_not_finite_are_left_out_and_counted(tmp_path):
    path = write_rows(tmp_path / "m.jsonl", [{"step": 1, "loss": float("nan")}, {"step": 2, "loss": 1.0}])
    (kind,) = blocks({"sft": path})
    assert kind.undrawn == 1
    assert len(drawn(kind.panels[0].lines[0].raw)) == 1


def test_long_curves_are_thinned_by_means(tmp_path):
    path = write_rows(
        tmp_path / "m.jsonl", [{"step": i, "loss": float(i % 2)} for i in range(4 * MAX_POINTS)]
    )
    (kind,) = blocks({"sft": path})
    assert kind.thinned == 4
    assert len(drawn(kind.panels[0].lines[0].raw)) == MAX_POINTS
    assert kind.panels[0].lines[0].first == "0.5"


def test_an_empty_log_draws_nothing(tmp_path):
    assert blocks({"sft": write_rows(tmp_path / "m.jsonl", [])}) == []
