from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seethink.settings import Config, described, leaves, override, parse, unknown
from seethink.train.configs import DPOConfig, GRPOConfig, SFTConfig
from seethink.types import InputError, Sampling


@dataclass(frozen=True)
class Flat:
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
    got = getattr(override(Flat(), {field: text}, "c"), field)
    assert got == value and type(got) is type(value)


@pytest.mark.parametrize("value", [1e-6, "1e-6"])
def test_a_number_that_yaml_took_for_text_is_a_number_all_the_same(value):
    assert override(SFTConfig(), {"learning_rate": value}, "c").training.learning_rate == 1e-6


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
        override(Flat(), {field: text}, "grpo")


@dataclass(frozen=True)
class Inner(Config):
    low: int = 1
    high: int = 3

    def __post_init__(self):
        if self.low > self.high:
            raise ValueError(f"low={self.low} is above high={self.high}")


@dataclass(frozen=True)
class Outer(Config):
    inner: Inner = Inner(low=2)
    name: str = "x"


def test_a_setting_is_set_at_any_depth_by_its_name():
    assert Outer.of(high=9, name="y") == Outer(Inner(2, 9), "y")
    assert Outer().replace(low=0).inner.low == 0
    assert override(Outer(), {"high": "7", "name": "z"}, "c") == Outer(Inner(2, 7), "z")
    assert leaves(Outer()) == {"low": 2, "high": 3, "name": "x"}


def test_a_nested_config_checks_all_its_new_values_at_once():
    assert Outer.of(low=5, high=6).inner == Inner(5, 6)
    with pytest.raises(InputError, match="grpo: low=5 is above high=3"):
        override(Outer(), {"low": "5"}, "grpo")
    with pytest.raises(InputError, match="unknown field of Outer: 'hihg'; did you mean high"):
        Outer.of(hihg=3)


def test_an_unknown_field_is_answered_with_the_near_ones_and_all():
    with pytest.raises(InputError, match=r"'lerning_rate'; did you mean learning_rate.*\? known: .*beta"):
        override(GRPOConfig(), {"lerning_rate": "1"}, "grpo")


def test_what_the_config_itself_refuses_is_an_error_with_its_place():
    with pytest.raises(InputError, match="eval/base: max_tokens=0: it must be at least 1"):
        override(Sampling(), {"max_tokens": "0"}, "eval/base")


CONFIGS = {"sft": SFTConfig(), "dpo": DPOConfig(), "grpo": GRPOConfig(), "eval": Sampling()}
NUMBERS = [
    (stage, name)
    for stage, config in CONFIGS.items()
    for name, value in leaves(config).items()
    if not isinstance(value, bool | str | tuple) and name not in ("bf16", "gradient_checkpointing", "seed")
]


@pytest.mark.parametrize(("stage", "name"), NUMBERS)
def test_a_number_out_of_its_range_is_named_with_its_value(stage, name):
    """Whole numbers below their range; other numbers also at infinity, which no setting takes."""
    assert len(NUMBERS) > 60
    for value in ("-3", "inf", "-inf", "nan"):
        with pytest.raises(InputError, match=rf"^{stage}: {name}={value}(\.0)?(:| is not) "):
            override(CONFIGS[stage], {name: value}, stage)


@pytest.mark.parametrize(("stage", "name"), NUMBERS)
def test_so_it_is_in_python(stage, name):
    if isinstance(config := CONFIGS[stage], Config):
        with pytest.raises(ValueError, match=rf"{name}=(-3|nan): "):
            config.replace(**{name: -3})
        with pytest.raises(ValueError, match=rf"{name}=nan: "):
            config.replace(**{name: float("nan")})


ABBREVIATIONS = {
    "lr": "learning_rate",
    "wd": "weight_decay",
    "steps": "max_steps",
    "epochs": "num_train_epochs|max_steps",
    "batch_size": "train_batch_size|prompts_per_step",
    "grad_clip": "max_grad_norm",
    "learing_rate": "learning_rate",
    "learningrate": "learning_rate",
    "max_step": "max_steps",
}


@pytest.mark.parametrize("name", ABBREVIATIONS)
@pytest.mark.parametrize("config", [SFTConfig(), DPOConfig(), GRPOConfig()], ids=("sft", "dpo", "grpo"))
def test_an_abbreviation_or_a_slip_is_answered_with_the_setting(config, name):
    with pytest.raises(
        InputError, match=rf"'{name}'; (its name here is|did you mean) ({ABBREVIATIONS[name]})"
    ):
        override(config, {name: "1"}, "train")


def test_every_setting_is_described_as_it_is_written():
    for config in (SFTConfig(), DPOConfig(), GRPOConfig()):
        lines = described(config)
        assert [line.partition("=")[0] for line in lines] == [*leaves(config)]
        pairs = dict(parse(line.partition("  (")[0]) for line in lines)
        assert override(config, pairs, "train") == config
    assert "pass_rate_range=0.0,1.0  (2 values with commas between them)" in lines
    assert "bf16=none  (true or false, or none)" in lines and "max_steps=100  (a whole number)" in lines


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
    assert override(Flat(), {name: str(value) for name, value in values.items()}, "c") == Flat(**values)


# Values that no config accepts ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "values", "words"),
    [
        (DPOConfig, {"loss_type": "ipo"}, "loss_type='ipo' is not one of 'sigmoid', 'sigmoid_norm'"),
        (GRPOConfig, {"importance_sampling_level": "sequnce"}, "is not one of 'token', 'sequence'"),
        (GRPOConfig, {"lr_scheduler_type": "cosin"}, "lr_scheduler_type='cosin' is not one of"),
        (SFTConfig, {"train_batch_size": 0}, "train_batch_size=0: it must be at least 1"),
        (SFTConfig, {"max_steps": -1}, "max_steps=-1: it must be at least 1"),
        (DPOConfig, {"label_smoothing": 0.5}, "label_smoothing=0.5: it must be at least 0 and below 0.5"),
        (DPOConfig, {"beta": -1.0}, "beta=-1.0: it must be above 0"),
        (GRPOConfig, {"vllm_gpu_memory_utilization": 1.5}, "it must be above 0 and below 1"),
        (GRPOConfig, {"loss_type": "cispo"}, "clips the ratio at epsilon_high itself"),
        (GRPOConfig, {"num_iterations": 3}, "save_steps=50 must be a multiple of num_iterations=3"),
    ],
)
def test_a_bad_value_is_refused_in_python_and_as_text_by_its_name(config, values, words: str) -> None:
    """Types bind nobody in Python: TRL's other loss types must not train something else in silence."""
    with pytest.raises(ValueError, match=re.escape(words)):
        config.of(**values)
    with pytest.raises(InputError):
        override(config(), {name: str(value) for name, value in values.items()}, "stage")
