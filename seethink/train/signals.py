"""What goes wrong while a training runs, said once, at the step at which it is found. No torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from seethink.train.alarms import ALARMS, SignalKind
from seethink.train.configs import TrainingConfig
from seethink.train.history import History


class Signals:
    """Watches the rows of `metrics.jsonl` as they come. parameters: of the whole model."""

    def __init__(self, config: TrainingConfig, parameters: int) -> None:
        self.config, self.seen = config, History(config, parameters)
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
        ending = f"; the training ends here (stop_when={self._stop_when})"
        return {kind: text + ending if self.ends([kind]) else text for kind, text in news.items()}

    def ends(self, news: Iterable[SignalKind]) -> bool:
        """Whether `stop_when` ends the training for what a row brought."""
        due = ("no_signal", "diverging") if self._stop_when == "any" else (self._stop_when,)
        return any(kind in due for kind in news)

    @property
    def _stop_when(self) -> str:
        return self.config.monitoring.stop_when


def signals_of(rows: Iterable[Mapping[str, Any]]) -> dict[SignalKind, str]:
    """{kind: sentence with its step} of what was said at the rows of a training's metrics.jsonl."""
    return {
        kind: f"step {row['step']:,}: {text}" for row in rows for kind, text in row.get("alarms", {}).items()
    }
