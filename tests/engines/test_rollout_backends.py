"""The three rollout back-ends implement one protocol."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import PIL.Image
import pytest
import torch

from seethink.engines import vllm
from seethink.engines.base import RolloutBackend
from seethink.engines.local import LocalEngine
from seethink.engines.vllm import VllmEngine
from seethink.engines.vllm_server import VllmServerEngine
from seethink.formats import ANSWER_ONLY
from seethink.media import DrawnVideo, Frames
from seethink.models.encoder import Encoder
from seethink.types import GREEDY, Example, InputError
from tests import tiny, vlms

METHODS = ("complete", "sync_weights", "sleep", "close")


@pytest.mark.parametrize("backend", [LocalEngine, VllmEngine, VllmServerEngine])
def test_a_backend_has_the_methods_of_the_protocol(backend: type) -> None:
    for name in METHODS:
        expected = inspect.signature(getattr(RolloutBackend, name)).parameters
        assert [*inspect.signature(getattr(backend, name)).parameters] == [*expected], name
    assert backend.shared == (backend is VllmServerEngine)


class FakeVllm:
    """vLLM as `VllmEngine` uses it. answer: (a prompt's index) -> its token ids as vLLM would report them."""

    SamplingParams = dict

    def __init__(self, answer: Callable[[int], Sequence[int]]) -> None:
        self.answer = answer

    def generate(self, inputs: Sequence[Any], params: Sequence[Any], use_tqdm: bool) -> list[Any]:
        return [SimpleNamespace(prompt_token_ids=self.answer(i), outputs=[]) for i in range(len(inputs))]


def _in_process(encoder: Encoder, fake: FakeVllm, monkeypatch: pytest.MonkeyPatch) -> VllmEngine:
    monkeypatch.setattr(vllm, "_vllm", lambda: fake)
    engine = object.__new__(VllmEngine)
    engine.encoder, engine.llm = encoder, fake
    return engine


def _clip(*times_s: float) -> Example:
    frames = Frames((PIL.Image.new("RGB", (64, 64)),) * len(times_s), times_s, times_s[-1] + 1)
    return Example("e", "What moves?", (DrawnVideo(f"clip of {times_s}", lambda: frames),))


@pytest.mark.parametrize("family", ["qwen3_vl", "glm4v", "internvl", "smolvlm"])
def test_clips_whose_times_vllm_tells_otherwise_are_one_sentence(family: str, monkeypatch) -> None:
    """vLLM gets the frames without their times, so it words others in families that word them."""
    _, encoder = vlms.build(family)
    conversations = [ANSWER_ONLY.prompt(_clip(0.0, 5.0, 10.0, 15.0)), ANSWER_ONLY.prompt(Example("t", "?"))]
    prompts = encoder.prompts(conversations)
    (other,) = encoder.prompts([ANSWER_ONLY.prompt(_clip(0.0, 0.5, 1.0, 1.5))])
    worded = other.ids != prompts[0].ids
    engine = _in_process(encoder, FakeVllm(lambda i: (other.ids, prompts[1].ids)[i]), monkeypatch)
    if worded:
        with pytest.raises(InputError, match=r"tells the times of a clip's frames otherwise.*backend=local"):
            engine.complete(prompts, GREEDY)
    else:
        assert engine.complete(prompts, GREEDY) == [[], []]
    assert worded == (family in ("qwen3_vl", "glm4v", "smolvlm"))


@pytest.mark.parametrize(
    "error", [ValueError("Video metadata\nis required"), AssertionError(), TypeError("'NoneType' object")]
)
def test_what_vllm_refuses_is_one_sentence(error: Exception, monkeypatch) -> None:
    def refuse(i: int) -> Sequence[int]:
        raise error

    encoder = tiny.encoder(tiny.qwen2_vl())
    engine = _in_process(encoder, FakeVllm(refuse), monkeypatch)
    with pytest.raises(InputError, match=r"^vLLM refuses a prompt \(.+\); set rollout_backend=local$"):
        engine.generate([ANSWER_ONLY.prompt(_clip(0.0, 1.0))], GREEDY)


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
