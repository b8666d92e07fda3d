from __future__ import annotations

import pytest

from seethink.engines.teacher import Call, Reply
from seethink.synth.asking import seed_of
from seethink.synth.draft import Draft, Dropped
from seethink.synth.steps.miner import Miner
from tests.synth.steps.teaching import drafted, taught

SEEDS = [seed_of("one", "direct", i) for i in range(1, 5)]


@pytest.mark.parametrize(("right", "kept"), [(0, True), (1, True), (2, False), (4, False)])
def test_a_question_is_kept_if_fewer_than_enough_answers_are_right(right: int, kept: bool) -> None:
    def says(call: Call) -> str:
        return "The answer is 3." if SEEDS.index(call.sampling.seed) < right else "4"

    after, calls = taught(Miner(enough=2), drafted(), says)
    assert len(calls) == 4
    if kept:
        assert isinstance(after, Draft) and after.verdict and f"{right} of 4" in after.verdict.why
    else:
        assert after == Dropped("too easy", f"{right} of 4 direct answers right")


def test_refusals_and_cut_answers_say_nothing_about_a_question() -> None:
    refused, _ = taught(Miner(), drafted(), lambda call: "I cannot help with that.")
    assert isinstance(refused, Dropped) and refused.reason == "refused"
    cut, _ = taught(Miner(), drafted(), lambda call: Reply("3", "length"))
    assert isinstance(cut, Dropped) and cut.reason == "cut off"
    easy, _ = taught(Miner(), drafted(), lambda call: "3" if call.sampling.seed == SEEDS[2] else "I can't.")
    assert easy == Dropped("too easy", "1 of 1 direct answers right")


def test_without_a_gold_answer_nothing_can_be_mined() -> None:
    after, _ = taught(Miner(), drafted(answer=None), lambda call: "3")
    assert isinstance(after, Dropped) and after.reason == "not judged"
