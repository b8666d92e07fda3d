"""One number or formula in many spellings, as people, models and data sets write it."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seethink import verify
from seethink.markup import boxed
from seethink.verify import same_math, same_number, same_text, units
from seethink.verify.spelling import formula, spans, unwrapped
from seethink.verify.text import read_quantity
from tests.verify.judged import judged

CHAIN = verify.first_of(same_number, same_math, same_text)

SPELLINGS = {
    "sin 30°": r"1/2 ¦ \sin 30^\circ ¦ sin(30°) ¦ 0.5",
    "log_2 8": r"3 ¦ \log_2 8",
    "√2": r"\sqrt2 ¦ 2^{1/2}",
    "∛8": r"2 ¦ \sqrt[3]{8} ¦ \sqrt[3]8",
    "￥20": "20元 ¦ ¥20",
    "12m": "AC = 5 m + 7 m = 12 m ¦ 5m + 7m",
    "32349": r"32,\! 349 ¦ 32{, }349 ¦ 32 {,}349",
    "0.5": r"\frac{1}{2} ¦ \dfrac{1}{2} ¦ \tfrac12 ¦ 1/2 ¦ ½ ¦ 50% ¦ 50\% ¦ .5 ¦ 0,5 ¦ 5e-1",
    "12": (
        r"x = 12 ¦ 12\text{ cm} ¦ \(12\) ¦ $$12$$ ¦ **12** ¦ \boxed{12} ¦ \mathbf{12} ¦ "
        r"12. ¦ `12` ¦ 12 cm ¦ 12cm ¦ 12 cm² ¦ 12\,\mathrm{cm}^2 ¦ 12 kg ¦ $12 ¦ \$12 ¦ "
        "£12 ¦ 12 € ¦ 12 dollars ¦ 12个 ¦ 12厘米 ¦ １２ ¦ 3×4 ¦ 24÷2 ¦ 12 square units ¦ "
        r"\text{Area} = 12 ¦ AB=12. ¦ \[ 12 \]"
    ),
    "3/5": r"\frac{3}{5} ¦ 0.6 ¦ 60% ¦ 6/10 ¦ 3∕5",
    "60°": (
        r"60^\circ ¦ 60^{\circ} ¦ 60 degrees ¦ 60 ¦ \angle A = 60^\circ ¦ 60度 ¦ 60\degree ¦ "
        "60º"
    ),
    "1234": r"1{,}234 ¦ 1,234 ¦ 1\,234 ¦ 1 234 ¦ 1,\!234",
    "50%": r"50\% ¦ 50 percent ¦ 0.5 ¦ 1/2 ¦ 50 pct ¦ ５０％",
    "5": r"\sqrt{25} ¦ √25 ¦ sqrt(25) ¦ 25^(1/2) ¦ \left(5\right)",
    "-12": r"−12 ¦ －12 ¦ -12.0 ¦ –12 ¦ \(-12\) ¦ x = −12",
    "1200": r"1.2e3 ¦ 1.2\times10^3 ¦ 1.2 × 10³ ¦ 1.2 x 10^3 ¦ 1.2*10^{3}",
    "1.5": r"1 1/2 ¦ 1½ ¦ 1\frac{1}{2} ¦ 1\frac12 ¦ 3/2",
    "2√3": r"2\sqrt{3} ¦ 2sqrt(3) ¦ 2*sqrt(3) ¦ 2 √3 ¦ √12 ¦ 2\sqrt3 ¦ 2根号3 ¦ 2√{3} ¦ 2√(3)",
    "√{x}": r"\sqrt{x} ¦ √x ¦ x^{1/2} ¦ sqrt(x)",
    "9πcm^{2}": r"9\pi ¦ 9π cm² ¦ 9\pi\text{ cm}^2 ¦ 9pi ¦ 9π平方厘米 ¦ 9 \pi",
    "6米": "6 ¦ 6 m ¦ 6 meters ¦ 600 cm ¦ 6m ¦ 0.006 km",
    "5cm^2^": "5 ¦ 5 cm² ¦ 5 square centimeters ¦ 5 sq cm ¦ 500 mm^2",
    "7√2海里": r"7\sqrt{2} ¦ 7\sqrt{2} nautical miles",
    r"\frac{40}{7}米": r"40/7 ¦ \frac{40}{7} \text{ m} ¦ 5.714285714",
    r"\frac{√{3}}{2}": r"\frac{\sqrt{3}}{2} ¦ √3/2 ¦ sqrt(3)/2",
    "5千克": "5 kg ¦ 5000 g ¦ 5公斤 ¦ 5",
    "3分": "3 minutes ¦ 180 s ¦ 3 min ¦ 3分钟",
    "20元": "20 yuan ¦ 20 ¦ ¥20",
    "18 km/h": "5 m/s ¦ 18千米/时 ¦ 18 kilometers per hour",
    "20 °C": "20 degrees Celsius ¦ 20℃ ¦ 20度",
    "1/3": "0.333333 ¦ 0.3333333333333333",
    "x^2-1": "y=(x-1)(x+1) ¦ x²−1 ¦ (x+1)(x-1) ¦ x**2 - 1",
    "1,2": r"x=1 or x=2 ¦ \{1, 2\} ¦ \boxed{1}, \boxed{2} ¦ \boxed{1} \boxed{2} ¦ 1、2",
    "(3, π/2)": r"\left(3, \frac{\pi}{2}\right) ¦ (3,0.5π)",
    "x ≤ 3": r"x \le 3 ¦ x\leq 3 ¦ x <= 3",
    "2": "6-4=2 ¦ EC = DE = 6 - 4 = 2 cm ¦ x_1 = 2 ¦ x1 = 2 ¦ 2r/r = 4/2 = 2",
    "12 cm²": "Area = 1/2 * b * h = 1/2 * 6 * 4 = 12 cm² ¦ S = 3 · 4 = 12",
    "3.46": r"AB = 2\sqrt{3} \approx 3.46 ¦ 2√3 ≈ 3.46",
    "10/3": r"x = 10/3 = 3.33 ¦ \frac{10}{3} \approx 3.3",
    "red": r"\text{red} ¦ **Red** ¦ $red$ ¦ `red`.",
    "3:2": r"3 : 2 ¦ \(3:2\) ¦ 6:4",
    "120": r"the angle is $120^\circ$ ¦ Therefore the measure is \boxed{120}. ¦ angle 1 = 120",
}
"""{gold: answers, with ¦ between them}."""


def pairs(listed: dict[str, str]) -> list[tuple[str, str]]:
    return [(gold, answer) for gold, answers in listed.items() for answer in answers.split(" ¦ ")]


@pytest.mark.parametrize(
    ("gold", "answer"), [*pairs(SPELLINGS), ("1234", "1\u2009234"), ("1234", "1\u202f234")]
)
def test_one_value_is_paid_in_every_spelling(gold, answer):
    score = judged(CHAIN, gold, answer)
    assert score.value == 1.0, score.why
    assert judged(verify.by_name("auto"), gold, answer).value == 1.0


OTHERS = {
    "12": (
        "12 or 13 ¦ 1 2 ¦ 12, 13 ¦ [12, 13] ¦ (12, 13) ¦ not 12 ¦ 1,2 ¦ 12x ¦ x > 12 ¦ "
        "12 < x ¦ x ≠ 12 ¦ 12 dozen ¦ 12万 ¦ 12不是 ¦ 12或13 ¦ 3 cm = 12 cm ¦ 12 to 13 ¦ "
        r"12-13 ¦ between 11 and 12 ¦ 24x = 12 ¦ 1\!2 ¦ \boxed{1}\boxed{2} ¦ $1$$2$ ¦ "
        r"it is not \boxed{12} ¦ it is $12$ or $13$ ¦ 12 and $13$ ¦ 12%"
    ),
    "5": (
        "4=5 ¦ x = 4 = 5 ¦ 5 = 5 = 6 ¦ 12x = 5 ¦ 2x = 5 ¦ x = 4 or x = 5 ¦ x=4, y=5 ¦ "
        r"not x = 5 ¦ 5k ¦ \boxed{4}\boxed{5} ¦ 5 million ¦ 5%% ¦ 5 5 ¦ |-5| or -5 ¦ "
        r"\frac{5 ¦ 4.9 ¦ 4 ≈ 5 ¦ 55 ¦ 5^5"
    ),
    "50%": r"50 ¦ 0.5% ¦ 5000% ¦ 5\%",
    "6 cm": "6 m ¦ 6 kg ¦ 6 cm² ¦ 60 cm ¦ 6米",
    "6 cm²": "6 cm ¦ 6 m² ¦ 6 cm³",
    "£5": "€5 ¦ $5 ¦ 5 kg",
    "60°": "60% ¦ 60 m ¦ 60°C = 60 m",
    "-5": "5 ¦ |-5| ¦ 5-",
    "2√3": "2 ¦ √3 ¦ 2 or √3 ¦ 3√2 ¦ 23",
    "12 cm": "AC = 5 cm + 6 cm = 12 cm ¦ 12左右",
    "192.168.0.1": "0 ¦ 192.168",
    "COVID-19": "19 ¦ COVID",
    "CO2": "2OC ¦ 2CO ¦ CO",
    "2 3 5": "10 ¦ 5 3 2 ¦ 235",
    "7th": "7t ¦ 6th",
    "2.5": "2.5.1 ¦ 25 ¦ 2 5 ¦ 2,5,1",
    "3.46": "2√3 ≈ 3.5 ¦ 3.5",
    "2": "EC = 6 - 5 = 2 cm ¦ x = 3 - 2 = 2",
    "no": "on ¦ not ¦ n·o",
    "B": "A = B ¦ A or B ¦ A, B",
    "12:30": "12 ¦ 12.5 ¦ 12:31",
    "1984-05-06": "1973",
    "10-20": "-10 ¦ 10 ¦ 20",
    "a cat": "a ¦ a cat or a dog",
    "1.234": "1,234",
}


@pytest.mark.parametrize(("gold", "answer"), pairs(OTHERS))
def test_another_value_is_not_paid(gold, answer):
    for verifier in (CHAIN, verify.by_name("auto"), same_number, same_math, same_text):
        assert judged(verifier, gold, answer).value in (0.0, None)
    assert judged(CHAIN, gold, answer).value == 0.0


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        (r"\boxed{\text{B}}", "B"),
        ("$$ 9 $$", "9"),
        (r"\( \text{C. } 1,631 \)", "C. 1,631"),
        (r"\{1, 2\}", r"\{1, 2\}"),
        (r"\frac{1}{2}", r"\frac{1}{2}"),
        ("$5", "$5"),
        (r"\$5", "$5"),
        (".5", ".5"),
        ("-5", "-5"),
        ("'it'", "it"),
        (r"\text{a}\mathbf{b", "ab"),
        (r"25^\circ\text{C}", "25°C"),
        (r"\mathbf{\alpha}b", r"\alpha b"),
        (r"\pi\emph{cm}", r"\pi cm"),
        ("<b>12</b>", "12"),
        ("1<b>2</b>", "1 2"),
    ],
)
def test_marks_are_dropped_and_content_is_kept(text, plain):
    assert unwrapped(text) == plain


def test_boxes_and_formulas_are_found_in_a_sentence():
    assert [content for *_, content in boxed(r"so \boxed{\frac{1}{2}} and \boxed{2}, not \boxed{3")] == [
        r"\frac{1}{2}",
        "2",
    ]
    assert [content for *_, content in boxed(r"\boxed{\boxed{1}}")] == [r"\boxed{1}"]
    assert spans(r"the values are $x$ and \(y\)") == ["x", "y"]
    assert spans("of 3 values $x$") == []


@given(st.text("\\${}()[]^_0123456789.,/ *√π°xfractbodse=%~-×½² 米\n", max_size=80))
def test_any_text_has_a_spelling_and_a_second_one_changes_nothing_that_is_compared(text):
    plain = unwrapped(text)
    assert "  " not in plain and plain == plain.strip()
    assert isinstance(formula(text), str)
    read_quantity(text)


@pytest.mark.parametrize(
    "part",
    [
        "$",
        r"\[",
        r"\(x",
        r"\boxed{",
        "{",
        "}",
        "√(",
        r"\frac{1}",
        "1 ",
        "1,234",
        "^(",
        "*.",
        r"\text{",
        "=1",
        "米",
        r"\frac ",
    ],
)
def test_long_texts_take_no_quadratic_time(part):
    """100,000 characters; a quadratic pass would take minutes."""
    text = part * (100_000 // len(part))
    start = time.perf_counter()
    for read in (unwrapped, formula, boxed, spans, read_quantity, units.split):
        read(text)
    assert time.perf_counter() - start < 20


@pytest.mark.parametrize(
    ("gold", "answer"),
    [("3 K", "3 k"), ("B12", "b12"), ("5:30 PM", "5:30 pm"), ("Q3", "q3"), ("R^2 score", "r^2 score")],
)
def test_what_looks_like_a_formula_may_be_a_text(gold, answer):
    assert judged(CHAIN, gold, answer).value == 1.0
