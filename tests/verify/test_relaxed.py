from __future__ import annotations

import pytest

from seethink.types import Example, Response
from seethink.verify import by_name, relaxed_number


def value(gold, answer):
    return relaxed_number(Example("q", "How high?", answer=gold), Response(str(answer), answer=answer)).value


@pytest.mark.parametrize(
    ("gold", "answer", "paid"),
    [
        ("100", "105", 1.0),
        ("100", "95", 1.0),
        ("100", "105.01", 0.0),
        ("-100", "-96", 1.0),
        ("-100", "96", 0.0),
        ("0.5", "50%", 1.0),
        ("0", "0", 1.0),
        ("0", "0.001", 0.0),
        ("2,500", "2450", 1.0),
        ("14", "14 or 15", 0.0),
        ("14", "fourteen", 1.0),
        ("14", "forty", 0.0),
        ("14", "fourteen or forty", 0.0),
        ("14", None, 0.0),
        ("100 m", "0.1 km", 1.0),
        ("100 m", "100 kg", 0.0),
        ("45", "about 44", 1.0),
        ("45", "≈ 44", 1.0),
        ("45", "about 48", 0.0),
        ("45", "44%", 0.0),
        ("Yes", "Yes", None),
        (None, "14", None),
    ],
)
def test_a_number_within_five_percent_of_the_gold_is_paid(gold, answer, paid):
    assert value(gold, answer) == paid


def test_a_sign_of_percent_may_be_missing_where_the_question_names_percent():
    for gold, answer, paid in (
        ("45%", "44", 1.0),
        ("45", "44%", 1.0),
        ("45", "50%", 0.0),
        ("45%", "0.44", 1.0),
    ):
        example = Example("q", "What percentage?", answer=gold)
        assert relaxed_number(example, Response(answer, answer=answer)).value == paid


def test_it_has_a_name():
    assert by_name("relaxed_number") is relaxed_number
