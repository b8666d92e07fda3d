import pytest

from seethink.report.groups import MAX_STEPS, evenly_spaced, scored_groups
from seethink.types import InputError
from tests.report.sample_run import attempt, write_arms, write_rows


def groups_of(folder, rows):
    write_arms(folder, {})
    return scored_groups("grpo", write_rows(folder / "grpo/attempts.jsonl", rows), folder, "correct")


def test_the_first_group_whose_rewards_differ_is_shown(tmp_path):
    rows = [attempt(id, right, step=3) for id, right in (("a", True), ("a", True), ("b", False), ("b", True))]
    (group,) = groups_of(tmp_path, rows)
    assert (group.step, group.card.id, group.mean, group.spread) == (3, "b", 0.5, True)
    assert [answer.row["value"] for answer in group.card.answers] == [1.0, 0.0]


def test_where_no_group_has_spread_the_first_is_shown_and_marked(tmp_path):
    (group,) = groups_of(tmp_path, [attempt(id, True, step=1) for id in "aabb"])
    assert (group.card.id, group.spread) == ("a", False)


def test_unjudged_completions_come_last_and_are_left_out_of_the_mean(tmp_path):
    (group,) = groups_of(tmp_path, [attempt("a", right, step=1) for right in (None, True, False)])
    assert group.mean == 0.5
    assert [answer.row["value"] for answer in group.card.answers] == [1.0, 0.0, None]


def test_a_group_that_nobody_could_judge_has_no_mean(tmp_path):
    (group,) = groups_of(tmp_path, [attempt("a", None, step=1)] * 2)
    assert (group.mean, group.spread) == (None, False)


def test_few_steps_are_shown_from_the_first_to_the_last(tmp_path):
    groups = groups_of(tmp_path, [attempt("a", True, step=step) for step in range(1, 101)])
    assert [group.step for group in groups][:: MAX_STEPS - 1] == [1, 100]
    assert len(groups) == MAX_STEPS
    assert evenly_spaced([4, 5], MAX_STEPS) == [4, 5]


def test_a_rollout_without_its_step_is_named(tmp_path):
    with pytest.raises(InputError, match=r"attempts\.jsonl: a has no training step"):
        groups_of(tmp_path, [attempt("a")])
