"""Length, repetition, and whether the thought leads to the answer."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seethink.types import Example, Response
from seethink.verify import VERIFIERS, same_number
from seethink.verify.shape import Consistent, LengthCosine, PerToken, Repetition, SoftOverlong
from tests.verify.judged import judged

EXAMPLE = Example(id="1", question="?", answer="5")
LENGTHS = st.integers(1, 10_000)


def reply(answer: str, tokens: int) -> Response:
    return Response(text=answer, answer=answer, n_tokens=tokens)


@given(LENGTHS, LENGTHS)
def test_a_right_answer_earns_more_than_any_wrong_one_and_is_better_short_and_a_wrong_one_long(a, b):
    paid = LengthCosine(same_number)
    right, wrong = (paid(EXAMPLE, reply(answer, a)).value for answer in "54")
    assert right is not None and wrong is not None
    assert right >= 3 / 4 and wrong <= 1 / 4
    right_short, right_long = (paid(EXAMPLE, reply("5", n)).value for n in sorted((a, b)))
    wrong_short, wrong_long = (paid(EXAMPLE, reply("4", n)).value for n in sorted((a, b)))
    assert right_short >= right_long and wrong_short <= wrong_long


def test_the_cosine_has_the_direction_of_open_r1_and_stays_at_its_limit():
    """Its defaults: right 1 to 0.5, wrong -1 to -0.5, here (r + 1) / 2."""
    paid = LengthCosine(same_number, most_tokens=1000)
    for answer, published in (("5", [1.0, 0.75, 0.5, 0.5]), ("4", [-1.0, -0.75, -0.5, -0.5])):
        values = [paid(EXAMPLE, reply(answer, n)).value for n in (1, 500, 1000, 2000)]
        assert values == pytest.approx([(r + 1) / 2 for r in published], abs=1e-5)
    assert paid(replace(EXAMPLE, answer="?"), reply("5", 10)).value is None


def test_uncounted_tokens_are_not_guessed():
    for verifier in (LengthCosine(same_number), PerToken(), SoftOverlong()):
        assert verifier(EXAMPLE, reply("5", 0)).value is None


def test_a_token_earns_a_thousandth_up_to_a_thousand():
    assert [PerToken()(EXAMPLE, reply("5", n)).value for n in (1, 700, 5000)] == pytest.approx(
        [0.001, 0.7, 1.0]
    )


def test_the_overlong_lose_along_the_cache():
    paid = SoftOverlong(most_tokens=100, cache_tokens=20)
    assert [paid(EXAMPLE, reply("5", n)).value for n in (1, 80, 90, 100, 900)] == [1.0, 1.0, 0.5, 0.0, 0.0]


def test_repetition_is_the_share_of_distinct_runs():
    assert judged(Repetition(n=2), None, "a b a b").value == pytest.approx(2 / 3)
    assert judged(Repetition(), None, "one two three four five six seven").value == 1.0
    assert judged(Repetition(), None, "too short").value == 1.0


@pytest.mark.parametrize("word", ["so ", "haha", "哈", "!?", "wait, "])
def test_repetition_shows_with_and_without_blanks(word):
    assert (judged(Repetition(), None, word * 1000).value or 1) < 0.03


def test_a_box_said_twice_is_repetition_and_no_boxes_are_not_judged():
    again = VERIFIERS["box_repetition"]
    assert judged(again, None, "[[1, 2, 3, 4], [1, 2, 3, 4], [1, 2, 3, 5], [1, 2, 3, 4]]").value == 0.5
    assert judged(again, None, "None").value == 1.0
    assert judged(again, None, "a cat").value is None


@pytest.mark.parametrize(
    ("thought", "answer", "agrees"),
    [
        ("3 and 2. The answer is 5.", "5", True),
        ("3 and 2. The answer is 5.", "4", False),
        ("It is 4. Or rather, the total is 5", "5", True),
        (r"hence \boxed{5}", "5.0", True),
        ("I see 5 cubes and 2 balls.", "5", True),
        ("I see 5 cubes.\nI take 1 away, 4 are left.", "5", False),
        ("I see 15 cubes", "5", False),
        ("so option B fits: the answer is (B)", "B", True),
        ("so the answer is the dog", "B", True),
        ("so the answer is the cat", "B", False),
        ("it is a red cube", "red", True),
        ("it is a redder cube", "red", False),
        ("", "5", False),
    ],
)
def test_the_thought_leads_to_the_answer_or_does_not(thought, answer, agrees):
    example = Example(id="1", question="?", choices=("cat", "dog"))
    score = VERIFIERS["consistent"](example, Response(text="", thought=thought or None, answer=answer))
    assert score.value == float(agrees), score.why


def test_consistency_needs_an_answer():
    assert Consistent(same_number)(EXAMPLE, Response(text="", thought="5", answer=None)).value == 0.0
