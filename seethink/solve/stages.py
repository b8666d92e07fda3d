"""Four turns, as LlamaV-o1 answers: plan, caption, reasoning, conclusion, each found by token-level beams."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from seethink import identity
from seethink.engines.base import BeamEngine, Beams
from seethink.formats.messages import chat_message, spoken
from seethink.formats.turns import STAGES, stage_requests
from seethink.solve.conversing import before
from seethink.solve.metering import Meter
from seethink.solve.options import SolverOptions
from seethink.solve.writing import staged
from seethink.types import (
    Completion,
    Engine,
    Example,
    InputError,
    Messages,
    Rollout,
    Sampling,
    Task,
)

WIDEST = 8


@dataclass(frozen=True)
class Stages(SolverOptions):
    """Ask for plan, caption, reasoning and conclusion in four turns of one conversation (LlamaV-o1).

    width: beams of a token-level beam search in each turn, whose best reply joins the conversation; 1 has
    none. length_penalty: exponent of the length by which a beam's log-probability is divided. max_tokens,
    max_answer_tokens: of each of the first three turns, and of the last. temperature, seed: of the sampling
    in each turn, without beams; at 0 it is greedy. Prompt and pictures are computed once; what a turn adds is
    computed in the next.
    """

    width: int = 1
    length_penalty: float = 1.0
    max_tokens: int = 512
    max_answer_tokens: int = 64
    temperature: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require(width="at least 1", max_tokens="at least 1", max_answer_tokens="at least 1")
        self.require(temperature="at least 0")
        if self.width > WIDEST:
            raise self.refuse("width", f"it must be at most {WIDEST}")
        if self.width > 1 and self.temperature:
            raise self.refuse("temperature", "beams are not sampled; set width=1 or temperature=0")

    def answer(self, engine: Engine, task: Task, examples: Sequence[Example]) -> list[list[Rollout]]:
        """One rollout for each example; its parts are the four replies."""
        meter = Meter(len(examples))
        conversations = [before(example) for example in examples]
        replies: list[list[Completion]] = [[] for _ in examples]
        for turn in range(len(STAGES)):
            live = [i for i, own in enumerate(replies) if not own or own[-1].stop != "unanswered"]
            for i in live:
                conversations[i] = [*conversations[i], stage_requests(examples[i])[turn]]
            answers = self._ask(meter, engine, live, [conversations[i] for i in live], turn)
            for i, reply in zip(live, answers, strict=True):
                replies[i].append(reply)
                conversations[i] = [*conversations[i], chat_message("assistant", spoken(reply.text))]
        return meter.give(staged(task, examples, replies, [None] * len(replies)))

    def _ask(
        self,
        meter: Meter,
        engine: Engine,
        owners: Sequence[int],
        conversations: Sequence[Messages],
        turn: int,
    ) -> list[Completion]:
        limit = self.max_answer_tokens if turn + 1 == len(STAGES) else self.max_tokens
        if self.width == 1:
            seed = identity.seed_of(self.seed, turn)
            sampling = Sampling(temperature=self.temperature, max_tokens=limit, seed=seed)
            return [reply for (reply,) in meter.ask(engine, owners, conversations, sampling)]
        if not isinstance(engine, BeamEngine):
            raise InputError(
                f"stages: width={self.width} needs token-level beams, which {type(engine).__name__} does not "
                "have; set width=1, or use the local engine"
            )
        begun = time.perf_counter()
        beams = Beams(self.width, self.length_penalty, limit)
        found = engine.beam_search(conversations, beams) if conversations else []
        meter.count(owners, found, time.perf_counter() - begun)
        return [best for best, *_ in found]
