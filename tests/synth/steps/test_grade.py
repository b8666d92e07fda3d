from __future__ import annotations

import json
import re

from hypothesis import given
from hypothesis import strategies as st

from seethink.engines.teacher import Call
from seethink.synth.draft import Draft, Dropped, Path
from seethink.synth.steps.grade import Grade, read_grades
from seethink.synth.steps.pairs import Pairs, preferred, thoughts
from tests.synth.steps.teaching import drafted, json_of, taught, told

RIGHT = tuple(Path((f"way {i}",), "3", correct=True) for i in range(5))
WRONG = Path(("way wrong",), "4", correct=False)


def by_way(call: Call) -> str:
    """Way 0 gets 95, way 1 gets 75, ...; whatever place it stands at."""
    ways = re.findall(r"PATH (\d+):\n<<<\nway (\d)", told(call))
    return json.dumps({place: 95 - 20 * int(way) for place, way in ways})


def test_siblings_are_graded_in_one_call_and_each_gets_its_own_grade_and_band() -> None:
    after, calls = taught(Grade(), drafted(paths=(WRONG, *RIGHT)), by_way)
    assert isinstance(after, Draft) and len(calls) == 1 and calls[0].role == "judge"
    assert [(path.grade, path.band) for path in after.paths] == [
        (None, "wrong"), (95, "high"), (75, "middling"), (55, "middling"), (35, "low"), (15, "low"),
    ]  # fmt: skip
    assert "way wrong" not in told(calls[0])
    assert after.verdict and after.verdict.passed and "middling 2" in after.verdict.why


def test_the_order_of_siblings_is_another_for_another_example() -> None:
    orders = set()
    for i in range(12):
        draft = drafted(paths=RIGHT)
        draft = Draft(type(draft.example)(f"e{i}", "?", answer="3"), paths=RIGHT)
        after, calls = taught(Grade(), draft, by_way)
        orders.add(tuple(re.findall(r"way (\d)", told(calls[0]))))
        assert isinstance(after, Draft) and [path.grade for path in after.paths] == [95, 75, 55, 35, 15]
    assert len(orders) > 6


def test_grades_that_leave_a_path_out_are_asked_for_again_and_then_the_example_is_dropped() -> None:
    step = Grade()
    after, calls = taught(step, drafted(paths=RIGHT), lambda call: json_of(**{"1": 50}))
    assert isinstance(after, Dropped) and after.reason == "not JSON" and len(calls) == 1 + step.retries
    assert step.reminder in told(calls[-1])
    for broken in ("good", '{"1": 0}', '{"1": 101}', '{"1": 50.5}', '{"1": true}', '{"1": "50"}'):
        assert isinstance(read_grades(broken, 1), Dropped)
    assert read_grades('```json\n{"1": 1, "2": 100, "3": 7}\n```', 2) == [1, 100]


def test_without_a_right_path_nothing_is_asked() -> None:
    unjudged = Path(("?",), None)
    after, calls = taught(Grade(), drafted(paths=(WRONG, unjudged)), by_way)
    assert isinstance(after, Draft) and not calls
    assert [path.band for path in after.paths] == ["wrong", None]
    assert after.verdict and after.verdict.passed is False


def test_a_pair_is_the_best_right_path_against_a_wrong_one() -> None:
    graded = tuple(Path((f"way {g}",), "3", correct=True, grade=g) for g in (60, 90, 80))
    after, calls = taught(Pairs(round=2), drafted(paths=(*graded, WRONG)), by_way)
    assert isinstance(after, Draft) and not calls
    pref = after.example.meta["pref"]
    assert (pref["chosen"], pref["rejected"], pref["round"]) == (
        "<thoughts>\nway 90\n</thoughts>", "<thoughts>\nway wrong\n</thoughts>", 2,
    )  # fmt: skip


def test_without_a_wrong_path_the_lowest_is_rejected_if_it_is_far_enough_below() -> None:
    graded = [Path((str(g),), "3", correct=True, grade=g) for g in (70, 90)]
    found = preferred(graded, 20)
    assert not isinstance(found, str) and [path.grade for path in found[:2]] == [90, 70]
    assert preferred(graded, 21) == "grades from 70 to 90 are less than 21 apart"
    assert isinstance(preferred(graded[:1], 0), str), "a path is never preferred to itself"
    assert isinstance(preferred([WRONG], 20), str)
    after, _ = taught(Pairs(), drafted(paths=(WRONG,)), by_way)
    assert isinstance(after, Draft) and "pref" not in after.example.meta
    assert after.verdict and after.verdict.passed is None


@given(st.lists(st.tuples(st.sampled_from([True, False, None]), st.integers(1, 100)), max_size=6))
def test_the_chosen_path_is_right_and_never_below_the_rejected(drawn: list[tuple[bool | None, int]]) -> None:
    paths = [
        Path((str(i),), "3", correct=right, grade=grade if right else None)
        for i, (right, grade) in enumerate(drawn)
    ]
    found = preferred(paths, 20)
    if isinstance(found, str):
        return
    chosen, rejected, _ = found
    assert chosen.correct and rejected.correct is not None and chosen != rejected
    assert rejected.correct is False or (chosen.grade or 0) >= (rejected.grade or 0) + 20
    assert thoughts(chosen) != thoughts(rejected)
