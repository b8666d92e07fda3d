"""The three rollout back-ends implement one protocol."""

from __future__ import annotations

import inspect

import pytest
import torch

from seethink.engines.base import RolloutBackend
from seethink.engines.local import LocalEngine
from seethink.engines.vllm import VllmEngine
from seethink.engines.vllm_server import VllmServerEngine
from seethink.formats import ANSWER_ONLY
from seethink.types import GREEDY, Example
from tests import tiny

METHODS = ("complete", "sync_weights", "sleep", "close")


@pytest.mark.parametrize("backend", [LocalEngine, VllmEngine, VllmServerEngine])
def test_a_backend_has_the_methods_of_the_protocol(backend: type) -> None:
    for name in METHODS:
        expected = inspect.signature(getattr(RolloutBackend, name)).parameters
        assert [*inspect.signature(getattr(backend, name)).parameters] == [*expected], name
    assert backend.shared == (backend is VllmServerEngine)


def test_the_local_backend_samples_from_the_weights_of_the_trained_model() -> None:
    model = tiny.qwen2_vl()
    backend: RolloutBackend = LocalEngine(model, tiny.encoder(model))
    prompts = tiny.encoder(model).prompts([ANSWER_ONLY.prompt(Example("1", "How many?"))])
    ((before,),) = backend.complete(prompts, GREEDY)
    with torch.no_grad():
        model.lm_head.weight.copy_(model.lm_head.weight.flip(0))
    ((after,),) = backend.complete(prompts, GREEDY)
    assert before.token_ids != after.token_ids
    assert (backend.sleep(), backend.retries, backend.shared) == (False, 0, False)
    backend.close()
