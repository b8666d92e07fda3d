from __future__ import annotations

import pytest

from seethink.engines.base import Request
from seethink.identity import seed_of
from seethink.synth.draft import Draft, Dropped
from seethink.synth.steps.miner import MinerStep
from seethink.types import Completion
from tests.synth.steps.run_step import make_draft, run_step

SEEDS = [seed_of("one", "direct", i) for i in range(1, 5)]


@pytest.mark.parametrize(("right", "kept"), [(0, True), (1, True), (2, False), (4, False)])
def test_a_question_is_kept_if_fewer_than_easy_from_answers_are_right(right: int, kept: bool) -> None:
    def reply_to(call: Request) -> str:
        return "The answer is 3." if SEEDS.index(call.sampling.seed) < right else "4"

    after, calls = run_step(MinerStep(easy_from=2), make_draft(), reply_to)
    assert len(calls) == 4
    if kept:
        assert isinstance(after, Draft) and after.verdict and f"{right} of 4" in after.verdict.why
    else:
        assert after == Dropped("too easy", f"{right} of 4 direct answers right")


def test_refusals_and_cut_answers_are_not_counted() -> None:
    refused, _ = run_step(MinerStep(), make_draft(), lambda call: "I cannot help with that.")
    assert isinstance(refused, Dropped) and refused.reason == "refused"
    cut, _ = run_step(MinerStep(), make_draft(), lambda call: Completion("3", "length"))
    assert isinstance(cut, Dropped) and cut.reason == "cut off"
    easy, _ = run_step(
        MinerStep(), make_draft(), lambda call: "3" if call.sampling.seed == SEEDS[2] else "I can't."
    )
    assert easy == Dropped("too easy", "1 of 1 direct answers right")


def test_without_a_reference_answer_nothing_can_be_mined() -> None:
    after, _ = run_step(MinerStep(), make_draft(answer=None), lambda call: "3")
    assert isinstance(after, Dropped) and after.reason == "not judged"
