"""Numbers in the digits of other countries, with exponents and with scales, are read as themselves."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seethink.types import Example, Response
from seethink.verify import by_name, relaxed_number, same_answer, same_math, same_number
from seethink.verify.text import read_quantity
from tests.verify.judged import judged

GROUPINGS = (
    (".", ","),
    (" ", ","),
    ("\u202f", ","),
    ("\u00a0", ","),
    ("'", "."),
    ("\u2019", "."),
    ("'", ","),
)
"""(mark between thousands, mark before decimals) of Germany, France, Sweden, Switzerland."""


@given(
    st.integers(1000, 10**12),
    st.integers(0, 9999),
    st.sampled_from(GROUPINGS),
    st.sampled_from(("", "-")),
    st.sampled_from(("", " €", " m", " Meter", " km", "%")),
)
def test_a_grouped_number_is_read_exactly(whole, decimals, marks, sign, unit):
    thousands, point = marks
    written = f"{sign}{whole:,}".replace(",", thousands) + f"{point}{decimals:04}{unit}"
    value = Fraction(f"{sign}{whole}.{decimals:04}")
    read = read_quantity(written)
    assert read is not None and read.value == (value / 100 if unit == "%" else value)
    gold = f"{sign}{whole}.{decimals:04}{unit}"
    for verifier in (same_number, same_answer, relaxed_number):
        assert judged(verifier, gold, written).value == 1.0
    assert judged(same_number, f"{sign}{whole + 1}.{decimals:04}{unit}", written).value == 0.0


@pytest.mark.parametrize(
    ("gold", "answer"), [("1234.5", "1.234,5"), ("1234.5", "1 234,5"), ("1234.5", "1'234.5")]
)
def test_same_math_reads_groups_too(gold, answer):
    assert judged(same_math, gold, answer).value == 1.0
    assert judged(same_math, "1234.6", answer).value == 0.0


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1.000.000", 10**6),
        ("12.345.678", 12_345_678),
        ("12,34,567 m", 1_234_567),
        ("3,5 Meter", Fraction(7, 2)),
        ("0,25 €", Fraction(1, 4)),
        ("€ 2,50", Fraction(5, 2)),
        ("12,5 %", Fraction(1, 8)),
        ("12,5 Prozent", Fraction(1, 8)),
        ("1.234", Fraction(1234, 1000)),  # a single mark before three digits is that of English
        ("1,234", 1234),
        ("1.234 Meter", Fraction(1234, 1000)),
        ("1k", 1000),
        ("1K", 1000),
        ("1.5k", 1500),
        ("-2k", -2000),
        ("2.5M", 2_500_000),
        ("2.5 M", 2_500_000),
        ("2,5 Mio. €", 2_500_000),
        ("$3B", 3 * 10**9),
        ("3bn dollars", 3 * 10**9),
        ("1,2 Mrd. Euro", 1_200_000_000),
        ("1.2T", 12 * 10**11),
        ("1e3", 1000),
        ("1E3", 1000),
        ("1.0e+03", 1000),
        ("2.5e-2", Fraction(1, 40)),
        ("1.5e3 m", 1500),
    ],
)
def test_scales_exponents_and_commas(text, value):
    read = read_quantity(text)
    assert read is not None and read.value == value


@pytest.mark.parametrize(
    "text",
    [
        "3,5",
        "12,34,567",
        "1.23.456",
        "1.234,5,6",
        "1,234.567.8",
        "1 2,5",
        "5e0",
        "1e999",
        "1k2",
        "2.5X",
        "k",
        "1ke3",
        "1.234,5 or 6",
        "1k or 2k",
        "5'6",
        "1''234",
        "1e",
        "e3",
        "0.123.456",
        "1. 234,5",
    ],
)
def test_what_may_be_several_numbers_or_none_is_unread(text):
    assert read_quantity(text) is None


@pytest.mark.parametrize(
    ("gold", "answer", "paid"),
    [
        ("3.5", "3,5", 1.0),  # by same_math, which knows that the gold is a decimal
        ("3", "3,5", 0.0),
        ("5", "3,5", 0.0),
        ("2.5M", "2.5 million", 1.0),
        ("2.5M", "2500000", 1.0),
        ("2.5M", "2.5", 0.0),
        ("12k", "12,000", 1.0),
        ("$12k", "12 thousand dollars", 1.0),
        ("5 m", "5M", 1.0),  # the gold says metres
        ("5 m", "5 k", 0.0),
        ("300 K", "300K", 1.0),
        ("300 K", "300,000", 0.0),
        ("300000", "300 K", 1.0),
        ("1000", "1 kg", 0.0),
        ("1000", "1 km", 0.0),
    ],
)
def test_a_scale_is_no_unit_and_a_unit_no_scale(gold, answer, paid):
    assert judged(same_answer, gold, answer).value == paid


def asked(question: str, gold: str, answer: str) -> float | None:
    return same_answer(Example("1", question, answer=gold), Response(answer, answer=answer)).value


@pytest.mark.parametrize("word", ["drei", "Drei", "trois", "tres"])
def test_small_numbers_in_german_french_and_spanish(word):
    assert judged(same_number, "3", word).value == 1.0
    assert judged(same_number, "3 m", f"{word} Meter").value == 1.0
    assert judged(same_number, "4", word).value == 0.0
    assert judged(same_number, "3", f"{word}?").value == 0.0


def test_words_of_english_are_no_numbers_of_other_languages():
    for word in ("elf", "once", "dos", "null", "uno", "sept", "une", "ein", "drittel", "dreizehn"):
        assert read_quantity(word) is None, word


def test_a_noun_of_the_question_may_be_in_any_latin_script():
    assert asked("Wie viele Würfel sind zu sehen?", "5", "5 Würfel") == 1.0
    assert asked("Wie viele Äpfel liegen da?", "5", "fünf Äpfel") == 1.0
    assert asked("Combien de élèves voyez-vous ?", "5", "5 élèves") == 1.0
    assert asked("Wie viele Äpfel liegen da?", "5", "5 Würfel") == 0.0


@pytest.mark.parametrize(
    ("gold", "answer"),
    [
        ("5 cm", "5 Zentimeter"),
        ("5 km", "5 kilomètres"),
        ("5 hours", "5 Stunden"),
        ("5 days", "5 días"),
        ("5 seconds", "5 segundos"),
        ("30°", "30 Grad"),
        ("5 m^2", "5 Quadratmeter"),
        ("2 kg", "2 Kilogramm"),
        ("5 €", "5 Euro"),
    ],
)
def test_units_have_names_in_german_french_and_spanish(gold, answer):
    assert judged(same_answer, gold, answer).value == 1.0
    assert judged(same_answer, f"1{gold}", answer).value == 0.0


@given(st.text(alphabet="0123456789.,' kKMBTeE-+€$%\u2019abm", max_size=40))
def test_any_text_is_judged(text):
    for name in ("same_number", "relaxed_number"):
        assert judged(by_name(name), "5", text).value in (0.0, 1.0)
