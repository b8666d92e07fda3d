"""Controls of a solver, which comparisons of solvers need: greedy decoding, and the same tokens spent on
independent answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from seethink.run.stage import Evaluation, Model
from seethink.settings import leaves
from seethink.solve import Direct, Stages
from seethink.solve.equal_tokens import EqualTokens
from seethink.solve.options import SolverOptions
from seethink.types import GREEDY, Sampling, Solver, Task

if TYPE_CHECKING:
    from seethink.run.run import Run


def controls(
    run: Run, name: str, model: Model, tasks: Sequence[Task], solver: SolverOptions, measured: Evaluation
) -> dict[str, Evaluation]:
    """Three stages under `name`, by arm: greedy answers; the majority, and the likeliest by mean
    log-probability, of as many tokens as `measured`, the evaluation of `solver`, sampled for each question.
    They have the solver's limit on tokens and its seed, and are given at once; where the solver is `Stages`
    with a temperature, in its four turns, for a model that learned to answer so."""
    known = leaves(solver)
    sampled = Sampling(max_tokens=known.get("max_tokens", GREEDY.max_tokens), seed=known.get("seed", 0))
    if isinstance(solver, Stages) and solver.temperature:
        sampled = solver
    greedy = replace(sampled, temperature=0.0)
    vote, likeliest = (EqualTokens(select, one=sampled) for select in ("majority", "logprob_mean"))
    return {
        "greedy": run.evaluate(f"{name}/greedy", model, tasks, greedy),
        "majority, equal tokens": run.evaluate(f"{name}/majority", model, tasks, vote, measured),
        "likeliest, equal tokens": run.evaluate(f"{name}/likeliest", model, tasks, likeliest, measured),
    }


def solver_of(config: Any, measured: Evaluation | None) -> Solver:
    """The solver of a stage's config."""
    if isinstance(config, EqualTokens):
        from seethink.evaluate.statistics import tokens_sampled

        assert measured is not None, "equal to the tokens of which evaluation"
        return config.within(tokens_sampled(measured.path))
    return Direct(config) if isinstance(config, Sampling) else config
