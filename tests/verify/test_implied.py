"""A sentence or a value means an option where it can mean no other."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seethink.formats import read_any
from seethink.types import Example, Response
from seethink.verify import same_choice, yes_no

PETS = ("cat", "dog", "bird", "None of the above")
SIDES = ("left", "right")
ROOTS = (r"$2\sqrt{3}$", r"$4\sqrt{3}$", "$6$")
TRENDS = ("increase", "decrease", "stay the same")
TRUTH = ("Yes", "No", "Cannot be determined")


def score(gold: str, choices: tuple[str, ...], question: str, text: str) -> float | None:
    return same_choice(
        Example("1", question, answer=gold, choices=choices), read_any(text, sentences=True)
    ).value


@pytest.mark.parametrize(
    ("gold", "choices", "question", "text"),
    [
        ("A", PETS, "What is shown?", "The image shows a cat."),
        ("A", PETS, "What is shown?", "A cat is shown in the image."),
        ("A", PETS, "What is shown?", "The animal in the image is a cat, not a dog."),
        ("A", PETS, "What lies on the mat?", "It has whiskers. Therefore, it is a cat on the mat."),
        ("B", SIDES, "Where is the cup?", "The cup is to the right of the plate."),
        ("B", SIDES, "Where is the cup?", "To the right"),
        ("B", ("in front of", "behind"), "Where is it?", "The car is behind the tree."),
        ("C", TRENDS, "What happens to the value?", "It will stay the same."),
        ("B", ("red", "blue"), "What colour is the car next to the red one?", "The car is blue."),
        (
            "B",
            ("USA", "United Kingdom"),
            "Who has the largest share?",
            "The United Kingdom has the largest share.",
        ),
        ("A", TRUTH, "Is the car red?", "The car is red."),
        ("B", TRUTH, "Is the car red?", "The car is not red."),
        ("A", TRUTH, "Are there birds?", "Yes, there are no cats."),
        ("C", TRUTH, "Is the car red?", "It cannot be determined."),
        ("A", ("True", "False"), "?", "The statement is true."),
        ("B", PETS, "?", "The second option"),
        ("B", PETS, "?", "The correct answer is the second option, dog."),
        ("B", ("A", "B", "C"), "Which image?", "Image B"),
        ("B", ROOTS, "?", r"\boxed{\sqrt{48}}"),
        ("B", ROOTS, "?", "4*sqrt(3)"),
        ("A", ("12π cm²", "24π cm²"), "?", r"\boxed{12\pi}"),
        ("B", ("1:2", "1:4", "2:1"), "?", "1/4"),
    ],
)
def test_the_only_option_in_a_sentence_is_meant(gold, choices, question, text):
    assert score(gold, choices, question, text) == 1.0
    for other in {"A", "B", "C"} - {gold}:
        assert score(other, (*choices, "x")[: max(3, len(choices))], question, text) == 0.0


@pytest.mark.parametrize(
    ("choices", "question", "text"),
    [
        (PETS, "?", "The image shows a dog that looks like a cat."),
        (PETS, "?", "There is no cat."),
        (PETS, "?", "It could be a cat."),
        (PETS, "?", "It may be a cat or a dog."),
        (PETS, "?", "The picture shows a cat tree."),
        (PETS, "?", "The picture shows a hot cat."),
        (PETS, "?", "The cat is absent."),
        (PETS, "?", "Because the cat is at the left."),
        (PETS, "What is next to the cat?", "It is next to the cat."),
        (PETS, "?", "the first option is wrong"),
        (TRENDS, "?", "It does not increase."),
        (SIDES, "Where is the cup?", "The cup is left of the right plate."),
        (ROOTS, "?", r"2 \times 1 \sqrt{3} + 0"),
        (("10", "12"), "?", "5 + 5"),
        (("5 cm", "5 m"), "?", "5"),
        (("A. C", "C. A"), "?", "Image C"),
        (TRUTH, "Is the car red?", "The truck is red."),
        (TRUTH, "Is the car not red?", "The car is red."),
    ],
)
def test_what_may_mean_another_thing_means_no_option(choices, question, text):
    assert score("A", choices, question, text) == 0.0


@pytest.mark.parametrize(
    ("question", "text", "word"),
    [
        ("Is there a dog in the image?", "There is a dog in the image.", "yes"),
        ("Is there a dog in the image?", "The image contains a dog.", "yes"),
        ("Is there a dog in the image?", "There is no dog in the image.", "no"),
        ("Is there a dog in the image?", "The image does not contain a dog.", "no"),
        ("Is there a dog in the image?", "I don't see any dog in the image.", "no"),
        ("Is there a dog in the image?", "The image shows a cat, not a dog.", "no"),
        ("Is there a dog in the image?", "It appears that there is a dog.", "yes"),
        ("Is there a dog in the image?", "Yes - a brown dog lies on the sofa", "yes"),
        ("Is there a dog in the image?", "Based on the image, yes, there is a dog.", "yes"),
        ("Are there more cats than dogs?", "There are not more cats than dogs.", "no"),
        ("Is the car red? Answer yes or no.", "The car is red.", "yes"),
        ("Is there a cat to the left of the dog?", "There is a dog to the left of the cat.", None),
        ("Are there more cats than dogs?", "There are more dogs than cats.", None),
        ("Is it a dog or a cat?", "It is a dog.", None),
        ("Is the dog not brown?", "The dog is brown.", None),
        ("Is the dog awake?", "The dog is probably awake.", None),
        ("What is it?", "It is.", None),
    ],
)
def test_a_sentence_that_repeats_the_question_is_yes_or_no(question, text, word):
    for gold in ("yes", "no"):
        assert yes_no(Example("1", question, answer=gold), read_any(text, sentences=True)).value == float(
            gold == word
        )


@given(st.text(max_size=60), st.text(max_size=60))
def test_any_question_and_answer_are_judged_without_an_exception(question, answer):
    example = Example("1", question, answer="A", choices=("yes", "no", r"\sqrt{2}"))
    assert same_choice(example, Response(answer, answer=answer)).value in (0.0, 1.0)
    assert yes_no(Example("1", question, answer="yes"), Response(answer, answer=answer)).value in (0.0, 1.0)
