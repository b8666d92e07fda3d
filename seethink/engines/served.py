"""A vLLM server on other accelerators, asked over HTTP: the contract of `engines/vllm.py`.

The server is asked for tokens, not for a chat (`/inference/v1/generate`): it gets the same ids and the same
pictures as vLLM in this process, and its own chat template has no say. Weights reach it as a file that both
sides see.
"""

from __future__ import annotations

import base64
import io
import logging
import os
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import PIL.Image
import torch
from safetensors.torch import save_file
from torch import Tensor

from seethink.engines.vllm import check_prompt, completion, parameters
from seethink.families import Encoder, Prompt, resolve
from seethink.media import Frames
from seethink.types import Completion, InputError, Messages, Sampling

_LOG = logging.getLogger(__name__)

AT_ONCE = 64
"""Questions that are on their way at one time; the server batches their answers."""
ATTEMPTS = 6
"""How often a call is made before a fault that may pass is taken for one that will not."""
PASSING = (429, 502, 503, 504)
"""Statuses of a server that is busy or about to come back."""
ANSWER_S = 3600.0
"""A server that says nothing for so long hangs."""


class ServedEngine:
    """The server at `url` (`http://host:port/v1`), which must serve the model `name`.

    wait_s: how long a server that does not answer may still be loading. pause_s: before a call is made again,
    doubled every time. retried: calls that were made again.

    Raises InputError where there is no server, or one that cannot be used for training.
    """

    def __init__(
        self, url: str, name: str, encoder: Encoder, wait_s: float = 300.0, pause_s: float = 1.0
    ) -> None:
        self.url, self.encoder, self.pause_s, self.retried = url, encoder, pause_s, 0
        self.http = httpx2.Client(
            base_url=url.rstrip("/").removesuffix("/v1"),
            timeout=httpx2.Timeout(ANSWER_S, connect=10.0),
            limits=httpx2.Limits(max_connections=AT_ONCE),
            trust_env=False,
        )
        self._wait(wait_s)
        self._check(name)

    def _wait(self, wait_s: float) -> None:
        """Until the server is ready."""
        until, told = time.monotonic() + wait_s, False
        while True:
            try:
                if self.http.get("/health").is_success:
                    return
                problem = "is not ready"
            except httpx2.TransportError as error:
                problem = f"cannot be reached ({error})"
            if time.monotonic() > until:
                raise InputError(
                    f"the vLLM server at {self.url} {problem}; start it, or correct the address in rollout="
                )
            if not told:
                _LOG.warning("waiting for the vLLM server at %s, which %s", self.url, problem)
                told = True
            time.sleep(min(1.0, wait_s))

    def _check(self, name: str) -> None:
        """Raise InputError unless the server serves `name` and was started for training."""
        cards = self.http.get("/v1/models").raise_for_status().json()["data"]
        ours = {name, resolve(name)}
        self.served = next((card["id"] for card in cards if ours & {card["id"], card["root"]}), "")
        if not self.served:
            others = ", ".join(card["id"] for card in cards)
            raise InputError(
                f"the server at {self.url} serves {others}, not {name}; start it with that model, or say "
                f"--served-model-name {name} if it is the same one"
            )
        told = self.http.get("/server_info", params={"config_format": "json"})
        config = told.json()["vllm_config"] if told.is_success else None
        generates = self.http.get("/inference/v1/generate").status_code != 404  # known, though not by GET
        if not (generates and config and config["model_config"]["logprobs_mode"] == "processed_logprobs"):
            raise InputError(
                f"the server at {self.url} is not set up for training; start it with VLLM_SERVER_DEV_MODE=1 "
                f"vllm serve {name} --enable-scale-out --logprobs-mode processed_logprobs"
            )
        self.on_cpu = config["device_config"]["device"] == "cpu"
        self.dtype: torch.dtype = getattr(torch, config["model_config"]["dtype"].removeprefix("torch."))

    def generate(self, conversations: Sequence[Messages], sampling: Sampling) -> list[list[Completion]]:
        return self.complete(self.encoder.prompts(conversations), sampling)

    def complete(self, prompts: Sequence[Prompt], sampling: Sampling) -> list[list[Completion]]:
        """`sampling.n` completions of each prompt, in order. Raises InputError for clips, which a server
        would get with losses."""
        if any(isinstance(medium, Frames) for prompt in prompts for medium in prompt.loaded):
            raise InputError("a vLLM server is sent pictures, not clips; say rollout=vllm or rollout=local")
        with ThreadPoolExecutor(AT_ONCE) as pool:
            return list(pool.map(lambda prompt: self._answers(prompt, sampling), prompts))

    def _answers(self, prompt: Prompt, sampling: Sampling) -> list[Completion]:
        told = self._post(
            "/inference/v1/generate",
            {
                "model": self.served,
                "token_ids": self.encoder.asked_ids(prompt),
                "content_parts": [{"type": "image_url", "url": _png(p)} for p in prompt.loaded] or None,
                "sampling_params": parameters(self.encoder, prompt, sampling),
                "return_token_ids": True,
            },
        ).json()
        check_prompt(prompt, told["prompt_token_ids"])
        return [
            completion(
                self.encoder,
                prompt,
                choice["token_ids"],
                [token["logprob"] for token in choice["logprobs"]["content"]],
            )
            for choice in sorted(told["choices"], key=lambda choice: choice["index"])
        ]

    def take(self, weights: Iterable[tuple[str, Tensor]], folder: Path) -> None:
        """Answer with these weights from now on. They travel as a file in `folder`, which the server must see
        under the same name; nothing that older weights computed outlives them."""
        folder.mkdir(parents=True, exist_ok=True)
        part = folder / "weights.part"
        save_file({name: value.detach().to("cpu", self.dtype, copy=True) for name, value in weights}, part)
        os.replace(part, folder / "model.safetensors")
        self._post(
            "/collective_rpc",
            {"method": "reload_weights", "kwargs": {"weights_path": str(folder.resolve())}},
        )
        for cache in ("encoder", "mm", "prefix"):
            self._post(f"/reset_{cache}_cache", {})

    def _post(self, path: str, body: dict[str, Any]) -> httpx2.Response:
        """The answer of the server; a call that fails for a passing reason is made again."""
        for attempt in range(ATTEMPTS):
            last = attempt + 1 == ATTEMPTS
            try:
                answer = self.http.post(path, json=body)
            except httpx2.TransportError as error:
                problem = repr(error)
                if last:
                    raise RuntimeError(f"the vLLM server at {self.url} is gone: {problem}") from error
            else:
                if answer.is_success:
                    return answer
                problem = f"{answer.status_code} {answer.text[:500]}"
                if last or answer.status_code not in PASSING:
                    raise RuntimeError(f"the vLLM server at {self.url} refuses {path}: {problem}")
            self.retried += 1
            _LOG.warning("%s%s failed (%s); it is called again", self.url, path, problem)
            time.sleep(self.pause_s * 2**attempt)
        raise AssertionError("unreachable")

    def close(self) -> None:
        self.http.close()


def _png(picture: PIL.Image.Image) -> str:
    """A picture as a data URL, without loss."""
    file = io.BytesIO()
    picture.save(file, "PNG", compress_level=1)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
