"""Settings of Insight-V's trainings, and its rounds of DPO."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from seethink.formats import THOUGHTS_SUMMARY
from seethink.identity import seed_of
from seethink.run.measured import BestAgainstWorst
from seethink.run.run import Run
from seethink.run.stage import Model
from seethink.run.synthesised import Synthesised
from seethink.sequences import Concatenated
from seethink.train.configs import DPOConfig, SFTConfig
from seethink.types import PreferencePair, Sampling, Task

ADAPTER = {"lora_rank": 16, "keep_adapter": True}
"""Below the scale full, where both agents are adapters of one base."""


def sft_config(run: Run, **published: Any) -> SFTConfig:
    """Of one agent. published: its settings in the launch script."""
    full = SFTConfig.of(
        vision_learning_rate=0.0, warmup_ratio=0.05, max_prompt_length=12_288, seed=run.seed, **published
    )
    small = full.replace(
        learning_rate=1e-3, num_train_epochs=1.0, train_batch_size=16, max_tokens_per_batch=4_000, **ADAPTER
    )
    return run.scale(
        smoke=small.replace(train_batch_size=4, max_steps=1),
        tiny=small,
        one_gpu=full.replace(learning_rate=1e-4, **ADAPTER),
        full=full,
    )


def dpo_config(run: Run) -> DPOConfig:
    """Of one round."""
    full = DPOConfig.of(
        learning_rate=5e-7, vision_learning_rate=0.0, train_batch_size=64, rpo_alpha=1.0, seed=run.seed
    )
    small = full.replace(learning_rate=2e-4, train_batch_size=16, max_tokens_per_batch=4_000, **ADAPTER)
    return run.scale(
        smoke=small.replace(train_batch_size=2, max_steps=1),
        tiny=small,
        one_gpu=full.replace(learning_rate=1e-5, **ADAPTER),
        full=full,
    )


def rounds(run: Run, agent: Model, practice: Task, made: Synthesised, max_tokens: int) -> Model:
    """The reasoning agent after rounds of DPO, each on pairs of what the newest agent says."""
    for number in run.scale(smoke=(1,), tiny=(1, 2, 3), full=(1, 2, 3)):
        sampling = Sampling(n=8, max_tokens=max_tokens, seed=seed_of("round", number, run.seed))
        samples = run.evaluate(f"round{number}/samples", agent, [practice], sampling)
        pairs: Sequence[PreferencePair] = BestAgainstWorst(practice, samples)
        if run.scale == "smoke":  # its texts are cut off, so that all may be equally wrong
            pairs = Concatenated((pairs, made.pairs(THOUGHTS_SUMMARY)))
        agent = run.dpo(f"round{number}/dpo", agent, pairs, dpo_config(run))
    return agent
