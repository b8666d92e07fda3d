"""What `show` prints of a recipe's cost: each stage, the schedules on more cards, and every figure behind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console

from seethink.cli.tables import say

if TYPE_CHECKING:
    from seethink.run.cost.estimate import StageEstimate
    from seethink.run.cost.schedules import Simulated
    from seethink.run.plan import StagePlan
    from seethink.run.stage import Stage


def show_estimates(console: Console, stages: Sequence[tuple[Stage, StagePlan]], cards: int) -> None:
    """Time, disk, GPU memory and GPU hours of each stage and of all; scaling of GRPO; the assumptions."""
    from seethink.run.cost.estimate import estimate_stage
    from seethink.run.cost.figures import Figures

    figures = Figures()
    say(console, f"\nestimate for {cards:,} H200, from figures of one card; nothing was run on more")
    found = [estimate_stage(stage, plan, cards, figures) for stage, plan in stages]
    for one in found:
        _show_stage(console, one, figures.memory.value)
    if known := [one for one in found if not one.unknown]:
        amounts = _amounts(sum(e.seconds for e in known), sum(e.gpu_hours for e in known))
        say(console, f"together: {amounts}, disk {sum(e.disk for e in known) / 1e9:,.1f} GB")
    for one in found:
        if one.job:
            _show_scaling(console, one, cards)
    say(console, "\nfigures of the estimate")
    for name, figure in figures.all.items():
        say(console, f"    {name:<18}{figure.text:<22}{figure.origin}: {figure.source}")


def _show_stage(console: Console, one: StageEstimate, memory: float) -> None:
    if one.unknown:
        say(console, f"{one.name}: {one.unknown}")
        return
    fits = "" if one.memory <= memory else f", more than the {memory / 1e9:.0f} GB of a card"
    say(console, f"{one.name}: {_amounts(one.seconds, one.gpu_hours)}, disk {one.disk / 1e9:,.1f} GB, "
        f"GPU memory {one.memory / 1e9:,.0f} GB{fits}")  # fmt: skip
    for text in one.assumed:
        say(console, f"    assumed: {text}")
    if one.step:
        say(console, f"    a step takes {one.step.seconds:,.1f} s: {_shares(one.step)}")


def _show_scaling(console: Console, one: StageEstimate, cards: int) -> None:
    from seethink.run.cost.estimate import limit_of, scaling

    assert one.job
    say(console, f"\n{one.name} with {one.job.config.rollout.prompts_per_step:,} prompts a step, simulated")
    for row in scaling(one.job, cards):
        cards_of = f"{row.cards:,} card{'s' if row.cards > 1 else ''}"
        split = f" ({row.learners:,} learn)" if row.learners else ""
        rate = row.prompts / row.seconds
        say(console, f"    {cards_of:<11}{row.schedule + split:<34}{row.seconds:>8,.1f} s a step, "
            f"{rate:,.2f} prompts a second, {_shares(row)}")  # fmt: skip
    say(console, f"    {limit_of(one.job, max(cards, 512))}")


def _shares(step: Simulated) -> str:
    """Shares of the cards' time, the largest first; what is below one per cent is left out."""
    shares = sorted(step.shares.items(), key=lambda pair: -pair[1])
    return ", ".join(f"{kind} {share:.0%}" for kind, share in shares if share >= 0.01)


def _amounts(seconds: float, gpu_hours: float) -> str:
    return f"{seconds / 3600:,.2f} hours, {gpu_hours:,.2f} GPU hours"
