"""Numbers in words: every whole number, decimal and fraction that is written out is read as itself."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seethink.verify.number_words import in_digits
from seethink.verify.text import read_quantity

ONES = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
TENS = ["zero", "ten", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
SCALES = ((10**9, "billion"), (10**6, "million"), (1000, "thousand"), (100, "hundred"))
CHINESE = "零一二三四五六七八九"


def english(n: int, and_: str, hyphen: str) -> str:
    for scale, name in SCALES:
        if n >= scale:
            rest = n % scale
            joined = (and_ if rest < 100 else " ") + english(rest, and_, hyphen) if rest else ""
            return f"{english(n // scale, and_, hyphen)} {name}{joined}"
    return ONES[n] if n < 20 else TENS[n // 10] + (hyphen + ONES[n % 10] if n % 10 else "")


def chinese(n: int) -> str:
    for scale, name in ((10**8, "亿"), (10**4, "万"), (1000, "千"), (100, "百"), (10, "十")):
        if n >= scale:
            rest = n % scale
            zero = "零" if rest and rest < scale // 10 else ""
            return f"{chinese(n // scale)}{name}{zero}{chinese(rest) if rest else ''}"
    return CHINESE[n]


@given(st.integers(0, 10**12 - 1), st.sampled_from((" ", " and ")), st.sampled_from((" ", "-")))
def test_every_english_number_is_read(n, and_, hyphen):
    for text in (english(n, and_, hyphen), english(n, and_, hyphen).title()):
        quantity = read_quantity(text) if len(text) <= 64 else None
        assert in_digits(text) == str(n) if len(text) <= 120 else in_digits(text) is None
        assert quantity is None or quantity.value == n


@given(st.integers(0, 10**12 - 1))
def test_every_chinese_number_is_read(n):
    assert in_digits(chinese(n)) == str(n)
    assert read_quantity(chinese(n) + "个").value == n


@given(st.integers(0, 9999), st.integers(2, 9999))
def test_chinese_fractions_and_percents_are_read(above, below):
    assert read_quantity(f"{chinese(below)}分之{chinese(above)}").value == Fraction(above, below)
    assert read_quantity(f"百分之{chinese(above)}").value == Fraction(above, 100)


@pytest.mark.parametrize(
    ("text", "digits"),
    [
        ("two thirds", "2/3"),
        ("a quarter", "0.25"),
        ("minus one half", "-0.5"),
        ("two and three quarters", "2.75"),
        ("three point one four", "3.14"),
        ("2.5 million dollars", "2500000 dollars"),
        ("$3 billion", "$3000000000"),
        ("Twelve (12) cubes", "12 cubes"),
        ("a dozen eggs", "12 eggs"),
        ("nineteen hundred", "1900"),
        ("二又三分之一", "7/3"),
        ("负零点零五", "-0.05"),
        ("一百二", "120"),
        ("两万五千元", "25000元"),
        ("二〇二四", "2024"),
        ("一个半", "1.5"),
        ("１２（十二）", "12"),
    ],
)
def test_words_become_digits(text, digits):
    assert in_digits(text) == digits


@pytest.mark.parametrize(
    "text",
    [
        "",
        "12",
        "12 cubes",
        "one two",
        "twenty twenty",
        "twenty-first",
        "twenty second",
        "two and three",
        "a",
        "a dog",
        "hundred",
        "third",
        "two third",
        "someone",
        "zero one",
        "thousand",
        "12 (thirteen)",
        "(12)",
        "两三个",
        "十几",
        "一样",
        "一些",
        "第三",
        "万",
        "百",
        "二十多",
        "三分之",
        "零分之一",
        "百分之.",
        "百分之1.",
        "百分之.5",
    ],
)
def test_what_is_not_one_number_in_words_is_left(text):
    assert in_digits(text) is None


@given(
    st.lists(
        st.sampled_from(
            [
                *"onetwhudralfy -,.0159()一二十百千万亿点两半个负零又$",
                "百分之",
                "分之",
                "twenty",
                " hundred",
                " and ",
            ]
        ),
        max_size=40,
    ).map("".join)
)
def test_any_text_is_read_or_left(text):
    assert in_digits(text) != ""
    read_quantity(text)
