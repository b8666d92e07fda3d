"""Engines that a solver names: a second model (a judge, a process reward model, a summary agent), and the
engine's own model with an adapter."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from threading import Lock, RLock
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from seethink.types import Completion, Engine, InputError, Messages, Sampling

if TYPE_CHECKING:
    from seethink.engines.local import LocalEngine


@runtime_checkable
class AdaptableEngine(Protocol):
    """An engine whose model can be used with one of several LoRA adapters."""

    def use_adapter(self, folder: str) -> None:
        """Use the adapter of a folder from now on, loaded at its first use; none for ""."""
        ...


@dataclass(frozen=True)
class AdaptedEngine:
    """An engine that uses an adapter for its own requests, and none outside of them."""

    engine: Engine
    adapter: str

    def generate(self, conversations: Sequence[Messages], sampling: Sampling) -> list[list[Completion]]:
        """`sampling.n` completions of each conversation, in order."""
        assert isinstance(self.engine, AdaptableEngine), "with_adapter has checked it"
        self.engine.use_adapter(self.adapter)
        try:
            return self.engine.generate(conversations, sampling)
        finally:
            self.engine.use_adapter("")


def with_adapter(engine: Engine, adapter: str) -> Engine:
    """The engine with the adapter of a folder; unchanged for "". Raises InputError where it has none."""
    if not adapter:
        return engine
    if not isinstance(engine, AdaptableEngine):
        raise InputError(
            f"the adapter {adapter} needs an engine that switches adapters, which {type(engine).__name__} is "
            "not; use the local engine, or name a summary_model"
        )
    return AdaptedEngine(engine, adapter)


class OneAtATime:
    """A local engine whose calls wait for each other: a server answers every request on a thread of its
    own, and all of them share the second model."""

    def __init__(self, engine: LocalEngine) -> None:
        self.engine, self._lock = engine, RLock()

    def generate(self, conversations: Sequence[Messages], sampling: Sampling) -> list[list[Completion]]:
        """`sampling.n` completions of each conversation, in order."""
        with self._lock:
            return self.engine.generate(conversations, sampling)

    @contextmanager
    def reuse(self) -> Iterator[None]:
        """Keep prompts, of all threads, until the end of the context."""
        context = self.engine.reuse()
        with self._lock:
            context.__enter__()
        try:
            yield
        finally:
            with self._lock:
                context.__exit__(None, None, None)


def engine_of(model: str, own: Engine) -> Engine:
    """The local engine of a model (an alias, folder or hub id), loaded once in a process; `own` for ""."""
    if not model:
        return own
    with _loading:
        return _loaded(model)


_loading = Lock()


@lru_cache(maxsize=2)
def _loaded(model: str) -> Engine:
    from seethink.engines.local import LocalEngine

    return OneAtATime(LocalEngine.load(model))
