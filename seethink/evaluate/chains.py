"""How often an agent follows the chain of reasoning that another gave it, by whether that chain is sound."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from seethink.evaluate.attempts import AttemptRow, verdict_of
from seethink.evaluate.voting import ballot
from seethink.formats import read_any

CHAIN = "chain"
"""Name of the part of a rollout (`way` of its row) that is the chain; its value is the chain's own score."""


def followed(rows: Sequence[AttemptRow]) -> dict[str, Any]:
    """{"sound": counts, "flawed": counts, "unjudged": attempts whose chain or answer could not be judged}.

    Counts: n; `followed`, the final answer says what the chain's does; `overruled`, it does not; `right`, it
    is right. A chain is sound if its own answer is right. Empty where no row has a chain.
    """
    found = {kind: {"n": 0, "followed": 0, "overruled": 0, "right": 0} for kind in ("sound", "flawed")}
    unjudged = n_chains = 0
    for row in rows:
        chain = next((part for part in row.get("way") or () if part["name"] == CHAIN), None)
        if chain is None:
            continue
        n_chains += 1
        if chain["value"] is None or row["correct"] is None:
            unjudged += 1
            continue
        counts = found["sound" if verdict_of(row, chain["value"]) == "right" else "flawed"]
        counts["n"] += 1
        counts["followed" if _agree(read_any(chain["text"]).answer, row["said"]) else "overruled"] += 1
        counts["right"] += verdict_of(row, row["correct"]) == "right"
    return {**found, "unjudged": unjudged} if n_chains else {}


def _agree(chain: str | None, final: str | None) -> bool:
    return chain is not None and final is not None and ballot(chain) == ballot(final)
