"""Solvers: ways of using engines to answer, `(engine, task, examples) -> rollouts`."""

from seethink.solve.direct import direct

__all__ = ["direct"]
