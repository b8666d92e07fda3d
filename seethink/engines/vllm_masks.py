"""Sampling masks from vLLM's log-probabilities: which tokens `top_k` and `top_p` kept for each sampled one.

With `logprobs_mode=processed_logprobs` a token that truncation dropped has probability 0, and the others sum
to 1. So the `top_k` highest log-probabilities name the tokens that were kept, on every platform, and their
sum tells whether all were named. vLLM's own `return_sampling_mask` needs its second model runner, which has
no CPU build."""

from __future__ import annotations

import logging
import math
from array import array
from collections.abc import Mapping, Sequence

_LOG = logging.getLogger(__name__)

WHOLE = 0.999
"""A mask with less probability than this lacks tokens; above it is rounding."""


class SamplingMasks:
    """Reads sampling masks. incomplete: sampled tokens so far whose mask lacks tokens that were kept: vLLM
    keeps all tokens that tie with the last of `top_k`, and returns `top_k` of them."""

    incomplete = 0

    def read(self, places: Sequence[Mapping[int, float]]) -> tuple[list[array[int]], list[float]]:
        """The sampling mask of a completion, and the logarithm of the probability that vLLM gave to it at
        each place. places: {id: log-probability}, of the sampled token too."""
        kept = [{token: p for token, logp in at.items() if (p := math.exp(logp)) > 0} for at in places]
        masses = [math.fsum(at.values()) for at in kept]
        missing = sum(mass < WHOLE for mass in masses)
        if missing and not self.incomplete:
            _LOG.warning(
                "vLLM kept more tokens than top_k, since some were equally likely, and did not name all: its "
                "log-probabilities and the trained model's are normalised there over those that it named; "
                "metrics.jsonl counts such places (incomplete_sampling_masks)"
            )
        self.incomplete += missing
        return [array("i", sorted(at)) for at in kept], [math.log(mass) for mass in masses]
