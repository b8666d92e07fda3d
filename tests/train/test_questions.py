"""Which questions are asked: every epoch all of them, less those that are too easy or too hard just now."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seethink.settings import override
from seethink.train.configs import GRPO
from seethink.train.questions import Walk
from seethink.types import Example, InputError

NINE = [Example(f"q{i}", "?") for i in range(9)]
CONFIG = GRPO(questions_per_step=3, steps=3)


def _told(walk: Walk, rates: dict[int, float | None]) -> None:
    walk.tell({"id": NINE[place].id, "correct": rate} for place, rate in rates.items())


@pytest.mark.parametrize("shuffle", [True, False])
def test_an_epoch_asks_every_question_once_and_the_next_in_another_order(shuffle: bool) -> None:
    walk = Walk(NINE, replace(CONFIG, shuffle=shuffle))
    epochs = [[place for _ in range(3) for place in walk.next()] for _ in range(2)]
    assert sorted(epochs[0]) == sorted(epochs[1]) == list(range(9))
    assert (epochs[0] == epochs[1] == list(range(9))) is not shuffle


def test_a_question_outside_the_window_rests_once_and_is_asked_again() -> None:
    walk = Walk(NINE, replace(CONFIG, shuffle=False, pass_rates=(0.1, 0.9)))
    rates: dict[int, float | None] = {0: 0.0, 1: 0.1, 2: 0.9, 3: 1.0, 4: 0.5, 5: None}
    asked = [walk.next() for _ in range(3)]
    _told(walk, rates)
    asked += [walk.next() for _ in range(2)]
    assert asked[3:] == [[1, 2, 4], [5, 6, 7]]
    assert walk.rested == 0
    asked = [walk.next() for _ in range(2)]
    assert asked == [[8, 0, 1], [2, 3, 4]], "nobody measured them since"


def test_the_rate_of_a_question_is_the_mean_over_its_responses() -> None:
    walk = Walk(NINE, replace(CONFIG, shuffle=False, pass_rates=(0.0, 0.9)))
    walk.next()
    walk.tell({"id": "q1", "correct": value} for value in (1.0, 1.0, None, 0.0))
    walk.tell({"id": "q2", "correct": value} for value in (1.0, 1.0, None))
    assert walk.rates == {"q1": pytest.approx(2 / 3), "q2": 1.0}


def test_where_every_question_is_outside_the_window_they_are_asked_all_the_same() -> None:
    walk = Walk(NINE[:3], replace(CONFIG, pass_rates=(0.4, 0.6)))
    for _ in range(5):
        assert sorted(walk.next()) == [0, 1, 2]
        _told(walk, dict.fromkeys(range(3), 1.0))
    assert walk.rested == 3


@given(
    rates=st.lists(st.lists(st.sampled_from([0.0, 0.5, 1.0, None]), min_size=9, max_size=9), max_size=6),
    updates=st.integers(1, 3),
)
def test_a_killed_walk_goes_on_as_it_would_have(tmp_path_factory, rates, updates: int) -> None:
    config = replace(CONFIG, pass_rates=(0.1, 0.9), updates_per_rollout=updates, save_every=6)
    walk, journal = Walk(NINE, config), Path(tmp_path_factory.mktemp("walk"), "attempts.jsonl")
    journal.touch()
    for turn, given_rates in enumerate(rates):
        rows = [{"id": NINE[place].id, "correct": given_rates[place]} for place in walk.next()]
        walk.tell(rows)
        with journal.open("a") as file:
            file.writelines(json.dumps(row | {"step": turn * updates + 1}) + "\n" for row in rows)
    again = Walk(NINE, config)
    again.resume(len(rates), journal)
    assert [again.next() for _ in range(5)] == [walk.next() for _ in range(5)]
    assert again.rested == walk.rested


def test_a_window_is_written_as_two_numbers() -> None:
    assert override(CONFIG, {"pass_rates": "0.1,0.9"}, "grpo").pass_rates == (0.1, 0.9)
    assert override(CONFIG, {"pass_rates": [0.1, 0.9]}, "my.yaml").pass_rates == (0.1, 0.9)
    for wrong in ("0.1", "0.9,0.1", "0.1,2", "a,b"):
        with pytest.raises(InputError, match="pass_rates"):
            override(CONFIG, {"pass_rates": wrong}, "grpo")
