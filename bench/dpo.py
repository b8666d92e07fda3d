"""Time of one DPO update (forward and backward, no optimiser step), the reference's log-probabilities
included: pairs that share their prompt against TRL's DPOTrainer, two responses to each of B questions about
an image.

    python -m bench.dpo --prompt 272 --response 64 --questions 4

ours        one row per question, `[prompt | better | worse]`, for the policy and for the reference: the code
            that `seethink train dpo` runs. The reference is computed and written to disk in every run, as in
            a training of one epoch.
ours, kept  the same with the reference's log-probabilities already on disk, as from the second epoch on
trl         2B full rows, each with its own copy of the image, for both models. Its best case: no padding (all
            responses have the same length). It cannot keep the reference's log-probabilities of rows with
            images: DPOTrainer refuses `precompute_ref_log_probs` for them.

TRL runs with all rows in one batch and question by question; the faster of the two counts. All compute the
same loss and the same gradients of the same model; the differences are printed, and an error if they exceed
1e-5 and 1e-4. The reference has other weights than the policy, so that the margins are not 0. Timed runs
alternate after one warm-up run of each; the minimum counts. The ideal ratio counts tokens:
2 (P + C) / (P + 2 C). The last line is one JSON object.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import torch
from datasets import Dataset
from PIL import Image
from torch import Tensor
from transformers import AutoProcessor
from trl.trainer.dpo_config import DPOConfig as TRLConfig
from trl.trainer.dpo_trainer import DPOTrainer

from bench.shape import Shape, build, data, last_line, parse, shape_parser
from seethink.models.batching import join_media
from seethink.models.names import SPROUT
from seethink.models.packing import Group, pack_groups
from seethink.models.policy import PolicyModel
from seethink.train.configs import DPOConfig
from seethink.train.dpo import DPOMethod
from seethink.train.reference import ReferenceCache

BETA = 0.1
POLICY_SEED, REFERENCE_SEED = 0, 1


class UntrackedDPOTrainer(DPOTrainer):
    """TRL's trainer without its telemetry."""

    def _send_telemetry(self) -> None: ...


class Rival:
    """TRL's trainer for single updates on given pairs instead of a training."""

    def __init__(self, out: Path) -> None:
        self.model = build(POLICY_SEED)
        row = {"images": [Image.new("RGB", (56, 56))], "prompt": "?", "chosen": "a", "rejected": "b"}
        self.trainer = UntrackedDPOTrainer(
            self.model,
            build(REFERENCE_SEED).eval().requires_grad_(False),
            args=TRLConfig(
                output_dir=str(out),
                beta=BETA,
                max_length=None,
                gradient_checkpointing=False,
                report_to=[],
                save_strategy="no",
                disable_tqdm=True,
                use_cpu=True,
                bf16=False,
            ),
            train_dataset=Dataset.from_list([row]),
            processing_class=AutoProcessor.from_pretrained(str(SPROUT)),
        )

    def update(self, batches: list[list[Group]]) -> float:
        """The loss; gradients are left in the model. One backward per batch of pairs."""
        total = 0.0
        for groups in batches:
            loss = self.trainer.compute_loss(self.model, inputs(groups)) / len(batches)
            loss.backward()
            total += float(loss.detach())
        return total


def inputs(groups: list[Group]) -> dict[str, Tensor]:
    """The inputs of TRL's loss: all better responses, then all worse ones, each with its own copy of the
    image."""
    rows = [(group.prompt, group.branches[side]) for side in (0, 1) for group in groups]
    prompts = [prompt for prompt, _ in rows]
    ids = torch.tensor([[*prompt.ids, *branch.ids] for prompt, branch in rows])
    said = torch.tensor([[0] * len(prompt.ids) + [1] * len(branch.ids) for prompt, branch in rows])
    kinds = torch.tensor([prompt.kinds for prompt in prompts])
    return {
        "input_ids": ids,
        "attention_mask": torch.ones_like(ids),
        "completion_mask": said,
        "mm_token_type_ids": torch.cat([kinds, torch.zeros_like(said[:, kinds.shape[1] :])], 1),
        **join_media(prompts),
    }


class Ours:
    """The update of `seethink train dpo` on given pairs."""

    def __init__(self, groups: list[Group], folder: Path) -> None:
        self.policy, self.groups = PolicyModel(build(POLICY_SEED)), groups
        self.model = self.policy.model
        self.config = DPOConfig.of(beta=BETA)
        self.cache = ReferenceCache("", self.policy, folder / "reference")
        self.cache.model.copy = PolicyModel(build(REFERENCE_SEED)).eval().requires_grad_(False)
        self.method = DPOMethod(self.cache, None, [], self.config)  # type: ignore[arg-type]  # pairs are encoded
        for group in groups:
            for branch in group.branches:
                branch.weight = 1 / len(groups)

    def update(self, keep_reference: bool = False) -> float:
        """The loss; gradients are left in the model."""
        if not keep_reference:
            shutil.rmtree(self.cache.folder, ignore_errors=True)
            self.cache.compute(dict(enumerate(self.groups)), untrained=False, config=self.config.training)
        self.policy.train()
        self.cache.known.clear()
        self.cache.load()
        for number, group in enumerate(self.groups):
            for branch, logps in zip(group.branches, self.cache.known[number], strict=True):
                branch.reference = logps
        total = 0.0
        for pack in pack_groups(self.groups, self.config.training.tokens_per_batch):
            loss = (self.method.loss(self.policy, pack) * pack.weights).sum()
            loss.backward()
            total += float(loss.detach())
        return total


@dataclass
class Updates:
    """Loss and gradient of an update, and seconds of each timed run."""

    loss: float
    gradient: Tensor
    seconds: list[float] = field(default_factory=list)


def measure(candidates: dict[str, tuple[Any, Callable[[], float]]], runs: int) -> dict[str, Updates]:
    """Run every update `runs` times, alternating, after one warm-up round. candidates: {name: (model,
    update)}."""
    measured: dict[str, Updates] = {}
    for turn in range(runs + 1):
        for name, (model, update) in candidates.items():
            model.zero_grad()
            started = time.perf_counter()
            loss = update()
            seconds = time.perf_counter() - started
            if turn == 0:
                grads = (p.grad for p in model.parameters() if p.grad is not None)
                measured[name] = Updates(loss, torch.cat([grad.flatten() for grad in grads]))
            else:
                measured[name].seconds.append(seconds)
    return measured


def differences(mine: Updates, other: Updates) -> str:
    """Differences of losses and gradients, as text. Raises ValueError beyond 1e-5 and 1e-4."""
    loss = abs(mine.loss - other.loss)
    gradient = float((mine.gradient - other.gradient).norm() / other.gradient.norm())
    text = f"loss {other.loss:.6f}, which differs by {loss:.1e}, gradients by {gradient:.1e} of their norm"
    if loss > 1e-5 or gradient > 1e-4:
        raise ValueError(f"this is not the same update: {text}")
    return text


def report(shape: Shape, results: dict[str, Updates]) -> None:
    """Print the figures, then the JSON line."""
    for name, measured in results.items():
        print(f"{name:28} {min(measured.seconds):.2f} s (median {median(measured.seconds):.2f})")
    for name, measured in results.items():
        if name != "ours":
            print(f"{name:28} {differences(results['ours'], measured)}")
    rival = min((name for name in results if "trl" in name), key=lambda name: min(results[name].seconds))
    ours_s, kept_s, rival_s = (min(results[name].seconds) for name in ("ours", "ours, kept", rival))
    print(f"{rival_s / ours_s:.2f} times faster, {rival_s / kept_s:.2f} times with a kept reference", end="")
    print(f", {shape.ideal:.2f} times fewer tokens")
    print(last_line("dpo", shape, ours_s, (rival, rival_s), {"ratio_kept": rival_s / kept_s}))


def main() -> None:
    parser = shape_parser(__doc__, ("trl",))
    parser.add_argument("--runs", type=int, default=5, help="timed runs of each")
    parser.set_defaults(group=2, questions=4)
    args, shape = parse(parser)
    if shape.group != 2:
        parser.error("a pair has two responses: --group 2")
    groups = data(shape)
    with tempfile.TemporaryDirectory() as folder:
        ours, rival = Ours(groups, Path(folder)), Rival(Path(folder) / "trl")
        single = [[group] for group in groups]
        candidates: dict[str, tuple[Any, Callable[[], float]]] = {
            "ours": (ours.model, ours.update),
            "ours, kept": (ours.model, lambda: ours.update(keep_reference=True)),
            "trl, one batch": (rival.model, lambda: rival.update([groups])),
            "trl, question by question": (rival.model, lambda: rival.update(single)),
        }
        report(shape, measure(candidates, args.runs))


if __name__ == "__main__":
    main()
