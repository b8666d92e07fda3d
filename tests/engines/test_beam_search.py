"""Token-level beam search finds what transformers' `generate(num_beams=W)` finds."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch

from seethink.engines.base import BeamEngine, Beams
from seethink.engines.local import LocalEngine
from seethink.types import Completion, Sampling
from tests import tiny
from tests.engines.test_local import _conversations, _standard, _talkative


def score(completion: Completion, length_penalty: float) -> float:
    return math.fsum(completion.logps) / len(completion.logps) ** length_penalty


@pytest.mark.parametrize("family", tiny.FAMILIES)
@pytest.mark.parametrize(("width", "length_penalty"), [(1, 1.0), (2, 0.0), (3, 1.0), (4, 2.0), (8, -0.5)])
def test_beams_are_those_of_generate(family: str, width: int, length_penalty: float) -> None:
    model = _talkative(tiny.FAMILIES[family](), 4.5)
    encoder = tiny.encoder(model)
    engine = LocalEngine(model, encoder)
    found = engine.beam_search(_conversations(), Beams(width, length_penalty, max_tokens=10))
    lengths = {len(one.token_ids) for best in found for one in best}
    assert len(lengths) > 1 or width == 1, "sequences end at different times"
    assert length_penalty < 2 or max(lengths) == 10, "some are cut at the limit"
    for messages, best in zip(_conversations(), found, strict=True):
        row = _standard(messages)
        wanted = model.generate(
            **row, do_sample=False, max_new_tokens=10, num_beams=width, num_return_sequences=width,
            length_penalty=length_penalty, early_stopping=False, eos_token_id=encoder.eos_token_id,
            pad_token_id=encoder.eos_token_id, suppress_tokens=encoder.media_token_ids,
            return_dict_in_generate=True, output_scores=True,
        )  # fmt: skip
        sequences = wanted.sequences[:, row["input_ids"].shape[1] :].tolist()
        eos = encoder.eos_token_id
        ends = [ids.index(eos) + 1 if eos in ids else len(ids) for ids in sequences]
        assert [list(one.token_ids) for one in best] == [
            ids[:end] for ids, end in zip(sequences, ends, strict=True)
        ]
        if width > 1:
            expected = wanted.sequences_scores.tolist()
            assert [score(one, length_penalty) for one in best] == pytest.approx(expected, abs=1e-4)


def test_a_single_beam_is_greedy_decoding() -> None:
    model = _talkative(tiny.qwen2_vl())
    engine = LocalEngine(model, tiny.encoder(model))
    greedy = engine.generate(_conversations(), Sampling(temperature=0.0, max_tokens=12))
    beams = engine.beam_search(_conversations(), Beams(1, max_tokens=12))
    assert [one.token_ids for (one,) in beams] == [one.token_ids for (one,) in greedy]


def test_beams_do_not_depend_on_what_else_is_asked() -> None:
    model = _talkative(tiny.qwen2_vl(), 4.5)
    encoder = tiny.encoder(model)
    engine, frugal = LocalEngine(model, encoder), LocalEngine(model, encoder, max_tokens_per_batch=1)
    beams = Beams(3, max_tokens=10)
    together = engine.beam_search(_conversations(), beams)
    alone = frugal.beam_search(_conversations(), beams)
    assert [[one.token_ids for one in best] for best in together] == [
        [one.token_ids for one in best] for best in alone
    ]
    with engine.reuse():
        engine.generate(_conversations(), Sampling(temperature=0.0, max_tokens=1))
        kept = engine.beam_search(_conversations(), beams)
    assert [[one.token_ids for one in best] for best in kept] == [
        [one.token_ids for one in best] for best in alone
    ]


def test_pictures_and_prompt_are_computed_once_for_all_beams() -> None:
    model = tiny.qwen2_vl()
    engine = LocalEngine(model, tiny.encoder(model))
    shown: list[int] = []
    model.model.visual.register_forward_hook(lambda *_: shown.append(1))
    best, *_ = engine.beam_search(_conversations()[:1], Beams(4, max_tokens=5))
    first, *others = [one.usage for one in best]
    n_prompt = len(engine.encoder.prompts(_conversations()[:1])[0].ids)
    assert len(shown) == 1 and first is not None
    assert (first.calls, first.pictures_encoded, first.tokens_computed) == (1, 1, n_prompt)
    assert first.tokens_sampled == 4 * 5
    assert all(usage is not None and usage.calls == usage.tokens_sampled == 0 for usage in others)


def test_the_likeliest_of_wide_beams_is_the_likeliest_of_all_sequences() -> None:
    """With length_penalty 0 a width of all continuations is exhaustive; narrower beams may find worse ones,
    and on this model never find better ones as they widen."""
    model = _talkative(tiny.qwen2_vl(), 4.5)
    engine = LocalEngine(model, tiny.encoder(model))
    best = [
        [score(one[0], 0.0) for one in engine.beam_search(_conversations(), Beams(w, 0.0, max_tokens=6))]
        for w in (1, 2, 4, 8)
    ]
    for narrow, wide in pairwise(best):
        assert all(w >= n - 1e-5 for n, w in zip(narrow, wide, strict=True))


def test_the_local_engine_is_an_engine_with_beams() -> None:
    model = tiny.qwen2_vl()
    assert isinstance(LocalEngine(model, tiny.encoder(model)), BeamEngine)
    assert torch.is_tensor(model.lm_head.weight)
