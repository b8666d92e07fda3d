"""Which questions are asked: every epoch all of them, less those that are too easy or too hard just now."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seethink.settings import override
from seethink.train.configs import GRPOConfig
from seethink.train.prompt_sampler import PromptSampler
from seethink.types import Example, InputError

NINE = [Example(f"q{i}", "?") for i in range(9)]
CONFIG = GRPOConfig.of(prompts_per_step=3, max_steps=3)


def _record(sampler: PromptSampler, rates: dict[int, float | None]) -> None:
    sampler.record({"id": NINE[place].id, "correct": rate} for place, rate in rates.items())


@pytest.mark.parametrize("shuffle", [True, False])
def test_an_epoch_asks_every_question_once_and_the_next_in_another_order(shuffle: bool) -> None:
    sampler = PromptSampler(NINE, CONFIG.replace(shuffle=shuffle))
    epochs = [[place for _ in range(3) for place in sampler.next()] for _ in range(2)]
    assert sorted(epochs[0]) == sorted(epochs[1]) == list(range(9))
    assert (epochs[0] == epochs[1] == list(range(9))) is not shuffle


def test_a_question_outside_the_window_rests_once_and_is_asked_again() -> None:
    sampler = PromptSampler(NINE, CONFIG.replace(shuffle=False, pass_rate_range=(0.1, 0.9)))
    rates: dict[int, float | None] = {0: 0.0, 1: 0.1, 2: 0.9, 3: 1.0, 4: 0.5, 5: None}
    batches = [sampler.next() for _ in range(3)]
    _record(sampler, rates)
    batches += [sampler.next() for _ in range(2)]
    assert batches[3:] == [[1, 2, 4], [5, 6, 7]]
    assert sampler.passed_over == 0
    batches = [sampler.next() for _ in range(2)]
    assert batches == [[8, 0, 1], [2, 3, 4]], "nobody measured them since"


def test_the_rate_of_a_question_is_the_mean_over_its_responses() -> None:
    sampler = PromptSampler(NINE, CONFIG.replace(shuffle=False, pass_rate_range=(0.0, 0.9)))
    sampler.next()
    sampler.record({"id": "q1", "correct": value} for value in (1.0, 1.0, None, 0.0))
    sampler.record({"id": "q2", "correct": value} for value in (1.0, 1.0, None))
    assert sampler.pass_rates == {"q1": pytest.approx(2 / 3), "q2": 1.0}


def test_where_every_question_is_outside_the_window_they_are_asked_all_the_same() -> None:
    sampler = PromptSampler(NINE[:3], CONFIG.replace(pass_rate_range=(0.4, 0.6)))
    for _ in range(5):
        assert sorted(sampler.next()) == [0, 1, 2]
        _record(sampler, dict.fromkeys(range(3), 1.0))
    assert sampler.passed_over == 3


@given(
    rates=st.lists(st.lists(st.sampled_from([0.0, 0.5, 1.0, None]), min_size=9, max_size=9), max_size=6),
    updates=st.integers(1, 3),
)
def test_a_killed_sampler_goes_on_as_it_would_have(tmp_path_factory, rates, updates: int) -> None:
    config = CONFIG.replace(pass_rate_range=(0.1, 0.9), num_iterations=updates, save_steps=6)
    sampler, journal = PromptSampler(NINE, config), Path(tmp_path_factory.mktemp("sampler"), "attempts.jsonl")
    journal.touch()
    for batch, given_rates in enumerate(rates):
        rows = [{"id": NINE[place].id, "correct": given_rates[place]} for place in sampler.next()]
        sampler.record(rows)
        with journal.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(row | {"step": batch * updates + 1}) + "\n" for row in rows)
    again = PromptSampler(NINE, config)
    again.resume(len(rates), journal)
    assert [again.next() for _ in range(5)] == [sampler.next() for _ in range(5)]
    assert again.passed_over == sampler.passed_over


def test_a_window_is_written_as_two_numbers() -> None:
    assert override(CONFIG, {"pass_rate_range": "0.1,0.9"}, "grpo").rollout.pass_rate_range == (0.1, 0.9)
    assert override(CONFIG, {"pass_rate_range": [0.1, 0.9]}, "my.yaml").rollout.pass_rate_range == (0.1, 0.9)
    for wrong in ("0.1", "0.9,0.1", "0.1,2", "a,b"):
        with pytest.raises(InputError, match="pass_rate_range"):
            override(CONFIG, {"pass_rate_range": wrong}, "grpo")
