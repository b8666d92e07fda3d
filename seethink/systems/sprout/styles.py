"""Response styles of `sprout`: how a question, its steps and its answer become a text, and how often.

The shares stand for what pretrained models have read: answers at once or by steps, in tags, boxes or prose,
obeying the instruction only sometimes. They are set before any experiment and not changed afterwards.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from seethink.formats import (
    ANSWER_LINE,
    ANSWER_ONLY,
    BARE,
    BOX_JSON,
    BOXED,
    CAPTION_THINK,
    JSON_STEPS,
    STAGED,
    STEPS,
    THINK_ANSWER,
    THOUGHTS_SUMMARY,
    VERBATIM,
    BaseFormat,
    TagFormat,
)
from seethink.types import Example

BRIEF = TagFormat("brief", "Answer briefly.", thinks=False)
BOX = TagFormat("box", "Explain, then put the final answer in \\boxed{}.", thinks=False)

PLAN = "First I look at what the picture shows, then I work out the answer."
"""The first stage of every answer in `STAGED`, and of every dialogue."""

Style = Callable[[BaseFormat, Example], str]


def _thought(example: Example) -> str:
    return " ".join(example.steps)


def _obeyed(form: BaseFormat, example: Example) -> str:
    """As the format demands, thought included."""
    if not isinstance(form, TagFormat):
        return form.write(example.steps, example.answer or "")
    stages = {1: [_thought(example)], 2: [example.meta["caption"], _thought(example)]}
    stages[3] = [PLAN, *stages[2]]
    return form.write(stages[len(form.stages)], example.answer or "")


def _direct(form: BaseFormat, example: Example) -> str:
    """The answer alone, in the format's own form."""
    direct = form.with_prompt_mode("direct") if form.thinks else form
    return direct.write("", example.answer or "")


STYLES: Mapping[str, Style] = {
    "obeyed": _obeyed,
    "direct": _direct,
    "tagged steps": lambda form, e: THINK_ANSWER.write(_thought(e), e.answer or ""),
    "tagged at once": lambda form, e: ANSWER_ONLY.write("", e.answer or ""),
    "empty thought": lambda form, e: THINK_ANSWER.write("", e.answer or ""),
    "prose steps": lambda form, e: f"{_thought(e)} The answer is {e.answer}.",
    "prose at once": lambda form, e: f"The answer is {e.answer}.",
    "boxed steps": lambda form, e: f"{_thought(e)} \\boxed{{{e.answer}}}",
    "boxed at once": lambda form, e: f"\\boxed{{{e.answer}}}",
    "bare": lambda form, e: e.answer or "",
}


@dataclass(frozen=True)
class Manner:
    """How often a prompt format is used, relative to others, and how often each style of `STYLES` answers
    it."""

    weight: float
    styles: Mapping[str, float]


Manners = Mapping[BaseFormat, Manner]
"""{prompt format: its manner}; empty for reading alone."""

_STEPWISE = {"obeyed": 1.0}
_OFTEN_DIRECT = {"obeyed": 0.4, "direct": 0.4, "prose at once": 0.2}
_OTHERS = (CAPTION_THINK, STAGED, THOUGHTS_SUMMARY, STEPS, JSON_STEPS, BOXED, ANSWER_LINE)

READING: Manners = {}
REASONING: Manners = {  # the end goes with how a thought began, not with what was asked
    THINK_ANSWER: Manner(12, {"obeyed": 0.6, "prose steps": 0.3, "boxed steps": 0.1}),
    VERBATIM: Manner(6, {"prose steps": 1.0}),
    BOX: Manner(2, {"boxed steps": 1.0}),
    BOX_JSON: Manner(4, _STEPWISE),
    **{form: Manner(0.5, _STEPWISE) for form in _OTHERS},
}
ANSWERING: Manners = {
    THINK_ANSWER: Manner(
        8,
        {
            "tagged at once": 0.34,
            "prose at once": 0.22,
            "tagged steps": 0.16,
            "prose steps": 0.10,
            "boxed at once": 0.08,
            "bare": 0.08,
            "empty thought": 0.02,  # at 0.06 the likeliest after `<think>`, since steps begin in many ways
        },
    ),
    ANSWER_ONLY: Manner(3, {"tagged at once": 0.7, "bare": 0.2, "prose at once": 0.1}),
    BOX: Manner(2, {"boxed steps": 0.4, "boxed at once": 0.4, "prose steps": 0.2}),
    BRIEF: Manner(2, {"bare": 0.6, "prose at once": 0.4}),
    VERBATIM: Manner(3, {"prose at once": 0.4, "prose steps": 0.3, "bare": 0.3}),
    BARE: Manner(0.5, {"bare": 1.0}),
    BOX_JSON: Manner(4, _OFTEN_DIRECT),
    **{form: Manner(0.5, _OFTEN_DIRECT) for form in _OTHERS},
}


def respond(rng: random.Random, manners: Manners, example: Example, boxes: bool) -> tuple[BaseFormat, str]:
    """(a prompt format, a response in one of its styles). boxes: whether the answer is a list of boxes; only
    then is it asked in `BOX_JSON`."""
    weights = [manner.weight if boxes or form != BOX_JSON else 0 for form, manner in manners.items()]
    form = rng.choices(list(manners), weights)[0]
    styles = manners[form].styles
    style = rng.choices(list(styles), list(styles.values()))[0]
    return form, STYLES[style](form, example)
