"""Supervised fine-tuning: groups whose branches are replies to imitate, or the turns of a conversation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

from torch import Tensor

from seethink.models.encoder import Encoder, Prompt
from seethink.models.loading import load_policy
from seethink.models.packing import Branch, Group, Pack
from seethink.models.policy import LogProbs
from seethink.train import objectives, ranks
from seethink.train.configs import SFTConfig
from seethink.train.epochs import shuffled_index
from seethink.train.guard import guarded
from seethink.train.held_out import HeldOut
from seethink.train.methods import OnStep
from seethink.train.preflight import check_examples
from seethink.train.probes import longest_of_each_kind
from seethink.train.trainer import GroupTrainer
from seethink.types import SFTExample


@guarded("sft")
def sft(
    model: str,
    examples: Sequence[SFTExample],
    config: SFTConfig,
    out: Path,
    on_step: OnStep = lambda row: None,
    held_out: HeldOut | None = None,
) -> Path:
    """Fine-tune `model` on the replies of `examples`; returns `out/checkpoint`, a folder for
    `from_pretrained`.

    Called again on the same `out` (`guarded`) it continues from its last checkpoint; InputError for other
    settings or data. Without `on_step`, a bar on a terminal. held_out: answered every `eval_steps`.
    """
    examples = check_examples(model, examples, config, out, on_step)
    policy, encoder = load_policy(model, config.training.adapter.load_in_4bit)
    method = SFTMethod(encoder, examples, config)
    steps = config.steps_for(len(examples))
    return GroupTrainer(policy, method, config.training, steps, out, on_step).fit(held_out)


class SFTMethod:
    """SFT for the trainer. Consecutive examples about the same pictures share them."""

    journals: Sequence[str] = ()
    temperature: float | None = None
    num_iterations = 1

    def __init__(self, encoder: Encoder, examples: Sequence[SFTExample], config: SFTConfig) -> None:
        self.encoder, self.examples, self.config = encoder, examples, config
        self.num_tokens = 0

    def groups(self, step: int) -> list[Group]:
        positions = ranks.local_shard(self.config.positions(step, len(self.examples)))
        chosen = [self._example(i) for i in positions]
        groups = self._shared(chosen)
        branches = [branch for group in groups for branch in group.branches]
        lengths = [branch.n_trained for branch in branches]
        all_lengths = ranks.all_gather(lengths)
        weights = objectives.token_weights(lengths, "dapo", all_lengths=all_lengths)
        for branch, weight in zip(branches, weights, strict=True):
            branch.weight = weight
        self.num_tokens = sum(all_lengths)
        return groups

    def probes(self) -> list[Group]:
        return self._shared(longest_of_each_kind(self.examples))

    def begin_update(self) -> None:
        """No statistics are gathered from packs."""

    def loss(self, policy: LogProbs, pack: Pack) -> Tensor:
        return objectives.nll(policy(pack))

    def metrics(self) -> dict[str, float | None]:
        return {"num_tokens": self.num_tokens}

    def _shared(self, examples: Sequence[SFTExample]) -> list[Group]:
        turns = [turn for example in examples for turn in (*example.earlier, example)]
        prompts = self.encoder.prompts([turn.format.prompt(turn.example) for turn in turns])
        return share(turns, prompts, self.encoder)

    def _example(self, i: int) -> SFTExample:
        """The i-th example of the whole training, epochs one after another."""
        n = len(self.examples)
        return self.examples[
            shuffled_index(i, n, self.config.training.seed) if self.config.shuffle else i % n
        ]


def share(examples: Sequence[SFTExample], prompts: Sequence[Prompt], encoder: Encoder) -> list[Group]:
    """Examples as groups: consecutive ones about the same pictures share them, and the text that their
    prompts begin with.

    So ten questions about one picture cost the picture once. What is left of a question after the shared
    prefix stands, untrained, at the head of its branch. A prompt that repeats what a branch holds, as the
    next turn of a conversation does, continues it: a conversation is one row, whose every token is computed
    once. Where the chat template writes an answer in another way once it is history, its turns are branches
    of their own."""
    groups = []
    keyed = zip(examples, prompts, strict=True)
    for keys, members in groupby(keyed, key=lambda pair: tuple(m.key for m in pair[0].example.media)):
        same = list(members)
        common = _common_prefix([prompt.ids for _, prompt in same])
        media_ids = encoder.media_token_ids
        whole = keys and all(set(media_ids).isdisjoint(prompt.ids[common:]) for _, prompt in same)
        for shared in [same] if whole else _continued(same):
            common = _common_prefix([prompt.ids for _, prompt in shared])
            rows: list[tuple[list[int], list[bool]]] = []
            for example, prompt in shared:
                rest = prompt.ids[common:]
                ids, trained = next((row for row in rows if rest[: len(row[0])] == row[0]), ([], []))
                if not ids:
                    rows.append((ids, trained))
                new, reply = rest[len(ids) :], encoder.reply_ids(prompt, example.text)
                ids += [*new, *reply]
                trained += [False] * len(new) + [True] * len(reply)
            branches = [Branch(*row) for row in rows]
            groups.append(Group(shared[0][1].head(common), branches, shared[0][0].example.id))
    return groups


def _continued(members: Sequence[tuple[SFTExample, Prompt]]) -> Iterator[list[tuple[SFTExample, Prompt]]]:
    """Runs of examples whose prompts each continue the one before, as the turns of a conversation do."""
    run: list[tuple[SFTExample, Prompt]] = []
    for example, prompt in members:
        before = run[-1][1].ids if run else []
        if run and prompt.ids[: len(before)] != before:
            yield run
            run = []
        run.append((example, prompt))
    yield run


def _common_prefix(rows: Sequence[Sequence[int]]) -> int:
    """Length of the longest prefix that all rows share."""
    shortest = min(len(row) for row in rows)
    return next((i for i in range(shortest) if len({row[i] for row in rows}) > 1), shortest)
