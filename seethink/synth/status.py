"""How far a synthesis is, read from its ledger: kept, dropped and why, failed, pending, and what it cost."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from seethink.synth.ledger import Ledger, Spent
from seethink.types import InputError

LEDGER = "ledger.sqlite"
"""The file in the folder of a synthesis."""
_RUN = "run"


@dataclass(frozen=True)
class About:
    """What the last command was to do. teachers: the model of each role; an address never has a key in it.
    address, images: where the data are, for whoever looks at them from another folder."""

    chain: str
    data: str
    examples: int
    teachers: Mapping[str, str]
    steps: Sequence[str]
    address: str = ""
    images: str | None = None

    def tell(self, ledger: Ledger) -> None:
        ledger.tell(_RUN, json.dumps(asdict(self)))


@dataclass(frozen=True)
class Asked:
    """What one model was asked for one step, as far as it was answered."""

    step: str
    model: str
    calls: int
    prompt_tokens: int
    tokens: int
    cost: float


@dataclass(frozen=True)
class Status:
    """dropped: examples by (step, reason); failed: by (step, kind of fault), and in `told` what the first of
    each was told; faults: tries that failed, by kind, those that another try mended among them."""

    about: About
    kept: int
    dropped: Mapping[tuple[str, str], int]
    failed: Mapping[tuple[str, str], int]
    told: Mapping[tuple[str, str], str]
    asked: tuple[Asked, ...]
    faults: Mapping[str, int]
    spent: Spent

    @property
    def pending(self) -> int:
        """Examples that have reached no end; those that failed are not among them."""
        return self.about.examples - self.kept - sum(self.dropped.values()) - sum(self.failed.values())

    def as_json(self) -> dict[str, Any]:
        def listed(ends: Mapping[tuple[str, str], int]) -> list[dict[str, Any]]:
            return [{"step": step, "reason": why, "examples": n} for (step, why), n in ends.items()]

        return {
            **asdict(self.about),
            "kept": self.kept,
            "dropped": listed(self.dropped),
            "failed": [{**end, "told": self.told[end["step"], end["reason"]]} for end in listed(self.failed)],
            "pending": self.pending,
            "asked": [asdict(one) for one in self.asked],
            "faults": dict(self.faults),
            "spent": asdict(self.spent),
        }


def opened(out: Path) -> Ledger:
    """The ledger of the synthesis in `out`. Raises InputError where there is none."""
    if not (out / LEDGER).is_file():
        raise InputError(f"there is no synthesis in {out} (no {LEDGER}); give the folder that was --out")
    return Ledger(out / LEDGER)


def read_status(ledger: Ledger) -> Status:
    begun = ledger.about(_RUN)
    if begun is None:
        raise InputError(f"the synthesis of {ledger.path} has not begun; give its command again")
    ends: dict[str, dict[tuple[str, str], int]] = {"dropped": {}, "failed": {}}
    told: dict[tuple[str, str], str] = {}
    kept = 0
    for state, step, reason, n, why, _ in ledger.counted(  # why: of the example that comes first
        "SELECT state, step, reason, count(*), why, min(at) FROM examples GROUP BY 1, 2, 3 "
        "ORDER BY 4 DESC, 2, 3"
    ):
        if state == "kept":
            kept += n
        else:
            ends[state][step, reason] = n
        if state == "failed":
            told[step, reason] = why
    asked = ledger.counted(
        "SELECT step, model, count(*), sum(prompt_tokens), sum(tokens), sum(cost) FROM calls "
        "GROUP BY 1, 2 ORDER BY 1, 2"
    )
    faults = ledger.counted("SELECT kind, count(*) FROM faults GROUP BY 1 ORDER BY 2 DESC, 1")
    return Status(
        About(**json.loads(begun)),
        kept,
        ends["dropped"],
        ends["failed"],
        told,
        tuple(Asked(*row) for row in asked),
        dict(faults),
        ledger.spent(),
    )
