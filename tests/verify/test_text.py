from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from seethink.types import Example, Response
from seethink.verify import VERIFIERS, any_of_texts, by_name, same_number, same_text, text_ratio
from seethink.verify.text import Quantity, read_quantity


def judged(verifier, gold, answer):
    return verifier(Example(id="1", question="?", answer=gold), Response(text="", answer=answer))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5", 5),
        (" 5 ", 5),
        ("5.", 5),
        ("$5$", 5),
        ("+5", 5),
        ("-5", -5),
        ("\u22125", -5),
        ("007", 7),
        ("5.0", 5),
        (".5", Fraction(1, 2)),
        ("1,234,567.5", Fraction(2469135, 2)),
        ("6/8", Fraction(3, 4)),
        ("50%", Fraction(1, 2)),
        ("50 percent", Fraction(1, 2)),
    ],
)
def test_a_number_is_read_exactly(text, value):
    assert read_quantity(text) == Quantity(Fraction(value))


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("$5", "$"),
        ("5 €", "€"),
        ("5 cm", "cm"),
        ("5cm", "cm"),
        ("5 digits", "digits"),
        ("45°", "°"),
        ("5 m²", "m²"),
        ("5 KM.", "km"),
    ],
)
def test_a_unit_is_read_beside_its_number(text, unit):
    read = read_quantity(text)
    assert read is not None and read.unit == unit


@given(st.integers(min_value=-(10**15), max_value=10**15))
def test_an_integer_is_read_with_and_without_separators(number):
    assert read_quantity(str(number)) == read_quantity(f"{number:,}") == Quantity(Fraction(number))


@given(st.decimals(min_value=-(10**9), max_value=10**9, places=6))
def test_a_decimal_is_read_without_rounding(number):
    assert read_quantity(f"{number:f}") == Quantity(Fraction(number))


@given(st.text())
def test_any_text_is_judged_without_an_exception(text):
    for verifier in (same_number, same_text):
        assert judged(verifier, "5", text).value in (0.0, 1.0)
        assert judged(verifier, text, "5").value in (0.0, 1.0, None)


@given(st.integers(0, 99), st.integers(0, 99), st.sampled_from([" ", " or ", ", ", " and ", "; ", "\n", "|"]))
def test_two_numbers_are_not_one(first, second, between):
    assert read_quantity(f"{first}{between}{second}") is None


@pytest.mark.parametrize("unit", ["", " m", " meters", "m"])
def test_a_unit_may_be_missing_on_either_side(unit):
    assert judged(same_number, "5", "5" + unit).value == 1.0
    assert judged(same_number, "5" + unit, "5").value == 1.0


def test_two_units_must_agree():
    assert judged(same_number, "5 m", "5 M").value == 1.0
    assert judged(same_number, "5 m", "5 km").value == 0.0


def test_the_verdict_tells_what_was_read():
    assert judged(same_number, "5", "4").why == "read '4', the gold is '5'"
    assert judged(same_number, "5", "4 or 5").why == "read '4 or 5', which is not one number"


@pytest.mark.parametrize("verifier", [same_number, same_text])
def test_without_a_gold_nothing_can_be_judged(verifier):
    assert judged(verifier, None, "5").value is None


@pytest.mark.parametrize("verifier", [same_number, same_text])
def test_an_unread_answer_earns_nothing(verifier):
    score = judged(verifier, "5", None)
    assert (score.value, score.why) == (0.0, "no answer could be read")


@pytest.mark.parametrize("gold", ["odd by 3", "", "1 2", "1e555", "3,5"])
def test_a_gold_that_is_not_a_number_cannot_be_judged_as_one(gold):
    assert judged(same_number, gold, "3").value is None


@pytest.mark.parametrize("answer", ["odd by 3", "Odd  by 3.", " ODD\nBY 3!", '"odd by 3"', "**odd by 3**"])
def test_the_same_text_may_differ_in_case_space_and_wrapping(answer):
    assert judged(same_text, "odd by 3", answer).value == 1.0


@pytest.mark.parametrize(
    ("gold", "answer"),
    [("-5", "5"), (".5", "5"), ("50%", "50"), ("odd by 3", "odd by 3 or 4"), ("odd", "od d"), ("odd", "")],
)
def test_signs_and_inner_marks_are_part_of_the_text(gold, answer):
    assert judged(same_text, gold, answer).value == 0.0


def test_a_gold_of_punctuation_alone_is_earned_letter_by_letter_or_not_judged():
    assert judged(same_text, "?!", "?!").value == 1.0
    assert judged(same_text, "?!", "!?").value is None


EQUALITIES = ("same_number", "same_text", "same_math", "same_answer", "auto")


@pytest.mark.parametrize("name", EQUALITIES)
@example("12:00")
@example("1,2,3")
@example("x = 4 = 5")
@given(st.text(min_size=1).filter(str.strip))
def test_an_answer_equal_to_the_gold_earns_1(name, text):
    assert judged(by_name(name), text, text).value == judged(by_name(name), text, f" {text}\n").value == 1.0


def test_nothing_equals_a_blank_gold():
    for name in EQUALITIES:
        assert judged(by_name(name), " ", " ").value is None


@pytest.mark.parametrize(
    ("gold", "answer"),
    [("5 m", "5 meters"), ("5 cm", "5 centimetres"), ("5 cubes", "5 cube"), ("45°", "45 degrees")],
)
def test_one_unit_has_several_names(gold, answer):
    assert judged(same_number, gold, answer).value == judged(same_number, answer, gold).value == 1.0


def test_a_text_earns_its_share_of_the_gold_from_a_half_on():
    assert judged(text_ratio, "red cube", "Red cube.").value == 1.0
    assert judged(text_ratio, "red cube", "red cubes").value == pytest.approx(8 / 9)
    assert judged(text_ratio, "red cube", "blue ball").value == 0.0
    assert judged(text_ratio, "1985", "1984").value == 0.0
    assert judged(text_ratio, "...", "x").value is None


@given(st.text(max_size=30), st.text(max_size=30))
def test_a_share_of_text_is_none_or_zero_or_at_least_a_half(gold, answer):
    value = judged(text_ratio, gold, answer).value
    assert value is None or value == 0 or 0.5 <= value <= 1
    assert (judged(same_text, gold, answer).value == 1.0) <= (value == 1.0)


@pytest.mark.parametrize(
    ("gold", "answer", "value"),
    [
        ('["sofa", "couch"]', "Couch.", 1.0),
        ("couch", "couch", 1.0),
        ('["sofa", "couch"]', "sofa couch", 0.0),
        ('["sofa", "couch"]', "sofa or couch", 0.0),
        ('["sofa", "couch"]', '["sofa", "couch"]', 0.0),
        ("['24/7', '3.429']", "3.429", 1.0),
        ("['24/7', '3.429']", r"\frac{24}{7}", 1.0),
        ("['24/7', '3.429']", "3.4", 0.0),
        ('["$1,234", "1234"]', "1,234", 1.0),
        ("['1/8/93']", "1/8/93", 1.0),
        ('["it\'s", "is"]', "is", 1.0),
        ("['CENTRE']", "centre", 1.0),
        ('["", "?"]', "sofa", None),
        ('["", "sofa"]', "", 0.0),
        ("[2, 3]", "2", 0.0),
        ("[2, 3]", "[2, 3]", 1.0),
    ],
)
def test_any_text_of_a_list_is_right(gold, answer, value):
    assert judged(any_of_texts, gold, answer).value == value


GOLDS = ("5", "yes", "B", "a red cube", "[10, 20, 110, 220]", "B, A, C", "None", "", "3 PM", "?!")


@pytest.mark.parametrize("gold", GOLDS)
@pytest.mark.parametrize("name", VERIFIERS)
def test_a_gold_can_be_judged_or_not_whatever_the_answer_is(name, gold):
    """Else two models are compared over different examples."""
    question = Example(id="1", question="?", answer=gold)
    unanswered, answered = (
        by_name(name)(question, Response(text="I do not know", answer=answer, n_tokens=4))
        for answer in (None, "an unheard-of answer")
    )
    assert (unanswered.value is None) == (answered.value is None), (unanswered, answered)


@pytest.mark.parametrize(
    ("gold", "answer", "value"),
    [
        ("0", "None", 1.0),
        ("0", "no", 1.0),
        ("0", "none of the above", 0.0),
        ("3", "none", 0.0),
        ("1", "Only one", 1.0),
        ("1", "Only two", 0.0),
    ],
)
def test_none_is_nothing_of_how_many(gold, answer, value):
    question = Example(id="1", question="How many apples are there?", answer=gold)
    assert same_number(question, Response(text="", answer=answer)).value == value
    assert judged(same_number, "0", "none").value == 0.0
