"""Texts differ in small words and marks, and are the same; or in others, and are not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seethink.types import Example, Response
from seethink.verify import same_answer, same_text
from seethink.verify.phrasing import alike


def score(gold: str, answer: str, question: str = "?") -> float | None:
    return same_answer(Example("1", question, answer=gold), Response(answer, answer=answer)).value


@pytest.mark.parametrize(
    ("gold", "answer", "question"),
    [
        ("sofa", "a sofa", "?"),
        ("The United Kingdom", "United Kingdom", "?"),
        ("red", "It's red", "?"),
        ("Monday", "On Monday.", "?"),
        ("1998", "In 1998", "?"),
        ("kitchen", "in the kitchen", "?"),
        ("apple, banana", "apple and banana", "?"),
        ("apple, banana", "- Apple\n- Banana", "?"),
        ("a cat and a dog", "cat, dog", "?"),
        ("苹果和香蕉", "苹果、香蕉", "?"),
        ("10-12", "10 to 12", "?"),
        ("10-12", "10–12", "?"),
        ("H_2O", "H2O", "?"),
        ("CO₂", "CO_{2}", "?"),
        ("1st", "first", "?"),
        ("J. K. Rowling", "J.K. Rowling", "?"),
        ("红色", "红色的", "?"),
        ("A", "Point A", "Which point is nearest?"),
        ("A", "Figure A", "Which figure?"),
        ("isosceles", "isosceles triangle", "What kind of triangle is it?"),
        (
            "United Kingdom",
            "The United Kingdom has the largest share",
            "Which country has the largest share?",
        ),
        ("AB ∥ CD", r"AB \parallel CD", "?"),
        ("AB//CD", "AB ∥ CD", "?"),
    ],
)
def test_the_same_text_may_be_worded_otherwise(gold, answer, question):
    assert score(gold, answer, question) == 1.0
    assert score(gold, answer + " 7", question) == 0.0


@pytest.mark.parametrize(
    ("gold", "answer", "question"),
    [
        ("in the box", "on the box", "?"),
        ("about 5", "only 5", "?"),
        ("cat, dog", "dog, cat", "?"),
        ("cat, dog", "cat or dog", "?"),
        ("cat, dog", "cat", "?"),
        ("red", "It is not red", "?"),
        ("10-12", "10-13", "?"),
        ("10-12", "1012", "?"),
        ("x^2", "x2", "?"),
        ("21st", "first", "?"),
        ("A", "Line A", "Which point?"),
        ("A", "Point B", "Which point?"),
        ("red", "red or blue", "Is it red or blue?"),
        ("AB ∥ CD", "AB ⊥ CD", "?"),
        ("1,200", "1, 200", "?"),
        ("A", "the", "Which letter?"),
    ],
)
def test_other_words_are_another_text(gold, answer, question):
    example = Example("1", question, answer=gold)
    assert same_text(example, Response(answer, answer=answer)).value == 0.0


WORDS = st.text("bcdfgh", min_size=1, max_size=6)


@given(st.text(max_size=40), st.text(max_size=40), st.text(max_size=40), WORDS, WORDS)
def test_any_texts_are_compared_and_a_word_is_no_other_word(gold, answer, question, one, other):
    assert alike(gold, answer, question) in (True, False)
    assert alike(one, other, question) is (one == other)
