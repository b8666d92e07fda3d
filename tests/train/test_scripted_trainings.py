"""Scripted completions, from their text to the alarm: each fault of a training is measured and said, and a
model that learns the task is left alone."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from seethink import verify
from seethink.attempt import judge
from seethink.formats import THINK_ANSWER
from seethink.train.alarms import SignalKind
from seethink.train.configs import TrainingConfig
from seethink.train.grpo_metrics import RolloutStatistics, UpdateStatistics, step_metrics
from seethink.train.signals import Signals
from seethink.types import Completion, CoordinateFrame, Example, Task

STEPS, GROUPS, COMPLETIONS = 40, 4, 4
FRAME = CoordinateFrame("original", (100, 100), (100, 100))
Script = Callable[[int, int], Completion]
"""`(step, number of the completion in its group)` -> what is sampled"""


def said(script: Script, gold: str = "5", verifier: verify.Verifier = verify.same_number) -> set[SignalKind]:
    """The alarms of a training whose model samples what is scripted."""
    parts = verify.weighted(correct=(verifier, 1.0), format=(verify.well_formed, 0.5))
    examples = [Example(f"e{i}", "What is 2 + 3?", answer=gold) for i in range(GROUPS)]
    task, found = Task("scripted", examples, THINK_ANSWER, parts), set[SignalKind]()
    signals = Signals(TrainingConfig(), 0)
    for step in range(1, STEPS + 1):
        rollouts = [[judge(task, e, script(step, i)) for i in range(COMPLETIONS)] for e in examples]
        values = [{rollout.score.value for rollout in group} for group in rollouts]
        statistics = RolloutStatistics(task, rollouts, zero_std_groups=sum(len(own) == 1 for own in values))
        found |= signals({"step": step, "loss": 0.0, **step_metrics(statistics, UpdateStatistics())}).keys()
    return found


def completion(
    thought: str, answer: str, n_tokens: int = 20, frame: CoordinateFrame | None = None
) -> Completion:
    return Completion(THINK_ANSWER.write(thought, answer), n_tokens=n_tokens, frame=frame)


def learning(step: int, i: int) -> Completion:
    """More and more right, in form, with the answer that the thought concludes."""
    if (step + 7 * i) % STEPS > 10 + step:
        return Completion("I do not know what is asked for here today", n_tokens=9)
    sum_of = "5" if (i + step) % 4 < 1 + step // 14 else "6"
    return completion(
        f"First I look at the two numbers, then I add: 2 + 3 = {sum_of}.", sum_of, 18 + step // 8
    )


def late(step: int, i: int) -> bool:
    return step > 15 or i == 0


SCRIPTS: dict[SignalKind, Script] = {
    "repeats": lambda step, i: completion("I count it again and again and " * 9, str(5 + i % 2)),
    "thought_disagrees": lambda step, i: completion("I add the numbers: 2 + 3 = 5.", str(5 + i)),
    "malformed": lambda step, i: Completion("five") if i or step % 4 else completion("I see it.", "5"),
    "truncated": lambda step, i: (
        Completion(f"<think>{i}, but what if", stop="length", n_tokens=20)
        if i
        else completion("I see it.", "5")
    ),
    "format_only": lambda step, i: (
        completion("I do as I was asked", "6" if i else "5") if late(step, i) else Completion("It may be 4")
    ),
    "thought_vanishes": lambda step, i: completion(
        "so" if step > 15 else "I look at both numbers and add them up", str(5 + i % 2)
    ),
    "longer_not_better": lambda step, i: completion("I look", str(5 + i % 2), 200 if step > 15 else 20),
}


@pytest.mark.parametrize("kind", SCRIPTS)
def test_a_fault_is_measured_and_said(kind: SignalKind) -> None:
    assert kind in said(SCRIPTS[kind])


def test_a_model_that_learns_is_left_alone() -> None:
    assert said(learning) == set()


def test_boxes_that_grow_in_number_are_said_and_one_box_is_not() -> None:
    def boxes(n: int) -> Script:
        listed = ", ".join(f"[{10 * k}, 0, {10 * k + 9}, 50]" for k in range(n))
        return lambda step, i: completion(
            "I look at it", f"[{listed}]" if i else "[[0, 0, 9, 40]]", frame=FRAME
        )

    gold, verifier = "[0, 0, 9, 50]", verify.VERIFIERS["boxes_f1"]
    assert "many_boxes" in said(boxes(6), gold, verifier)
    assert said(boxes(1), gold, verifier) <= {"little_spread", "no_signal"}


def test_one_thought_that_states_an_answer_is_not_all_of_them() -> None:
    def hardly(step: int, i: int) -> Completion:
        return completion("So 2 + 3 = 6." if (step, i) == (12, 1) else "I look at it", "5" if i else "4")

    assert "thought_disagrees" not in said(hardly)


def test_answers_that_nobody_judges_are_said() -> None:
    assert "unjudged" in said(learning, gold="a dog")
