from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seethink.synth.chain import version_of
from seethink.synth.draft import Draft, Dropped
from seethink.synth.steps.rewrite import Rewrite, lost, numbers_in
from tests.synth.steps.teaching import drafted, taught, told

THOUGHT = "Based on the caption, there are 2 red dots and 1.5 blue ones.\n\nSo the answer is 3."
RETOLD = "Looking at the picture, there are 2 red dots and 1.5 blue ones.\n\nSo the answer is 3."
DRAFT = drafted(thought=THOUGHT, final="Answer: 3")


def test_the_thought_is_retold_and_the_final_words_stay() -> None:
    after, (call,) = taught(Rewrite(), DRAFT, lambda call: f"\n{RETOLD} ")
    assert isinstance(after, Draft) and (after.thought, after.final) == (RETOLD, "Answer: 3")
    assert after.verdict and after.verdict.passed is None
    assert after.verdict.why == "1 phrases of the ban list before, 0 after 1 of at most 1 passes"
    assert (call.step, call.role) == ("rewrite", "reason")
    assert f"Thought:\n<<<\n{THOUGHT}\n>>>" in told(call)
    assert "Question:\n<<<\nHow many dots are there?\n>>>" in told(call)


@pytest.mark.parametrize(
    ("retold", "why"),
    [
        (RETOLD.replace("1.5", "1"), "loses the number 1.5"),
        (RETOLD.replace("2 red", "two red"), "loses the number 2"),
        (RETOLD + " That is 5 in all.", "has the number 5"),
        ("", "empty"),
    ],
)
def test_a_retelling_that_loses_something_is_asked_for_again_and_then_dropped(retold: str, why: str) -> None:
    step = Rewrite(retries=1)
    after, calls = taught(step, DRAFT, lambda call: retold)
    assert isinstance(after, Dropped) and after.reason == "invalid" and why in after.why and len(calls) == 2
    assert step.reminder in told(calls[1]) and calls[0].sampling.seed != calls[1].sampling.seed
    replies = iter([retold, RETOLD])
    after, _ = taught(step, DRAFT, lambda call: next(replies))
    assert isinstance(after, Draft) and after.thought == RETOLD


def test_an_answer_in_words_must_stay_where_the_thought_has_it() -> None:
    draft = drafted(answer="red dot", thought="It is the red  dot.", final="Answer: Red dot")
    after, _ = taught(Rewrite(retries=0), draft, lambda call: "It is the round one.")
    assert isinstance(after, Dropped) and "Red dot" in after.why
    assert isinstance(taught(Rewrite(), draft, lambda call: "I see the RED dot.")[0], Draft)
    other = drafted(answer="red dot", thought="It is that one.", final="Answer: red dot")
    assert isinstance(taught(Rewrite(), other, lambda call: "I see that one.")[0], Draft)


def test_an_option_is_a_capital_and_no_article() -> None:
    assert lost("So it is A.", "So it is a dog.", "A") and not lost("So it is A.", "A it is.", "A")


def test_further_passes_are_made_only_while_something_leaks() -> None:
    after, calls = taught(Rewrite(passes=3), DRAFT, lambda call: RETOLD)
    assert isinstance(after, Draft) and len(calls) == 1
    half = RETOLD.replace("Looking at the picture", "Based on the description")
    replies = iter([half, RETOLD, "never"])
    after, calls = taught(Rewrite(passes=3), DRAFT, lambda call: next(replies))
    assert isinstance(after, Draft) and after.thought == RETOLD and len(calls) == 2
    assert half in told(calls[1]) and calls[0].sampling.seed != calls[1].sampling.seed
    after, calls = taught(Rewrite(passes=2), DRAFT, lambda call: half)
    assert isinstance(after, Draft) and after.thought == half and len(calls) == 2


def test_a_refusal_and_a_missing_thought_are_named() -> None:
    after, calls = taught(Rewrite(), DRAFT, lambda call: "I'm sorry, but I can't.")
    assert isinstance(after, Dropped) and after.reason == "refused" and len(calls) == 1
    after, calls = taught(Rewrite(), drafted(), lambda call: RETOLD)
    assert isinstance(after, Dropped) and after.reason == "invalid" and not calls


def test_other_words_are_another_version() -> None:
    steps = (Rewrite(), Rewrite(passes=2), Rewrite(wording="Retell."), Rewrite(reminder="Again."))
    assert len({version_of(step) for step in steps}) == len(steps)


@given(st.text(min_size=1).filter(str.strip), st.text())
def test_a_thought_keeps_what_it_has_and_a_changed_number_is_found(thought: str, answer: str) -> None:
    assert lost(thought, thought, answer) == ""
    new = 1 + max((int(n.partition(".")[0]) for n in numbers_in(thought)), default=0)
    assert lost(thought, f"{thought} and {new}") and lost(f"{thought} and {new}", thought)
    assert lost(thought, "\n".join(f" {line} " for line in thought.split("\n"))) == ""
