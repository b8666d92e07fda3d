"""Continuous batching over a local model: rows join and leave the batch between decode steps.

A prompt is computed once, as in `local.py`, and its completions branch off its cache. What `local.py` decodes
as one fixed batch is here a batch that changes: caches are padded on the left to a common width and
concatenated, which an attention mask allows for plain key-value layers. Other families (sliding windows,
states, cross-attention, own `generate`) are served by micro-batches (`serve/scheduler.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from seethink.engines.kv_cache import preallocate
from seethink.engines.local import KEEP_ROWS, LocalEngine
from seethink.engines.prefill import Prefilled
from seethink.engines.sampling import not_numbers, random_streams, sample
from seethink.models.batching import batches
from seethink.models.encoder import Prompt
from seethink.types import RolloutUsage, Sampling


@dataclass(frozen=True)
class TokenChoice:
    """A sampled token. logprob: under softmax(logits), without temperature or truncation. alternatives: the
    most probable (token id, log-probability) at its place, if they were requested. logp: its log-probability
    under the distribution that it was drawn from."""

    token_id: int
    logprob: float
    alternatives: tuple[tuple[int, float], ...]
    logp: float


@dataclass(eq=False)
class DecodingRow:
    """One completion in a batch. sampling: of all completions of the prompt. number: which of them it is.
    alternatives: how many are reported for each token. choices: its tokens so far. ended: by its end-of-turn
    token ("stop"), by its length ("length"), or by `drop` ("dropped"); "" while it goes on. usage: what its
    prompt took, if it is the first of it."""

    prompt: Prompt
    sampling: Sampling
    number: int = 0
    alternatives: int = 0
    choices: list[TokenChoice] = field(default_factory=list)
    ended: str = ""
    uniforms: Tensor | None = field(default=None, repr=False)
    usage: RolloutUsage = field(default_factory=RolloutUsage)

    def drop(self) -> None:
        """Leave the batch before its next decode step. Safe to call from any thread."""
        self.ended = self.ended or "dropped"


class ContinuousBatch:
    """The rows that are being decoded. Not thread-safe but for `DecodingRow.drop`.

    rows: those in the cache, ended ones included until `_compact`. state: of each row's next token; its
    positions are those of that token.
    """

    def __init__(self, engine: LocalEngine) -> None:
        self.engine, self.encoder = engine, engine.encoder
        self.rows: list[DecodingRow] = []
        self.state: Prefilled | None = None

    @classmethod
    def of(cls, engine: LocalEngine) -> ContinuousBatch | None:
        """A batch; None for a model whose cache has layers that cannot be padded and joined."""
        family = engine.encoder.family
        config = engine.model.config.get_text_config()
        kinds = set(getattr(config, "layer_types", None) or ["full_attention"])
        plain = family.shared and not family.cross and kinds == {"full_attention"}
        return cls(engine) if plain else None

    def room_for(self, rows: int, longest: int) -> bool:
        """Whether so many more rows of at most `longest` tokens, prompts included, keep to the engine's
        limit for a batch. An empty batch takes the completions of any one prompt."""
        lengths = [len(row.prompt.ids) + row.sampling.max_tokens for row in self.rows]
        return (len(lengths) + rows) * max([longest, *lengths]) <= self.engine.max_tokens_per_batch

    def clear(self) -> None:
        """Give up all rows, as after an error."""
        self.rows, self.state = [], None

    @torch.inference_mode()
    def join(self, rows: Sequence[DecodingRow]) -> None:
        """Compute the prompts of new rows and add them; rows of one prompt stand next to each other."""
        self.engine.model.eval()
        self._compact()
        runs: list[list[DecodingRow]] = []
        for row in rows:
            if not (runs and runs[-1][0].prompt is row.prompt):
                runs.append([])
            runs[-1].append(row)
        prompts = [run[0].prompt for run in runs]
        for chosen in batches(prompts, 1, 0, self.engine.max_tokens_per_batch):
            self._join([runs[i] for i in chosen])

    def _join(self, runs: Sequence[Sequence[DecodingRow]]) -> None:
        state = self.engine.prefill([run[0].prompt for run in runs])
        places = torch.tensor([i for i, run in enumerate(runs) for _ in run], device=state.logits.device)
        if len(places) != len(runs):
            state.select(places)
        preallocate(state.cache)
        for run, usage in zip(runs, state.usage, strict=True):
            run[0].usage = usage
            streams = random_streams([run[0].prompt], run[0].sampling)
            for row in run:
                row.uniforms = streams[row.number]
        if self.state is None:
            self.state = state
        else:
            _concatenate(self.state, state)
        self.rows += [row for run in runs for row in run]

    @torch.inference_mode()
    def step(self) -> list[DecodingRow]:
        """Choose the next token of every row that goes on, and compute their logits after it. Returns those
        rows; some have now ended."""
        self._drop_ended(KEEP_ROWS)
        going = [i for i, row in enumerate(self.rows) if not row.ended]
        if self.state is None or not going:
            self.clear()
            return []
        logits = self.state.logits
        token = torch.full((len(self.rows),), self.encoder.eos_token_id, device=logits.device)
        for i, choice in self._choices(going, logits):
            row, token[i] = self.rows[i], choice.token_id
            row.choices.append(choice)
            if choice.token_id == self.encoder.eos_token_id:
                row.ended = "stop"
            elif len(row.choices) == row.sampling.max_tokens:
                row.ended = row.ended or "length"
        if any(not row.ended for row in self.rows):
            self.engine.prefill.step(self.state, token, 0)
            self.state.position = self.state.position + 1
        return [self.rows[i] for i in going]

    def _choices(self, going: Sequence[int], all_logits: Tensor) -> Iterator[tuple[int, TokenChoice]]:
        """(row, its next token), sampled together for rows of equal sampling."""
        nan = all_logits[list(going)].isnan().any(-1)
        if nan.any():
            prompt = self.rows[going[int(nan.nonzero()[0])]].prompt
            raise not_numbers(prompt)
        alike: dict[tuple[float, float, int], list[int]] = {}
        for i in going:
            s = self.rows[i].sampling
            alike.setdefault((s.temperature, s.top_p, s.top_k), []).append(i)
        for places in alike.values():
            rows = [self.rows[i] for i in places]
            logits = all_logits[places]
            uniforms = torch.stack([_uniform(row) for row in rows]).to(logits.device)
            tokens, logps, _ = sample(logits, uniforms, rows[0].sampling, self.encoder.media_token_ids)
            plain = logits.float().log_softmax(-1)
            own = plain.gather(-1, tokens[:, None])[:, 0].tolist()
            most = max(row.alternatives for row in rows)
            top = plain.topk(min(most, plain.shape[-1])) if most else None
            for k, (i, row) in enumerate(zip(places, rows, strict=True)):
                pairs: list[tuple[int, float]] = []
                if top is not None and row.alternatives:
                    pairs = [*zip(top.indices[k].tolist(), top.values[k].tolist(), strict=True)]
                kept = tuple(pairs[: row.alternatives])
                yield i, TokenChoice(int(tokens[k]), own[k], kept, float(logps[k]))

    def _drop_ended(self, keep: float) -> None:
        """Take ended rows out of the cache when the share of the others is below `keep`: each removal copies
        the cache."""
        going = sum(not row.ended for row in self.rows)
        if going and going < keep * len(self.rows):
            self._compact()

    def _compact(self) -> None:
        """Keep the rows that go on, and the width that the longest of them needs."""
        kept = [i for i, row in enumerate(self.rows) if not row.ended]
        if not kept or self.state is None:
            self.clear()
        elif len(kept) < len(self.rows):
            self.rows = [self.rows[i] for i in kept]
            self.state.select(torch.tensor(kept, device=self.state.logits.device))
            _crop(self.state)


def _crop(state: Prefilled) -> None:
    """Take away the places on the left that no row uses."""
    unused = int((state.mask.cumsum(-1) == 0).sum(-1).min())
    if unused:
        state.mask = state.mask[:, unused:]
        for layer in state.cache.layers:
            layer.keys, layer.values = layer.keys[..., unused:, :], layer.values[..., unused:, :]
            layer.buffers = None


def _concatenate(state: Prefilled, more: Prefilled) -> None:
    """Add the rows of `more` to a state, both padded on the left to one width. The state is unchanged where
    that raises."""
    width = max(state.mask.shape[1], more.mask.shape[1])
    joined = [
        [torch.cat([_left(x, width) for x in pair]) for pair in zip(*states, strict=True)]
        for states in zip(_states(state.cache), _states(more.cache), strict=True)
    ]
    masks = [pad(x.mask, (width - x.mask.shape[1], 0)) for x in (state, more)]
    for layer, (keys, values) in zip(state.cache.layers, joined, strict=True):
        layer.keys, layer.values, layer.buffers = keys, values, None
    state.mask, state.logits = torch.cat(masks), torch.cat([state.logits, more.logits])
    state.position = torch.cat([state.position, more.position])


def _states(cache: Any) -> list[tuple[Tensor, Tensor]]:
    """Keys and values of each layer."""
    return [(layer.keys, layer.values) for layer in cache.layers]


def _left(states: Tensor, width: int) -> Tensor:
    """(B, heads, tokens, size), padded with zeros before the tokens."""
    return pad(states, (0, 0, width - states.shape[2], 0))


def _uniform(row: DecodingRow) -> Tensor:
    assert row.uniforms is not None
    return row.uniforms[len(row.choices)]
