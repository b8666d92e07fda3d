from __future__ import annotations

import json
import re

from hypothesis import given
from hypothesis import strategies as st

from seethink.engines.base import Request
from seethink.synth.draft import Draft, Dropped, ReasoningPath
from seethink.synth.steps.grade import GradeStep, read_grades
from seethink.synth.steps.preferences import PreferencePairsStep, preferred, thoughts
from tests.synth.steps.run_step import as_json, make_draft, run_step, text_of

RIGHT = tuple(ReasoningPath((f"way {i}",), "3", correct=True) for i in range(5))
WRONG = ReasoningPath(("way wrong",), "4", correct=False)


def by_way(call: Request) -> str:
    """Grades by content: way 0 gets 95, way 1 gets 75, ..., at any position."""
    ways = re.findall(r"PATH (\d+):\n<<<\nway (\d)", text_of(call))
    return json.dumps({place: 95 - 20 * int(way) for place, way in ways})


def test_paths_are_graded_in_one_call_and_each_gets_its_own_grade_and_band() -> None:
    after, calls = run_step(GradeStep(), make_draft(paths=(WRONG, *RIGHT)), by_way)
    assert isinstance(after, Draft) and len(calls) == 1 and calls[0].role == "judge"
    assert [(path.grade, path.band) for path in after.paths] == [
        (None, "wrong"), (95, "high"), (75, "middling"), (55, "middling"), (35, "low"), (15, "low"),
    ]  # fmt: skip
    assert "way wrong" not in text_of(calls[0])
    assert after.verdict and after.verdict.passed and "middling 2" in after.verdict.why


def test_the_order_of_paths_depends_on_the_example() -> None:
    orders = set()
    for i in range(12):
        draft = make_draft(paths=RIGHT)
        draft = Draft(type(draft.example)(f"e{i}", "?", answer="3"), paths=RIGHT)
        after, calls = run_step(GradeStep(), draft, by_way)
        orders.add(tuple(re.findall(r"way (\d)", text_of(calls[0]))))
        assert isinstance(after, Draft) and [path.grade for path in after.paths] == [95, 75, 55, 35, 15]
    assert len(orders) > 6


def test_a_missing_grade_is_retried_and_then_the_example_is_dropped() -> None:
    step = GradeStep()
    after, calls = run_step(step, make_draft(paths=RIGHT), lambda call: as_json(**{"1": 50}))
    assert isinstance(after, Dropped) and after.reason == "not JSON" and len(calls) == 1 + step.retries
    assert step.reminder in text_of(calls[-1])
    for broken in ("good", '{"1": 0}', '{"1": 101}', '{"1": 50.5}', '{"1": true}', '{"1": "50"}'):
        assert isinstance(read_grades(broken, 1), Dropped)
    assert read_grades('```json\n{"1": 1, "2": 100, "3": 7}\n```', 2) == [1, 100]


def test_without_a_correct_path_no_call_is_made() -> None:
    unjudged = ReasoningPath(("?",), None)
    after, calls = run_step(GradeStep(), make_draft(paths=(WRONG, unjudged)), by_way)
    assert isinstance(after, Draft) and not calls
    assert [path.band for path in after.paths] == ["wrong", None]
    assert after.verdict and after.verdict.passed is False


def test_a_pair_is_the_best_right_path_against_a_wrong_one() -> None:
    graded = tuple(ReasoningPath((f"way {g}",), "3", correct=True, grade=g) for g in (60, 90, 80))
    after, calls = run_step(PreferencePairsStep(round=2), make_draft(paths=(*graded, WRONG)), by_way)
    assert isinstance(after, Draft) and not calls
    pref = after.example.meta["pref"]
    assert (pref["chosen"], pref["rejected"], pref["round"]) == (
        "<thoughts>\nway 90\n</thoughts>", "<thoughts>\nway wrong\n</thoughts>", 2,
    )  # fmt: skip


def test_without_a_wrong_path_the_lowest_is_rejected_if_it_is_far_enough_below() -> None:
    graded = [ReasoningPath((str(g),), "3", correct=True, grade=g) for g in (70, 90)]
    found = preferred(graded, 20)
    assert not isinstance(found, str) and [path.grade for path in found[:2]] == [90, 70]
    assert preferred(graded, 21) == "grades from 70 to 90 are less than 21 apart"
    assert isinstance(preferred(graded[:1], 0), str), "a path is never preferred to itself"
    assert isinstance(preferred([WRONG], 20), str)
    after, _ = run_step(PreferencePairsStep(), make_draft(paths=(WRONG,)), by_way)
    assert isinstance(after, Draft) and "pref" not in after.example.meta
    assert after.verdict and after.verdict.passed is None


@given(st.lists(st.tuples(st.sampled_from([True, False, None]), st.integers(1, 100)), max_size=6))
def test_the_chosen_path_is_right_and_never_below_the_rejected(drawn: list[tuple[bool | None, int]]) -> None:
    paths = [
        ReasoningPath((str(i),), "3", correct=right, grade=grade if right else None)
        for i, (right, grade) in enumerate(drawn)
    ]
    found = preferred(paths, 20)
    if isinstance(found, str):
        return
    chosen, rejected, _ = found
    assert chosen.correct and rejected.correct is not None and chosen != rejected
    assert rejected.correct is False or (chosen.grade or 0) >= (rejected.grade or 0) + 20
    assert thoughts(chosen) != thoughts(rejected)
