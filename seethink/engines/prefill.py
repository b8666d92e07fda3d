"""Prefill of the local engine: pictures and prompts computed, each once, and counted.

Kept prompts (`Prefill.keeping`) are looked up by their media and token ids. A prompt that begins like one of
them computes only what follows, and the same media in the same order are encoded once, wherever they stand.
The numbers are those of a prompt that is computed whole (tested)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import Any, Generic, NamedTuple, TypeVar

import torch
from torch import Tensor
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

from seethink.models import head, vision_cache
from seethink.models.batching import cross_mask, join_media, positions
from seethink.models.encoder import Encoder, Prompt
from seethink.types import Completion, RolloutUsage

KEPT_BYTES = 4 * 1024**3
"""Most memory of kept prompts, and as much of encoded media; the least recently used go first."""

T = TypeVar("T")
States = list[tuple[Tensor, Tensor]]
"""Keys and values of one row, (heads, tokens, size), for each layer."""


class Sampled(NamedTuple):
    """Token ids of a completion, their log-probabilities, what it took, and its sampling mask, if any."""

    ids: list[int]
    logps: list[float]
    usage: RolloutUsage
    mask: Sequence[Sequence[int]] = ()


def completed(encoder: Encoder, prompt: Prompt, sampled: Sampled) -> Completion:
    """Sampled tokens as a completion that holds what they took."""
    return replace(encoder.completion(prompt, sampled.ids, sampled.logps, sampled.mask), usage=sampled.usage)


class _Kept(OrderedDict[Any, tuple[int, T]], Generic[T]):
    """{key: (size, value)}, of at most `KEPT_BYTES` in all, the least recently used first."""

    def keep(self, key: Any, size: int, value: T) -> None:
        self[key] = (size, value)
        self.move_to_end(key)
        while len(self) > 1 and sum(size for size, _ in self.values()) > KEPT_BYTES:
            self.popitem(last=False)

    def use(self, key: Any) -> T:
        self.move_to_end(key)
        return self[key][1]


class _Beginning(NamedTuple):
    """The first `length` tokens of a prompt, which are kept. states: of at least these tokens."""

    length: int
    states: States


@dataclass
class Prefilled:
    """Computed prompts. logits (B, V): of the last token. mask (B, L): which places of the cache hold tokens.
    position (B, 1): of the first completion token. cross: cross-attention masks of families that have them.
    usage: what each prompt took."""

    logits: Tensor
    cache: Any
    mask: Tensor
    position: Tensor
    cross: dict[str, Tensor]
    usage: list[RolloutUsage]

    def repeat(self, n: int) -> None:
        """Give each prompt `n` rows, next to each other. usage stays: rows of one prompt share it."""
        self.cache.batch_repeat_interleave(n)
        self.logits, self.mask, self.position = (
            x.repeat_interleave(n, 0) for x in (self.logits, self.mask, self.position)
        )
        self.cross = {name: value[:, -1:].repeat_interleave(n, 0) for name, value in self.cross.items()}

    def select(self, rows: Tensor) -> None:
        """Keep these rows, in this order, of everything but usage."""
        self.cache.batch_select_indices(rows)
        self.logits, self.mask, self.position = (x[rows] for x in (self.logits, self.mask, self.position))
        self.cross = {name: value[rows] for name, value in self.cross.items()}


class Prefill:
    """Computes batches of prompts whose media can be concatenated.

    adapter: the adapter that the model uses now; other weights have other keys and values, and other features
    of media if it `sees`. counted: the usage of all prompts so far."""

    def __init__(self, model: Any, encoder: Encoder) -> None:
        self.model, self.encoder, self.family = model, encoder, encoder.family
        self.adapter, self.sees = "", False
        self.counted = RolloutUsage()
        self._contexts = 0
        self._prompts: _Kept[States] = _Kept()
        self._features: _Kept[Prompt] = _Kept()

    @contextmanager
    def keeping(self) -> Iterator[None]:
        """Keep prompts and encoded media until the end of the outermost context."""
        self._contexts += 1
        try:
            yield
        finally:
            self._contexts -= 1
            if not self._contexts:
                self._prompts.clear()
                self._features.clear()

    def __call__(self, prompts: Sequence[Prompt]) -> Prefilled:
        """The prompts of a batch, computed and counted."""
        begun = [self._beginning(prompt) for prompt in prompts]
        shown = [
            self._encoded(prompt) for prompt, kept in zip(prompts, begun, strict=True) if not kept.length
        ]
        done = self._compute(prompts, begun, [prompt for prompt, _ in shown])
        encoded = iter([n for _, n in shown])
        for row, (prompt, kept) in enumerate(zip(prompts, begun, strict=True)):
            n_media = 0 if kept.length else next(encoded)
            done.usage.append(RolloutUsage(0, 0, len(prompt.ids) - kept.length, n_media))
            if self._contexts:
                self._keep(prompt, kept.length, done.cache, row, max(one.length for one in begun))
        self.counted = sum(done.usage, self.counted)
        return done

    def _encoded(self, prompt: Prompt) -> tuple[Prompt, int]:
        """The prompt as the model is given it, and the number of its media that are encoded for it now."""
        if not any(name.startswith("pixel_values") for name in prompt.media):
            return prompt, 0
        if not self._contexts or not vision_cache.takes_features(self.model, self.family):
            return prompt, len(prompt.media_keys)
        key = (self.adapter if self.sees else "", prompt.media_keys)
        if key in self._features:
            return replace(prompt, media=self._features.use(key).media), 0
        encoded = vision_cache.encode(self.model, prompt)
        self._features.keep(key, sum(value.nbytes for value in encoded.media.values()), encoded)
        return encoded, len(prompt.media_keys)

    def _compute(
        self, prompts: Sequence[Prompt], begun: Sequence[_Beginning], shown: Sequence[Prompt]
    ) -> Prefilled:
        """Rows are `[padding | kept tokens | padding | other tokens]`. shown: the prompts of which nothing is
        kept, whose media the model gets."""
        device, family = self.model.device, self.family
        width = max(len(prompt.ids) for prompt in prompts)
        kept = max(beginning.length for beginning in begun)
        fresh = max(len(prompt.ids) - one.length for prompt, one in zip(prompts, begun, strict=True))
        ids = torch.full((len(prompts), width), self.encoder.eos_token_id)
        mask, kinds = torch.zeros_like(ids), torch.zeros_like(ids)
        seen = torch.zeros(len(prompts), kept + fresh, dtype=ids.dtype)
        for row, (prompt, one) in enumerate(zip(prompts, begun, strict=True)):
            begin = width - len(prompt.ids)
            ids[row, begin:], kinds[row, begin:] = torch.tensor(prompt.ids), torch.tensor(prompt.kinds)
            mask[row, begin:] = 1
            seen[row, kept - one.length : kept] = 1
            seen[row, kept + fresh - (len(prompt.ids) - one.length) :] = 1
        ids, mask, kinds, seen = (x.to(device) for x in (ids, mask, kinds, seen))
        media = {name: value.to(device) for name, value in join_media(prompts).items()}
        position_ids, first = positions(self.model, family, ids, kinds, mask, media)
        cross = {name: value.to(device) for name, value in cross_mask(prompts, width, left=True).items()}
        given = {name: value.to(device) for name, value in join_media(shown).items()} if shown else {}
        out = self.model.model(
            input_ids=ids[:, -fresh:].where(seen[:, kept:] == 1, self.encoder.eos_token_id),
            attention_mask=seen,
            position_ids=position_ids[..., -fresh:],
            past_key_values=self._joined(begun, kept) if kept else None,
            use_cache=True,
            **vision_cache.inputs(given),
            **cross,
            **({"token_type_ids": kinds} if family.blocks else {}),
        )
        logits = head.logits(self.model, family, out.last_hidden_state[:, -1])
        return Prefilled(logits, out.past_key_values, seen, first, cross, [])

    def step(self, state: Prefilled, token: Tensor, t: int) -> None:
        """Compute (B,) tokens, the `t`th of their completions: the state is that of the next token."""
        state.mask = torch.cat([state.mask, state.mask.new_ones(len(token), 1)], 1)
        position = state.position + t
        hidden = self.model.model(
            input_ids=token[:, None],
            attention_mask=state.mask,
            past_key_values=state.cache,
            use_cache=True,
            position_ids=position[None].expand(3, -1, -1) if self.family.mrope else position,
            **state.cross,
        ).last_hidden_state
        state.logits = head.logits(self.model, self.family, hidden[:, -1])

    # Kept prompts -------------------------------------------------------------------------------------------

    def _beginning(self, prompt: Prompt) -> _Beginning:
        """The longest beginning that is kept and holds all media; at least one token is left to compute."""
        if not self._contexts:
            return _Beginning(0, [])
        media = {*self.encoder.media_token_ids}  # not every processor tells the kinds of tokens
        least = 1 + max((i for i, token in enumerate(prompt.ids) if token in media), default=-1)
        longest, found = 0, None
        for key in self._prompts:
            if key[:2] == (self.adapter, prompt.media_keys):
                length = min(_common(key[2], prompt.ids), len(prompt.ids) - 1)
                if length > longest and length >= least:
                    longest, found = length, key
        return _Beginning(longest, self._prompts.use(found) if found else [])

    def _joined(self, begun: Sequence[_Beginning], kept: int) -> DynamicCache:
        """A cache of (B, heads, kept, size) states, those of each row at its right."""
        cache = DynamicCache()
        some = next(one.states for one in begun if one.length)
        for layer, parts in enumerate(some):
            rows = [part.new_zeros(len(begun), part.shape[0], kept, part.shape[2]) for part in parts]
            for row, one in enumerate(begun):
                for full, part in zip(rows, one.states[layer] if one.length else (), strict=bool(one.length)):
                    full[row, :, kept - one.length :] = part[:, : one.length]
            keys, values = rows
            cache.update(keys, values, layer)
        return cache

    def _keep(self, prompt: Prompt, length: int, cache: Any, row: int, kept: int) -> None:
        """Keep a row of a computed batch, of which `length` of `kept` places held its beginning. Families
        whose cache drops or mixes tokens are not kept, nor those whose pictures see ahead."""
        layers: list[Any] = getattr(cache, "layers", [None])
        plain = all(type(layer) is DynamicLayer and layer.is_initialized for layer in layers)
        if not plain or self.family.cross or self.family.blocks:
            return

        def own(states: Tensor) -> Tensor:
            fresh = states.shape[-2] - (len(prompt.ids) - length)
            return torch.cat([states[row, :, kept - length : kept], states[row, :, fresh:]], 1)

        scope, ids = (self.adapter, prompt.media_keys), tuple(prompt.ids)
        for key in [key for key in self._prompts if key[:2] == scope and ids[: len(key[2])] == key[2]]:
            del self._prompts[key]
        states = [(own(layer.keys), own(layer.values)) for layer in layers]
        size = sum(part.nbytes for pair in states for part in pair)
        self._prompts.keep((*scope, ids), size, states)


def _common(a: Sequence[int], b: Sequence[int]) -> int:
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(a, b, strict=False)))
