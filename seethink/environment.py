"""Rollouts of several turns: an environment answers what the model says, and the model goes on.

One loop for training, where prompts are token ids, and for evaluation, where they are messages.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from seethink.formats.messages import chat_message, spoken
from seethink.types import (
    Completion,
    Engine,
    Example,
    Media,
    Messages,
    Sampling,
    Task,
    assistant_prefill,
)

MAX_TURNS = 16
"""Turns after which a rollout ends, whatever the environment would answer."""

P = TypeVar("P")
Observation = Sequence[str | Media]
"""Texts and media of the user's next message, such as a part of the picture."""
Environment = Callable[[Example, Sequence[str]], Observation | None]
"""A pure function that answers a model's turn: (example, texts of all turns so far) -> observation; None ends
the rollout."""
Extend = Callable[[P, int, Completion, Observation], P]
"""(prompt, number of the rollout among those of its example, its completion, observation) -> the prompt of
the next turn."""


@dataclass
class Episode(Generic[P]):
    """One rollout. prompt: of its last turn. turns: its completions so far. number: among the rollouts of its
    example."""

    example: Example
    prompt: P
    turns: list[Completion]
    number: int

    @property
    def texts(self) -> tuple[str, ...]:
        """What the model said in each turn."""
        return tuple(turn.text for turn in self.turns)

    def completion(self) -> Completion:
        """The last turn, with the counts, the sampled tokens and the usage of all."""
        *earlier, last = self.turns
        usage = [turn.usage for turn in self.turns if turn.usage]
        return replace(
            last,
            n_tokens=sum(turn.n_tokens for turn in self.turns),
            prompt_tokens=self.turns[0].prompt_tokens,
            token_ids=sum((turn.token_ids for turn in self.turns), ()),
            logps=sum((turn.logps for turn in self.turns), ()),
            sampling_mask=sum((turn.sampling_mask for turn in self.turns), ()),
            usage=sum(usage[1:], usage[0]) if len(usage) == len(self.turns) else None,
            earlier=tuple(turn.text for turn in earlier),
        )


def roll_out(
    environment: Environment,
    examples: Sequence[Example],
    prompts: Sequence[P],
    complete: Callable[[Sequence[P], Sampling], list[list[Completion]]],
    extend: Extend[P],
    sampling: Sampling,
) -> list[list[Episode[P]]]:
    """`sampling.n` episodes of each example.

    `sampling.max_tokens` limits each turn. An episode ends where the environment has no answer, where a turn
    was cut off or unanswered, and after `MAX_TURNS`. All episodes that go on are completed together.
    """
    found = [
        [Episode(example, prompt, [completion], number) for number, completion in enumerate(own)]
        for example, prompt, own in zip(examples, prompts, complete(prompts, sampling), strict=True)
    ]
    going = [episode for own in found for episode in own]
    for _ in range(MAX_TURNS - 1):
        going = [episode for episode in going if _answer(environment, episode, extend)]
        if not going:
            break
        nexts = complete([episode.prompt for episode in going], replace(sampling, n=1))
        for episode, (completion,) in zip(going, nexts, strict=True):
            episode.turns.append(completion)
    return found


def _answer(environment: Environment, episode: Episode[P], extend: Extend[P]) -> bool:
    """Whether the environment answers the last turn; then the prompt is that of the next."""
    last = episode.turns[-1]
    if last.stop != "stop":
        return False
    observation = environment(episode.example, episode.texts)
    if observation is None:
        return False
    episode.prompt = extend(episode.prompt, episode.number, last, observation)
    return True


def complete(
    engine: Engine, task: Task, examples: Sequence[Example], prompts: Sequence[Messages], sampling: Sampling
) -> list[list[Completion]]:
    """`sampling.n` completions of each example's prompt; turn by turn where the task has an environment."""
    if task.environment is None:
        return engine.generate(prompts, sampling)
    found: list[list[Completion]] = [[] for _ in prompts]
    for number in range(sampling.n):  # one by one: equal conversations would go on equally
        seed = random.Random(f"{sampling.seed}/rollout/{number}").getrandbits(63)
        own = replace(sampling, n=1, seed=seed)
        episodes = roll_out(task.environment, examples, prompts, engine.generate, _continue, own)
        for completions, (episode,) in zip(found, episodes, strict=True):
            completions.append(episode.completion())
    return found


def _continue(messages: Messages, _: int, last: Completion, observation: Observation) -> Messages:
    """The conversation with the model's turn, its prefill included, and the environment's answer."""
    said = chat_message("assistant", assistant_prefill(messages) + spoken(last.text))
    earlier = messages[:-1] if assistant_prefill(messages) else messages
    return [*earlier, said, chat_message("user", *observation)]
