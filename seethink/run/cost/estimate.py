"""What a stage would take on a cluster: time, disk, memory and GPU hours, and what the estimate rests on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from seethink.run.cost.figures import Figures
from seethink.run.cost.known_models import ModelCost, model_cost
from seethink.run.cost.schedules import (
    Simulated,
    TrainingJob,
    one_step_off,
    scaled,
    stops_scaling,
    synchronous,
)
from seethink.run.cost.step import CardCost
from seethink.run.cost.workload import FP32, Question, assumed_question
from seethink.run.plan import StagePlan
from seethink.run.stage import Model, Stage
from seethink.settings import leaves
from seethink.train.configs import GRPOConfig
from seethink.train.methods import METHODS

CARDS = (1, 8, 64, 512)
REPLY_TOKENS = 150
"""Of a reply that could not be read."""


@dataclass(frozen=True)
class StageEstimate:
    """seconds: on the whole cluster. memory: bytes of one card at its peak. disk: bytes. step: of a GRPO
    stage, simulated. assumed: what the estimate takes for granted about this stage. unknown: why there is no
    estimate, else empty."""

    name: str
    seconds: float = 0.0
    memory: float = 0.0
    disk: float = 0.0
    cards: int = 1
    step: Simulated | None = None
    assumed: Sequence[str] = ()
    unknown: str = ""
    job: TrainingJob | None = field(default=None, repr=False)

    @property
    def gpu_hours(self) -> float:
        """Of all cards."""
        return self.cards * self.seconds / 3600


def estimate_stage(stage: Stage, plan: StagePlan, cards: int, figures: Figures) -> StageEstimate:
    """The estimate of one stage on `cards` cards."""
    models = [need for need in stage.needs if isinstance(need, Model)]
    if not (stage.trains or stage.kind == "evaluate") or not models:
        return StageEstimate(stage.name, unknown="not estimated: it is no training and no evaluation")
    if (model := model_cost(str(models[0].base))) is None:
        return StageEstimate(
            stage.name, unknown=f"not estimated: the sizes of {models[0].base} are not known"
        )
    cost = CardCost(model, figures, cards)
    assumed = [] if plan.prompt_tokens else [f"a prompt of {_question(model, plan).prompt:,} tokens"]
    if stage.kind == "evaluate":
        return _evaluation(stage, plan, cost, assumed)
    if isinstance(stage.config, GRPOConfig):
        return _grpo(stage, plan, cost, assumed)
    return _imitation(stage, plan, cost, assumed)


def _question(model: ModelCost, plan: StagePlan, answers: int = 1, length: float = REPLY_TOKENS) -> Question:
    return assumed_question(model, plan.prompt_tokens, answers, length)


def _evaluation(stage: Stage, plan: StagePlan, cost: CardCost, assumed: list[str]) -> StageEstimate:
    """The local engine on one card: evaluations are not divided among cards."""
    settings = leaves(stage.config)
    n, limit = settings.get("n") or 1, settings.get("max_tokens") or REPLY_TOKENS
    question = _question(cost.model, plan, n, limit)
    length = max(1, round(limit * cost.figures.mean_length.value))
    groups = [[limit] + [length] * (n - 1)] * stage.examples.count
    alone = replace(cost, cards=1)
    text = cost.model.text
    memory = FP32 * (cost.model.parameters + 2 * n * (question.prompt + limit) * text.kv_size * text.layers)
    tokens = stage.examples.count * n * length
    return StageEstimate(
        stage.name, alone.rollout_s(question, groups, limit), memory, _attempts(cost, tokens, n, stage), 1,
        assumed=[*assumed, "one card answers, in fp32"],
    )  # fmt: skip


def _imitation(stage: Stage, plan: StagePlan, cost: CardCost, assumed: list[str]) -> StageEstimate:
    """SFT and DPO: forward and backward passes of given replies, two for a pair, which the reference sees
    before."""
    method, config = METHODS[stage.kind], stage.config
    training, reference = config.training, method.reference(config)
    question = _question(cost.model, plan, 2 if stage.kind == "dpo" else 1)
    seen, steps = config.rows_seen(stage.examples.count), config.steps_for(stage.examples.count)
    one = cost.update_s(question, training) + (cost.forward_s(question) if stage.kind == "dpo" else 0.0)
    each = math.ceil(config.train_batch_size / cost.cards)
    data = each * cost.figures.picture_s.value
    exchange = cost.gradients_s(training, reference, each) + cost.optimiser_s(training, reference)
    return StageEstimate(
        stage.name, steps * (each * one + data + exchange), cost.memory(question, training, reference),
        _checkpoints(cost), cost.cards,
        assumed=[*assumed, f"replies of {REPLY_TOKENS} tokens, {seen:,} rows seen, none shares its picture"],
    )  # fmt: skip


def _grpo(stage: Stage, plan: StagePlan, cost: CardCost, assumed: list[str]) -> StageEstimate:
    """Rollout batches simulated, times their number."""
    config: GRPOConfig = stage.config
    rollout = config.rollout
    limit = rollout.max_completion_length
    prompt = _question(cost.model, plan, rollout.num_generations, limit)
    job = TrainingJob(cost.model, prompt, config, cost.figures, cost.cards)
    step = synchronous(job)
    if rollout.rollout_backend != "local":
        assumed.append("vLLM samples as fast as the local engine (vLLM on an accelerator: not measured)")
    tokens = round(plan.counts["completions"] * limit * cost.figures.mean_length.value)
    disk = _checkpoints(cost) + _attempts(cost, tokens, plan.counts["completions"], None)
    memory = cost.memory(prompt, config.training, config.beta > 0)
    seconds = step.seconds * config.rollout_batches
    return StageEstimate(stage.name, seconds, memory, disk, cost.cards, step, assumed, job=job)


def _checkpoints(cost: CardCost) -> float:
    """The finished model, and the last step's weights and optimiser states."""
    return 4 * FP32 * cost.model.parameters


def _attempts(cost: CardCost, tokens: int, completions: int, stage: Stage | None) -> float:
    """Bytes of attempts.jsonl: a row, and about eight bytes for each token's id, text and log-probability."""
    rows = completions * stage.examples.count if stage else completions
    return cost.figures.attempt.value * rows + 8 * tokens


def scaling(job: TrainingJob, most: int) -> list[Simulated]:
    """Both schedules at `CARDS`, up to `most` cards and with `most` itself, by the number of cards."""
    counts = sorted({*(n for n in CARDS if n < most), most})
    found = []
    for cards in counts:
        one = scaled(job, cards, larger_batch=False)
        found += [synchronous(one), *([one_step_off(one)] if cards > 1 else [])]
    return found


def limit_of(job: TrainingJob, most: int) -> str:
    """Where the job stops scaling, in a sentence."""
    cards, why = stops_scaling(job, most=most)
    return (
        f"stops scaling at {cards:,} {'card' if cards == 1 else 'cards'}: {why}"
        if cards < most
        else (f"scales to {most:,} cards: at every doubling at least 1.5 times the prompts a second")
    )


@dataclass(frozen=True)
class MillionQuestions:
    """A million questions. training: card hours of GRPO, each once. cpu, teacher: hours of one core and of
    one teacher card for the synthesis, `calls` requests."""

    calls: float
    cpu_hours: float
    teacher_hours: float
    training_hours: float


def million_questions(job: TrainingJob, calls_of_example: float) -> MillionQuestions:
    """What a million questions cost. calls_of_example: requests of the chain for one."""
    figures, calls = job.figures, 1e6 * calls_of_example
    teacher = calls * figures.teacher_tokens.value / figures.teacher.value
    training = 1e6 * synchronous(job).card_seconds
    return MillionQuestions(calls, calls * figures.call_s.value / 3600, teacher / 3600, training / 3600)
