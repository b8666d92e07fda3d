"""An option is named by letter, by text, or by both where they agree; and by nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seethink.types import Example, Response
from seethink.verify import same_choice, yes_no
from seethink.verify.options import LETTERS
from tests.verify.judged import judged

PETS = ("a cat", "a dog", "two birds", "none of them")
FORMS = [
    *(
        "{0}",
        "({0})",
        "[{0}]",
        "{0}.",
        "{0})",
        "**{0}**",
        "${0}$",
        r"\boxed{{{0}}}",
        r"\text{{{0}}}",
        "'{0}'",
    ),
    *("The answer is {0}", "the correct answer is ({0}).", "Answer: {0}", "Option {0}", "option ({0})"),
    *("So the answer is option {0}.", "{0} is correct", "({0}) is the right answer.", "My final answer: {0}"),
]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("choices", [(), PETS])
def test_a_letter_is_read_in_each_of_its_forms(form, choices):
    assert judged(same_choice, "B", form.format("B"), choices).value == 1.0
    assert judged(same_choice, "B", form.format("C"), choices).value == 0.0


@pytest.mark.parametrize(
    "form", ["{0}. {1}", "({0}) {1}", "{0}: {1}", "{0}, {1}", "{0} - {1}", "{0}\n{1}", "{1}"]
)
def test_a_letter_may_stand_before_its_own_text_and_no_other(form):
    assert judged(same_choice, "B", form.format("B", "a dog"), PETS).value == 1.0
    assert judged(same_choice, "B", form.format("B", "A Dog."), PETS).value == 1.0
    assert judged(same_choice, "B", form.format("B", "two birds"), PETS).value == 0.0


@given(st.sampled_from(LETTERS), st.sampled_from(LETTERS))
def test_letters_from_a_to_j_are_equal_to_themselves_alone(gold, answer):
    for text in (answer, answer.lower(), f"({answer})", f"{answer}."):
        assert judged(same_choice, gold, text).value == float(gold == answer)


@pytest.mark.parametrize("gold", ["B", "(B)", "b.", "B. a dog", "a dog", "Dog", "The answer is B"])
def test_the_gold_may_be_the_letter_or_the_text(gold):
    assert judged(same_choice, gold, "B", PETS).value == 1.0
    assert judged(same_choice, gold, "the dog", PETS).value == 1.0
    assert judged(same_choice, gold, "A", PETS).value == 0.0


def test_the_article_is_never_an_option():
    assert judged(same_choice, "A", "A dog", PETS).value == 0.0
    assert judged(same_choice, "B", "A dog", PETS).value == 1.0
    assert judged(same_choice, "A", "A person pours it").value == 0.0
    assert judged(same_choice, "A", "a dog").value == 0.0


@pytest.mark.parametrize(
    ("choices", "answer", "why"),
    [
        (PETS, "B. two birds", "read 'B. two birds', which may be B and C"),
        (("B", "A"), "A", "read 'A', which may be A and B"),
        (("red", "red", "blue"), "red", "read 'red', which may be A and B"),
        (PETS, "A, B", "read 'A, B', which is no option"),
        (PETS, "B or C", "read 'B or C', which is no option"),
        (PETS, "J", "read 'J', which is no option"),
    ],
)
def test_what_may_be_two_options_earns_nothing_and_says_so(choices, answer, why):
    gold = "A. B" if choices == ("B", "A") else "C"
    assert judged(same_choice, gold, answer, choices).why == why
    assert judged(same_choice, gold, answer, choices).value == 0.0


@pytest.mark.parametrize(
    ("gold", "choices"), [("K", ()), ("E", PETS), ("red", ("red", "red")), ("5", ()), ("", PETS)]
)
def test_a_gold_that_is_no_option_cannot_be_judged(gold, choices):
    assert judged(same_choice, gold, "A", choices).value is None


def test_options_may_bring_their_letters():
    choices = ("A. 3", "B. 4", "C. 5")
    assert judged(same_choice, "B", "4", choices).value == 1.0
    assert judged(same_choice, "4", "(B)", choices).value == 1.0
    assert judged(same_choice, "B", "B. 5", choices).value == 0.0


@pytest.mark.parametrize(
    ("choices", "answer", "why"),
    [
        (PETS, "B. a cat", "read 'B. a cat', which may be A and B"),
        (PETS, "a cat (B)", "read 'a cat (B)', which may be A and B"),
        (("5", "-5"), "B. 5", "read 'B. 5', which may be A and B"),
        (("5", "-5"), "A. -5", "read 'A. -5', which may be A and B"),
        (("resume", "résumé"), "B. resume", "read 'B. resume', which may be A and B"),
        (("polish", "Polish"), "POLISH", "read 'POLISH', which may be A and B"),
    ],
)
def test_a_letter_beside_a_text_is_what_both_name(choices, answer, why):
    for gold in "AB":
        assert judged(same_choice, gold, answer, choices).why == why


@pytest.mark.parametrize("answer", ["A. red", "(A) red", "red (A)"])
def test_a_letter_tells_equal_texts_apart(answer):
    assert judged(same_choice, "A", answer, ("red", "red", "blue")).value == 1.0
    assert judged(same_choice, "B", answer, ("red", "red", "blue")).value == 0.0


@pytest.mark.parametrize(
    "choices",
    [("5", "-5"), ("resume", "résumé"), ("5%", "5"), ("(0, 1)", "[0, 1]"), ("x²", "x2")],
)
def test_texts_that_differ_in_a_sign_a_case_or_an_accent_are_different_options(choices):
    for gold, other in (choices, choices[::-1]):
        assert judged(same_choice, gold, gold, (*choices, "none")).value == 1.0
        assert judged(same_choice, gold, f"The answer is {gold}", (*choices, "none")).value == 1.0
        assert judged(same_choice, gold, other, (*choices, "none")).value == 0.0
        assert judged(same_choice, gold, f"The answer is {other}", (*choices, "none")).value == 0.0


def test_options_that_are_letters_are_judged_by_place_where_the_gold_is_known_to_be_a_letter():
    def score(gold, answer, **meta):
        example = Example(id="1", question="?", answer=gold, choices=("C", "A", "D", "B"), meta=meta)
        return same_choice(example, Response(answer, answer=answer)).value

    assert score("A", "A") is None  # the first option, or the second
    for answer in ("A", "(A)", "\\(\\text{A}\\)", "A. C", "The answer is A."):
        assert score("A", answer, answer_is_letter=True) == 1.0
        assert score("B", answer, answer_is_letter=True) == 0.0
    for answer in ("C", "A. B", "C. A", "A or C"):
        assert score("A", answer, answer_is_letter=True) == 0.0


def test_a_small_letter_that_is_an_options_text_is_that_option():
    choices = ("a", "A")
    assert judged(same_choice, "a", "a", choices).value == 1.0
    assert judged(same_choice, "B", "B", choices).value == 1.0
    assert judged(same_choice, "a", "A", choices).value == 0.0  # the first place, and the second text
    assert judged(same_choice, "A", "A", choices).value is None


@pytest.mark.parametrize(("gold", "n"), [("K", 11), ("L", 12), ("Z", 26)])
def test_there_are_as_many_letters_as_options(gold, n):
    choices = tuple(f"{i} px" for i in range(n))
    assert judged(same_choice, gold, f"The answer is ({gold}).", choices).value == 1.0
    assert judged(same_choice, gold, "A", choices).value == 0.0
    assert judged(same_choice, gold, gold, choices[:-1]).value is None


@pytest.mark.parametrize("gold", ["A, C", "A and C", "AC", "(A), (C)", "A;C"])
def test_a_gold_of_several_options_needs_exactly_these(gold):
    for answer in (
        "A, C",
        "C and A",
        "AC",
        "(A) and (C)",
        "The correct answers are A and C.",
        "A、C",
        "A. a cat\nC. two birds",
    ):
        assert judged(same_choice, gold, answer, PETS).value == 1.0
    for answer in ("A", "C", "A, B", "A, B, C", "A or C", "not A, C", "A, C, C", ""):
        assert judged(same_choice, gold, answer, PETS).value == 0.0
    assert judged(same_choice, "C, A", "A, C", PETS).value is None  # an order


@pytest.mark.parametrize(
    ("answer", "unread"),
    [
        ("4 cm", True),
        ("I see a mat", True),
        ("B or C", False),
        ("not B", False),
        ("B. a cat", False),
        ("J", False),
    ],
)
def test_an_answer_that_mentions_no_option_is_left_to_the_next_verifier(answer, unread):
    assert judged(same_choice, "B", answer, PETS).unread is unread


def test_an_explanation_may_follow_and_a_second_answer_may_not():
    for more in (
        ", because it barks",
        " since the cat is smaller",
        ". It lies on the mat.",
        "\nIt has a long snout.",
    ):
        assert judged(same_choice, "B", f"B{more}", PETS).value == 1.0
        assert judged(same_choice, "B", f"B. a dog{more}", PETS).value == 1.0
    for more in (
        ", because the answer is C",
        " or C",
        ". Or C.",
        ", not sure",
        ". The answer is C.",
        "? No.",
    ):
        assert judged(same_choice, "B", f"B{more}", PETS).value == 0.0


@given(st.text(max_size=80), st.lists(st.text(max_size=8), max_size=4))
def test_any_text_with_any_options_is_judged_without_an_exception(answer, choices):
    for gold in ("A", answer, *choices):
        assert judged(same_choice, gold, answer, tuple(choices)).value in (None, 0.0, 1.0)


@pytest.mark.parametrize(
    "answer", ["Yes", "yes.", "Yes, it is.", "The answer is yes", "yes there is no dog", "(Yes)"]
)
def test_yes_is_the_word_with_which_the_answer_begins(answer):
    assert judged(yes_no, "yes", answer).value == 1.0
    assert judged(yes_no, "no", answer).value == 0.0


@pytest.mark.parametrize(
    "answer", ["I know", "not", "another", "yes or no", "Yes. No.", "No, yes", "no doubt", "eyes"]
)
def test_letters_inside_a_word_and_both_words_are_neither(answer):
    assert judged(yes_no, "yes", answer).value == judged(yes_no, "no", answer).value == 0.0


def test_a_gold_that_is_neither_yes_nor_no_cannot_be_judged():
    assert judged(yes_no, "maybe", "yes").value is None


def test_repeated_conclusions_are_followed_once():
    assert judged(same_choice, "B", "故选：B" * 900, PETS).value == 0.0
    assert judged(same_choice, "B", "It barks. The answer is B" * 150, PETS).value == 0.0
