"""Every alarm of a training: what it looks at, the limit from which on it speaks, the reason for the limit,
and its sentence. No torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import sqrt
from statistics import fmean
from typing import Any, Literal

from seethink.train.history import CORRECT, FORMAT, WINDOW, History

PUBLISHED_FOR = 100_000_000
"""Parameters from which on the published learning rates say anything; tiny models take larger ones."""

HIGHEST: Mapping[str, Mapping[bool, tuple[float, str]]] = {
    "sft": {
        False: (5e-5, "nanoVLM, both backbones"),
        True: (5e-4, "LoRA, Hu et al. 2021, table 9"),
    },
    "dpo": {
        False: (1e-6, "DPO, Rafailov et al. 2023, appendix B"),
        True: (5e-6, "the alignment handbook's zephyr-7b-dpo-qlora"),
    },
    "grpo": {
        False: (2e-5, "Open R1's demo recipe of GRPO"),
        True: (2e-4, "ten times the highest for full weights, Schulman et al. 2025, LoRA Without Regret"),
    },
}
"""{method: {with adapters: (learning rate, whose)}}: the highest of published recipes that we know."""

SignalKind = Literal[
    "learning_rate",
    "no_signal",
    "diverging",
    "little_spread",
    "unjudged",
    "malformed",
    "truncated",
    "format_only",
    "thought_vanishes",
    "thought_disagrees",
    "longer_not_better",
    "repeats",
    "many_boxes",
    "entropy_collapses",
    "entropy_rises",
    "far_from_reference",
    "mismatch",
    "held_out_falls",
]


Says = Callable[[History, float], str]


@dataclass(frozen=True)
class Alarm:
    """What is said of a training from a limit on. column: of metrics.jsonl, whose curve shows it. why: the
    reason for the limit. says: `(history, limit)` -> a sentence without a full stop, "" for nothing. after:
    the fewest steps that it looks at."""

    column: str
    limit: float
    why: str
    says: Says
    after: int = WINDOW


# The sentences --------------------------------------------------------------------------------------------


def _reaches(column: str) -> Callable[[Says], Says]:
    """A sentence for the last value of a column, `(history, value)`, said where that reaches the limit."""

    def decorate(sentence: Says) -> Says:
        def says(seen: History, limit: float) -> str:
            value = seen.last(column)
            return "" if value is None or value < limit else sentence(seen, value)

        return says

    return decorate


def _learning_rate(seen: History, limit: float) -> str:
    """Looked at once, for what the optimiser is set to; a schedule only lowers it."""
    if seen.steps > 1 or seen.parameters < PUBLISHED_FOR:
        return ""
    method = _method_of(seen.tail[-1])
    highest, whose = HIGHEST[method][seen.config.adapter.lora_rank > 0]
    trained = "adapters" if seen.config.adapter.lora_rank else "full weights"
    rate = seen.config.rate("language")
    if rate <= limit * highest:
        return ""
    return (
        f"the learning rate {rate:g} is above {highest:g}, the highest of published recipes of {method} "
        f"with {trained} that we know ({whose})"
    )


def _no_signal(seen: History, limit: float) -> str:
    if any((row.get("frac_reward_zero_std") or 0.0) < limit for row in seen.tail):
        return ""
    reward = seen.last("reward")
    said = f"no group had two different rewards in {WINDOW} steps"
    return f"{said}, none could be judged" if reward is None else f"{said}, the mean reward was {reward:.2f}"


def _diverging(seen: History, limit: float) -> str:
    """A supervised loss above that of the start; of a policy gradient, which has no level, one many times
    as large. Means over windows that do not overlap."""
    first, last = (fmean(abs(row["loss"]) for row in rows) for rows in (seen.head, seen.tail))
    if last <= (BLOW_UP * max(first, 0.1) if _method_of(seen.tail[-1]) == "grpo" else limit * first):
        return ""
    return f"the loss diverges: {first:.3g} in the first {WINDOW} steps, {last:.3g} in the last {WINDOW}"


def _little_spread(seen: History, limit: float) -> str:
    share = seen.last("frac_reward_zero_std")
    if share is None or not limit <= share < 1:
        return ""
    return f"{_percent(share)} of groups have no spread: {_why_no_spread(seen)}"


def _why_no_spread(seen: History) -> str:
    if (seen.last("frac_completions_identical") or 0) > 0.5:
        return "the model gives the same completion each time; raise temperature"
    if (seen.right or 0) < 0.5:
        return "the task is too hard or the reward too coarse"
    return "the task is too easy or the reward too coarse"


@_reaches("frac_groups_unjudged")
def _unjudged(seen: History, share: float) -> str:
    return f"{_percent(share)} of groups could not be judged: nothing is learned from them"


@_reaches("completions/malformed_ratio")
def _malformed(seen: History, share: float) -> str:
    return (
        f"{_percent(share)} of completions still break the format after {seen.steps} steps: train by sft "
        "first, or choose a format that the model knows"
    )


@_reaches("completions/clipped_ratio")
def _truncated(seen: History, share: float) -> str:
    return f"{_percent(share)} of completions are cut off: raise max_completion_length, or punish length"


def _format_only(seen: History, limit: float) -> str:
    formed, right = seen.change(FORMAT), seen.change(CORRECT)
    if formed is None and (malformed := seen.change("completions/malformed_ratio")) is not None:
        formed = -malformed
    if formed is None or right is None or formed < limit or right > HARDLY or (seen.right or 0) >= SOLVED:
        return ""
    return (
        f"only the format is learned: {_percent(formed)} more of the completions keep it than at the start, "
        f"while {_scored(seen)}"
    )


def _thought_vanishes(seen: History, limit: float) -> str:
    first, last = seen.first("completions/by_steps_ratio"), seen.last("completions/by_steps_ratio")
    if first is None or last is None or first < 0.5 or last > limit:
        return ""
    return (
        f"the thoughts vanish: {_percent(last)} of completions reason before they answer, "
        f"{_percent(first)} at the start"
    )


def _thought_disagrees(seen: History, limit: float) -> str:
    agree = seen.last("completions/thought_agrees_ratio")
    if agree is None or agree > limit:
        return ""
    return f"{_percent(1 - agree)} of those completions whose thought states an answer give another one"


def _longer_not_better(seen: History, limit: float) -> str:
    first, last = seen.first("completions/mean_length"), seen.last("completions/mean_length")
    right = seen.change(CORRECT)
    if not first or last is None or right is None or last < limit * first or right > HARDLY:
        return ""
    return (
        f"completions grow and get no better: {last:.0f} tokens, {first:.0f} at the start, while "
        f"{_scored(seen)}"
    )


@_reaches("completions/repeated_ratio")
def _repeats(seen: History, share: float) -> str:
    return f"completions repeat themselves: {_percent(share)} of their runs of six words occurred before"


def _many_boxes(seen: History, limit: float) -> str:
    given = seen.last("completions/mean_boxes")
    wanted = seen.last("completions/mean_reference_boxes")
    if given is None or wanted is None or given < limit * max(wanted, 1.0):
        return ""
    return f"answers list {given:.1f} boxes where their references have {wanted:.1f}: guessing is rewarded"


def _entropy_collapses(seen: History, limit: float) -> str:
    first, last, right = seen.first("entropy"), seen.last("entropy"), seen.right
    if not first or last is None or right is None or last > limit * first or right >= SOLVED:
        return ""
    return (
        f"the entropy collapses: {last:.2g} nats per token, {first:.2g} at the start, with a mean score of "
        f"{_percent(right)}: the model has stopped trying other answers"
    )


def _entropy_rises(seen: History, limit: float) -> str:
    rise = seen.change("entropy")
    if rise is None or rise < limit:
        return ""
    first, last = seen.first("entropy"), seen.last("entropy")
    return f"the entropy rises from {first:.2g} to {last:.2g} nats per token: completions dissolve into noise"


@_reaches("kl")
def _far_from_reference(seen: History, kl: float) -> str:
    return f"the model is {kl:.2g} nats per token from its reference: raise beta or lower the learning rate"


@_reaches("sampling/sampling_logp_difference/mean")
def _mismatch(seen: History, distance: float) -> str:
    return (
        f"the rollouts' log-probabilities differ from the trainer's by {distance:.2g} nats per token: what "
        "is sampled is not the model that is trained"
    )


def _held_out_falls(seen: History, limit: float) -> str:
    *_, (_, before, _), (_, now, n) = [(0, 0.0, None), (0, 0.0, None), *seen.evaluated]
    step, best, _ = max(seen.evaluated, key=lambda one: one[1], default=(0, 0.0, None))
    if max(before, now) > best - limit * max(1.0, sqrt(ENOUGH / n) if n else 1.0):
        return ""
    return f"held-out accuracy falls: {_percent(now)}, at step {step:,} it was {_percent(best)}"


def _scored(seen: History) -> str:
    first, last = _percent(seen.first(CORRECT)), _percent(seen.last(CORRECT))
    return f"their mean score is {last}, {first} at the start"


def _percent(share: float | None) -> str:
    return "unknown" if share is None else f"{100 * share:.0f} %"


def _method_of(row: Mapping[str, Any]) -> str:
    """The method whose curves a row holds."""
    columns = {"frac_reward_zero_std": "grpo", "rewards/margins": "dpo"}
    return next((method for column, method in columns.items() if column in row), "sft")


# The table ------------------------------------------------------------------------------------------------

BLOW_UP = 10.0
"""Times its size at the start, from which on the loss of a policy gradient diverges."""
HARDLY = 0.02
"""A mean score of completions that rose by no more has hardly changed: of 640 completions, ten steps of 64,
it is one standard error."""
ENOUGH = 100
"""Held-out questions for which the limit of a fall is set; of fewer it is larger, as their standard error."""
SOLVED = 0.9
"""From this mean score of completions on, a model that is sure of itself is what is wanted."""

ALARMS: Mapping[SignalKind, Alarm] = {
    "learning_rate": Alarm(
        "learning_rate",
        1.0,
        "`HIGHEST`: above it nothing that we know was published",
        _learning_rate,
        after=1,
    ),
    "no_signal": Alarm(
        "frac_reward_zero_std",
        1.0,
        "every group of ten steps without an advantage has a gradient of zero",
        _no_signal,
    ),
    "diverging": Alarm(
        "loss",
        1.1,
        "a tenth above the first ten steps is more than a batch's noise; a policy gradient has no level",
        _diverging,
        after=2 * WINDOW,
    ),
    "little_spread": Alarm(
        "frac_reward_zero_std",
        0.9,
        "nine of ten prompts are sampled for nothing; DAPO (2025) resamples because of them",
        _little_spread,
    ),
    "unjudged": Alarm(
        "frac_groups_unjudged", 0.5, "most of what is sampled takes no part in the loss", _unjudged
    ),
    "malformed": Alarm(
        "completions/malformed_ratio",
        0.9,
        "a model that can learn a format from rewards shows it within twenty steps",
        _malformed,
        after=2 * WINDOW,
    ),
    "truncated": Alarm(
        "completions/clipped_ratio",
        0.5,
        "most completions are paid as wrong before they answer; DAPO (2025) calls it reward noise",
        _truncated,
    ),
    "format_only": Alarm(
        FORMAT,
        0.2,
        "answers that became readable would be right at the old rate, were anything but the form learned",
        _format_only,
        after=3 * WINDOW,
    ),
    "thought_vanishes": Alarm(
        "completions/by_steps_ratio",
        0.1,
        "of a model that reasoned in most completions; VisualThinker-R1-Zero saw it with instruct models",
        _thought_vanishes,
        after=2 * WINDOW,
    ),
    "thought_disagrees": Alarm(
        "completions/thought_agrees_ratio",
        0.7,
        "reading what a thought states errs in some completions, not in three of ten",
        _thought_disagrees,
    ),
    "longer_not_better": Alarm(
        "completions/mean_length",
        2.0,
        "length that pays by itself; VisualThinker-R1-Zero's length reward lengthened without a gain",
        _longer_not_better,
        after=2 * WINDOW,
    ),
    "repeats": Alarm(
        "completions/repeated_ratio",
        0.3,
        "prose and worked sums repeat few runs of six words; loops repeat nearly all",
        _repeats,
    ),
    "many_boxes": Alarm(
        "completions/mean_boxes",
        2.0,
        "twice as many boxes as there are; VLM-R1's mAP reward made models add ever more",
        _many_boxes,
    ),
    "entropy_collapses": Alarm(
        "entropy",
        0.1,
        "a tenth of it is left: Cui et al. 2025 find rewards bounded by the entropy that is spent",
        _entropy_collapses,
        after=2 * WINDOW,
    ),
    "entropy_rises": Alarm(
        "entropy",
        1.0,
        "one nat per token is e times as many likely continuations at each token",
        _entropy_rises,
        after=2 * WINDOW,
    ),
    "far_from_reference": Alarm(
        "kl",
        1.0,
        "at one nat per token a sentence of twenty is e^20 times as likely as before",
        _far_from_reference,
    ),
    "mismatch": Alarm(
        "sampling/sampling_logp_difference/mean",
        0.1,
        "rounding in 16 bits stays near 0.01; at 0.1 ratios of whole completions are noise",
        _mismatch,
    ),
    "held_out_falls": Alarm(
        "eval_correct",
        0.1,
        "twice in a row; of a hundred questions it is two standard errors of a paired difference",
        _held_out_falls,
    ),
}
