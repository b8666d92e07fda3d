"""Completions of prompts as branches to learn from, in one turn or in several."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from seethink.attempt import sft_example
from seethink.environment import Episode, roll_out
from seethink.models.encoder import Encoder, Prompt
from seethink.models.observations import ObservationEncoder, Observed
from seethink.models.packing import Branch, Group
from seethink.train import ranks
from seethink.train.rollouts import Rollouts
from seethink.types import Completion, Example, InputError, Rollout, Sampling, Task


class SampledGroup(NamedTuple):
    """A prompt, its scored rollouts, and the tokens of each."""

    prompt: Prompt
    rollouts: list[Rollout]
    branches: list[Branch]


class RolloutSampler:
    """Samples completions of a task; where it has an environment, turn by turn, with the observations that
    the model was shown as tokens without a loss.

    Raises InputError where the back-end, the model's family or a setting cannot have an environment.
    """

    def __init__(self, task: Task, rollouts: Rollouts, model: Any, encoder: Encoder) -> None:
        self.task, self.rollouts = task, rollouts
        self.observe = ObservationEncoder(model, encoder) if task.environment else None
        if task.environment and rollouts.config.rollout.rollout_backend != "local":
            raise InputError(
                "a task with an environment samples with the trained model: rollout_backend=local"
            )
        if task.environment and rollouts.config.overlong_buffer_len:
            raise InputError(
                "max_completion_length limits each turn of a task with an environment, so there is no length "
                "of the whole to punish: overlong_buffer_len=0"
            )

    def __call__(
        self, examples: Sequence[Example], prompts: Sequence[Prompt], sampling: Sampling
    ) -> tuple[list[list[Completion]], list[list[Branch]]]:
        """`sampling.n` completions of each prompt, and their tokens; `max_tokens` limits each turn."""
        numbers = _numbers(examples, sampling.n)
        prompts = [_asked_again(*both) for both in zip(prompts, numbers, strict=True)]
        if self.task.environment is None or self.observe is None:
            completions = self.rollouts.complete(prompts, sampling)
            return completions, [
                [
                    Branch(c.token_ids, sampled=c.logps, sampling_mask=c.sampling_mask, rollout=n)
                    for c, n in zip(own, named, strict=True)
                ]
                for own, named in zip(completions, numbers, strict=True)
            ]
        episodes = roll_out(
            self.task.environment,
            examples,
            [Observed(prompt) for prompt in prompts],
            lambda observed, sampling: self.rollouts.complete([one.prompt() for one in observed], sampling),
            self.observe.extend,
            sampling,
        )
        return (
            [[episode.completion() for episode in own] for own in episodes],
            [[*map(_branch, own, named)] for own, named in zip(episodes, numbers, strict=True)],
        )


def _numbers(examples: Sequence[Example], n: int) -> list[range]:
    """The numbers of each prompt's `n` completions among those of its example, which may be asked twice, in
    one process or in two. Every process must call it."""
    here = ranks.rank()
    every = ranks.all_gather((here, example.id) for example in examples)
    asked = Counter(name for rank, name in every if rank < here for _ in range(n))
    found = []
    for example in examples:
        found.append(range(asked[example.id], asked[example.id] + n))
        asked[example.id] += n
    return found


def _asked_again(prompt: Prompt, numbers: range) -> Prompt:
    """The prompt, of an example that is asked again with random numbers of its own: the same completions
    would teach nothing new."""
    return replace(prompt, key=f"{prompt.key}\n{numbers.start}") if numbers.start else prompt


def _branch(episode: Episode[Observed], rollout: int) -> Branch:
    whole = episode.prompt.said(episode.turns[-1])
    said = episode.completion()
    return Branch(
        whole.ids,
        whole.sampled,
        rollout=rollout,
        sampled=said.logps,
        sampling_mask=said.sampling_mask,
        kinds=whole.kinds,
        shown=whole.shown,
    )


def with_traces(
    groups: list[Group], sampled: Sequence[SampledGroup], task: Task, encoder: Encoder, sft_loss_coef: float
) -> list[Group]:
    """The groups, and beside each prompt's completions its reference trace, whose likelihood has the weight
    `sft_loss_coef` in the loss; the groups as they are at 0."""
    if not sft_loss_coef:
        return groups
    by_prompt = {id(group.prompt): group for group in groups}  # an example may be asked twice
    traces = []
    for prompt, rollouts, _ in sampled:
        example = rollouts[0].example
        trace = Branch(encoder.reply_ids(prompt, sft_example(task, example).text), copied=True)
        by_prompt.setdefault(id(prompt), Group(prompt, [], example.id)).branches.append(trace)
        traces.append(trace)
    total = ranks.all_sum(sum(trace.n_trained for trace in traces))
    for trace in traces:
        trace.weight = sft_loss_coef / total
    return list(by_prompt.values())
