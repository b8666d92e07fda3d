from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence

from seethink.engines.teacher import Call, Reply
from seethink.synth.asking import seed_of
from seethink.synth.draft import Draft, Dropped, Path
from seethink.synth.steps.progressive import Progressive, Told, read_final, read_step
from tests.synth.steps.teaching import drafted, json_of, taught, told

FINAL = json_of(title="FINAL ANSWER", content="3")


def step_of(call: Call) -> str:
    return call.step.partition("/")[2]


def steps(*contents: str) -> list[str]:
    """Replies of a path, the last of which is ready to answer."""
    ready = ["continue"] * (len(contents) - 1) + ["final_answer"]
    return [
        json_of(title=f"Part {content}", content=content, next_action=action)
        for content, action in zip(contents, ready, strict=True)
    ]


def walks(replies: Sequence[str], call: Call) -> str:
    return FINAL if step_of(call) == "final" else replies[int(step_of(call)) - 1]


def test_a_path_is_asked_for_turn_by_turn_until_it_can_answer() -> None:
    after, calls = taught(
        Progressive(paths=1), drafted(), lambda call: walks(steps("look", "count", "check"), call)
    )
    assert isinstance(after, Draft)
    assert after.paths == (Path(("Part look: look", "Part count: count", "Part check: check"), "3"),)
    assert [call.step for call in calls] == ["steps/1", "steps/2", "steps/3", "steps/final"]
    assert [message["role"] for message in calls[-1].messages] == ["system", "user"] + [
        "assistant",
        "user",
    ] * 3
    spoken = [m["content"][0]["text"] for m in calls[-1].messages if m["role"] == "assistant"]
    assert [json.loads(text)["content"] for text in spoken] == ["look", "count", "check"]


def test_paths_differ_by_their_seed_and_every_turn_of_one_has_the_same() -> None:
    _, calls = taught(
        Progressive(paths=3),
        drafted(),
        lambda call: walks(steps(f"look {call.sampling.seed}", "count"), call),
    )
    assert Counter(call.sampling.seed for call in calls).most_common() == [
        (seed, 3) for seed in dict.fromkeys(call.sampling.seed for call in calls)
    ]
    assert len({call.sampling.seed for call in calls}) == 3


def test_a_reminder_is_in_the_next_try_and_in_no_later_turn() -> None:
    broken = {("2", 0)}
    seen: Counter[str] = Counter()

    def says(call: Call) -> str:
        number = step_of(call)
        seen[number] += 1
        return "no JSON" if (number, seen[number] - 1) in broken else walks(steps("a", "b", "c"), call)

    after, calls = taught(Progressive(paths=1), drafted(), says)
    assert isinstance(after, Draft) and len(after.paths[0].steps) == 3
    reminded = [i for i, call in enumerate(calls) if Progressive().reminder in told(call)]
    assert reminded == [2] and calls[2].step == "steps/2"
    assert calls[2].sampling.seed != calls[1].sampling.seed
    assert "no JSON" not in told(calls[-1])


def test_a_path_that_stays_unreadable_is_lost_alone_and_named() -> None:
    def says(call: Call) -> str:
        lost = call.sampling.seed == seed_of("one", "steps", 1) or step.reminder in told(call)
        return "rubbish" if lost else walks(steps("a", "b"), call)

    step = Progressive(paths=3)
    after, calls = taught(step, drafted(), says)
    assert isinstance(after, Draft) and len(after.paths) == 1 and after.verdict
    assert "path 1 ended at step 1: not JSON" in after.verdict.why
    assert "path 3 says the same as path 2" in after.verdict.why
    tries = [call for call in calls if step.reminder in told(call)]
    assert len(tries) == step.retries


def test_without_any_path_the_example_is_dropped_for_what_the_first_lacked() -> None:
    after, calls = taught(Progressive(paths=2), drafted(), lambda call: "I'm sorry, I cannot help.")
    assert isinstance(after, Dropped) and after.reason == "refused" and len(calls) == 2
    after, calls = taught(
        Progressive(paths=2, retries=1), drafted(), lambda call: Reply('{"title"', "length")
    )
    assert isinstance(after, Dropped) and after.reason == "cut off" and len(calls) == 4


def test_a_path_never_has_more_steps_than_the_cap() -> None:
    endless = lambda call: (  # noqa: E731
        FINAL
        if step_of(call) == "final"
        else json_of(title=step_of(call), content=step_of(call), next_action="continue")
    )
    after, calls = taught(Progressive(paths=1, most=5), drafted(), endless)
    assert isinstance(after, Draft) and len(after.paths[0].steps) == 5 and len(calls) == 6
    assert after.verdict and "path 1 was stopped at 5 steps" in after.verdict.why


def test_a_path_that_would_answer_at_once_is_asked_for_a_second_step() -> None:
    hasty = [json_of(title=t, content=t, next_action="final_answer") for t in "ab"]
    after, _ = taught(Progressive(paths=1), drafted(), lambda call: walks(hasty, call))
    assert isinstance(after, Draft) and len(after.paths[0].steps) == 2


def test_a_step_said_before_is_asked_for_again_and_then_ends_the_path() -> None:
    repeats = [json_of(title="Look", content="I see 3 dots.", next_action="continue")] * 9
    step = Progressive(paths=1)
    after, calls = taught(step, drafted(), lambda call: walks(repeats, call))
    assert isinstance(after, Draft) and after.paths == (Path(("Look: I see 3 dots.",), "3"),)
    assert len(calls) == 1 + (1 + step.retries) + 1
    assert after.verdict and "nothing new to say after step 1" in after.verdict.why


def test_two_steps_of_one_title_are_kept_and_said() -> None:
    same = [
        json_of(title="Look", content="left", next_action="continue"),
        json_of(title="look", content="right", next_action="final_answer"),
    ]
    after, _ = taught(Progressive(paths=1), drafted(), lambda call: walks(same, call))
    assert isinstance(after, Draft) and after.verdict
    assert "path 1 has two steps called 'look'" in after.verdict.why


def test_steps_and_answers_are_read_out_of_fences_and_prose() -> None:
    text = json_of(title="T", content=7, next_action="summary")
    assert read_step(f"Sure!\n```json\n{text}\n```", ()) == Told("T", "7", True)
    assert read_final(json_of(title="FINAL ANSWER", content=3.5)) == "3.5"
    assert read_final(json_of(title="FINAL ANSWER", content=[{"bbox_2d": [1, 2, 3, 4]}])).startswith(
        '[{"bbox'
    )
    for broken in (
        '{"title": "T"}',
        json_of(title="T", content="c", next_action="stop"),
        json_of(title="", content="c", next_action="continue"),
    ):
        read = read_step(broken, ())
        assert isinstance(read, Dropped) and read.reason == "not JSON"
    assert isinstance(read_final(json_of(content=True)), Dropped)
