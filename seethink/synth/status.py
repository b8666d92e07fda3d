"""Status of a synthesis, read from its ledger: counts of examples by outcome, calls and cost."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from seethink.synth.ledger import Ledger, Usage
from seethink.types import InputError

LEDGER_FILE = "ledger.sqlite"
"""Name of the ledger in the folder of a synthesis."""
_RUN = "run"


@dataclass(frozen=True)
class SynthesisInfo:
    """What the last command was asked to do.

    data: the source of the examples as given. teachers: the model of each role. address: `data` with absolute
    paths, world: of `drawn:N`, images: the folder of the media; they find the examples again from any folder.
    """

    chain: str
    data: str
    examples: int
    teachers: Mapping[str, str]
    steps: Sequence[str]
    address: str = ""
    world: str = "exams"
    images: str | None = None

    def save(self, ledger: Ledger) -> None:
        ledger.write_about(_RUN, json.dumps(asdict(self)))


@dataclass(frozen=True)
class CallUsage:
    """Totals of the answered calls of one step to one model."""

    step: str
    model: str
    calls: int
    prompt_tokens: int
    tokens: int
    cost: float


@dataclass(frozen=True)
class SynthesisStatus:
    """Counts of a synthesis.

    dropped: number of examples by (step, reason). failed: by (step, kind of fault). messages: the first error
    message of each entry of `failed`. faults: failed attempts by kind, those that a retry recovered included.
    """

    info: SynthesisInfo
    kept: int
    dropped: Mapping[tuple[str, str], int]
    failed: Mapping[tuple[str, str], int]
    messages: Mapping[tuple[str, str], str]
    calls: tuple[CallUsage, ...]
    faults: Mapping[str, int]
    usage: Usage

    @property
    def pending(self) -> int:
        """Number of examples without an outcome; failed ones are not included."""
        return self.info.examples - self.kept - sum(self.dropped.values()) - sum(self.failed.values())

    def as_json(self) -> dict[str, Any]:
        def rows(counts: Mapping[tuple[str, str], int]) -> list[dict[str, Any]]:
            return [{"step": step, "reason": reason, "examples": n} for (step, reason), n in counts.items()]

        failed = [{**row, "told": self.messages[row["step"], row["reason"]]} for row in rows(self.failed)]
        return {
            **asdict(self.info),
            "kept": self.kept,
            "dropped": rows(self.dropped),
            "failed": failed,
            "pending": self.pending,
            "asked": [asdict(calls) for calls in self.calls],
            "faults": dict(self.faults),
            "spent": asdict(self.usage),
        }


def open_ledger(out: Path) -> Ledger:
    """The ledger of the synthesis in `out`. Raises InputError if there is none."""
    if not (out / LEDGER_FILE).is_file():
        raise InputError(f"there is no synthesis in {out} (no {LEDGER_FILE}); give the folder that was --out")
    return Ledger(out / LEDGER_FILE)


def read_status(ledger: Ledger) -> SynthesisStatus:
    """Raises InputError for a ledger whose synthesis never started."""
    info = ledger.read_about(_RUN)
    if info is None:
        raise InputError(f"the synthesis of {ledger.path} has not started; run its command again")
    counts: dict[str, dict[tuple[str, str], int]] = {"dropped": {}, "failed": {}}
    messages: dict[tuple[str, str], str] = {}
    kept = 0
    for state, step, reason, n, why, _ in ledger.query(  # why: of the example with the lowest index
        "SELECT state, step, reason, count(*), why, min(at) FROM examples GROUP BY 1, 2, 3 "
        "ORDER BY 4 DESC, 2, 3"
    ):
        if state == "kept":
            kept += n
        else:
            counts[state][step, reason] = n
        if state == "failed":
            messages[step, reason] = why
    calls = ledger.query(
        "SELECT step, model, count(*), sum(prompt_tokens), sum(tokens), sum(cost) FROM calls "
        "GROUP BY 1, 2 ORDER BY 1, 2"
    )
    faults = ledger.query("SELECT kind, count(*) FROM faults GROUP BY 1 ORDER BY 2 DESC, 1")
    return SynthesisStatus(
        SynthesisInfo(**json.loads(info)),
        kept,
        counts["dropped"],
        counts["failed"],
        messages,
        tuple(CallUsage(*row) for row in calls),
        dict(faults),
        ledger.usage(),
    )
