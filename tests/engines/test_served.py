"""What is said to a vLLM server, and what is made of its faults. The server here is a script on a socket; a
real one is asked in tests_vllm/."""

from __future__ import annotations

import base64
import io
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import PIL.Image
import pytest
import torch
from safetensors.torch import load_file

from seethink.engines.served import ATTEMPTS, ServedEngine
from seethink.engines.vllm import NEVER, OtherPrompt, parameters
from seethink.families import SPROUT
from seethink.formats import ANSWER_ONLY, PREFILLED_THINK
from seethink.media import Frames
from seethink.sources.handwritten import Pages
from seethink.train.configs import GRPO
from seethink.train.rollouts import Rollouts
from seethink.types import GREEDY, InputError, NotFinite, Sampling
from tests import tiny

PAGES = Pages(3, "train", seed=2)


class Script(ThreadingHTTPServer):
    """A server that serves `sprout`: `answer` makes the reply to a request for tokens, `faults` are statuses
    that are given instead, first things first."""

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
        self.asked: list[tuple[str, Any]] = []
        self.answer: Callable[[dict], dict] = lambda body: {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"

    def reply(self, path: str, body: Any) -> tuple[int, Any]:
        if self.faults:
            return self.faults.pop(0), {"error": "as told"}
        self.asked.append((path, body))
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
        self._send(*self.server.reply(self.path, None))

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self._send(*self.server.reply(self.path, json.loads(body)))

    def _send(self, status: int, told: Any) -> None:
        data = json.dumps(told).encode()
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


def _engine(script: Script) -> ServedEngine:
    return ServedEngine(script.url, "sprout", _encoder(), wait_s=1, pause_s=0.01)


def _said(prompt, *rows: tuple[list[int], list[float]]) -> Callable[[dict], dict]:
    choices = [
        {"index": i, "token_ids": ids, "logprobs": {"content": [{"logprob": x} for x in logps]}}
        for i, (ids, logps) in enumerate(rows)
    ]
    return lambda body: {"prompt_token_ids": prompt.ids, "choices": choices[::-1]}


def test_the_server_gets_unexpanded_ids_the_pictures_without_loss_and_the_sampling(script) -> None:
    engine = _engine(script)
    (prompt,) = engine.encoder.prompts([PREFILLED_THINK.prompt(PAGES[0])])
    eos = engine.encoder.eos_token_id
    script.answer = _said(prompt, ([7, eos], [-0.5, -0.25]), ([8, 9], [-1.0, -2.0]))
    sampling = Sampling(n=2, temperature=0.7, top_p=0.9, top_k=5, max_tokens=2, seed=3)
    ((one, two),) = engine.complete([prompt], sampling)
    assert (one.token_ids, one.logps, one.stop) == ((7, eos), (-0.5, -0.25), "stop")
    assert (two.token_ids, two.logps, two.stop) == ((8, 9), (-1.0, -2.0), "length")
    assert one.text == engine.encoder.decode([7])
    path, body = script.asked[-1]
    assert path == "/inference/v1/generate"
    assert body["token_ids"] == engine.encoder.asked_ids(prompt)
    assert body["token_ids"].count(engine.encoder.image_token_id) == 1
    told = body["sampling_params"]
    assert told == json.loads(json.dumps(parameters(engine.encoder, prompt, sampling)))
    assert {k: told[k] for k in ("n", "temperature", "top_p", "top_k", "max_tokens")} == {
        "n": 2, "temperature": 0.7, "top_p": 0.9, "top_k": 5, "max_tokens": 2,
    }  # fmt: skip
    assert told["logit_bias"] == {str(token): NEVER for token in engine.encoder.media_token_ids}
    (part,) = body["content_parts"]
    kind, _, data = part["url"].partition(",")
    assert (part["type"], kind) == ("image_url", "data:image/png;base64")
    seen = PIL.Image.open(io.BytesIO(base64.b64decode(data)))
    assert seen.tobytes() == prompt.loaded[0].tobytes()


def test_seeds_differ_between_prompts_and_seeds_and_are_the_same_again() -> None:
    encoder = _encoder()
    one, two = encoder.prompts([ANSWER_ONLY.prompt(page) for page in PAGES[:2]])
    seeds = [
        parameters(encoder, prompt, Sampling(n=8, seed=seed))["seed"]
        for prompt in (one, two)
        for seed in (0, 1)
    ]
    assert len(set(seeds)) == 4
    assert all(0 <= seed < 2**62 for seed in seeds), "the number of an answer is added to it"
    assert parameters(encoder, one, Sampling(n=8))["seed"] == seeds[0]


def test_calls_that_fail_for_a_passing_reason_are_made_again_and_counted(script, caplog) -> None:
    engine = _engine(script)
    (prompt,) = engine.encoder.prompts([ANSWER_ONLY.prompt(PAGES[0])])
    script.answer = _said(prompt, ([7], [-0.5]))
    script.faults = [503, 502]
    engine.complete([prompt], GREEDY)
    assert engine.retried == 2
    assert [record.levelname for record in caplog.records if "called again" in record.message] == [
        "WARNING"
    ] * 2


def test_a_server_that_stays_busy_is_given_up_and_one_that_refuses_is_not_asked_again(script) -> None:
    engine = _engine(script)
    prompts = engine.encoder.prompts([ANSWER_ONLY.prompt(PAGES[0])])
    script.faults = [503] * (ATTEMPTS + 5)
    with pytest.raises(RuntimeError, match="503"):
        engine.complete(prompts, GREEDY)
    assert len(script.faults) == 5
    script.faults, engine.retried = [400], 0
    with pytest.raises(RuntimeError, match=r"400.*as told"):
        engine.complete(prompts, GREEDY)
    assert engine.retried == 0


def test_answers_to_another_prompt_or_without_numbers_are_refused(script) -> None:
    engine = _engine(script)
    (prompt,) = engine.encoder.prompts([ANSWER_ONLY.prompt(PAGES[0])])
    good = _said(prompt, ([7], [-0.5]))
    script.answer = lambda body: good(body) | {"prompt_token_ids": [*prompt.ids[:9], *prompt.ids[8:]]}
    with pytest.raises(OtherPrompt, match=f"{len(prompt.ids) + 1} tokens, not the {len(prompt.ids)}"):
        engine.complete([prompt], GREEDY)
    script.answer = lambda body: good(body) | {"prompt_token_ids": [9, *prompt.ids[1:]]}
    with pytest.raises(OtherPrompt):
        engine.complete([prompt], GREEDY)
    script.answer = _said(prompt, ([7], [-9999.0]))
    with pytest.raises(NotFinite):
        engine.complete([prompt], GREEDY)


def test_weights_travel_as_a_file_in_the_type_of_the_server_and_caches_are_emptied(script, tmp_path) -> None:
    engine = _engine(script)
    model = tiny.qwen2_vl()
    engine.take(model.state_dict().items(), tmp_path / "weights")
    stored = load_file(tmp_path / "weights" / "model.safetensors")
    assert stored.keys() == model.state_dict().keys()
    for name, value in model.state_dict().items():
        assert torch.equal(stored[name], value.bfloat16())
    folder = {"weights_path": str(tmp_path / "weights")}
    assert script.asked[-4:] == [
        ("/collective_rpc", {"method": "reload_weights", "kwargs": folder}),
        ("/reset_encoder_cache", {}),
        ("/reset_mm_cache", {}),
        ("/reset_prefix_cache", {}),
    ]
    assert [path.name for path in (tmp_path / "weights").iterdir()] == ["model.safetensors"]


def test_where_no_server_is_the_error_names_the_address() -> None:
    with pytest.raises(InputError, match=r"server at http://127.0.0.1:9/v1 cannot be reached"):
        ServedEngine("http://127.0.0.1:9/v1", "sprout", _encoder(), wait_s=0)


def test_a_server_that_is_still_loading_is_waited_for(script, caplog) -> None:
    script.faults = [503]
    assert _engine(script).served == "sprout"
    assert "is not ready" in caplog.text


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
    assert _engine(script).served == str(SPROUT)


def test_clips_are_not_sent(script) -> None:
    engine = _engine(script)
    (prompt,) = engine.encoder.prompts([ANSWER_ONLY.prompt(PAGES[0])])
    prompt.loaded = (Frames((), (), 1.0),)
    with pytest.raises(InputError, match="not clips"):
        engine.complete([prompt], GREEDY)


def test_a_tied_output_layer_is_not_renewed_on_a_server_without_accelerator(script) -> None:
    model = tiny.qwen2_vl()
    config = GRPO(rollout=script.url)
    script.device = "cpu"
    Rollouts("sprout", model, tiny.encoder(model), config).close()
    model.lm_head.weight = model.model.language_model.embed_tokens.weight
    with pytest.raises(InputError, match="rollout=vllm"):
        Rollouts("sprout", model, tiny.encoder(model), config)
    script.device = "cuda"
    Rollouts("sprout", model, tiny.encoder(model), config).close()
