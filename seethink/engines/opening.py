"""The engine of a model that is to be evaluated: loaded in this process, or asked at its server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from seethink import launch
from seethink.types import Engine

if TYPE_CHECKING:
    from seethink.engines.chat import ChatEngine


@dataclass(frozen=True)
class Server:
    """A model behind an OpenAI-compatible server.

    url: http://host:port/v1#model. root: what the server says its weights are, if it does (vLLM: a folder or
    hub id). key_env: the environment variable with the API key. max_concurrency: requests in flight, of each
    process.
    """

    url: str
    root: str = ""
    key_env: str = "OPENAI_API_KEY"
    max_concurrency: int = 64

    @property
    def key(self) -> str:
        """The identity of the model, as far as the server tells it."""
        return f"{self.url}:{self.root}"

    def named(self) -> Server:
        """The same with the names that the server gives. Raises InputError where there is no server or no
        such model, or where the key is wrong."""
        from seethink.engines.sync import EventLoopThread

        async def names() -> tuple[str, str, str]:
            engine = await self.connect()
            await engine.close()
            return engine.url, engine.name, engine.root

        loop = EventLoopThread("server-names")
        try:
            address, name, root = loop.run(names())
        finally:
            loop.close()
        return replace(self, url=f"{address}#{name}", root=root)

    async def connect(self) -> ChatEngine:
        """The engine of the model."""
        from seethink.engines.chat import ChatEngine
        from seethink.engines.http import RequestPolicy

        policy = replace(RequestPolicy(), max_concurrency=self.max_concurrency)
        return await ChatEngine.open(self.url, key_env=self.key_env, policy=policy)


@contextmanager
def opened(model: str | Server, calls: Path) -> Iterator[Engine]:
    """The engine of a model: an alias, folder or hub id, on this process's accelerator; or a server's, whose
    every completion is kept in the file `calls` and asked for once."""
    if isinstance(model, Server):
        with _asking(model, calls) as engine:
            yield engine
        return
    from seethink.engines.local import LocalEngine

    _choose_accelerator()
    yield LocalEngine.load(model)


@contextmanager
def _asking(server: Server, calls: Path) -> Iterator[Engine]:
    from seethink.engines.kept_calls import KeptCalls
    from seethink.engines.response_cache import ResponseCache
    from seethink.engines.sync import SyncEngine

    with ResponseCache(calls) as kept:

        async def opening() -> KeptCalls:
            return KeptCalls(await server.connect(), kept, server.root)

        with SyncEngine(opening(), server.max_concurrency, role="text") as engine:
            yield engine


def _choose_accelerator() -> None:
    """Each process of a launch on one of the machine's accelerators."""
    if launch.world_size() > 1:
        import torch

        if torch.cuda.is_available():
            torch.cuda.set_device(launch.local_rank())
