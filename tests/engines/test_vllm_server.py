"""Requests to a vLLM server, and its faults. The server here is a script on a socket; tests_vllm/ uses a real
one."""

from __future__ import annotations

import base64
import io
import json
import math
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import PIL.Image
import pytest
import torch
from safetensors.torch import load_file

from seethink.engines.vllm import SUPPRESSED_BIAS, PromptMismatch, sampling_params
from seethink.engines.vllm_server import POLICY, VllmServerEngine
from seethink.formats import ANSWER_ONLY, PREFILLED_THINK
from seethink.media import Frames
from seethink.models.names import SPROUT
from seethink.sources.handwritten import Pages
from seethink.train.configs import GRPOConfig
from seethink.train.rollouts import Rollouts
from seethink.types import GREEDY, InputError, NotFinite, Sampling
from tests import tiny

PAGES = Pages(3, "train", seed=2)
QUICK = replace(POLICY, startup_timeout_s=1.0, retry_delay_s=0.01)


class Script(ThreadingHTTPServer):
    """A server of `sprout`. answer: the reply to a request for tokens. faults: statuses of the next
    replies; 0 ends the connection without one."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.model, self.mode, self.dev, self.generates, self.dtype = (
            "sprout",
            "processed_logprobs",
            True,
            True,
            "",
        )
        self.device = "cuda"
        self.faults: list[int] = []
        self.keys: list[str | None] = []
        self.requests: list[tuple[str, Any]] = []
        self.answer: Callable[[dict], dict] = lambda body: {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"

    def reply(self, path: str, body: Any) -> tuple[int, Any]:
        if self.faults:
            return self.faults.pop(0), {"error": "scripted"}
        self.requests.append((path, body))
        if path == "/v1/models":
            return 200, {"data": [{"id": self.model, "root": "/somewhere/else"}]}
        if path.startswith("/server_info") and self.dev:
            model = {"logprobs_mode": self.mode, "dtype": self.dtype or "torch.bfloat16"}
            return 200, {"vllm_config": {"model_config": model, "device_config": {"device": self.device}}}
        if path == "/inference/v1/generate" and self.generates:
            return (405, {}) if body is None else (200, self.answer(body))
        return (200, {}) if path == "/health" or "reset" in path or "rpc" in path else (404, {})


class _Handler(BaseHTTPRequestHandler):
    server: Script

    def do_GET(self) -> None:
        self.server.keys.append(self.headers["Authorization"])
        self._send(*self.server.reply(self.path, None))

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self._send(*self.server.reply(self.path, json.loads(body)))

    def _send(self, status: int, reply: Any) -> None:
        if not status:
            self.close_connection = True
            return
        data = json.dumps(reply).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def script() -> Iterator[Script]:
    server = Script()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def _encoder():
    return tiny.encoder(tiny.qwen2_vl())


def _engine(script: Script) -> VllmServerEngine:
    return VllmServerEngine(script.url, "sprout", _encoder(), QUICK)


def _place(token: int, logp: float) -> dict[str, Any]:
    """A sampled token as the server tells it, with the two that could have been sampled."""
    likeliest = [(token, logp), (token + 1, math.log1p(-math.exp(logp))), (token + 2, -9999.0)]
    named = [{"token": f"token_id:{one}", "logprob": x} for one, x in likeliest]
    return named[0] | {"top_logprobs": named}


def _reply(prompt, *rows: tuple[list[int], list[float]]) -> Callable[[dict], dict]:
    choices = [
        {"index": i, "token_ids": ids, "logprobs": {"content": [*map(_place, ids, logps)]}}
        for i, (ids, logps) in enumerate(rows)
    ]
    return lambda body: {"prompt_token_ids": prompt.ids, "choices": choices[::-1]}


def test_the_server_gets_unexpanded_ids_the_pictures_without_loss_and_the_sampling(script) -> None:
    engine = _engine(script)
    (prompt,) = engine.encoder.prompts([PREFILLED_THINK.prompt(PAGES[0])])
    eos = engine.encoder.eos_token_id
    script.answer = _reply(prompt, ([7, eos], [-0.5, -0.25]), ([8, 9], [-1.0, -2.0]))
    sampling = Sampling(n=2, temperature=0.7, top_p=0.9, top_k=5, max_tokens=2, seed=3)
    ((one, two),) = engine.complete([prompt], sampling)
    assert (one.token_ids, one.stop, two.token_ids, two.stop) == ((7, eos), "stop", (8, 9), "length")
    assert (one.logps, two.logps) == (pytest.approx((-0.5, -0.25)), pytest.approx((-1.0, -2.0)))
    assert [list(ids) for ids in two.sampling_mask] == [[8, 9], [9, 10]], "the third had no probability"
    assert engine.incomplete_masks == 0
    assert one.text == engine.encoder.decode([7])
    path, body = script.requests[-1]
    assert path == "/inference/v1/generate"
    assert body["token_ids"] == engine.encoder.unexpanded_ids(prompt)
    assert body["token_ids"].count(engine.encoder.image_token_id) == 1
    params = body["sampling_params"]
    assert params == json.loads(json.dumps(sampling_params(engine.encoder, prompt, sampling)))
    assert {k: params[k] for k in ("n", "temperature", "top_p", "top_k", "max_tokens")} == {
        "n": 2, "temperature": 0.7, "top_p": 0.9, "top_k": 5, "max_tokens": 2,
    }  # fmt: skip
    assert params["logit_bias"] == {str(token): SUPPRESSED_BIAS for token in engine.encoder.media_token_ids}
    (part,) = body["content_parts"]
    kind, _, data = part["url"].partition(",")
    assert (part["type"], kind) == ("image_url", "data:image/png;base64")
    sent = PIL.Image.open(io.BytesIO(base64.b64decode(data)))
    assert sent.tobytes() == prompt.loaded[0].tobytes()


def test_seeds_differ_between_prompts_and_seeds_and_are_the_same_again() -> None:
    encoder = _encoder()
    one, two = encoder.prompts([ANSWER_ONLY.prompt(page) for page in PAGES[:2]])
    seeds = [
        sampling_params(encoder, prompt, Sampling(n=8, seed=seed))["seed"]
        for prompt in (one, two)
        for seed in (0, 1)
    ]
    assert len(set(seeds)) == 4
    assert all(0 <= seed < 2**62 for seed in seeds), "the number of an answer is added to it"
    assert sampling_params(encoder, one, Sampling(n=8))["seed"] == seeds[0]


def test_transient_failures_are_retried_and_counted(script, caplog) -> None:
    engine = _engine(script)
    (prompt,) = engine.encoder.prompts([ANSWER_ONLY.prompt(PAGES[0])])
    script.answer = _reply(prompt, ([7], [-0.5]))
    script.faults = [503, 502]
    engine.complete([prompt], GREEDY)
    assert engine.retries == 2
    assert [record.levelname for record in caplog.records if "failed (50" in record.message] == [
        "WARNING"
    ] * 2


def test_a_server_that_stays_busy_fails_and_one_that_rejects_is_not_retried(script) -> None:
    engine = _engine(script)
    prompts = engine.encoder.prompts([ANSWER_ONLY.prompt(PAGES[0])])
    script.faults = [503] * (POLICY.max_attempts + 5)
    with pytest.raises(RuntimeError, match="503"):
        engine.complete(prompts, GREEDY)
    assert len(script.faults) == 5
    script.faults, engine.retries = [400], 0
    with pytest.raises(RuntimeError, match=r"400.*scripted"):
        engine.complete(prompts, GREEDY)
    assert engine.retries == 0


def test_answers_to_another_prompt_or_without_numbers_are_refused(script) -> None:
    engine = _engine(script)
    (prompt,) = engine.encoder.prompts([ANSWER_ONLY.prompt(PAGES[0])])
    good = _reply(prompt, ([7], [-0.5]))
    script.answer = lambda body: good(body) | {"prompt_token_ids": [*prompt.ids[:9], *prompt.ids[8:]]}
    with pytest.raises(PromptMismatch, match=f"{len(prompt.ids) + 1} tokens, not the {len(prompt.ids)}"):
        engine.complete([prompt], GREEDY)
    script.answer = lambda body: good(body) | {"prompt_token_ids": [9, *prompt.ids[1:]]}
    with pytest.raises(PromptMismatch):
        engine.complete([prompt], GREEDY)
    script.answer = _reply(prompt, ([7], [-9999.0]))
    with pytest.raises(NotFinite):
        engine.complete([prompt], GREEDY)


def test_weights_travel_as_a_file_in_the_type_of_the_server_and_caches_are_emptied(script, tmp_path) -> None:
    engine = _engine(script)
    model = tiny.qwen2_vl()
    engine.sync_weights(model.state_dict().items(), tmp_path / "weights")
    stored = load_file(tmp_path / "weights" / "model.safetensors")
    assert stored.keys() == model.state_dict().keys()
    for name, value in model.state_dict().items():
        assert torch.equal(stored[name], value.bfloat16())
    folder = {"weights_path": str(tmp_path / "weights")}
    assert script.requests[-4:] == [
        ("/collective_rpc", {"method": "reload_weights", "kwargs": folder}),
        ("/reset_encoder_cache", {}),
        ("/reset_mm_cache", {}),
        ("/reset_prefix_cache", {}),
    ]
    assert [path.name for path in (tmp_path / "weights").iterdir()] == ["model.safetensors"]


def test_a_server_that_was_gone_gets_the_weights_and_the_requests_again(script, tmp_path, caplog) -> None:
    engine = _engine(script)
    prompts = engine.encoder.prompts([ANSWER_ONLY.prompt(PAGES[0])])
    script.answer = _reply(prompts[0], ([7], [-0.5]))
    script.faults = [0]
    engine.complete(prompts, GREEDY)  # before any weights were sent, those of the server are the right ones
    assert [path for path, _ in script.requests].count("/inference/v1/generate") == 2  # the check's and this
    engine.sync_weights(tiny.qwen2_vl().state_dict().items(), tmp_path)
    script.requests.clear()
    script.faults = [0]
    ((completion,),) = engine.complete(prompts, GREEDY)
    assert completion.token_ids == (7,)
    assert [path.split("/")[1] for path, _ in script.requests] == [
        "inference", "collective_rpc", *["reset_encoder_cache", "reset_mm_cache", "reset_prefix_cache"],
        "inference",
    ]  # fmt: skip
    assert "was gone" in caplog.text
    assert engine.retries == 2


def test_without_a_server_the_error_names_the_address() -> None:
    with pytest.raises(InputError, match=r"server at http://127.0.0.1:9 cannot be reached"):
        VllmServerEngine("http://127.0.0.1:9/v1", "sprout", _encoder(), replace(QUICK, startup_timeout_s=0.0))


def test_a_server_that_wants_a_key_gets_it_from_the_environment(script, monkeypatch) -> None:
    script.faults = [401]
    with pytest.raises(InputError, match="wants the key in the environment variable VLLM_API_KEY"):
        _engine(script)
    monkeypatch.setenv("VLLM_API_KEY", "secret")
    _engine(script).close()
    assert script.keys[0] is None and script.keys[-1] == "Bearer secret"


def test_a_server_that_is_still_loading_is_waited_for(script, caplog) -> None:
    script.faults = [503]
    assert _engine(script).served_name == "sprout"
    assert "which answers 503" in caplog.text


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"model": "other/model"}, "serves other/model, not sprout"),
        ({"dev": False}, "VLLM_SERVER_DEV_MODE=1"),
        ({"generates": False}, "--enable-scale-out"),
        ({"mode": "raw_logprobs"}, "--logprobs-mode processed_logprobs"),
    ],
    ids=["another model", "no development mode", "no token endpoint", "other log-probabilities"],
)
def test_a_server_that_cannot_be_trained_with_is_refused_with_what_to_do(script, fault, words) -> None:
    for name, value in fault.items():
        setattr(script, name, value)
    with pytest.raises(InputError, match=words):
        _engine(script)


def test_a_folder_and_an_alias_are_the_same_model(script) -> None:
    script.model = str(SPROUT)
    assert _engine(script).served_name == str(SPROUT)


def test_clips_are_not_sent(script) -> None:
    engine = _engine(script)
    (prompt,) = engine.encoder.prompts([ANSWER_ONLY.prompt(PAGES[0])])
    prompt.loaded = (Frames((), (), 1.0),)
    with pytest.raises(InputError, match="not clips"):
        engine.complete([prompt], GREEDY)


def test_a_tied_output_layer_is_not_renewed_on_a_server_without_accelerator(script) -> None:
    model = tiny.qwen2_vl()
    config = GRPOConfig.of(rollout_backend=script.url)
    script.device = "cpu"
    Rollouts("sprout", model, tiny.encoder(model), config).close()
    model.lm_head.weight = model.model.language_model.embed_tokens.weight
    with pytest.raises(InputError, match="rollout_backend=vllm"):
        Rollouts("sprout", model, tiny.encoder(model), config)
    script.device = "cuda"
    Rollouts("sprout", model, tiny.encoder(model), config).close()
