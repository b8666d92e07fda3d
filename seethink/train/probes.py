"""Probes: examples of each kind of media whose groups are checked before the first step.

Every row of the data is looked at, by the headers of its media; only what is drawn has none."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TypeVar

from seethink.media import Image, Video
from seethink.media.resize import size_within
from seethink.models.encoder import Encoder
from seethink.models.packing import Branch, Group
from seethink.models.verification import PROBED, kind_of_media
from seethink.train import ranks
from seethink.train.configs import GRPOConfig
from seethink.train.rollouts import Rollouts
from seethink.types import Example, PreferencePair, Sampling, SFTExample, Task

T = TypeVar("T", Example, SFTExample, PreferencePair)

PX_PER_TOKEN, LETTERS_PER_TOKEN = 28 * 28, 4
"""To weigh pictures against text; only the order matters."""


def longest_of_each_kind(items: Sequence[T]) -> list[T]:
    """For each kind of media in the data items with about the longest prompt, and, of clips, with most frames
    and most seconds for the size of a frame, whose times run furthest beyond a frame's positions; this
    process's share."""
    most: dict[tuple[str, str], tuple[float, int]] = {}
    for i, item in enumerate(items):
        media = _example(item).media
        kind = kind_of_media([medium.kind == "video" for medium in media])
        for name, value in _measures(_example(item)).items():
            most[kind, name] = max(most.get((kind, name), (value, -i)), (value, -i))
    chosen = dict.fromkeys(-i for _, i in most.values())
    return ranks.local_shard([items[i] for i in chosen])


def rollout_probes(task: Task, encoder: Encoder, rollouts: Rollouts, config: GRPOConfig) -> list[Group]:
    """Probes of a task with two short completions each; where vLLM samples, with the question as a response,
    since its log-probabilities are measured at every step instead."""
    examples = longest_of_each_kind(task.examples)
    prompts = encoder.prompts([task.format.prompt(example) for example in examples])
    if config.rollout.rollout_backend == "local":
        limit = min(PROBED, config.rollout.max_completion_length)
        sampling = Sampling(2, config.rollout.temperature, max_tokens=limit, seed=config.training.seed)
        completions = rollouts.complete(prompts, sampling)
        branches = [[Branch(c.token_ids, sampled=c.logps) for c in own] for own in completions]
    else:
        branches = [[Branch(encoder.response_ids(example.question))] * 2 for example in examples]
    return [Group(*parts) for parts in zip(prompts, branches, (e.id for e in examples), strict=True)]


def _example(item: Example | SFTExample | PreferencePair) -> Example:
    return item if isinstance(item, Example) else item.example


def _measures(example: Example) -> dict[str, float]:
    """{name: size}: about how many tokens its prompt has, and how long its clips are for their frames."""
    tokens, found = len(example.question) / LETTERS_PER_TOKEN, {}
    for medium in example.media:
        if isinstance(medium, Video):
            width, height = size_within(*medium.size(), medium.max_px)
            frames, side = medium.frame_count(), max(width, height)
            tokens += frames * width * height / PX_PER_TOKEN
            for name, length in (("frames", frames), ("seconds", medium.length_s())):
                found[name] = max(found.get(name, 0.0), length / side)
        elif isinstance(medium, Image) and not callable(medium.source):
            tokens += prod(medium.size()) / PX_PER_TOKEN
    return {"tokens": tokens, **found}
