"""What every family of `AutoModelForImageTextToText` gives: how it is trained here, how far its numbers are
from ordinary calls, or why it is refused. Prints the table of docs/families.md."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from textwrap import shorten
from typing import Any

import torch
from torch import Tensor

from seethink.engines.local import LocalEngine
from seethink.formats import ANSWER_ONLY
from seethink.models import unpacked_rows
from seethink.models.encoder import Encoder, Prompt, _media_token_ids, refuse_unsuitable
from seethink.models.packing import Branch, Group, pack_groups
from seethink.models.policy import PolicyModel
from seethink.models.verification import LogProbCheck
from seethink.types import Completion, InputError, Sampling
from tests import own_vlms, shrunk, shrunk_prompts, vlms
from tests.models.test_families import _examples
from tests.models.test_positions import _example

REPLIES = ([612, 845, 701, 990, 1203, 655, 1400, 333], [701, 990, 1203], [655, 1400, 333, 612, 845])
CASES = ("one picture", "two pictures", "text", "clips")
PICTURES = {"one picture": 1, "two pictures": 2, "text": 0}
CLIPS = tuple((frames, seconds) for frames in (8, 64, 128) for seconds in (30, 60, 120))
"""(frames, seconds)"""
SHORT = 500
"""Tokens of a prompt up to which gradients are compared; of each case also those of the shortest prompt."""


@dataclass
class Differences:
    """Largest differences from ordinary calls: of log-probabilities, of gradients (relative to the largest of
    each tensor), and of the log-probabilities that rollouts report. None where nothing was measured."""

    logps: float | None = None
    gradients: float | None = None
    rollouts: float | None = None

    def add(self, other: Differences) -> None:
        for name, value in vars(other).items():
            known = [one for one in (getattr(self, name), value) if one is not None]
            setattr(self, name, max(known, default=None))


@dataclass
class FamilyRow:
    """how: "shared", "full rows" or "refused". samples: whether completions of pictures are sampled.
    measured: {case: differences}. refused: {case: sentence}; "" for the whole family."""

    name: str
    how: str = "refused"
    samples: bool = False
    measured: dict[str, Differences] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)

    @property
    def status(self) -> str:
        """What the table of the documentation says."""
        trains = self.how in ("shared", "full rows")
        return f"{self.how}, sampling refused" if trains and not self.samples else self.how


class BareEncoder:
    """Of an encoder what an engine needs, where there is no processor."""

    eos_token_id = 5

    def __init__(self, model: Any, prompt: Prompt) -> None:
        self.family, config = prompt.family, model.config
        self.media_token_ids = sorted(_media_token_ids(config))

    def completion(self, prompt: Prompt, ids: list[int], logps: list[float], mask: Any = ()) -> Completion:
        return Completion("", token_ids=tuple(ids), logps=tuple(logps), sampling_mask=tuple(mask))

    def whole_row(self, prompt: Prompt, ids: Sequence[int]) -> Prompt:
        return replace(prompt, ids=[*prompt.ids, *ids], kinds=[*prompt.kinds, *[0] * len(ids)])


def measure(name: str) -> FamilyRow:
    """The row of a model type."""
    row = FamilyRow(name)
    if name in shrunk.UNBUILT:
        return FamilyRow(name, "not measured", refused={"": shrunk.UNBUILT[name]})
    try:
        model, encoder = _built(name)
    except InputError as error:
        row.refused[""] = str(error)
        return row
    prompts, row.refused = _prompts(name, model, encoder)
    for case, some in prompts.items():
        found = row.measured[case] = Differences()
        try:
            _guard(model, encoder, some)
            shortest = min(len(prompt.ids) for prompt in some)
            for prompt in some:
                backward = len(prompt.ids) <= max(SHORT, shortest)
                found.add(training_differences(model, prompt, backward))
        except InputError as error:
            row.refused[case] = str(error)
            del row.measured[case]
            continue
        longest_first = sorted(
            some, key=lambda prompt: -len(prompt.ids)
        )  # the engine checks it, and no other
        engine = LocalEngine(model, encoder or BareEncoder(model, longest_first[0]))
        try:
            for prompt in longest_first:
                found.add(sampling_differences(engine, prompt))
        except InputError as error:
            row.refused[f"sampling: {case}"] = str(error)
    alike = [prompt for case, some in prompts.items() if case != "clips" for prompt in some]
    if not row.refused and PolicyModel(model).family.shared:
        row.measured["together"] = _together(model, encoder or BareEncoder(model, alike[0]), alike)
    if {*CASES[:2]} <= row.measured.keys():
        row.how = "shared" if PolicyModel(model).family.shared else "full rows"
        row.samples = not any(case.startswith("sampling") for case in row.refused)
    return row


def _built(name: str) -> tuple[Any, Encoder | None]:
    for builders in (vlms, own_vlms):
        if name in builders.BUILDERS:
            return builders.build(name)
    refuse_unsuitable(_Processor, shrunk.config(name))
    return vlms.redrawn(shrunk.build(name)).eval(), None


class _Processor:
    tokenizer, chat_template = object(), "every processor may be given one"


def _prompts(
    name: str, model: Any, encoder: Encoder | None
) -> tuple[dict[str, list[Prompt]], dict[str, str]]:
    """({case: prompts}, {case: why its prompts were refused})"""
    if encoder is None:
        prompts = {case: [shrunk_prompts.prompt(model, n)] for case, n in PICTURES.items()}
        if shrunk_prompts.takes_clips(model):
            prompts["clips"] = _distinct(
                [shrunk_prompts.clip_prompt(model, n, seconds) for n, seconds in CLIPS]
            )
        return prompts, {}
    asked = dict(zip(CASES, ([example] for example in _examples()), strict=False))
    if name in (*vlms.CLIPS, *own_vlms.CLIPS):
        clips = CLIPS[:3] if name == "gemma4" else CLIPS  # its frames have sixty tokens at least
        asked["clips"] = [_example(frames, seconds) for frames, seconds in clips]
    prompts, refused = {}, {}
    for case, examples in asked.items():
        try:
            prompts[case] = _distinct(encoder.prompts([ANSWER_ONLY.prompt(example) for example in examples]))
        except InputError as error:
            refused[case] = str(error)
    return prompts, refused


def _distinct(prompts: list[Prompt]) -> list[Prompt]:
    """Without those that the model cannot tell from an earlier one: most see no length of a clip."""
    found: list[Prompt] = []
    for prompt in prompts:
        if not any(_same(prompt, earlier) for earlier in found):
            found.append(prompt)
    return found


def _same(one: Prompt, other: Prompt) -> bool:
    if (one.ids, one.kinds, one.media.keys()) != (other.ids, other.kinds, other.media.keys()):
        return False
    return all(torch.equal(tensor, other.media[name]) for name, tensor in one.media.items())


def _group(prompt: Prompt) -> Group:
    return Group(prompt, [Branch(ids, weight=0.1 * (k + 1)) for k, ids in enumerate(REPLIES)])


def _guard(model: Any, encoder: Encoder | None, prompts: list[Prompt]) -> None:
    """Raise LogProbMismatch where a training would: its check looks at the longest prompt of each kind."""
    check = LogProbCheck(PolicyModel(model), encoder or BareEncoder(model, prompts[0]), None)
    for group in check.due(map(_group, prompts)):
        check.check(group)


def training_differences(model: Any, prompt: Prompt, backward: bool) -> Differences:
    """Of responses to one prompt. backward: whether gradients are compared, too."""
    policy, pack = PolicyModel(model), pack_groups([_group(prompt)], 1)[0]

    def rows() -> Tensor:
        return torch.cat([ordinary(model, prompt, ids) for ids in REPLIES])

    if not backward:
        with torch.no_grad():
            return Differences(float((policy(pack) - rows()).abs().max()))
    found, got = _backward(model, lambda: policy(pack), pack.weights)
    wanted, expected = _backward(model, rows, pack.weights)
    assert got.keys() == expected.keys()
    largest = max(float(gradient.abs().max()) for gradient in expected.values())
    apart = [
        float((got[name] - gradient).abs().max() / (gradient.abs().max() + 1e-3 * largest))
        for name, gradient in expected.items()
    ]
    return Differences(float((found - wanted).abs().max()), max(apart))


def sampling_differences(engine: LocalEngine, prompt: Prompt) -> Differences:
    """Of completions of one prompt."""
    apart, sampling, forbidden = (
        0.0,
        Sampling(n=2, temperature=0.9, max_tokens=6),
        engine.encoder.media_token_ids,
    )
    for answer in engine.complete([prompt], sampling)[0]:
        with torch.no_grad():
            logps = ordinary(engine.model, prompt, list(answer.token_ids), 0.9, forbidden)
        apart = max(apart, float((torch.tensor(answer.logps) - logps).abs().max()))
    return Differences(rollouts=apart)


def _together(model: Any, encoder: Any, prompts: list[Prompt]) -> Differences:
    """Of prompts of several lengths in one batch, of responses and of completions."""
    found, policy = Differences(), PolicyModel(model)
    groups = [Group(prompt, [Branch(ids) for ids in REPLIES]) for prompt in prompts]
    answers = LocalEngine(model, encoder).complete(prompts, Sampling(temperature=0.9, max_tokens=6))
    with torch.no_grad():
        for pack in pack_groups(groups, 10_000):
            rows = [ordinary(model, group.prompt, ids) for group in pack.groups for ids in REPLIES]
            found.add(Differences(float((policy(pack) - torch.cat(rows)).abs().max())))
        for prompt, (answer,) in zip(prompts, answers, strict=True):
            logps = ordinary(model, prompt, list(answer.token_ids), 0.9, encoder.media_token_ids)
            found.add(Differences(rollouts=float((torch.tensor(answer.logps) - logps).abs().max())))
    return found


def _backward(model: Any, compute: Any, weights: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    model.zero_grad()
    logps = compute()
    (logps * weights).sum().backward()
    named = model.named_parameters()
    return logps.detach(), {name: p.grad.clone() for name, p in named if p.grad is not None}


def ordinary(
    model: Any, prompt: Prompt, reply: list[int], temperature: float = 1.0, forbidden: list[int] | None = None
) -> Tensor:
    """Log-probabilities of a reply by the model's own call on the whole row. Tokens of the reply are text;
    PaliGemma has a type of its own for what a prompt must not see."""
    ids = torch.tensor([[*prompt.ids, *reply]])
    prefix_lm = model.config.model_type == "paligemma"
    kinds = torch.tensor([[*prompt.kinds, *[int(prefix_lm)] * len(reply)]])
    given = {"input_ids": ids, "attention_mask": torch.ones_like(ids), **prompt.media}
    if (mask := given.get("cross_attention_mask")) is not None:
        given["cross_attention_mask"] = torch.cat([mask, mask[:, -1:].expand(-1, len(reply), -1, -1)], 1)
    for name in ("mm_token_type_ids", "token_type_ids"):
        if name in unpacked_rows.parameters(model):
            given[name] = kinds
    logits = model(**given, use_cache=False).logits[0, len(prompt.ids) - 1 : -1] / temperature
    if forbidden:
        logits = logits.clone()
        logits[:, [token for token in forbidden if token < logits.shape[-1]]] = -torch.inf
    return logits.log_softmax(-1).gather(-1, torch.tensor(reply)[:, None])[:, 0]


def as_line(row: FamilyRow) -> str:
    """The row as a line of the table."""
    tried = row.how in ("shared", "full rows")
    cases = ", ".join(case for case in CASES if tried and case in row.measured)
    worst = Differences()
    for found in row.measured.values():
        worst.add(found)
    shown = ["not measured" if value is None else f"{value:.0e}" for value in vars(worst).values()]
    figures = shown if tried else [""] * 3
    figures[2] = figures[2] if row.samples else ""
    note = row.refused.get("") or next(iter(row.refused.values()), "")
    cells = [f"`{row.name}`", row.status, cases, *figures, shorten(note.replace("|", "/"), 200)]
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    for model_type in sorted(shrunk.MODELS):
        sys.stdout.write(as_line(measure(model_type)) + "\n")
