"""Probes: the longest example of each kind of media, whose group is checked before the first step."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TypeVar

from seethink.media import Image, Video
from seethink.models.encoder import Encoder
from seethink.models.packing import Branch, Group
from seethink.models.verification import PROBED, kind_of_media
from seethink.train import ranks
from seethink.train.configs import GRPOConfig
from seethink.train.rollouts import Rollouts
from seethink.types import Example, Media, PreferencePair, Sampling, SFTExample, Task

T = TypeVar("T", Example, SFTExample, PreferencePair)

MEASURED = 200
"""Examples of each kind, spread evenly over the data, whose sizes are read from headers."""
PX_PER_TOKEN, LETTERS_PER_TOKEN = 28 * 28, 4
"""To weigh pictures against text; only the order matters."""


def longest_of_each_kind(items: Sequence[T]) -> list[T]:
    """For each kind of media in the data an item with about the longest prompt; this process's share."""
    by_kind: dict[str, list[int]] = defaultdict(list)
    for i, item in enumerate(items):
        media = _example(item).media
        by_kind[kind_of_media([medium.kind == "video" for medium in media])].append(i)
    longest = []
    for indices in by_kind.values():
        spread = (items[i] for i in indices[:: -(-len(indices) // MEASURED)])
        longest.append(max(spread, key=lambda item: _tokens(_example(item))))
    return ranks.local_shard(longest)


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


def _tokens(example: Example) -> float:
    """About how many tokens its prompt has."""
    return sum(map(_pixels, example.media)) / PX_PER_TOKEN + len(example.question) / LETTERS_PER_TOKEN


def _pixels(medium: Media) -> int:
    """From the header; 0 for what would have to be drawn."""
    if isinstance(medium, Image) and not callable(medium.source):
        width, height = medium.size()
        return width * height
    if not isinstance(medium, Video):
        return 0
    width, height = medium.size()
    interval = medium.frame_interval
    n = medium.num_frames if interval is None else max(1, int(medium.duration_s() / interval))
    return n * min(width * height, medium.max_px)
