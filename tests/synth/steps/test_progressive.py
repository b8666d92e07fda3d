from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence

from seethink.engines.base import Request
from seethink.identity import seed_of
from seethink.synth.draft import Draft, Dropped, ReasoningPath
from seethink.synth.steps.progressive import ProgressiveStep, ReasoningStep, read_final, read_step
from seethink.types import Completion
from tests.synth.steps.run_step import as_json, make_draft, run_step, text_of

FINAL = as_json(title="FINAL ANSWER", content="3")


def step_of(call: Request) -> str:
    return call.step.partition("/")[2]


def steps(*contents: str) -> list[str]:
    """Replies of a path; the last one is ready to answer."""
    ready = ["continue"] * (len(contents) - 1) + ["final_answer"]
    return [
        as_json(title=f"Part {content}", content=content, next_action=action)
        for content, action in zip(contents, ready, strict=True)
    ]


def path_reply(replies: Sequence[str], call: Request) -> str:
    return FINAL if step_of(call) == "final" else replies[int(step_of(call)) - 1]


def test_a_path_is_requested_turn_by_turn_until_it_is_ready_to_answer() -> None:
    after, calls = run_step(
        ProgressiveStep(paths=1), make_draft(), lambda call: path_reply(steps("look", "count", "check"), call)
    )
    assert isinstance(after, Draft)
    assert after.paths == (ReasoningPath(("Part look: look", "Part count: count", "Part check: check"), "3"),)
    assert [call.step for call in calls] == ["steps/1", "steps/2", "steps/3", "steps/final"]
    assert [message["role"] for message in calls[-1].messages] == ["system", "user"] + [
        "assistant",
        "user",
    ] * 3
    replies = [m["content"][0]["text"] for m in calls[-1].messages if m["role"] == "assistant"]
    assert [json.loads(text)["content"] for text in replies] == ["look", "count", "check"]


def test_paths_differ_by_their_seed_and_every_turn_of_one_has_the_same() -> None:
    _, calls = run_step(
        ProgressiveStep(paths=3),
        make_draft(),
        lambda call: path_reply(steps(f"look {call.sampling.seed}", "count"), call),
    )
    assert Counter(call.sampling.seed for call in calls).most_common() == [
        (seed, 3) for seed in dict.fromkeys(call.sampling.seed for call in calls)
    ]
    assert len({call.sampling.seed for call in calls}) == 3


def test_a_reminder_is_in_the_retry_and_in_no_later_turn() -> None:
    broken = {("2", 0)}
    attempts: Counter[str] = Counter()

    def reply_to(call: Request) -> str:
        number = step_of(call)
        attempts[number] += 1
        return (
            "no JSON" if (number, attempts[number] - 1) in broken else path_reply(steps("a", "b", "c"), call)
        )

    after, calls = run_step(ProgressiveStep(paths=1), make_draft(), reply_to)
    assert isinstance(after, Draft) and len(after.paths[0].steps) == 3
    reminded = [i for i, call in enumerate(calls) if ProgressiveStep().reminder in text_of(call)]
    assert reminded == [2] and calls[2].step == "steps/2"
    assert calls[2].sampling.seed != calls[1].sampling.seed
    assert "no JSON" not in text_of(calls[-1])


def test_a_path_that_stays_unreadable_is_lost_alone_and_named() -> None:
    def reply_to(call: Request) -> str:
        lost = call.sampling.seed == seed_of("one", "steps", 1) or step.reminder in text_of(call)
        return "rubbish" if lost else path_reply(steps("a", "b"), call)

    step = ProgressiveStep(paths=3)
    after, calls = run_step(step, make_draft(), reply_to)
    assert isinstance(after, Draft) and len(after.paths) == 1 and after.verdict
    assert "path 1 ended at step 1: not JSON" in after.verdict.why
    assert "path 3 is identical to path 2" in after.verdict.why
    tries = [call for call in calls if step.reminder in text_of(call)]
    assert len(tries) == step.retries


def test_without_any_path_the_example_is_dropped_for_what_the_first_lacked() -> None:
    after, calls = run_step(ProgressiveStep(paths=2), make_draft(), lambda call: "I'm sorry, I cannot help.")
    assert isinstance(after, Dropped) and after.reason == "refused" and len(calls) == 2
    after, calls = run_step(
        ProgressiveStep(paths=2, retries=1), make_draft(), lambda call: Completion('{"title"', "length")
    )
    assert isinstance(after, Dropped) and after.reason == "cut off" and len(calls) == 4


def test_a_path_never_has_more_steps_than_the_cap() -> None:
    endless = lambda call: (  # noqa: E731
        FINAL
        if step_of(call) == "final"
        else as_json(title=step_of(call), content=step_of(call), next_action="continue")
    )
    after, calls = run_step(ProgressiveStep(paths=1, max_steps=5), make_draft(), endless)
    assert isinstance(after, Draft) and len(after.paths[0].steps) == 5 and len(calls) == 6
    assert after.verdict and "path 1 was stopped at 5 steps" in after.verdict.why


def test_a_path_that_would_answer_immediately_is_asked_for_a_second_step() -> None:
    hasty = [as_json(title=t, content=t, next_action="final_answer") for t in "ab"]
    after, _ = run_step(ProgressiveStep(paths=1), make_draft(), lambda call: path_reply(hasty, call))
    assert isinstance(after, Draft) and len(after.paths[0].steps) == 2


def test_a_repeated_step_is_retried_and_then_ends_the_path() -> None:
    repeats = [as_json(title="Look", content="I see 3 dots.", next_action="continue")] * 9
    step = ProgressiveStep(paths=1)
    after, calls = run_step(step, make_draft(), lambda call: path_reply(repeats, call))
    assert isinstance(after, Draft) and after.paths == (ReasoningPath(("Look: I see 3 dots.",), "3"),)
    assert len(calls) == 1 + (1 + step.retries) + 1
    assert after.verdict and "nothing new after step 1" in after.verdict.why


def test_two_steps_with_one_title_are_kept_and_noted() -> None:
    same = [
        as_json(title="Look", content="left", next_action="continue"),
        as_json(title="look", content="right", next_action="final_answer"),
    ]
    after, _ = run_step(ProgressiveStep(paths=1), make_draft(), lambda call: path_reply(same, call))
    assert isinstance(after, Draft) and after.verdict
    assert "path 1 has two steps with the title 'look'" in after.verdict.why


def test_steps_and_answers_are_read_from_fences_and_prose() -> None:
    text = as_json(title="T", content=7, next_action="summary")
    assert read_step(f"Sure!\n```json\n{text}\n```", ()) == ReasoningStep("T", "7", True)
    assert read_final(as_json(title="FINAL ANSWER", content=3.5)) == "3.5"
    assert read_final(as_json(title="FINAL ANSWER", content=[{"bbox_2d": [1, 2, 3, 4]}])).startswith(
        '[{"bbox'
    )
    for broken in (
        '{"title": "T"}',
        as_json(title="T", content="c", next_action="stop"),
        as_json(title="", content="c", next_action="continue"),
    ):
        read = read_step(broken, ())
        assert isinstance(read, Dropped) and read.reason == "not JSON"
    assert isinstance(read_final(as_json(content=True)), Dropped)
