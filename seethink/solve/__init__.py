"""Solvers: ways of using engines to answer, `(engine, task, examples) -> rollouts`, by name.

A solver is a frozen dataclass of its options. `by_name("best_of_n:n=4,select=judge")` makes one.
"""

from __future__ import annotations

import re

from seethink.settings import override, parse, unknown
from seethink.solve.best_of_n import BestOfN
from seethink.solve.describe_first import DescribeFirst
from seethink.solve.direct import Direct
from seethink.solve.options import SolverOptions
from seethink.solve.stages import Stages
from seethink.solve.step_beam import StepBeam
from seethink.solve.two_agents import TwoAgents

SOLVERS: dict[str, type[SolverOptions]] = {
    "direct": Direct,
    "best_of_n": BestOfN,
    "stages": Stages,
    "step_beam": StepBeam,
    "two_agents": TwoAgents,
    "describe_first": DescribeFirst,
}


def by_name(spec: str) -> SolverOptions:
    """The solver of `NAME` or `NAME:OPTION=VALUE,OPTION=VALUE`. Raises InputError for an unknown name or
    option, and for a value that the option cannot have."""
    name, _, options = spec.partition(":")
    if name not in SOLVERS:
        raise unknown("solver", name, SOLVERS)
    settings = [part for part in re.split(r",(?=\s*\w+\s*=)", options) if part.strip()]
    return override(SOLVERS[name](), dict(parse(setting) for setting in settings), f"solver {name}")


__all__ = [
    "SOLVERS",
    "BestOfN",
    "DescribeFirst",
    "Direct",
    "SolverOptions",
    "Stages",
    "StepBeam",
    "TwoAgents",
    "by_name",
]
