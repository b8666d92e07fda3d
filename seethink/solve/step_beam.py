"""Search over whole stages: distinct candidates for each, scored, and the best continued."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from seethink import identity
from seethink.formats.messages import chat_message, spoken
from seethink.formats.turns import STAGES, stage_requests
from seethink.solve.conversing import before
from seethink.solve.metering import Meter
from seethink.solve.options import SolverOptions, require_sampled
from seethink.solve.scorers import SCORERS, Candidate, best, refuse_unknown_scorer, score_all
from seethink.solve.writing import staged
from seethink.types import (
    Completion,
    Engine,
    Example,
    Messages,
    Rollout,
    Sampling,
    Task,
)

PARTIAL = tuple(name for name in SCORERS if name != "verifier")
"""Scorers of chains that are not finished; the verifier reads whole responses alone."""
WARM = Sampling(temperature=1.0, max_tokens=512)


@dataclass(frozen=True)
class StageChain:
    """The first stages of an answer. value: by the scorer; None if it cannot judge the chain."""

    replies: tuple[Completion, ...] = ()
    value: float | None = None

    @property
    def steps(self) -> tuple[str, ...]:
        """The texts of the stages."""
        return tuple(reply.text for reply in self.replies)

    @property
    def is_over(self) -> bool:
        """Whether all stages are there, or the engine did not answer."""
        return len(self.replies) == len(STAGES) or not self.answered

    @property
    def answered(self) -> bool:
        """Whether the engine answered every request."""
        return all(reply.stop != "unanswered" for reply in self.replies)

    def candidate(self, owner: int, example: Example) -> Candidate:
        """The chain as a scorer takes it."""
        known = all(reply.logps for reply in self.replies)
        logps = tuple(logp for reply in self.replies for logp in reply.logps) if known else ()
        return Candidate(owner, example, self.steps, logps, answered=self.answered)

    def conversation(self, example: Example) -> Messages:
        """What the engine continues with the next stage."""
        messages, requests = before(example), stage_requests(example)
        for request, reply in zip(requests, self.replies, strict=False):
            messages = [*messages, request, chat_message("assistant", spoken(reply.text))]
        return [*messages, requests[len(self.replies)]]


Expand = Callable[[Sequence[tuple[int, StageChain]]], list[list[StageChain]]]
"""Scored children of chains, each with the number of its example; none of a chain that is over."""


@dataclass(frozen=True)
class StepBeam(SolverOptions):
    """Sample distinct candidates of each stage (plan, caption, reasoning, conclusion) and continue the best.

    search: "beam" keeps the `width` best chains after each stage (LLaVA-CoT's stage-level beam search);
    "best_first" is a tree search that expands the best chain found so far, whatever its stage, `expansions`
    times at most, and then completes the best greedily. candidates: of each expanded chain; of equal ones
    all but one are dropped and sampled again, in `rounds` rounds at most. scorer: of `PARTIAL`, or your own
    (`./FILE.py:NAME`). judge_model: the model of the scorers judge and process; the one that answers by
    default. Differs from the adapter of LlamaV-o1, whose four candidates are greedy and therefore equal.
    """

    search: Literal["beam", "best_first"] = "beam"
    width: int = 1
    candidates: int = 4
    rounds: int = 3
    expansions: int = 8
    scorer: str = "logprob_mean"
    judge_model: str = ""
    sampling: Sampling = field(default=WARM)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require(
            width="at least 1", candidates="at least 1", rounds="at least 1", expansions="at least 1"
        )
        refuse_unknown_scorer(self.scorer, PARTIAL)
        require_sampled(self.sampling, "the candidates would all be the same")
        if self.sampling.n != 1:
            raise ValueError(f"n={self.sampling.n}: set candidates instead, the number for each chain")

    def answer(self, engine: Engine, task: Task, examples: Sequence[Example]) -> list[list[Rollout]]:
        """One rollout for each example; its parts are the stages, the last with the value of the chain."""
        meter = Meter(len(examples))

        def expand(chains: Sequence[tuple[int, StageChain]]) -> list[list[StageChain]]:
            return self._expand(meter, engine, examples, chains)

        found = (self._beam if self.search == "beam" else self._best_first)(expand, len(examples))
        self._complete(meter, engine, examples, found)
        chosen = [chain.replies for chain in found]
        return meter.give(staged(task, examples, chosen, [chain.value for chain in found]))

    # Searches -----------------------------------------------------------------------------------------------

    def _beam(self, expand: Expand, n: int) -> list[StageChain]:
        """The best chain of each example by a beam of `width` chains."""
        beams = [[StageChain()] for _ in range(n)]
        for _ in STAGES:
            owned = [(i, chain) for i, beam in enumerate(beams) for chain in beam]
            grown: dict[int, list[StageChain]] = defaultdict(list)
            for (i, chain), children in zip(owned, expand(owned), strict=True):
                grown[i] += children or [chain]
            beams = [_best(grown[i], self.width) for i in range(n)]
        return [beam[0] for beam in beams]

    def _best_first(self, expand: Expand, n: int) -> list[StageChain]:
        """The first whole chain of each example to be the best of its tree; the best one of any length where
        the expansions run out."""
        trees: list[list[StageChain]] = [[StageChain()] for _ in range(n)]
        for _ in range(self.expansions):
            tops = [(i, _best(tree, 1)[0]) for i, tree in enumerate(trees)]
            owned = [(i, chain) for i, chain in tops if not chain.is_over]
            for (i, chain), children in zip(owned, expand(owned), strict=True):
                trees[i] = [other for other in trees[i] if other is not chain] + children
        whole = [[chain for chain in tree if chain.is_over and chain.answered] for tree in trees]
        return [_best(own or tree, 1)[0] for own, tree in zip(whole, trees, strict=True)]

    def _complete(
        self, meter: Meter, engine: Engine, examples: Sequence[Example], chains: list[StageChain]
    ) -> None:
        """Add the stages that a chain lacks, greedily."""
        greedy = replace(self.sampling, temperature=0.0)
        while owners := [i for i, chain in enumerate(chains) if not chain.is_over]:
            conversations = [chains[i].conversation(examples[i]) for i in owners]
            for i, (reply,) in zip(owners, meter.ask(engine, owners, conversations, greedy), strict=True):
                chains[i] = replace(chains[i], replies=(*chains[i].replies, reply))

    # Candidates ---------------------------------------------------------------------------------------------

    def _expand(
        self,
        meter: Meter,
        engine: Engine,
        examples: Sequence[Example],
        chains: Sequence[tuple[int, StageChain]],
    ) -> list[list[StageChain]]:
        going = [(i, chain) for i, chain in chains if not chain.is_over]
        drawn = iter(self._distinct(meter, engine, examples, going))
        grown = [[] if chain.is_over else next(drawn) for _, chain in chains]
        candidates = [
            child.candidate(i, examples[i])
            for (i, _), children in zip(chains, grown, strict=True)
            for child in children
        ]
        values = iter(score_all(self.scorer, meter, engine, candidates, self.judge_model))
        return [[replace(child, value=next(values)) for child in children] for children in grown]

    def _distinct(
        self,
        meter: Meter,
        engine: Engine,
        examples: Sequence[Example],
        chains: Sequence[tuple[int, StageChain]],
    ) -> list[list[StageChain]]:
        """The distinct next stages of each chain, at most `candidates`."""
        found: list[dict[str, Completion]] = [{} for _ in chains]
        conversations = [chain.conversation(examples[i]) for i, chain in chains]
        for round in range(self.rounds):
            missing: dict[int, list[int]] = defaultdict(list)
            for k, own in enumerate(found):
                if len(own) < self.candidates:
                    missing[self.candidates - len(own)].append(k)
            for n, places in sorted(missing.items()):
                seed = self.sampling.seed if round == 0 else identity.seed_of(self.sampling.seed, round)
                sampling = replace(self.sampling, n=n, seed=seed)
                owners = [chains[k][0] for k in places]
                answers = meter.ask(engine, owners, [conversations[k] for k in places], sampling)
                for k, replies in zip(places, answers, strict=True):
                    for reply in replies:
                        meter.duplicate(chains[k][0], " ".join(reply.text.split()) in found[k])
                        found[k].setdefault(" ".join(reply.text.split()), reply)
        return [
            [StageChain((*chain.replies, reply)) for reply in own.values()]
            for (_, chain), own in zip(chains, found, strict=True)
        ]


def _best(chains: Sequence[StageChain], count: int) -> list[StageChain]:
    """The chains of the highest values; those that are unanswered last."""
    return [chains[i] for i in best([chain.value for chain in chains], count)]
