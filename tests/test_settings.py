from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seethink.settings import override, parse, unknown
from seethink.train.configs import GRPO, SFT
from seethink.types import InputError, Sampling


@dataclass(frozen=True)
class Config:
    rate: float = 0.1
    steps: int | None = 5
    shuffle: bool = True
    mode: Literal["token", "sequence"] = "token"
    name: str = "x"


@pytest.mark.parametrize(
    ("text", "field", "value"),
    [
        ("1e-6", "rate", 1e-6),
        ("3", "rate", 3.0),
        ("7", "steps", 7),
        ("none", "steps", None),
        ("No", "shuffle", False),
        ("true", "shuffle", True),
        ("sequence", "mode", "sequence"),
        ("007", "name", "007"),
    ],
)
def test_text_is_read_as_the_type_of_its_field(text, field, value):
    got = getattr(override(Config(), {field: text}, "c"), field)
    assert got == value and type(got) is type(value)


@pytest.mark.parametrize("value", [1e-6, "1e-6"])
def test_a_number_that_yaml_took_for_text_is_a_number_all_the_same(value):
    assert override(SFT(), {"learning_rate": value}, "c").learning_rate == 1e-6


@pytest.mark.parametrize(
    ("field", "text", "expected"),
    [
        ("rate", "fast", "a number"),
        ("rate", "nan", "a number"),
        ("steps", "1.5", "a whole number"),
        ("shuffle", "maybe", "true or false"),
        ("mode", "batch", "token, sequence"),
    ],
)
def test_a_value_of_another_type_is_refused_with_its_place(field, text, expected):
    with pytest.raises(InputError, match=f"grpo: {field}={text} is not .*{expected}"):
        override(Config(), {field: text}, "grpo")


def test_an_unknown_field_is_answered_with_the_near_ones_and_all():
    with pytest.raises(
        InputError, match=r"'lerning_rate'; did you mean learning_rate.*\? known: .*kl_weight"
    ):
        override(GRPO(), {"lerning_rate": "1"}, "grpo")


def test_what_the_config_itself_refuses_is_told_with_its_place():
    with pytest.raises(InputError, match="eval/base: impossible sampling"):
        override(Sampling(), {"max_tokens": "0"}, "eval/base")


@pytest.mark.parametrize("text", ["steps", "=3", "", "  = "])
def test_a_setting_without_name_and_equals_sign_is_refused(text):
    with pytest.raises(InputError, match="name=value"):
        parse(text)


def test_a_value_may_hold_an_equals_sign():
    assert parse("a.b = x=y") == ("a.b", "x=y")


def test_without_a_near_word_all_are_named():
    assert str(unknown("scale", "zzz", ["smoke", "tiny"])) == "unknown scale 'zzz'; known: smoke, tiny"


@given(st.floats(allow_nan=False, allow_infinity=False), st.integers() | st.none(), st.booleans())
def test_every_value_survives_being_written_as_text(rate, steps, shuffle):
    values = {"rate": rate, "steps": steps, "shuffle": shuffle}
    assert override(Config(), {name: str(value) for name, value in values.items()}, "c") == Config(**values)
