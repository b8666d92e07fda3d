"""What a solver found, as a rollout in the task's format."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from seethink.attempt import judge_all
from seethink.formats import BaseFormat
from seethink.formats.turns import STAGES
from seethink.solve.conversing import asked
from seethink.types import Completion, Example, Format, Rollout, RolloutPart, Task


def written(format: Format, steps: Sequence[str], answer: str) -> str:
    """Steps and answer in a format. Where the format has no place for the steps, the answer alone, and where
    it cannot be written at all, all texts: what is missing is then the fault of the response."""
    steps = [step.strip() for step in steps if step.strip()]
    formats = [format, format.with_prompt_mode("direct")] if isinstance(format, BaseFormat) else [format]
    texts = (_in_format(form, steps, answer) for form in formats)
    return next((text for text in texts if text is not None), "\n\n".join([*steps, answer]))


def _in_format(form: Format, steps: Sequence[str], answer: str) -> str | None:
    try:
        return form.write(steps, answer)
    except ValueError:  # the grammar has no such text
        return None


def composed(task: Task, steps: Sequence[str], answer: str, replies: Sequence[Completion]) -> Completion:
    """One completion of the replies that steps and answer were taken from, with their log-probabilities, cut
    off if one of them is. An unanswered reply makes it unanswered, with the error as its text."""
    failed = next((reply for reply in replies if reply.stop == "unanswered"), None)
    if failed is not None:
        return failed
    stop = "length" if any(reply.stop == "length" for reply in replies) else "stop"
    n_tokens = sum(reply.n_tokens for reply in replies)
    logps = sum((reply.logps for reply in replies), ()) if all(reply.logps for reply in replies) else ()
    text = written(task.format, steps, answer)
    return Completion(text, stop, n_tokens, logps=logps, frame=replies[-1].frame)


def judged(
    task: Task, examples: Sequence[Example], completions: Sequence[Sequence[Completion]]
) -> list[list[Rollout]]:
    """Rollouts of composed completions, which hold the format's prefill."""
    return judge_all(task, examples, [asked(example) for example in examples], completions)


def staged(
    task: Task,
    examples: Sequence[Example],
    replies: Sequence[Sequence[Completion]],
    values: Sequence[float | None],
) -> list[list[Rollout]]:
    """A rollout for the replies to each example's `STAGES`, which are its parts. values: of the whole chains;
    the last part has it."""
    texts = [[reply.text for reply in own] for own in replies]
    completions = [
        [composed(task, own[:-1], own[-1], given)] for own, given in zip(texts, replies, strict=True)
    ]
    parts = [
        (*map(RolloutPart, STAGES, own[:-1]), RolloutPart(STAGES[len(own) - 1], own[-1], value))
        for own, value in zip(texts, values, strict=True)
    ]
    rollouts = judged(task, examples, completions)
    return [[replace(one, parts=own)] for (one,), own in zip(rollouts, parts, strict=True)]
