"""Sampling of tokens from logits, with a random stream for each completion."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from transformers import TopKLogitsWarper, TopPLogitsWarper

from seethink.engines.base import records_mask
from seethink.media.paths import without_place
from seethink.models.encoder import Prompt
from seethink.types import NotFinite, Sampling


class Drawn(NamedTuple):
    """tokens (B,): sampled ids. logps (B,): their log-probabilities under the distribution that they are
    drawn from. kept (B, V): which tokens truncation kept; None where `records_mask` is False."""

    tokens: Tensor
    logps: Tensor
    kept: Tensor | None = None


def kept_ids(kept: Tensor) -> list[array[int]]:
    """The ids in each row of `Drawn.kept`, in ascending order."""
    rows = kept.nonzero()[:, 1].split(kept.sum(-1).tolist())
    return [array("i", ids.tolist()) for ids in rows]


def sample(logits: Tensor, uniforms: Tensor, sampling: Sampling, forbidden: Sequence[int] = ()) -> Drawn:
    """Tokens from (B, V) logits: the argmax at temperature 0, with log-probabilities of the softmax without a
    temperature, else by inverse transform of (B,) uniform numbers in [0, 1). forbidden: ids never sampled,
    such as media placeholders, which would have no picture; some models have placeholders that their output
    layer does not."""
    logits = logits.float().clone()
    logits[:, [token for token in forbidden if token < logits.shape[-1]]] = -torch.inf
    if sampling.temperature == 0:
        highest, token = logits.max(-1)
        return Drawn(token, highest - logits.logsumexp(-1))
    logits = logits / sampling.temperature
    if sampling.top_k:
        logits = TopKLogitsWarper(sampling.top_k)(None, logits)  # type: ignore[arg-type]
    if sampling.top_p < 1:
        logits = TopPLogitsWarper(sampling.top_p)(None, logits)  # type: ignore[arg-type]
    probabilities = logits.double().softmax(-1)
    mass = probabilities.cumsum(-1)
    token = torch.searchsorted(mass, (uniforms.double() * mass[:, -1])[:, None], right=True)[:, 0]
    token = token.clamp(max=logits.shape[-1] - 1)
    kept = logits > -torch.inf if records_mask(sampling) else None
    return Drawn(token, probabilities.gather(-1, token[:, None])[:, 0].log().float(), kept)


def not_numbers(prompt: Prompt) -> NotFinite:
    """The error of logits that are not numbers, after a prompt and perhaps some tokens."""
    return NotFinite(f"the model's logits are not numbers, after {prompt.key[-200:]!r}")


def stream_key(prompt: Prompt) -> str:
    """What the random numbers of a prompt's completions depend on: its text and media, but not where their
    files lie or when they were written. Another run folder, or a copied data set, samples the same."""
    key = prompt.key
    for medium in dict.fromkeys(prompt.media_keys):
        key = key.replace(repr(medium), repr(without_place(medium)))
    return key


def random_streams(prompts: Sequence[Prompt], sampling: Sampling) -> Tensor:
    """(B * n, max_tokens) uniform numbers in [0, 1), a stream for each completion, keyed by (seed, sample
    number, prompt)."""
    rows = []
    for prompt in prompts:
        own = stream_key(prompt)
        for number in range(sampling.n):
            key = hashlib.sha256(f"{sampling.seed}/{number}/{own}".encode()).digest()
            generator = torch.Generator().manual_seed(int.from_bytes(key[:8], "big") >> 1)
            rows.append(torch.rand(sampling.max_tokens, generator=generator))
    return torch.stack(rows)
