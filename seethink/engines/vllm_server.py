"""Rollout back-end on a vLLM server, with the contract of `engines/vllm.py`.

The server gets token ids instead of chat messages (`/inference/v1/generate`), so its chat template is not
used: the ids and the pictures are those that vLLM in this process would get. Weights reach it as a file that
both sides see.
"""

from __future__ import annotations

import asyncio
import base64
import io
import json
import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any
from zlib import crc32

import PIL.Image
import torch
from safetensors.torch import save_file
from torch import Tensor

from seethink.engines.base import RequestFailed, records_mask
from seethink.engines.http import HttpClient, HttpResponse, RequestPolicy, error_message
from seethink.engines.sync import EventLoopThread
from seethink.engines.vllm import check_prompt, sampled_completion, sampling_params
from seethink.engines.vllm_masks import SamplingMasks
from seethink.media import Frames
from seethink.models.encoder import Encoder, Prompt
from seethink.models.names import refuse_adapter
from seethink.models.saving import follow_umask
from seethink.types import Completion, InputError, Messages, Sampling

_LOG = logging.getLogger(__name__)

POLICY = RequestPolicy(max_concurrency=64, max_attempts=6, request_timeout_s=3600.0, use_proxies=False)
KEY_ENV = "VLLM_API_KEY"
GONE = ("connection", "broken body")
"""Kinds of faults after which another server may answer."""


class VllmServerEngine:
    """The server at `url` (`http://host:port/v1`), which must serve the model `name`.

    retries: attempts that failed, of all requests. A server that was gone meanwhile may have been started
    anew, with the weights it was started with: it gets the last ones again, and the requests are repeated.

    Raises InputError where there is no server, or one that cannot be used for training.
    """

    shared = True

    def __init__(self, url: str, name: str, encoder: Encoder, policy: RequestPolicy = POLICY) -> None:
        self.url, self.name, self.encoder, self.policy = url, name, encoder, policy
        self.retries, self.masks = 0, SamplingMasks()
        self._weights: Path | None = None  # the folder that the server last loaded
        self._lost = 0  # connections
        self._loop = EventLoopThread("vllm-server-engine")
        try:
            self._http = self._loop.run(self._connect())
        except BaseException:
            self._loop.close()
            raise
        try:
            self._loop.run(self._check())
        except BaseException:
            self.close()
            raise

    async def _connect(self) -> HttpClient:
        return HttpClient(self.url.rstrip("/").removesuffix("/v1"), self.policy, KEY_ENV)

    def close(self) -> None:
        """Close the connections; the server keeps running."""
        try:
            self._loop.run(self._http.close())
        finally:
            self._loop.close()

    # Start-up -----------------------------------------------------------------------------------------------

    async def _check(self) -> None:
        """Wait for the server. Raise InputError unless it serves the model and was started for training."""
        await self._http.wait_until_ready("/health")
        names = {self.name, refuse_adapter(self.name, "vLLM")}
        status, body = await self._get("/v1/models")
        if status != 200 or not isinstance(cards := _read(body).get("data"), list):
            raise InputError(
                f"the server at {self.url} lists no models (status {status} at /v1/models); give the "
                "address of a vLLM server"
            )
        self.served_name = next((card["id"] for card in cards if names & {card["id"], card["root"]}), "")
        if not self.served_name:
            served = ", ".join(card["id"] for card in cards)
            raise InputError(
                f"the server at {self.url} serves {served}, not {self.name}; start it with that model, or "
                f"with --served-model-name {self.name} if it is the same one"
            )
        status, body = await self._get("/server_info?config_format=json")
        config = _read(body).get("vllm_config") if status == 200 else None
        generates = (await self._get("/inference/v1/generate")).status != 404  # 405: exists, but not for GET
        if not (generates and config and config["model_config"]["logprobs_mode"] == "processed_logprobs"):
            raise InputError(
                f"the server at {self.url} is not set up for training; start it with VLLM_SERVER_DEV_MODE=1 "
                f"vllm serve {self.name} --enable-scale-out --logprobs-mode processed_logprobs"
            )
        self.on_cpu = config["device_config"]["device"] == "cpu"
        self.dtype: torch.dtype = getattr(torch, config["model_config"]["dtype"].removeprefix("torch."))

    def refuse_tied_embeddings(self, model: Any) -> None:
        """Raise InputError if `model` ties its output layer and the server runs on a CPU: vLLM keeps a copy
        of the layer there, which cannot be updated over HTTP."""
        tied = model.get_output_embeddings().weight is model.get_input_embeddings().weight
        if self.on_cpu and tied:
            raise InputError(
                f"the output layer of {self.name} is tied to its embeddings, and the server at {self.url} "
                "runs on a CPU, where vLLM does not update such a layer over HTTP; set rollout_backend=vllm"
            )

    @property
    def incomplete_masks(self) -> int:
        """Sampled tokens whose sampling mask lacks some of the tokens that vLLM kept."""
        return self.masks.incomplete

    # Rollouts -----------------------------------------------------------------------------------------------

    def generate(self, conversations: Sequence[Messages], sampling: Sampling) -> list[list[Completion]]:
        """`sampling.n` completions of each conversation, in order."""
        return self.complete(self.encoder.prompts(conversations), sampling)

    def complete(self, prompts: Sequence[Prompt], sampling: Sampling) -> list[list[Completion]]:
        """`sampling.n` completions of each prompt, in order.

        Raises InputError for clips, which the server would decode differently, and RequestFailed.
        """
        if any(isinstance(medium, Frames) for prompt in prompts for medium in prompt.loaded):
            raise InputError(
                "a vLLM server takes pictures, not clips; set rollout_backend=vllm or rollout_backend=local"
            )
        lost = self._lost
        while True:
            completions = self._loop.run(self._complete_all(prompts, sampling))
            if self._lost == lost or not self._weights:
                return completions
            _LOG.warning("%s was gone: it gets the weights and the requests again", self.url)
            lost = self._lost
            self._loop.run(self._reload(self._weights))

    async def _complete_all(self, prompts: Sequence[Prompt], sampling: Sampling) -> list[list[Completion]]:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._complete(prompt, sampling)) for prompt in prompts]
        return [task.result() for task in tasks]

    async def _complete(self, prompt: Prompt, sampling: Sampling) -> list[Completion]:
        body = await asyncio.to_thread(self._body, prompt, sampling)
        response = json.loads((await self._post("/inference/v1/generate", body)).body)
        check_prompt(prompt, response["prompt_token_ids"])
        masks = self.masks if records_mask(sampling) else None
        return [
            sampled_completion(
                self.encoder,
                prompt,
                choice["token_ids"],
                [_by_id(token) for token in choice["logprobs"]["content"]],
                masks,
            )
            for choice in sorted(response["choices"], key=lambda choice: choice["index"])
        ]

    def _body(self, prompt: Prompt, sampling: Sampling) -> bytes:
        pictures = [{"type": "image_url", "url": _png_url(picture)} for picture in prompt.loaded]
        fields = {
            "model": self.served_name,
            "token_ids": self.encoder.unexpanded_ids(prompt),
            "content_parts": pictures or None,
            "sampling_params": sampling_params(self.encoder, prompt, sampling),
            "return_token_ids": True,
        }
        return json.dumps(fields).encode()

    def sync_weights(self, weights: Iterable[tuple[str, Tensor]], folder: Path) -> None:
        """Use these weights from now on. They are written to `folder`, which the server must see under the
        same path; caches that depend on older weights are emptied."""
        folder.mkdir(parents=True, exist_ok=True)
        part = folder / "weights.part"
        save_file({name: value.detach().to("cpu", self.dtype, copy=True) for name, value in weights}, part)
        follow_umask(part)  # the server may be another user
        os.replace(part, folder / "model.safetensors")
        self._loop.run(self._reload(folder))
        self._weights = folder

    async def _reload(self, folder: Path) -> None:
        call = {"method": "reload_weights", "kwargs": {"weights_path": str(folder.resolve())}}
        await self._post("/collective_rpc", json.dumps(call).encode())
        for cache in ("encoder", "mm", "prefix"):
            await self._post(f"/reset_{cache}_cache", b"{}")

    def sleep(self) -> bool:
        """Nothing to free: the server has its own accelerators. The weights are kept."""
        return False

    # Requests -----------------------------------------------------------------------------------------------

    async def _get(self, path: str) -> HttpResponse:
        return await self._request("GET", path)

    async def _post(self, path: str, body: bytes) -> HttpResponse:
        """Raises RequestFailed unless the status is 200."""
        response = await self._request("POST", path, body)
        if response.status != 200:
            refusal = f"{response.status} {error_message(response.body)}"
            raise RequestFailed(
                str(response.status), f"the vLLM server at {self.url} rejects {path}: {refusal}"
            )
        return response

    async def _request(self, method: str, path: str, body: bytes = b"") -> HttpResponse:
        attempt = partial(self._http.send, method, path, body or None)
        try:
            return await self._http.retry(attempt, f"{path}/{crc32(body)}", partial(self._on_fault, path))
        except RequestFailed as error:
            raise RequestFailed(
                error.kind, f"the vLLM server at {self.url} does not answer {path}: {error.kind}, {error}"
            ) from error

    def _on_fault(self, path: str, kind: str, message: str) -> None:
        self.retries += 1
        self._lost += kind in GONE
        _LOG.warning("%s%s failed (%s: %s)", self.url, path, kind, message)


def _png_url(picture: PIL.Image.Image) -> str:
    """A picture as a data URL, lossless."""
    file = io.BytesIO()
    picture.save(file, "PNG", compress_level=1)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def _by_id(token: Mapping[str, Any]) -> dict[int, float]:
    """{id: log-probability} of a sampled token and of those likeliest in its place, which the server names
    `token_id:N`."""
    named = (token, *token["top_logprobs"])
    return {int(one["token"].removeprefix("token_id:")): one["logprob"] for one in named}


def _read(body: bytes) -> dict[str, Any]:
    """The JSON object of a response; empty if it is none."""
    try:
        value = json.loads(body)
    except ValueError as error:
        _LOG.warning("a vLLM server answers no JSON: %s", error)
        return {}
    return value if isinstance(value, dict) else {}
