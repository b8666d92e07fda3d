"""Token-level beam search of the local engine: what transformers' `generate(num_beams=W)` finds, for many
prompts at once, each computed once for all of its beams."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from seethink.engines.base import Beams
from seethink.engines.kv_cache import preallocate
from seethink.engines.prefill import Sampled, completed
from seethink.engines.sampling import not_numbers
from seethink.models.batching import batches
from seethink.models.encoder import Prompt
from seethink.types import Completion, InputError, RolloutUsage

if TYPE_CHECKING:
    from seethink.engines.local import LocalEngine


@dataclass
class _Beam:
    """A begun sequence: its token ids, their log-probabilities, and the sum of these in single precision, as
    it is ranked."""

    ids: list[int] = field(default_factory=list)
    logps: list[float] = field(default_factory=list)
    total: float = 0.0


@dataclass
class _Search:
    """The search of one prompt. running: begun sequences, the likeliest first. finished: (score, beam), the
    best first."""

    running: list[_Beam]
    finished: list[tuple[float, _Beam]] = field(default_factory=list)
    steps: int = 0

    def is_over(self, beams: Beams) -> bool:
        """Whether no begun sequence can enter the finished ones, by the rule of transformers'
        `early_stopping=False`: as if it ended now."""
        if self.steps == beams.max_tokens:
            return True
        full = len(self.finished) == beams.width
        return full and self.running[0].total / self.steps**beams.length_penalty <= self.finished[-1][0]


def search(engine: LocalEngine, prompts: Sequence[Prompt], beams: Beams) -> list[list[Completion]]:
    """The `beams.width` best completions of each prompt, the best first.

    A sequence's score is the sum of its log-probabilities over its length to the power `length_penalty`.
    Raises InputError for families without rows of our own.
    """
    if not engine.encoder.family.shared:
        raise InputError(
            f"{type(engine.model).__name__} has no token-level beam search here; set width=1, or choose a "
            "model of another family"
        )
    completions: list[list[Completion]] = [[] for _ in prompts]
    for batch in batches(prompts, beams.width, beams.max_tokens, engine.max_tokens_per_batch):
        found = _search(engine, [prompts[i] for i in batch], beams)
        for i, best in zip(batch, found, strict=True):
            completions[i] = [completed(engine.encoder, prompts[i], one) for one in best]
    return completions


@torch.inference_mode()
def _search(engine: LocalEngine, prompts: Sequence[Prompt], beams: Beams) -> list[list[Sampled]]:
    engine.model.eval()
    state = engine.prefill(prompts)
    device = state.logits.device
    searches = [_Search([_Beam()]) for _ in prompts]
    open_: list[int] = [*range(len(prompts))]  # searches whose beams are the rows of the state
    for t in range(beams.max_tokens):
        if (nan := state.logits.isnan().any(-1)).any():
            prompt = prompts[open_[int(nan.nonzero()[0]) // (len(nan) // len(open_))]]
            raise not_numbers(prompt)
        chosen = _advance(engine, [searches[i] for i in open_], state.logits, beams)
        if t == 0:
            state.repeat(beams.width)
            preallocate(state.cache)
        going = [place for place, i in enumerate(open_) if not searches[i].is_over(beams)]
        if not going:
            break
        width = beams.width
        rows = torch.tensor([place * width + row for place in going for row in chosen[place]], device=device)
        if rows.tolist() != [*range(len(state.mask))]:
            state.select(rows)
        open_ = [open_[place] for place in going]
        tokens = [beam.ids[-1] for i in open_ for beam in searches[i].running]
        engine.prefill.step(state, torch.tensor(tokens, device=device), t)
    return [_results(one, usage) for one, usage in zip(searches, state.usage, strict=True)]


def _advance(
    engine: LocalEngine, searches: Sequence[_Search], logits: Tensor, beams: Beams
) -> list[list[int]]:
    """Extend every search by a token. Return which of its beams each new running beam continues.

    Of the 2 * width likeliest continuations, those that end count as finished if they are among the first
    width, and the likeliest others go on.
    """
    logps = logits.float().log_softmax(-1)
    logps[:, [token for token in engine.encoder.media_token_ids if token < logps.shape[-1]]] = -torch.inf
    logps = logps.view(len(searches), -1, logps.shape[-1])  # (B, beams, V)
    totals = torch.tensor([[beam.total for beam in one.running] for one in searches], device=logps.device)
    highest, places = (logps + totals[..., None]).flatten(1).topk(2 * beams.width)
    own = logps.flatten(1).gather(1, places)
    chosen = []
    for one, *of_one in zip(searches, highest.tolist(), places.tolist(), own.tolist(), strict=True):
        one.steps += 1
        running, parents = [], []
        for rank, (total, place, logp) in enumerate(zip(*of_one, strict=True)):
            parent, token = divmod(place, logps.shape[-1])
            before = one.running[parent]
            beam = _Beam([*before.ids, token], [*before.logps, logp], total)
            if token != engine.encoder.eos_token_id and one.steps < beams.max_tokens:
                running.append(beam)
                parents.append(parent)
            elif rank < beams.width:
                one.finished.append((total / one.steps**beams.length_penalty, beam))
        one.finished = sorted(one.finished, key=lambda pair: -pair[0])[: beams.width]
        one.running = running[: beams.width]
        chosen.append(parents[: beams.width])
    return chosen


def _results(one: _Search, prompt: RolloutUsage) -> list[Sampled]:
    """The finished sequences; the first holds what all took."""
    width = len(one.finished)
    whole = RolloutUsage(1, width * one.steps) + prompt
    return [
        Sampled(beam.ids, beam.logps, RolloutUsage() if rank else whole)
        for rank, (_, beam) in enumerate(one.finished)
    ]
