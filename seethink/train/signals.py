"""What goes wrong while a training runs, said once, at the step at which it is found. No torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from seethink.train.alarms import ALARMS, SignalKind
from seethink.train.configs import TrainingConfig
from seethink.train.history import History


class Signals:
    """Watches the rows of `metrics.jsonl` as they come. parameters: of the whole model. num_iterations:
    optimiser steps that learn from one rollout batch; a training ends after the last of them."""

    def __init__(self, config: TrainingConfig, parameters: int, num_iterations: int = 1) -> None:
        self.config, self.seen, self.num_iterations = config, History(config, parameters), num_iterations
        self.known: set[SignalKind] = set()

    def __call__(self, row: Mapping[str, Any]) -> dict[SignalKind, str]:
        """What this row brings, each thing once: {kind: sentence without a full stop}."""
        self.seen.add(row)
        news: dict[SignalKind, str] = {
            kind: text
            for kind, alarm in ALARMS.items()
            if kind not in self.known
            and self.seen.steps >= alarm.after
            and (text := alarm.says(self.seen, alarm.limit))
        }
        self.known |= news.keys()
        where = "here" if self.at_batch_end else "after the last update on this rollout batch"
        ending = f"; the training ends {where} (stop_when={self._stop_when})"
        return {kind: text + ending if self.ends([kind]) else text for kind, text in news.items()}

    def ends(self, news: Iterable[SignalKind]) -> bool:
        """Whether `stop_when` ends the training for what a row brought."""
        due = ("no_signal", "diverging") if self._stop_when == "any" else (self._stop_when,)
        return any(kind in due for kind in news)

    @property
    def at_batch_end(self) -> bool:
        """Whether the last row is that of the last update on its rollout batch."""
        return self.seen.steps % self.num_iterations == 0

    @property
    def _stop_when(self) -> str:
        return self.config.monitoring.stop_when


def signals_of(rows: Iterable[Mapping[str, Any]]) -> dict[SignalKind, str]:
    """{kind: sentence with its step} of what was said at the rows of a training's metrics.jsonl."""
    return {
        kind: f"step {row['step']:,}: {text}" for row in rows for kind, text in row.get("alarms", {}).items()
    }
