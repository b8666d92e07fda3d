"""Published rewards with the defects that their numbers rest on, each beside the form without it."""

from __future__ import annotations

import importlib
import inspect
import json
from dataclasses import replace

import pytest

from seethink import systems
from seethink.formats import THINK_ANSWER
from seethink.identity import of_verifier
from seethink.systems.r1_onevision import rewards as r1_onevision
from seethink.systems.vlm_r1 import rewards as vlm_r1
from seethink.types import Example, InputError, Response
from seethink.verify import VERIFIERS, published_parts
from seethink.verify.published_parts import likeliest_letter

HEN = {"bbox_2d": [0, 0, 100, 100], "label": "hen"}


def paid(name: str, gold: str, text: str, n_tokens: int = 0) -> float | None:
    return systems.verifier(name)(
        Example(id="1", question="?", answer=gold), Response(text=text, n_tokens=n_tokens)
    ).value


def mended(name: str, gold: str, text: str, choices: tuple[str, ...] = ()) -> float | None:
    """By the verifier of the same name without the defect, answer read by the format."""
    example = Example(id="1", question="?", answer=gold, choices=choices)
    counterpart = name.partition("@")[0].replace("geoqa_eval", "same_math")
    return VERIFIERS[counterpart](example, THINK_ANSWER.parse(text)).value


def tagged(answer: str, thought: str = "x") -> str:
    return f"<think>{thought}</think><answer>{answer}</answer>"


def fenced(*rows: object) -> str:
    return tagged(f"```json\n{json.dumps(rows)}\n```")


DEFECTS = [
    (
        "same_math@r1_v",
        "5",
        "<think>4 is wrong</think> maybe $5$ or so",
        1.0,
        "the whole completion is parsed",
    ),
    (
        "geoqa_eval@r1v",
        "5",
        "<think>4 is wrong</think> maybe $5$ or so",
        1.0,
        "the whole completion is parsed",
    ),
    ("geoqa_eval@r1v", "red", tagged("red"), 0.0, "no text is compared"),
    ("geoqa_eval@r1v", "10√{2}", tagged("10", "is it 10."), 1.0, "a root as a character is not read"),
    ("geoqa_eval@r1v", "√{5}", tagged("√5"), 0.0, "nor is it in the answer"),
    ("same_math@r1_v", "red", tagged("\nred\n"), 0.0, "an answer of several lines has no tag"),
    ("same_math@open_r1_multimodal", "5", tagged("4", thought="$5$") + " $5$", 1.0, "beside the answer"),
    ("well_formed@open_r1_multimodal", "", tagged("5", thought="a\nb"), 0.0, "a thought of two lines"),
    ("well_formed@open_r1_multimodal", "", tagged("5") + " and 6", 1.0, "what follows is free"),
    ("well_formed@open_r1_video", "", tagged("5") + tagged("6"), 1.0, "what follows is free"),
    ("well_formed@vlm_r1", "", tagged("5") + tagged("6"), 1.0, "a lazy dot passes over tags"),
    ("well_formed_box@vlm_r1", "", "x " + tagged("so {} {[1, 2, 3, 4]}") + " y", 1.0, "the form is searched"),
    ("same_choice@open_r1_video", "A", tagged("A person pours it"), 1.0, "the first character"),
    ("same_choice@open_r1_video", "B", tagged("(B)"), 0.0, "a bracket is the first character"),
    ("same_choice@r1_onevision", "A", tagged("We should pick a value; the dog is at D"), 1.0, "the article"),
    ("same_choice@r1_onevision", "E", tagged("E"), 0.0, "letters end at D"),
    ("same_choice@vlm_r1", "B", tagged("(B)"), 0.0, "a letter before a bracket is not seen"),
    ("same_choice@vlm_r1", "B", tagged("B dog"), 0.0, "a letter before a blank is not seen"),
    ("same_choice@visual_thinker", "B", tagged("(A) or (B)"), 1.0, "of several letters the last"),
    ("yes_no@vlm_r1", "no", tagged("I know"), 1.0, "letters inside a word"),
    ("yes_no@vlm_r1", "maybe", tagged("blue"), 1.0, "two texts that hold neither are equal"),
    ("same_answer@r1_onevision", "B", tagged("C"), 0.0, "a lone letter is compared by edits"),
    ("same_answer@r1_onevision", "a red cube", tagged("a red ball"), 0.7, "wrong text earns its ratio"),
    ("same_answer@vlm_r1", "a red cube", tagged("a red ball"), 0.7, "wrong text earns its ratio"),
    ("same_answer@vlm_r1", "1984 AD", tagged("1985 AD"), 6 / 7, "a wrong year earns its ratio"),
    ("same_answer@vlm_r1", "5", tagged("4") + tagged("5"), 1.0, "of several tags the last"),
    ("boxes@vlm_r1", "None", tagged("I see nothing clearly"), 1.0, "broken text is an empty list"),
    (
        "boxes@vlm_r1",
        json.dumps([HEN]),
        fenced(HEN, {**HEN, "label": "thing"}),
        1.0,
        "unknown labels are free",
    ),
    ("boxes@vlm_r1", json.dumps([HEN]), fenced(HEN, HEN, HEN), 1.0, "late boxes are free"),
    ("boxes_length@vlm_r1", json.dumps([HEN]), fenced(HEN, HEN, HEN), 1 / 3, "but for their number"),
    ("boxes_weighted@vlm_r1", json.dumps([HEN]), fenced({**HEN, "label": "cat"}), 0.3, "wrong, but complete"),
    (
        "boxes_weighted@vlm_r1",
        json.dumps([HEN]),
        fenced({**HEN, "label": "cat"}, HEN),
        0.225,
        "takes the pair",
    ),
    ("box_iou@vlm_r1", "[0, 0, 9, 9]", tagged("[0.0, 0, 9, 9]"), 0.0, "integers alone"),
    ("box_iou@vlm_r1", "[0, 0, 9, 9]", tagged("[0, 0, 9, 9] or [1, 1, 2, 2]"), 1.0, "of several the first"),
    ("box_iou@vlm_r1", "[0, 0, 9, 9]", tagged("[8, 0, 99, 9]"), 0.0, "an overlap of one pixel is none"),
    ("same_math@vlm_r1", "5", "so " + tagged("4") + tagged("5."), 1.0, "of several tags the last"),
    ("repetition@vlm_r1", "", "ha" * 1000, 1.0, "text without blanks never repeats"),
]


@pytest.mark.parametrize(
    ("name", "gold", "text", "value", "why"), DEFECTS, ids=[f"{d[0]}: {d[4]}" for d in DEFECTS]
)
def test_a_published_reward_keeps_its_defect(name, gold, text, value, why):
    assert paid(name, gold, text) == pytest.approx(value)


@pytest.mark.parametrize(
    ("name", "gold", "text"),
    [
        d[:3]
        for d in DEFECTS
        if d[3] == 1.0 and not d[0].startswith(("well_formed_box", "repetition")) and d[1] != "maybe"
    ],
)
def test_the_verifier_of_the_same_name_does_not_pay_for_it(name, gold, text):
    value = mended(name, gold, text)
    assert value is not None and value <= 0.5


def test_a_gold_that_is_neither_yes_nor_no_cannot_be_judged():
    assert paid("yes_no@vlm_r1", "maybe", tagged("blue")) == 1.0
    assert mended("yes_no@vlm_r1", "maybe", tagged("blue")) is None


@pytest.mark.parametrize(
    "name", ["insight_v", "llamav_o1", "open_r1_multimodal", "open_r1_video", "r1_onevision", "r1_vision"]
)
@pytest.mark.parametrize(
    ("answer", "value"), [("B", 1.0), ("blue", 1.0), ("(B) blue", 1.0), ("A", 0.0), ("red", 0.0)]
)
def test_a_recipe_that_learns_from_exams_is_paid_for_options(name: str, answer: str, value: float) -> None:
    reward = importlib.import_module(f"seethink.systems.{name}.recipe").REWARD
    asked = Example("1", "Which colour?", answer="B", choices=("red", "blue"))
    given = Response(text=answer, answer=answer, n_tokens=1)
    assert reward(asked, given).parts["correct"].value == value
    assert (
        reward(replace(asked, choices=(), answer="7"), replace(given, answer="7")).parts["correct"].value == 1
    )


@pytest.mark.parametrize(("n_tokens", "value"), [(1, 1.0), (1024, 0.5), (2048, 1.0)])
def test_the_published_cosine_pays_wrong_answers_and_comes_back(n_tokens, value):
    assert paid("length_cosine@vlm_r1", "5", tagged("4"), n_tokens) == pytest.approx(value, abs=1e-5)


def test_letters_are_guessed_from_the_words_around_their_first_occurrence():
    text = "We should pick a value; the dog is at D"
    assert likeliest_letter(text, r1_onevision.LETTERS) == "A"
    assert likeliest_letter("The answer is B.", vlm_r1.LETTERS) == "B"
    assert likeliest_letter("A. is wrong, it must be C.", vlm_r1.LETTERS) == "C"
    assert likeliest_letter("(B)", vlm_r1.LETTERS) is None


@pytest.mark.parametrize(
    ("text", "same"),
    [
        (r"\dfrac 12", r"\frac{1}{2}"),
        ("1/2", r"\frac{1}{2}"),
        (".5", "0.5"),
        ("x = 7", "7"),
        (r"\sqrt3", r"\sqrt{3}"),
        (r"30^\circ", "30"),
        (r"12\text{ cm}", "12"),
        (r"\left( 1, 2 \right)", "(1,2)"),
    ],
)
def test_hendrycks_spelling(text, same):
    assert vlm_r1._normalised(text) == vlm_r1._normalised(same)


@pytest.mark.parametrize(("one", "other"), [("1/2", "1/3"), ("x + 1 = 7", "7"), ("0.51", "1/2"), ("a", "b")])
def test_hendrycks_spelling_keeps_apart_what_is_different(one, other):
    assert vlm_r1._normalised(one) != vlm_r1._normalised(other)


def test_vlm_r1s_mathematics_has_three_chances():
    assert paid("same_math@vlm_r1", "X", tagged("x")) == 1.0, "lower case makes one letter of two"
    assert paid("same_math@vlm_r1", "1/2", tagged("0.50")) == 1.0
    assert paid("same_math@vlm_r1", r"(a,b)\text{ units}", r"so \boxed{(a, b)}") == 1.0
    assert paid("same_math@vlm_r1", "7", tagged("8")) == 0.0


def test_the_last_box_counts_with_its_braces():
    assert vlm_r1._last_boxed(r"\boxed{1} then \boxed{\frac{1}{2}} it is") == r"\frac{1}{2}"
    assert vlm_r1._last_boxed("none") == "none" and vlm_r1._last_boxed(r"\boxed{1") == r"\boxed{1"


def test_precision_is_cocos():
    """Two gold boxes; right, wrong, right: precision 1 up to recall 0.5, then 2/3: (51 + 50 * 2/3) / 101."""
    gold = [HEN, {**HEN, "bbox_2d": [200, 0, 300, 100]}]
    predicted = [gold[0], {**HEN, "bbox_2d": [500, 0, 600, 100]}, gold[1]]
    assert paid("ap50@vlm_r1", json.dumps(gold), fenced(*predicted)) == pytest.approx((51 + 50 * 2 / 3) / 101)
    assert paid("boxes@vlm_r1", json.dumps(gold), fenced(gold[0])) == pytest.approx(51 / 101)
    assert paid("ap50@vlm_r1", json.dumps(gold), "no tag") == 0.0


def test_honest_answers_earn_what_they_earned():
    assert paid("same_math@r1_v", "5", tagged("5")) == paid("same_number@r1_v", "5", tagged(" 5 ")) == 1.0
    assert paid("same_number@r1_v", "5", tagged("5 cubes")) == 0.0
    assert paid("same_answer@vlm_r1", "B.", tagged("The answer is B.")) == 1.0
    assert paid("same_text@vlm_r1", "No Defect", tagged("no defect.")) == 1.0
    assert paid("same_choice@visual_thinker", "B", tagged("(B) left")) == 1.0
    assert paid("box_iou@vlm_r1", "[0, 0, 100, 100]", tagged("[0, 0, 100, 50]")) == pytest.approx(0.5)
    assert paid("repetition@vlm_r1", "", "a b c d e f " * 3) == pytest.approx(6 / 13)
    assert paid("per_token@visual_thinker", "", "x", 350) == pytest.approx(0.35)


def test_published_forms_are_found_by_name_and_told_apart_from_the_mended():
    boxes = systems.verifier("boxes@vlm_r1")
    assert boxes is systems.verifier("boxes@VLM-R1") is systems.rewards()["vlm_r1"]["boxes"]
    assert of_verifier(boxes) != of_verifier(systems.verifier("boxes"))
    with pytest.raises(InputError, match="unknown reward of r1v: 'boxes'; known: same_math, same_number"):
        systems.verifier("boxes@r1_v")
    with pytest.raises(InputError, match="unknown system with published rewards 'sprout'"):
        systems.verifier("boxes@sprout")


def test_the_identity_of_a_published_reward_covers_the_shared_code_it_uses(monkeypatch):
    before = {name: of_verifier(systems.verifier(name)) for name in ("yes_no@vlm_r1", "same_math@r1_v")}
    source = inspect.getsource
    monkeypatch.setattr(
        inspect, "getsource", lambda thing: source(thing) + ("# edited" if thing is published_parts else "")
    )
    for name, identity in before.items():
        assert of_verifier(systems.verifier(name)) != identity


@pytest.mark.parametrize("system", systems.rewards())
def test_every_published_form_has_a_form_without_its_defects(system):
    """The evaluation's is `same_math`, which is the name of R1-V's reward."""
    names = {name.removesuffix("_box").removesuffix("_list") for name in systems.rewards()[system]}
    assert names - {"geoqa_eval"} <= VERIFIERS.keys()
