"""Starting a server: the engine, the scheduler that suits it, and the HTTP server."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from typing import Any

import uvicorn

from seethink.serve.app import create_app
from seethink.serve.continuous import ContinuousBatching
from seethink.serve.scheduler import MicroBatches, Scheduler
from seethink.serve.service import Service
from seethink.types import InputError

VLLM_MEMORY = 0.8
"""Share of the memory that vLLM may use, as it counts it."""
LOOPBACK = {"127.0.0.1", "::1", "localhost"}


def scheduler_of(engine: Any) -> Scheduler:
    """Continuous batching over a local model whose cache allows it, micro-batches over any other engine."""
    from seethink.engines.continuous import ContinuousBatch
    from seethink.engines.local import LocalEngine

    if not isinstance(engine, LocalEngine):
        return MicroBatches(engine, context=getattr(engine, "context", None))
    context = getattr(engine.model.config.get_text_config(), "max_position_embeddings", None)
    batch = ContinuousBatch.of(engine)
    return (
        MicroBatches(engine, context=context) if batch is None else ContinuousBatching(batch, context=context)
    )


def load_engine(name: str, kind: str) -> Any:
    """The engine "local" or "vllm" on a model (an alias, folder or hub id)."""
    if kind == "local":
        from seethink.engines.local import LocalEngine

        return LocalEngine.load(name)
    from seethink.engines.vllm import VllmEngine, require_vllm
    from seethink.models.loading import load_encoder

    require_vllm()
    encoder, _ = load_encoder(name)
    return VllmEngine(name, encoder, "auto", VLLM_MEMORY)


def refuse_open(host: str, keys: Sequence[str]) -> None:
    """Raise InputError where a server without keys would be reached from other machines."""
    if not keys and host not in LOOPBACK:
        raise InputError(
            f"without an API key the server listens on this machine alone, not on {host}; give --api-key or "
            "SEETHINK_API_KEY, or leave out --host"
        )


def bound(host: str, port: int) -> socket.socket:
    """A socket at an address, which does not listen yet. Raises InputError where the address is taken or is
    none of this machine."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
    except OSError as error:
        sock.close()
        raise InputError(f"cannot listen on {host}:{port}: {error.strerror or error}") from error
    return sock


def http_server(
    service: Service, keys: Sequence[str] = (), documented: bool = False, playground: bool = False
) -> uvicorn.Server:
    """A server that, when told to end, takes no more requests and finishes those it has."""
    config = uvicorn.Config(
        create_app(service, keys, documented, playground),
        log_level="warning",
        access_log=False,
        server_header=False,
        ws="none",
        proxy_headers=False,
        timeout_graceful_shutdown=int(service.limits.timeout_s) + 1,
    )
    return uvicorn.Server(config)
