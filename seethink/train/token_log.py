"""tokens.jsonl of a training: every learned token of a completion, with its entropy and its log-probability
ratio."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from seethink.evaluate.attempts import append_rows
from seethink.evaluate.token_rows import ENTROPY, RATIO
from seethink.models.packing import Pack
from seethink.train import ranks

DIGITS = 4


@dataclass
class TokenLog:
    """path: the file, None to write none. decode: the text of one token. The ratio is ln(p / q), where p is
    the probability under the weights that are updated and q that with which the token was sampled (where
    the engine did not tell it: under the weights before the first update of its batch)."""

    path: Path | None = None
    decode: Callable[[list[int]], str] = str
    step: int = 0
    sampled_at: int = 0
    rows: list[dict[str, Any]] = field(default_factory=list)

    def begin(self, step: int, sampled_at: int) -> None:
        """step: of the update that follows, from 1. sampled_at: the step at which its completions were
        sampled."""
        self.step, self.sampled_at, self.rows = step, sampled_at, []

    def add(self, pack: Pack, logps: Tensor, entropy: Tensor) -> None:
        """What the update computed of a pack's trained tokens, (N,) each."""
        if self.path is None:
            return
        lengths = [branch.n_trained for branch in pack.branches]
        named = [(group.name, branch) for group in pack.groups for branch in group.branches]
        parts = (x.detach().float().cpu().split(lengths) for x in (logps, entropy))
        for (name, branch), now, spread in zip(named, *parts, strict=True):
            if branch.copied or branch.old is None:
                continue
            sampled = now.new_tensor(branch.sampled) if branch.sampled else branch.old.cpu()
            self.rows.append(
                {
                    "step": self.step,
                    "sampled_at": self.sampled_at,
                    "id": name,
                    "rollout": branch.rollout,
                    "text": [self.decode([token]) for token in branch.targets],
                    RATIO: _rounded(now - sampled),
                    ENTROPY: _rounded(spread),
                }
            )

    def write(self) -> None:
        """Append the rows of all processes. Every process must call it."""
        if self.path is None:
            return
        rows = ranks.all_gather(self.rows)
        if ranks.rank() == 0:
            append_rows(self.path, rows)


def _rounded(values: Tensor) -> list[float]:
    return [round(value, DIGITS) for value in values.tolist()]
