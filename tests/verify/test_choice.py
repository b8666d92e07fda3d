"""An option is named by letter, by text, or by both where they agree; and by nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seethink.verify import same_choice, yes_no
from seethink.verify.choice import LETTERS
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
