"""Describe, then reason: the picture is written down formally before the question is answered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from seethink.attempt import judge_all
from seethink.formats.messages import chat_message, spoken
from seethink.solve.metering import Meter
from seethink.solve.options import SolverOptions
from seethink.types import (
    GREEDY,
    MEDIA_MARK,
    Completion,
    Engine,
    Example,
    Rollout,
    RolloutPart,
    Sampling,
    Task,
)

REQUEST = "Describe the picture."
NOTE = "What is shown was written down before, and may hold errors:"
"""The wording is ours: none of the published systems describes at inference."""
LONG = replace(GREEDY, max_tokens=512)


@dataclass(frozen=True)
class DescribeFirst(SolverOptions):
    """Ask for a description of what is shown, and answer the question with it at hand.

    request: how the description is asked for, such as "Write the table as CSV."; the default is asked in
    `sprout`'s curriculum. show_picture: false answers from the description alone. max_description_tokens: of
    the description, which is greedy. sampling: of the answers. An example without media is answered directly,
    and one without a description is unanswered.
    """

    request: str = REQUEST
    show_picture: bool = True
    max_description_tokens: int = 512
    sampling: Sampling = field(default=LONG)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require(max_description_tokens="at least 1")

    def answer(self, engine: Engine, task: Task, examples: Sequence[Example]) -> list[list[Rollout]]:
        """`sampling.n` rollouts of each example; the first part of each is the description."""
        meter = Meter(len(examples))
        shown = [i for i, example in enumerate(examples) if example.media]
        described: dict[int, str] = {}
        failed: dict[int, Completion] = {}
        greedy = replace(GREEDY, max_tokens=self.max_description_tokens)
        requests = [[chat_message("user", *examples[i].media, self.request)] for i in shown]
        for i, (reply,) in zip(shown, meter.ask(engine, shown, requests, greedy), strict=True):
            if reply.stop == "unanswered":
                failed[i] = reply
            else:
                described[i] = spoken(reply.text)
        asked = [self.with_description(one, described.get(i)) for i, one in enumerate(examples)]
        prompts = [task.format.prompt(example) for example in asked]
        live = [i for i in range(len(examples)) if i not in failed]
        given = meter.ask(engine, live, [prompts[i] for i in live], self.sampling)
        found = dict(zip(live, given, strict=True))
        answers = [found.get(i) or [failed[i]] * self.sampling.n for i in range(len(examples))]
        rollouts = judge_all(task, examples, prompts, answers)
        return meter.give(
            [
                [replace(one, parts=self._parts(described.get(i))) for one in group]
                for i, group in enumerate(rollouts)
            ]
        )

    def _parts(self, description: str | None) -> tuple[RolloutPart, ...]:
        return () if description is None else (RolloutPart("description", description),)

    def with_description(self, example: Example, description: str | None) -> Example:
        """The example whose question holds the description; unchanged without one."""
        if description is None:
            return example
        question = f"{example.question}\n\n{NOTE}\n{description}\n"
        if self.show_picture:
            return replace(example, question=question)
        history = tuple(turn._replace(text=MEDIA_MARK.sub("", turn.text)) for turn in example.history)
        bare = MEDIA_MARK.sub("", question).strip()
        return replace(example, question=bare, history=history, media=())
