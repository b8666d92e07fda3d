"""Tasks and preference pairs from a user's own file, rewards by weight, and a model that judges beside
rules."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypedDict, Unpack

from seethink import formats, identity, verify
from seethink.attempt import sft_example
from seethink.sequences import LazySequence
from seethink.settings import unknown
from seethink.types import MEDIA_MARK, Example, InputError, PreferencePair, SFTExample, Task, Verifier
from seethink.verify.auto import Auto, refuse_unknown
from seethink.verify.combine import Weighted
from seethink.verify.judge import Audited, BaseJudge

REWARD_WEIGHTS: Mapping[str, float] = {"correct": 1.0, "format": 0.5}
"""Parts of the reward of a user's task, with their default weights: the verifier's score, and obeying the
format."""
JudgeScope = Literal["unjudged", "all"]
"""Which answers a judge scores: those that the rules cannot judge, or all."""


class ReadOptions(TypedDict, total=False):
    """media_root: folder to which paths of media are relative; the data's own by default. num_frames: frames
    of each clip (8); frame_interval: or one frame every so many seconds. What a row says of its clip wins.
    answered: refuse rows without an answer (True); else as `records.read` does."""

    media_root: Path | None
    num_frames: int
    frame_interval: float | None
    answered: bool


def load_task(
    data: Path | str,
    format: str = "think_answer",
    prompt_mode: str = "suffix",
    verifier: str | Verifier = "auto",
    reward_weights: Mapping[str, float] = REWARD_WEIGHTS,
    **options: Unpack[ReadOptions],
) -> Task:
    """A task from a file of questions, or from a drawn world (`drawn:WORLD:N`).

    data: a file, folder or saved dataset (docs/data.md). format, prompt_mode: names from `formats.FORMATS`
    and `formats.PROMPT_MODES`. verifier: a name from `verify.VERIFIERS` or a verifier. Format and verifier
    may also be your own, as `./mine.py:near` (docs/own.md). reward_weights: {part: weight} of
    `REWARD_WEIGHTS`; weight 0 makes a part a metric, which is reported but not rewarded.

    All rows and media are checked before this returns. Raises InputError naming file, row and what to do.
    """
    from seethink.sources import drawn, records

    template = formats.by_name(format, prompt_mode)
    correct = verify.by_name(verifier) if isinstance(verifier, str) else verifier
    reward = weighted_reward(correct, reward_weights)
    if str(data).startswith(drawn.PREFIX):
        examples: Sequence[Example] = drawn.by_address(str(data))
    else:
        answered = options.get("answered", True)
        examples = records.read(Path(data), options.get("media_root"), _video_options(options), answered)
        if isinstance(correct, Auto):
            refuse_unknown(examples)
    return Task(Path(data).stem, examples, template, reward)


def load_pairs(
    data: Path | str,
    format: str = "think_answer",
    prompt_mode: str = "suffix",
    **options: Unpack[ReadOptions],
) -> tuple[PreferencePair, ...]:
    """Preference pairs from a file with `prompt`, `chosen` and `rejected`; options and errors as in
    `load_task`."""
    from seethink.sources.preferences import read_pairs

    template = formats.by_name(format, prompt_mode)
    return read_pairs(Path(data), template, options.get("media_root"), _video_options(options))


def _video_options(options: ReadOptions) -> dict[str, Any]:
    return {"num_frames": options.get("num_frames", 8), "frame_interval": options.get("frame_interval")}


# Rewards --------------------------------------------------------------------------------------------------


def weighted_reward(correct: Verifier, weights: Mapping[str, float] = REWARD_WEIGHTS) -> Weighted:
    """The reward of a user's task: `correct`, and whether the text obeys its format, as parts "correct" and
    "format".

    A part without a weight gets 0. Raises InputError for an unknown part or a weight that is no finite number
    >= 0, and where no weight is positive.
    """
    for name, weight in weights.items():
        if name not in REWARD_WEIGHTS:
            raise unknown("part of the reward", name, REWARD_WEIGHTS)
        if not (math.isfinite(weight) and weight >= 0):
            raise InputError(f"the reward weight {name}={weight} is not a finite number of at least 0")
    if not any(weights.values()):
        raise InputError(f"no part has a positive reward weight; known parts: {', '.join(REWARD_WEIGHTS)}")
    parts = {"correct": correct, "format": verify.well_formed}
    return Weighted(tuple((name, part, float(weights.get(name, 0.0))) for name, part in parts.items()))


def parse_reward_weights(text: str) -> dict[str, float]:
    """`correct=1,format=0.5` as a mapping. Raises InputError for anything else; `weighted_reward` checks the
    names."""
    weights: dict[str, float] = {}
    for item in text.split(","):
        name, equals, value = (part.strip() for part in item.partition("="))
        try:
            weights[name] = float(value)
        except ValueError:
            equals = ""
        if not (name and equals):
            known = ", ".join(REWARD_WEIGHTS)
            raise InputError(f"{item!r} is no reward weight; write PART=NUMBER, PART one of {known}")
    return weights


# Supervised examples --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class GoldTraces(LazySequence[SFTExample]):
    """The task's own steps and answers, as a model that obeys its format would write them. A conversation is
    one example: the earlier answers in it are learned too, without those of weight 0."""

    task: Task

    def __len__(self) -> int:
        return len(self.task.examples)

    def item(self, i: int) -> SFTExample:
        example = self.task.examples[i]
        earlier = tuple(sft_example(self.task, one) for one in _earlier_answers(example))
        return replace(sft_example(self.task, example), earlier=earlier)

    @property
    def identity(self) -> str | None:
        """None unless the examples have one; all traces are then written once, which finds a bad row at
        once."""
        examples = self.task.examples
        known = examples.identity if isinstance(examples, LazySequence) else None
        return None if known is None else identity.digest(["traces", known, self.task.format])

    @property
    def identity_length(self) -> int | None:
        examples = self.task.examples
        return examples.identity_length if isinstance(examples, LazySequence) else len(self)


def _earlier_answers(example: Example) -> Iterator[Example]:
    """An example for each answer in the history; it has the turns and the media before that answer."""
    texts = [turn.text for turn in example.history]
    for i, turn in enumerate(example.history):
        if turn.role != "assistant" or not turn.learned or i == 0 or example.history[i - 1].role != "user":
            continue
        steps, answer = _split_thought(turn.text, f"turn {i + 1} of {example.label}")
        shown = sum(len(MEDIA_MARK.findall(text)) for text in texts[:i])
        yield replace(
            example,
            id=f"{example.id}/{i + 1}",
            question=texts[i - 1],
            media=example.media[:shown] if example.is_marked else example.media,
            answer=answer,
            choices=(),
            steps=steps,
            history=example.history[: i - 1],
        )


def _split_thought(text: str, name: str) -> tuple[tuple[str, ...], str]:
    """(steps, answer) of an answer; without tags, the whole text is the answer."""
    if not any(tag in text for tag in formats.TAGS):
        return (), text
    response = formats.THINK_ANSWER.parse(text)
    if not response.answer:
        raise InputError(f"{name} cannot be read: {response.fault}; write its answer once in <answer>")
    return (response.thought,) if response.thought else (), response.answer


# A model that judges --------------------------------------------------------------------------------------


def with_judge(
    task: Task,
    judge: BaseJudge,
    scope: JudgeScope = "unjudged",
    steps_judge: BaseJudge | None = None,
    audit: Audited | None = None,
) -> Task:
    """The task with its headline part scored by a judge where the rules cannot judge the gold or read the
    answer, or everywhere.

    The rules' own score becomes the metric "rules", the grade of `steps_judge` the metric "steps", the score
    of `audit` the metric "audit"; none is rewarded.
    """
    parts = _parts(task)
    (rules,) = (part for name, part, _ in parts if name == task.headline)
    scorer = judge if scope == "all" else verify.first_of(rules, judge)
    scored = [(name, scorer if name == task.headline else part, weight) for name, part, weight in parts]
    named = {"rules": rules, "steps": steps_judge, "audit": audit}
    metrics = {name: part for name, part in named.items() if part is not None}
    return with_metrics(replace(task, verifier=Weighted(tuple(scored))), **metrics)


def with_metrics(task: Task, **metrics: Verifier) -> Task:
    """The task with further parts of its score, by name, that are reported and not rewarded."""
    unpaid = ((name, metric, 0.0) for name, metric in metrics.items())
    return replace(task, verifier=Weighted((*_parts(task), *unpaid)))


def _parts(task: Task) -> tuple[tuple[str, Verifier, float], ...]:
    """The named parts of the task's score; a verifier without names is its headline."""
    whole = task.verifier
    return whole.parts if isinstance(whole, Weighted) else ((task.headline, whole, 1.0),)
