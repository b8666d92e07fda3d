"""Supervised fine-tuning: groups whose branches are replies to copy."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import compress, groupby
from pathlib import Path

from torch import Tensor

from seethink.families import Encoder, Prompt
from seethink.train import objectives, ranks
from seethink.train.configs import SFT
from seethink.train.groups import Branch, Group, Pack, kept
from seethink.train.model import load
from seethink.train.trainer import GroupTrainer, Watch
from seethink.types import Lesson


def sft(
    model: str, lessons: Sequence[Lesson], config: SFT, out: Path, watch: Watch = lambda row: None
) -> Path:
    """Teach `model` the lessons' replies; returns `out/checkpoint`, a folder for `from_pretrained`.

    Called again on the same `out` after a kill, it continues from its last checkpoint.
    """
    scorer, encoder = load(model, config.four_bit)
    steps = config.steps_for(len(lessons))
    return GroupTrainer(scorer, _Copying(encoder, lessons, config), config, steps, out, watch).fit()


class _Copying:
    def __init__(self, encoder: Encoder, lessons: Sequence[Lesson], config: SFT) -> None:
        self.encoder, self.lessons, self.config = encoder, lessons, config
        self.tokens, self.dropped = 0, 0

    def groups(self, step: int) -> list[Group]:
        first = step * self.config.lessons_per_step
        chosen = [self._lesson(i) for i in ranks.mine(range(first, first + self.config.lessons_per_step))]
        prompts = self.encoder.prompts([lesson.format.prompt(lesson.example) for lesson in chosen])
        short = kept(prompts, [lesson.example.id for lesson in chosen], self.config)
        self.dropped = ranks.total(short.count(False))
        groups = share(list(compress(chosen, short)), list(compress(prompts, short)), self.encoder)
        lengths = [branch.n_trained for group in groups for branch in group.branches]
        every = ranks.everyone(lengths)
        weights = iter(objectives.token_weights(lengths, "token", of=every))
        for group in groups:
            for branch in group.branches:
                branch.weight = next(weights)
        self.tokens = sum(every)
        return groups

    def begin(self) -> None:
        """Nothing is gathered."""

    def loss(self, logps: Tensor, pack: Pack) -> Tensor:
        return objectives.nll(logps)

    def metrics(self) -> dict[str, float | None]:
        return {"reply_tokens": self.tokens, "dropped": self.dropped}

    def _lesson(self, i: int) -> Lesson:
        epoch, place = divmod(i, len(self.lessons))
        if self.config.shuffle:
            if getattr(self, "_epoch", None) != epoch:
                self._epoch, self._order = epoch, list(range(len(self.lessons)))
                random.Random(f"{self.config.seed}/{epoch}").shuffle(self._order)
            place = self._order[place]
        return self.lessons[place]


def share(lessons: Sequence[Lesson], prompts: Sequence[Prompt], encoder: Encoder) -> list[Group]:
    """Lessons as groups; consecutive lessons about the same pictures share them and whatever text begins
    alike.

    So ten questions about one picture cost the picture once. What is left of a question after the shared
    beginning stands, untrained, at the head of its branch.
    """
    groups = []
    keyed = zip(lessons, prompts, strict=True)
    for keys, members in groupby(keyed, key=lambda pair: tuple(m.key for m in pair[0].example.media)):
        same = list(members)
        common = _common_prefix([prompt.ids for _, prompt in same])
        marks = encoder.media_token_ids
        whole = keys and all(set(marks).isdisjoint(prompt.ids[common:]) for _, prompt in same)
        for shared in [same] if whole else [[pair] for pair in same]:
            common = _common_prefix([prompt.ids for _, prompt in shared])
            branches = []
            for lesson, prompt in shared:
                reply = encoder.reply_ids(prompt, lesson.text)
                rest = prompt.ids[common:]
                branches.append(Branch([*rest, *reply], [False] * len(rest) + [True] * len(reply)))
            head = shared[0][1]
            groups.append(Group(head.head(common), branches, shared[0][0].example.id))
    return groups


def _common_prefix(rows: Sequence[Sequence[int]]) -> int:
    """How many tokens all rows begin with."""
    shortest = min(len(row) for row in rows)
    return next((i for i in range(shortest) if len({row[i] for row in rows}) > 1), shortest)
