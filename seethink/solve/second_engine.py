"""The engine of a second model that a solver names: a judge, a process reward model, a summary agent."""

from __future__ import annotations

from functools import lru_cache

from seethink.types import Engine


def engine_of(model: str, own: Engine) -> Engine:
    """The local engine of a model (an alias, folder or hub id), loaded once in a process; `own` for ""."""
    return _loaded(model) if model else own


@lru_cache(maxsize=2)
def _loaded(model: str) -> Engine:
    from seethink.engines.local import LocalEngine

    return LocalEngine.load(model)
