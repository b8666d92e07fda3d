"""What goes wrong while a training runs, said when it happens: no signal, a diverging loss, a learning rate
above every published one. No torch."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any, Literal

from seethink.train.configs import TrainingConfig

SIGNALS_FILE = "signals.jsonl"
"""In a training's folder: a row for each thing that was said, with its step."""
WINDOW = 10
"""Steps in a row without a signal, and steps over which a loss is averaged."""
RISE, BLOW_UP = 1.1, 10.0
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

SignalKind = Literal["no_signal", "diverging", "learning_rate"]


class Signals:
    """Watches the rows of `metrics.jsonl` as they come. parameters: of the whole model."""

    def __init__(self, config: TrainingConfig, parameters: int) -> None:
        self.config, self.parameters = config, parameters
        self.rows: list[Mapping[str, Any]] = []
        self.known: set[SignalKind] = set()

    def __call__(self, row: Mapping[str, Any]) -> dict[SignalKind, str]:
        """What this row brings, each thing once: {kind: sentence without a full stop}."""
        self.rows.append(row)
        found: dict[SignalKind, str] = {
            "learning_rate": self._learning_rate(row),
            "no_signal": self._no_signal(),
            "diverging": self._diverging(),
        }
        news: dict[SignalKind, str] = {}
        news |= {kind: text for kind, text in found.items() if text and kind not in self.known}
        self.known |= news.keys()
        ending = f"; the training ends here (stop_when={self.config.stop_when})" if self.ends(news) else ""
        for kind in news:
            news[kind] += ending
        return news

    def ends(self, news: Iterable[SignalKind]) -> bool:
        """Whether `stop_when` ends the training for what a row brought."""
        due = ("no_signal", "diverging") if self.config.stop_when == "any" else (self.config.stop_when,)
        return any(kind in due for kind in news)

    def _learning_rate(self, row: Mapping[str, Any]) -> str:
        """Looked at once, for what the optimiser is set to; a schedule only lowers it."""
        if len(self.rows) > 1 or self.parameters < PUBLISHED_FOR:
            return ""
        method = _method_of(row)
        highest, whose = HIGHEST[method][self.config.lora_rank > 0]
        trained = "adapters" if self.config.lora_rank else "full weights"
        rate = self.config.rate("language")
        if rate <= highest:
            return ""
        return (
            f"the learning rate {rate:g} is above {highest:g}, the highest of published recipes of {method} "
            f"with {trained} that we know ({whose})"
        )

    def _no_signal(self) -> str:
        last = self.rows[-WINDOW:]
        if len(last) < WINDOW or any(row.get("frac_reward_zero_std", 0) < 1 for row in last):
            return ""
        rewards = [row["reward"] for row in last if row.get("reward") is not None]
        said = f"no group had two different rewards in {WINDOW} steps"
        if not rewards:
            return f"{said}, none could be judged"
        return f"{said}, the mean reward was {fmean(rewards):.2f}"

    def _diverging(self) -> str:
        """A supervised loss above that of the start; of a policy gradient, which has no level, one many times
        as large. Means over windows that do not overlap."""
        if len(self.rows) < 2 * WINDOW:
            return ""
        first, last = (_mean_loss(rows) for rows in (self.rows[:WINDOW], self.rows[-WINDOW:]))
        limit = BLOW_UP * max(first, 0.1) if _method_of(self.rows[-1]) == "grpo" else RISE * first
        if last <= limit:
            return ""
        return f"the loss diverges: {first:.3g} in the first {WINDOW} steps, {last:.3g} in the last {WINDOW}"


def _mean_loss(rows: Sequence[Mapping[str, Any]]) -> float:
    return fmean(abs(row["loss"]) for row in rows)


def _method_of(row: Mapping[str, Any]) -> str:
    """The method whose curves a row holds."""
    columns = {"frac_reward_zero_std": "grpo", "rewards/margins": "dpo"}
    return next((method for column, method in columns.items() if column in row), "sft")


def signals_of(out: Path) -> dict[SignalKind, str]:
    """{kind: sentence with its step} of what was said during the training in `out`."""
    file = out / SIGNALS_FILE
    if not file.exists():
        return {}
    with file.open(encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    return {row["kind"]: f"step {row['step']:,}: {row['text']}" for row in rows}
