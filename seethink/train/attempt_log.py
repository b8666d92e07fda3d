"""attempts.jsonl of a training: every completion with its prompt, score and pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from seethink.evaluate.attempts import append_rows, attempt_row
from seethink.media import save_preview
from seethink.models.encoder import Prompt
from seethink.train import ranks
from seethink.types import Rollout, Task


@dataclass(frozen=True)
class AttemptLog:
    """path: the file, None to write none. media: the folder that pictures are saved in, once each."""

    path: Path | None
    media: Path = Path("media")

    def write(
        self, task: Task, prompts: Sequence[Prompt], rollouts: Sequence[Sequence[Rollout]], step: int
    ) -> None:
        """Append the attempts of all processes. Media are saved while they are loaded, so that nothing is
        decoded again; a clip that its family takes as pictures is loaded anew. Every process must call it."""
        if self.path is None:
            return
        for prompt, group in zip(prompts, rollouts, strict=True):
            media = group[0].example.media
            if len(media) == len(prompt.loaded):
                for medium, pixels in zip(media, prompt.loaded, strict=True):
                    save_preview(medium, self.media, pixels)
        rows = [attempt_row(task, rollout, self.media, step) for group in rollouts for rollout in group]
        rows = ranks.all_gather(rows)
        if ranks.rank() == 0:
            append_rows(self.path, rows)
