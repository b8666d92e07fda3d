"""Grades of reasoning steps by rules, for those of VRC-Bench's ten attributes that need no judge."""

from __future__ import annotations

from collections.abc import Sequence

from seethink.evaluate.steps import rule_metrics, steps_in
from seethink.types import Example, Response, Score


def graded_by_rules(example: Example, response: Response) -> Score:
    """Quality of a thought's steps beside the reference steps, in four attributes.

    Formula: mean of Semantic Coverage-Step, the share of the reference's sentences that stand in the thought,
    word for word; and of Faithfulness-Step, Repetition-Token and Redundancy, 1 minus the shares of steps that
    hold a wrong equation, say what an earlier one said, or restate the question
    (`evaluate.steps.rule_metrics`). Range: [0, 1], 0 without a thought; None without reference steps.
    Source: the VRC metric (arXiv 2501.06186), whose ten attributes a judge grades: `verify.judge.StepsJudge`.
    """
    if not example.steps:
        return Score(None, "the example has no steps to compare with")
    if not response.thought:
        return Score(0.0, "no thought could be read")
    found = rule_metrics(example.question, response.thought, response.answer)
    values = {"Semantic Coverage-Step": _covered(example.steps, response.thought)}
    faults = {"Faithfulness-Step": "contradicting", "Repetition-Token": "repeated", "Redundancy": "restated"}
    values |= {name: 1.0 - (found[fault] or 0.0) for name, fault in faults.items()}
    mean = sum(values.values()) / len(values)
    return Score(mean, f"{mean:.2f} by {len(values)} rules", {name: Score(v) for name, v in values.items()})


def _covered(reference: Sequence[str], thought: str) -> float:
    """The share of the reference's sentences that stand in a thought; a sentence that the reference says
    twice must stand there twice."""
    said, all_steps = _folded(thought), _folded(" ".join(reference))
    sentences = [_folded(sentence) for step in reference for sentence in steps_in(step)]
    return sum(said.count(one) >= all_steps.count(one) for one in sentences) / max(1, len(sentences))


def _folded(text: str) -> str:
    return " ".join(text.casefold().split())
