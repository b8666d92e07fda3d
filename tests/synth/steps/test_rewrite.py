from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seethink.synth.chain import step_version
from seethink.synth.draft import Draft, Dropped
from seethink.synth.steps.rewrite import RewriteStep, lost, numbers_in
from tests.synth.steps.run_step import make_draft, run_step, text_of

THOUGHT = "Based on the caption, there are 2 red dots and 1.5 blue ones.\n\nSo the answer is 3."
RETOLD = "Looking at the picture, there are 2 red dots and 1.5 blue ones.\n\nSo the answer is 3."
DRAFT = make_draft(thought=THOUGHT, final="Answer: 3")


def test_the_thought_is_rewritten_and_the_text_after_it_is_kept() -> None:
    after, (call,) = run_step(RewriteStep(), DRAFT, lambda call: f"\n{RETOLD} ")
    assert isinstance(after, Draft) and (after.thought, after.final) == (RETOLD, "Answer: 3")
    assert after.verdict and after.verdict.passed is None
    assert after.verdict.why == "1 phrases of the ban list before, 0 after 1 of at most 1 passes"
    assert (call.step, call.role) == ("rewrite", "text")
    assert f"Thought:\n<<<\n{THOUGHT}\n>>>" in text_of(call)
    assert "Question:\n<<<\nHow many dots are there?\n>>>" in text_of(call)


@pytest.mark.parametrize(
    ("retold", "why"),
    [
        (RETOLD.replace("1.5", "1"), "loses the number 1.5"),
        (RETOLD.replace("2 red", "two red"), "loses the number 2"),
        (RETOLD + " That is 5 in all.", "has the number 5"),
        ("", "empty"),
    ],
)
def test_a_rewrite_that_loses_something_is_retried_and_then_dropped(retold: str, why: str) -> None:
    step = RewriteStep(retries=1)
    after, calls = run_step(step, DRAFT, lambda call: retold)
    assert isinstance(after, Dropped) and after.reason == "invalid" and why in after.why and len(calls) == 2
    assert step.reminder in text_of(calls[1]) and calls[0].sampling.seed != calls[1].sampling.seed
    replies = iter([retold, RETOLD])
    after, _ = run_step(step, DRAFT, lambda call: next(replies))
    assert isinstance(after, Draft) and after.thought == RETOLD


def test_an_answer_in_words_must_be_kept_if_the_thought_has_it() -> None:
    draft = make_draft(answer="red dot", thought="It is the red  dot.", final="Answer: Red dot")
    after, _ = run_step(RewriteStep(retries=0), draft, lambda call: "It is the round one.")
    assert isinstance(after, Dropped) and "Red dot" in after.why
    assert isinstance(run_step(RewriteStep(), draft, lambda call: "I see the RED dot.")[0], Draft)
    other = make_draft(answer="red dot", thought="It is that one.", final="Answer: red dot")
    assert isinstance(run_step(RewriteStep(), other, lambda call: "I see that one.")[0], Draft)


def test_an_option_is_a_capital_and_no_article() -> None:
    assert lost("So it is A.", "So it is a dog.", "A") and not lost("So it is A.", "A it is.", "A")


def test_further_passes_run_only_while_something_leaks() -> None:
    after, calls = run_step(RewriteStep(passes=3), DRAFT, lambda call: RETOLD)
    assert isinstance(after, Draft) and len(calls) == 1
    half = RETOLD.replace("Looking at the picture", "Based on the description")
    replies = iter([half, RETOLD, "never"])
    after, calls = run_step(RewriteStep(passes=3), DRAFT, lambda call: next(replies))
    assert isinstance(after, Draft) and after.thought == RETOLD and len(calls) == 2
    assert half in text_of(calls[1]) and calls[0].sampling.seed != calls[1].sampling.seed
    after, calls = run_step(RewriteStep(passes=2), DRAFT, lambda call: half)
    assert isinstance(after, Draft) and after.thought == half and len(calls) == 2


def test_a_refusal_and_a_missing_thought_are_named() -> None:
    after, calls = run_step(RewriteStep(), DRAFT, lambda call: "I'm sorry, but I can't.")
    assert isinstance(after, Dropped) and after.reason == "refused" and len(calls) == 1
    after, calls = run_step(RewriteStep(), make_draft(), lambda call: RETOLD)
    assert isinstance(after, Dropped) and after.reason == "invalid" and not calls


def test_another_prompt_is_another_version() -> None:
    steps = (
        RewriteStep(),
        RewriteStep(passes=2),
        RewriteStep(wording="Retell."),
        RewriteStep(reminder="Again."),
    )
    assert len({step_version(step) for step in steps}) == len(steps)


@given(st.text(min_size=1).filter(str.strip), st.text())
def test_a_thought_loses_nothing_to_itself_and_a_changed_number_is_found(thought: str, answer: str) -> None:
    assert lost(thought, thought, answer) == ""
    new = 1 + max((int(n.partition(".")[0]) for n in numbers_in(thought)), default=0)
    assert lost(thought, f"{thought} and {new}") and lost(f"{thought} and {new}", thought)
    assert lost(thought, "\n".join(f" {line} " for line in thought.split("\n"))) == ""
