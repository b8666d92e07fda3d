"""Settings of a course of `sprout`'s training, and the fixed shape of its batches."""

from __future__ import annotations

from dataclasses import dataclass, field, replace


@dataclass(frozen=True)
class RowShape:
    """Size of a batch: rows x width tokens, tower_rows x tower_width patches."""

    rows: int
    width: int = 1024
    tower_rows: int = 0
    tower_width: int = 1024

    def share(self, processes: int) -> RowShape:
        """What each of several processes computes: its part of the rows, rounded up."""
        rows, tower_rows = -(-self.rows // processes), -(-self.tower_rows // processes)
        return replace(self, rows=rows, tower_rows=tower_rows)


@dataclass(frozen=True)
class GrowthConfig:
    """Settings of one course.

    max_steps: updates. shape: of a batch, of all processes together. learning_rate: of the matrices inside
    the network, which Muon updates, at its peak after `warmup_ratio` of the steps; then down to a tenth along
    a cosine.
    adam_learning_rate: likewise, of all other weights that are trained.
    name_squares: whether the language model also names, at each token of a picture, what its square holds.
    workers: processes that draw ahead; 0 draws in this one. compile: whether the step is compiled.
    save_steps: updates between checkpoints.
    """

    max_steps: int
    shape: RowShape
    learning_rate: float = 6e-3
    adam_learning_rate: float = 1e-3
    warmup_ratio: float = 0.05
    weight_decay: float = 0.01
    adam_beta2: float = 0.98
    max_grad_norm: float = 1.0
    name_squares: bool = False
    workers: int = field(default=2, metadata={"identity": False})
    compile: bool = field(default=False, metadata={"identity": False})
    save_steps: int = field(default=500, metadata={"identity": False})
