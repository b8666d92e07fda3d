"""Units of measure and nouns behind a number, in all of Unicode's letters; words that change the number."""

from __future__ import annotations

import sys
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from seethink import verify
from seethink.types import Example, Response
from seethink.verify import same_math, same_number, units
from seethink.verify.text import read_quantity
from tests.verify.judged import judged

COMPATIBLE = "".join(c for c in map(chr, range(sys.maxunicode + 1)) if unicodedata.decomposition(c))
"""Every character that Unicode takes for another, or for several."""
CASELESS = "ſıİKÅΩµμςẞŉǰΐ"
"""Characters that are equal to others, or longer, where case is ignored."""
WITHOUT_PROCESS = {
    name: verifier
    for name, verifier in verify.VERIFIERS.items()
    if name not in ("same_math", "same_answer", "auto") and not name.startswith("judge")
}


def asked(question: str, gold: str, answer: str) -> list[float | None]:
    row = Example(id="1", question=question, answer=gold)
    found = Response(text=answer, answer=answer)
    return [verifier(row, found).value for verifier in (same_number, same_math)]


@pytest.mark.parametrize("symbol", ["\u00b5m", "\u03bcm", "㎛", r"\mu\mathrm{m}", r"\ \mu m", "micrometres"])
def test_one_unit_is_read_in_all_its_characters(symbol):
    assert judged(same_number, "5", f"5 {symbol}").value == 1.0
    assert judged(same_math, "0.005 mm", f"5 {symbol}").value == 1.0
    assert judged(same_math, "5 mm", f"5 {symbol}").value == 0.0


@pytest.mark.parametrize(
    ("one", "other"),
    [
        *[
            ("5 Ω", "5 \u2126"),
            ("5 Ω", r"5\,\Omega"),
            ("5 ohm", "5 \u2126"),
            ("5 Å", "5 \u212b"),
            ("5 cm", "5㎝"),
        ],
        *[
            ("5 kg", "5㎏"),
            ("5 l", "5 ℓ"),
            ("5 ml", "5㎖"),
            ("5 km", "5 ㎞"),
            ("5 m²", "5㎡"),
            ("5 cm³", "5㎤"),
        ],
        *[
            ("5 °C", "5℃"),
            ("5 K", "5 \u212a"),
            ("5 cm", "5 ｃｍ"),
            ("5 mm", "5 ㎜"),
            ("5 s", "5 ſ"),
            ("½ m", "0.5 m"),
        ],
        *[("5 m²", "5 m2"), ("5 kHz", "5 ㎑"), ("5 ms", "5㎳"), ("5 μs", "5㎲"), ("5 μg", "5㎍")],
    ],
)
def test_signs_for_units_are_the_units(one, other):
    for gold, answer in ((one, other), (other, one)):
        assert judged(verify.by_name("same_answer"), gold, answer).value == 1.0


def test_no_character_behind_or_before_a_number_raises():
    for c in COMPATIBLE + CASELESS:
        for text in (f"5 {c}", f"5{c}", f"5 {c}m", f"5 m{c}", f"{c}5", f"5 c{c}", f"5 {c}/s"):
            read = read_quantity(text, "5")
            number, unit = units.split(text)
            assert units.ratio(unit, "m") is None or units.ratio(unit, "m")
            assert isinstance(units.is_known(unit), bool) and isinstance(number, str)
            assert read is None or read.in_unit_of(read) == 1


PIECES = st.sampled_from(
    [*CASELESS, *"5½²㎝㎏ℓ℃ ", "5 ", "square ", "cm", "/", "\\mu ", "\\frac{", "}", "{", "每", "个"]
)


@given(st.lists(PIECES | st.sampled_from(COMPATIBLE) | st.text(max_size=3), max_size=12).map("".join))
@example("5 \u00b5m")
@example("5 ſ")
@example("5 mın")
@example("5 İn")
def test_no_verifier_raises_on_any_text(text):
    for verifier in WITHOUT_PROCESS.values():
        for gold, answer in (("5", text), (text, "5 cm"), (text, text)):
            row = Example(id="1", question=f"How many? {text}", answer=gold, choices=("5 cm", "a dog"))
            verifier(row, Response(text=answer, thought=answer or None, answer=answer, n_tokens=1))


@pytest.mark.parametrize(
    ("gold", "answer"),
    [
        ("2 hours 30 minutes", "2 h 30 min"),
        ("2 hours and 30 minutes", "150 minutes"),
        ("2.5 hours", "2 hours, 30 minutes"),
        ("5 ft 6 in", "5'6\""),
        ("66 inches", "5 feet 6 inches"),
        ("15°30'", "15.5°"),
        ("1 h 1 min 1 s", "3661 s"),
        ("60 mph", "60 miles per hour"),
        ("60 km/h", "60 kmph"),
        ("2 mA", "0.002 A"),
        ("5 GHz", "5 gigahertz"),
        ("25 cents", "25¢"),
    ],
)
def test_a_measure_in_two_units_is_one(gold, answer):
    for one, other in ((gold, answer), (answer, gold)):
        assert judged(verify.by_name("same_answer"), one, other).value == 1.0


@given(st.integers(0, 99), st.integers(0, 59), st.integers(0, 99), st.integers(0, 59))
def test_hours_and_minutes_are_equal_only_to_as_many(h, m, other_h, other_m):
    same = 60 * h + m == 60 * other_h + other_m
    score = judged(same_number, f"{h} h {m} min", f"{other_h} hours {other_m} minutes")
    assert score.value == float(same)


@pytest.mark.parametrize(
    "text", ["30 minutes 2 hours", "2 hours 90 minutes", "2 hours 30 metres", "2 cats 3 dogs"]
)
def test_what_is_no_measure_in_two_units_stays(text):
    assert units.merged(text) == text


CHANGES = (
    "zillion myriad roots powers multiples quintets zeros reciprocals factorials "
    "squared cubed tenths hundredths thousandths factorial pairs K M B couples dozens dozen lakh "
    "crore gross tens twos fifths twelfths twentieths halves percent permille million millions fold "
    "tenfold doubled inverted reciprocal negated less each th mod trios bn thousands root power "
    "twins scores apple frobnicated billionths sixteenths "
    "的平方 的倒数 成 的立方 平方 次方 的相反数 倍 折 打 双 对 番 开方 的阶乘 的一半 "
    "个百分点 苹果 位数 进制 "
)


@pytest.mark.parametrize(
    "answer", [f"5 {word}" if word.isascii() else f"5{word}" for word in CHANGES.split()]
)
def test_a_word_that_may_change_the_number_is_no_unit(answer):
    assert judged(same_number, "5", answer).value == 0.0
    assert judged(same_math, "5", answer).value in (0.0, None)
    assert judged(verify.by_name("same_answer"), "5", answer).value == 0.0


def test_what_is_not_read_is_not_found_wrong():
    """Another verifier goes on with it."""
    for answer in ("5 squared", "5 factorial", "5 pairs", "5的平方"):
        score = judged(same_number, "25", answer)
        assert (score.value, score.unread) == (0.0, True)


@pytest.mark.parametrize(
    ("question", "gold", "answer"),
    [
        *[
            ("How many apples are there?", "5", "5 apples"),
            ("How many real roots?", "2", "2 roots"),
            ("How many are left?", "2", "2 left"),
            ("How many?", "2", "2 total"),
            ("How many pairs are there?", "5", "5 pairs"),
        ],
        *[("What is it in K?", "300", "300 K"), ("What is it?", "300 K", "300.0 K"), ("?", "300 K", "300")],
        *[("Temperature in kelvin?", "300", "300 K"), ("?", "5 pairs", "5 pairs."), ("?", "5 pairs", "5")],
        *[("有多少苹果?", "5", "5苹果"), ("?", "5", "5个苹果"), ("?", "5", "5只"), ("?", "5", "5个正方形")],
        *[("?", "5", "5 apples"), ("?", "1", "1 apple"), ("?", "5", "5 children"), ("?", "5", "5 months")],
        *[("How much fruit?", "5", "5 fruit"), ("How many boxes?", "5", "5 box"), ("?", "5", "5 squares")],
    ],
)
def test_the_noun_that_is_counted_is_no_change(question, gold, answer):
    assert asked(question, gold, answer)[0] == 1.0


def test_a_word_of_the_question_that_changes_the_number_stays_one():
    for word in ("squared", "tenths", "million", "factorial"):
        assert asked(f"What is it {word}?", "5", f"5 {word}")[0] == 0.0
    assert asked("How many, in M?", "5", "5 M")[0] == 0.0
