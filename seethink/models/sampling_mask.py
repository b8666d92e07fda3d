"""Log-probabilities over the tokens that truncated sampling kept.

An engine with `top_k` or `top_p` draws from p(t) / (sum of p over the kept tokens). The trained model must
normalise over the same tokens, or the ratio of both is off by their mass ("Keep Sampling Mask",
DeepSeek-V3.2, arXiv 2512.02556, section 3.1)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence


def padded(masks: Iterable[tuple[Sequence[Sequence[int]], int]]) -> Tensor | None:
    """(N, K) ids kept at each trained token, padded with -1; of -1 alone where nothing was truncated, None if
    it nowhere was. masks: of each branch, with the number of its trained tokens."""
    every = [ids for own, n_trained in masks for ids in own or [()] * n_trained]
    if not any(every):
        return None
    return pad_sequence([torch.tensor(ids, dtype=torch.long) for ids in every], True, -1)


def token_logps(logits: Tensor, total: Tensor, targets: Tensor, kept: Tensor | None = None) -> Tensor:
    """(n,) log-probabilities of `targets` (n,) under (n, V) logits with logarithmic sums `total` (n,), or
    over the ids in `kept` (n, K), rows of `padded`."""
    if kept is not None:
        padding = kept < 0
        empty = padding.all(-1)  # its sum is not used, but finite, so that the gradient is
        own = logits.gather(-1, kept.clamp(min=0)).masked_fill(padding & ~empty[:, None], -torch.inf)
        total = torch.where(empty, total, own.logsumexp(-1))
    return logits.gather(-1, targets[:, None])[:, 0] - total
