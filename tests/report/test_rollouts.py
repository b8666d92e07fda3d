import pytest

from seethink.report.rollouts import AT_MOST, paid_groups, spread_evenly
from seethink.types import InputError
from tests.report.made import attempt, write_arms, write_rows


def paid(folder, rows):
    write_arms(folder, {})
    return paid_groups("grpo", write_rows(folder / "grpo/attempts.jsonl", rows), folder, "correct")


def test_the_first_group_whose_rewards_differ_is_shown(tmp_path):
    rows = [attempt(id, right, step=3) for id, right in (("a", True), ("a", True), ("b", False), ("b", True))]
    (group,) = paid(tmp_path, rows)
    assert (group.step, group.card.id, group.mean, group.spread) == (3, "b", 0.5, True)
    assert [answer.row["value"] for answer in group.card.answers] == [1.0, 0.0]


def test_where_all_groups_are_paid_alike_the_first_is_shown_and_marked(tmp_path):
    (group,) = paid(tmp_path, [attempt(id, True, step=1) for id in "aabb"])
    assert (group.card.id, group.spread) == ("a", False)


def test_rewards_that_could_not_be_judged_come_last_and_stay_out_of_the_mean(tmp_path):
    (group,) = paid(tmp_path, [attempt("a", right, step=1) for right in (None, True, False)])
    assert group.mean == 0.5
    assert [answer.row["value"] for answer in group.card.answers] == [1.0, 0.0, None]


def test_a_group_that_nobody_could_judge_has_no_mean(tmp_path):
    (group,) = paid(tmp_path, [attempt("a", None, step=1)] * 2)
    assert (group.mean, group.spread) == (None, False)


def test_few_steps_are_shown_from_the_first_to_the_last(tmp_path):
    groups = paid(tmp_path, [attempt("a", True, step=step) for step in range(1, 101)])
    assert [group.step for group in groups][:: AT_MOST - 1] == [1, 100]
    assert len(groups) == AT_MOST
    assert spread_evenly([4, 5], AT_MOST) == [4, 5]


def test_a_rollout_without_its_step_is_named(tmp_path):
    with pytest.raises(InputError, match=r"attempts\.jsonl: a names no step"):
        paid(tmp_path, [attempt("a")])
