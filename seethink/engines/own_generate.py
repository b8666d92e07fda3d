"""Completions of families without rows of our own: by the model's own `generate`, which prepares positions,
token types and states as the family needs them. Each prompt is a batch by itself, with a row for each
completion.

Only the choice of tokens is ours, as a logits processor. What `generate` samples is compared with an ordinary
forward pass, so that a family whose cached decoding differs from it is refused before anything is learned."""

from __future__ import annotations

import logging
from array import array
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import GenerationConfig, LogitsProcessor, LogitsProcessorList

from seethink.engines.sampling import kept_ids, not_numbers, random_streams, sample
from seethink.models import unpacked_rows, verification
from seethink.models.encoder import Encoder, Prompt
from seethink.models.packing import Branch, Group, pack_groups
from seethink.types import InputError, NotFinite, Sampling

_LOG = logging.getLogger(__name__)

Decoded = tuple[list[int], list[float], Sequence[Sequence[int]]]
"""Token ids of a completion, their log-probabilities, and its sampling mask, if recorded."""
CHECKED_ROWS, CHECKED_TOKENS = 4, 256
"""Of the longest prompt of each kind, so many completions and tokens are compared with a forward pass."""


class _Chooser(LogitsProcessor):
    """Chooses each token by `sample`, and leaves `generate` no other.

    tokens, logps (B, max_tokens): what was chosen, and its log-probability as `sample` defines it. plain (B,
    max_tokens): its log-probability under softmax(logits). masks: B sampling masks of each place; none where
    they are not recorded."""

    def __init__(self, encoder: Encoder, prompt: Prompt, uniforms: Tensor, sampling: Sampling) -> None:
        self.encoder, self.prompt, self.uniforms, self.sampling = encoder, prompt, uniforms, sampling
        self.tokens = torch.full(uniforms.shape, encoder.eos_token_id, device=uniforms.device)
        self.logps, self.plain = torch.zeros_like(uniforms), torch.zeros_like(uniforms)
        self.masks: list[list[array[int]]] = []
        self.length = 0

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        if scores.isnan().any():
            raise not_numbers(self.prompt)
        t, forbidden = self.length, self.encoder.media_token_ids
        token, self.logps[:, t], kept = sample(scores, self.uniforms[:, t], self.sampling, forbidden)
        self.masks += [kept_ids(kept)] if kept is not None else []
        self.tokens[:, t], self.plain[:, t] = token, _logps(scores, token)
        self.length += 1
        return torch.full_like(scores, -torch.inf).scatter(-1, token[:, None], 0.0)


class OwnGenerate:
    """Completes prompts with `model.generate`.

    together: whether the rows of a prompt are one batch; False once the family turned out to lay out its
    media so that they cannot be repeated. checked: {kind of prompt: tokens of the longest one whose
    completions were compared with forward passes}."""

    def __init__(self, model: Any, encoder: Encoder, max_tokens_per_batch: int) -> None:
        self.model, self.encoder, self.max_tokens_per_batch = model, encoder, max_tokens_per_batch
        self.together = True
        self.checked: dict[verification.PromptKind, int] = {}

    @torch.no_grad()
    def decode(self, prompt: Prompt, sampling: Sampling) -> list[Decoded]:
        """`sampling.n` completions.

        Raises InputError where the model cannot generate, or by its own forward pass would give what it
        sampled other log-probabilities."""
        self.model.eval()
        uniforms = random_streams([prompt], sampling).to(self.model.device)  # (n, max_tokens)
        most = max(1, self.max_tokens_per_batch // (len(prompt.ids) + sampling.max_tokens))
        if self.together and min(most, sampling.n) > 1:
            try:
                return self._decode(prompt, uniforms.split(most), sampling)
            except InputError as error:
                _LOG.warning("%s; its completions are sampled one by one", error)
                self.together = False
        return self._decode(prompt, uniforms.split(1), sampling)

    def _decode(self, prompt: Prompt, parts: Sequence[Tensor], sampling: Sampling) -> list[Decoded]:
        kind = verification.prompt_kind(self.model, prompt)
        unchecked = CHECKED_ROWS if self.checked.get(kind, 0) < len(prompt.ids) else 0
        eos, rows = self.encoder.eos_token_id, []
        for uniforms in parts:
            chooser = self._generate(prompt, uniforms, sampling)
            chosen = zip(chooser.tokens.tolist(), chooser.logps.tolist(), chooser.plain, strict=True)
            for row, (ids, logps, plain) in enumerate(chosen):
                length = ids.index(eos) + 1 if eos in ids else len(ids)
                if len(rows) < unchecked:
                    self._check(prompt, ids[: min(length, CHECKED_TOKENS)], plain)
                masks = [place[row] for place in chooser.masks[:length]]
                rows.append((ids[:length], logps[:length], masks))
        self.checked[kind] = max(len(prompt.ids), self.checked.get(kind, 0))
        return rows

    def _generate(self, prompt: Prompt, uniforms: Tensor, sampling: Sampling) -> _Chooser:
        """The tokens of a batch. The checkpoint's generation config is put aside meanwhile: `generate` would
        take from it what ours leaves open."""
        eos, device = self.encoder.eos_token_id, self.model.device
        chooser = _Chooser(self.encoder, prompt, uniforms, sampling)
        ours = GenerationConfig(max_new_tokens=sampling.max_tokens, eos_token_id=eos, pad_token_id=eos)
        stored, self.model.generation_config = self.model.generation_config, GenerationConfig()
        try:
            self.model.generate(
                **unpacked_rows.inputs(self.model, prompt, len(uniforms), device),
                generation_config=ours,
                logits_processor=LogitsProcessorList([chooser]),
                synced_gpus=False,
            )
        except (torch.OutOfMemoryError, NotFinite):
            raise
        except Exception as error:
            raise InputError(
                f"{type(self.model).__name__} cannot generate from a prompt of this kind: "
                f"{type(error).__name__}: {str(error).strip()[:300]}"
            ) from error
        finally:
            self.model.generation_config = stored
        return chooser

    def _check(self, prompt: Prompt, ids: list[int], plain: Tensor) -> None:
        """Compare the log-probabilities of the first tokens of a completion with those of a forward pass over
        the whole row."""
        (pack,) = pack_groups([Group(prompt, [Branch(ids)])], 1)
        pack = pack.to(plain.device)
        logits = unpacked_rows.logits(self.model, pack).float()
        apart = (_logps(logits, pack.targets) - plain[: len(ids)]).abs()
        allowed = verification.rounding(
            self.model, logits, lambda: unpacked_rows.logits(self.model, pack).float()
        )
        if not allowed.holds(apart):
            off = f"{float(apart.max()):.2g}"
            raise InputError(
                f"{type(self.model).__name__} samples tokens with log-probabilities that are {off} off "
                f"those of its own forward pass, so it cannot generate here; use another engine, such as vLLM"
            )


def _logps(logits: Tensor, tokens: Tensor) -> Tensor:
    """(B, V) logits, (B,) tokens -> (B,) log-probabilities."""
    return logits.float().log_softmax(-1).gather(-1, tokens[:, None])[:, 0]
