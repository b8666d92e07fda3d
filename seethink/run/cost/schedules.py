"""GRPO on many cards, simulated: every card samples, then every card learns (synchronous); or some cards
sample step n + 1 while the others learn from step n (one step off-policy)."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, replace

from seethink.run.cost.figures import Figures
from seethink.run.cost.known_models import ModelCost
from seethink.run.cost.simulation import Activity, Timeline, simulate
from seethink.run.cost.step import CardCost, sampled_lengths
from seethink.run.cost.workload import Question
from seethink.train.configs import GRPOConfig

SIMULATED_STEPS = 8
SPLITS = (1, 2, 4, 8, 12)
"""Sixteenths of the cards that learn, of which the fastest is taken."""
KINDS = ("data", "rollout", "update", "gradients", "weights", "optimiser", "waiting")


@dataclass(frozen=True)
class TrainingJob:
    """A GRPO training on a cluster. prompt: one question of it, as it is sampled."""

    model: ModelCost
    prompt: Question
    config: GRPOConfig
    figures: Figures
    cards: int = 1

    @property
    def cost(self) -> CardCost:
        return CardCost(self.model, self.figures, self.cards)


@dataclass(frozen=True)
class Simulated:
    """A schedule on a number of cards. seconds: of a step, on average. shares: of all cards' time, by kind of
    work. learners: cards that learn; 0 where all do both."""

    schedule: str
    cards: int
    prompts: int
    seconds: float
    shares: dict[str, float]
    learners: int = 0

    @property
    def card_seconds(self) -> float:
        """Of all cards, for one prompt."""
        return self.seconds * self.cards / self.prompts


def synchronous(job: TrainingJob, steps: int = SIMULATED_STEPS) -> Simulated:
    """All cards sample their share of the prompts, then learn from it, and add their gradients."""
    cards = range(job.cards)
    works: list[Activity] = []
    for step in range(steps):
        before = tuple(("optimiser", step - 1, card) for card in cards) if step else ()
        shares = _shares(job, step, job.cards)
        for card, lengths in zip(cards, shares, strict=True):
            works += _sampling(job, step, card, lengths, before[card : card + 1])
        works.append(_barrier("sampled", step, [("rollout", step, card) for card in cards]))
        works += _learning(job, step, list(cards), shares)
    return _result("synchronous", job, simulate(works), steps)


def one_step_off(job: TrainingJob, steps: int = SIMULATED_STEPS) -> Simulated:
    """Some cards sample with the weights of the step before the last, the others learn; of several divisions
    the fastest. Raises ValueError for a single card, which cannot do both at once."""
    if job.cards < 2:
        raise ValueError("one step off-policy needs two cards")
    numbers = {min(job.cards - 1, max(1, round(job.cards * part / 16))) for part in SPLITS}
    return min((_divided(job, steps, n) for n in sorted(numbers)), key=lambda found: found.seconds)


def _divided(job: TrainingJob, steps: int, learners: int) -> Simulated:
    learning, sampling = list(range(learners)), list(range(learners, job.cards))
    works: list[Activity] = []
    for step in range(steps):
        # sampling step n needs the weights that step n - 2 left: one optimiser step fewer than in turn
        before = tuple(("weights", step - 2, card) for card in sampling) if step >= 2 else ()
        shares = _shares(job, step, len(sampling))
        for place, (card, lengths) in enumerate(zip(sampling, shares, strict=True)):
            works += _sampling(job, step, card, lengths, before[place : place + 1])
        works.append(_barrier("sampled", step, [("rollout", step, card) for card in sampling]))
        works += _learning(job, step, learning, _shares(job, step, learners))
        works.append(_barrier("learned", step, [("optimiser", step, card) for card in learning]))
        seconds, learned = job.cost.weights_s, (("learned", step),)
        works += [Activity(("weights", step, card), "weights", card, seconds, learned) for card in sampling]
    return _result("one step off-policy", job, simulate(works), steps, learners)


def _shares(job: TrainingJob, step: int, cards: int) -> list[list[list[int]]]:
    """Lengths of the completions of each card's groups; a group is not divided."""
    groups = sampled_lengths(job.config, job.figures, f"lengths/{step}")
    return [groups[card::cards] for card in range(cards)]


def _barrier(name: str, step: Hashable, after: Sequence[Hashable]) -> Activity:
    """Done when all of `after` is."""
    return Activity((name, step), "barrier", name, 0.0, tuple(after))


def _sampling(
    job: TrainingJob, step: int, card: int, lengths: Sequence[Sequence[int]], after: tuple[Hashable, ...]
) -> Iterator[Activity]:
    """Pictures are decoded and rewards computed by the card's own process."""
    figures, rollout = job.figures, job.config.rollout
    one = figures.picture_s.value + rollout.num_generations * figures.verify_s.value
    limit = rollout.max_completion_length
    yield Activity(("data", step, card), "data", card, len(lengths) * one, after)
    seconds = job.cost.rollout_s(job.prompt, lengths, limit)
    yield Activity(("rollout", step, card), "rollout", card, seconds, (("data", step, card),))


def _learning(
    job: TrainingJob,
    step: int,
    cards: Sequence[int],
    shares: Sequence[Sequence[Sequence[int]]],
) -> Iterator[Activity]:
    """`num_iterations` updates, gradients and optimiser steps."""
    training, reference = job.config.training, job.config.beta > 0
    cost = replace(job.cost, cards=len(cards))
    for turn in range(job.config.num_iterations):
        last = turn == job.config.num_iterations - 1
        packs = 1
        for card, groups in zip(cards, shares, strict=True):
            tokens = sum(map(sum, groups)) / max(1, sum(map(len, groups)))
            question = replace(job.prompt, length=tokens)
            seconds = len(groups) * cost.update_s(question, training)
            if reference and not turn:
                seconds += len(groups) * cost.forward_s(question)
            after = ("optimiser", step, turn - 1, card) if turn else ("sampled", step)
            packs = max(packs, len(groups))
            yield Activity(("update", step, turn, card), "update", card, seconds, (after,))
        updated = [("update", step, turn, card) for card in cards]
        yield _barrier("updated", (step, turn), updated)
        seconds = cost.gradients_s(training, reference, packs)
        for card in cards:
            yield Activity(
                ("gradients", step, turn, card), "gradients", card, seconds, (("updated", (step, turn)),)
            )
            name = ("optimiser", step, card) if last else ("optimiser", step, turn, card)
            after = (("gradients", step, turn, card),)
            yield Activity(name, "optimiser", card, cost.optimiser_s(training, reference), after)


def _result(schedule: str, job: TrainingJob, timeline: Timeline, steps: int, learners: int = 0) -> Simulated:
    busy = timeline.busy(range(job.cards))
    whole = timeline.seconds * job.cards
    shares = {kind: busy.get(kind, 0.0) / whole for kind in KINDS}
    return Simulated(
        schedule, job.cards, job.config.rollout.prompts_per_step, timeline.seconds / steps, shares, learners
    )


def scaled(job: TrainingJob, cards: int, larger_batch: bool) -> TrainingJob:
    """The job on `cards` cards. larger_batch: with `prompts_per_step` for each card as on one."""
    if not larger_batch:
        return replace(job, cards=cards)
    prompts = job.config.rollout.prompts_per_step * cards
    return replace(job, cards=cards, config=job.config.replace(prompts_per_step=prompts))


def stops_scaling(job: TrainingJob, larger_batch: bool = False, most: int = 512) -> tuple[int, str]:
    """(the number of cards beyond which twice as many bring less than 1.5 times the prompts a second, why);
    synchronous, up to `most` cards."""
    cards, last = 1, synchronous(scaled(job, 1, larger_batch))
    while cards < most:
        found = synchronous(scaled(job, 2 * cards, larger_batch))
        gain = (found.prompts / found.seconds) / (last.prompts / last.seconds)
        if gain < 1.5:
            return cards, _why(scaled(job, 2 * cards, larger_batch), last, found)
        cards, last = 2 * cards, found
    return cards, f"not within {most} cards"


def _why(job: TrainingJob, before: Simulated, after: Simulated) -> str:
    """The kind of work whose seconds a prompt grew most over all cards."""
    grown = {
        kind: after.shares[kind] * after.card_seconds - before.shares[kind] * before.card_seconds
        for kind in KINDS
    }
    worst = max(grown, key=lambda kind: grown[kind])
    if worst == "waiting" and job.config.rollout.prompts_per_step < job.cards:
        return "a group is not divided: there are more cards than prompts in a step"
    return {
        "waiting": "cards wait for the longest completions of the others",
        "gradients": "adding gradients takes as long at any number of cards",
        "weights": "sending weights takes as long at any number of cards",
        "optimiser": "every card makes the whole optimiser step",
        "rollout": "a card's decoding steps are as many with few completions as with many",
        "data": "decoding pictures",
        "update": "updates of few tokens",
    }[worst]
