"""Time and memory of one update (forward and backward, no optimiser step): answers that share their prompt
against answers that repeat it, G answers to each of B questions about an image.

    python -m bench.update --prompt 272 --response 64 --group 8 --rival trl

ours      one row per question, `[prompt | answer 1 | ... | answer G]`: the code that `seethink train grpo`
          runs
repeated  B * G full rows `[prompt | answer]`, each with its own copy of the image, as other trainers build
          them, in their best case: no padding (all answers have the same length), logits at answer positions
          only, images in the same forward pass, the same attention kernels
trl       the same rows in TRL's GRPOTrainer, with its own loss and backward; see `bench/rival.py`

A rival runs with all rows in one batch and question by question; the faster of the two counts. All compute
the same log-probabilities and gradients of the same model; the differences are printed. The image is as
square as P - 16 tokens allow, the other prompt tokens are text. Timed runs alternate after one warm-up run
of each; the minimum counts. Memory is the peak resident size less the size before the update, measured in
another process and compared with the cheaper of the rival's two ways. The ideal ratio counts tokens:
G (P + C) / (P + G C); the image alone would save a factor G. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import Tensor

from bench.shape import IMAGE, Shape, build, data, last_line, parse, shape_parser
from seethink.models.packing import Group, pack_groups
from seethink.models.policy import PolicyModel
from seethink.train.configs import TrainingConfig

RIVALS = ("repeated", "trl")


def ours(policy: PolicyModel, groups: list[Group]) -> Tensor:
    """(B * G, C) log-probabilities; gradients are left in the model."""
    logps = []
    for pack in pack_groups(groups, TrainingConfig().tokens_per_batch):
        pack = pack.to(policy.model.device)
        of_pack = policy(pack)
        (of_pack * -pack.advantages * pack.weights).sum().backward()
        logps.append(of_pack.detach().unflatten(0, (len(pack.branches), -1)))
    return torch.cat(logps)


def repeated(model: Any, batches: list[list[Group]]) -> Tensor:
    """(B * G, C) log-probabilities from full rows, one backward per batch; gradients are left in the
    model."""
    return torch.cat([_repeated(model, groups) for groups in batches])


def _repeated(model: Any, groups: list[Group]) -> Tensor:
    rows = [(group.prompt, branch) for group in groups for branch in group.branches]
    ids = torch.tensor([[*prompt.ids, *branch.ids] for prompt, branch in rows]).to(model.device)
    pictures = {
        name: torch.cat([prompt.media[name] for prompt, _ in rows]).to(model.device)
        for name in ("pixel_values", "image_grid_thw")
    }
    n = len(rows[0][1].ids)
    logits = model(
        input_ids=ids,
        mm_token_type_ids=(ids == IMAGE).int(),
        use_cache=False,
        logits_to_keep=n + 1,
        **pictures,
    ).logits[:, :-1]
    logps = logits.gather(-1, ids[:, -n:, None])[..., 0] - logits.logsumexp(-1)
    factors = torch.tensor([-branch.advantage * branch.weight for _, branch in rows]).to(model.device)
    (logps * factors[:, None]).sum().backward()
    return logps.detach()


@dataclass
class Candidate:
    """A model and its update, which leaves gradients in the model and returns (B * G, C) log-probabilities
    in the order of the groups."""

    model: Any
    update: Callable[[], Tensor]


def candidates(shape: Shape, rival: str, folder: Path) -> dict[str, Candidate]:
    """Our update and the two ways of the rival, by name."""
    policy, groups = PolicyModel(build()), data(shape)
    if rival == "trl":
        from bench.rival import Rival

        trainer = Rival(build(), shape, folder)
        model, update = trainer.policy, trainer.update
    else:
        model = build()
        update = lambda batches: repeated(model, batches)  # noqa: E731
    return {
        "ours": Candidate(policy.model, lambda: ours(policy, groups)),
        f"{rival}, one batch": Candidate(model, lambda: update([groups])),
        f"{rival}, question by question": Candidate(model, lambda: update([[group] for group in groups])),
    }


@dataclass
class UpdateRuns:
    """Wall-clock and CPU seconds of each run (CPU time is less sensitive to other load), and what was
    computed."""

    seconds: list[float]
    cpu_seconds: list[float]
    logps: Tensor
    gradient: Tensor


def measure(updates: dict[str, Candidate], runs: int) -> dict[str, UpdateRuns]:
    """Run every update `runs` times, alternating A B C A B C, after one warm-up round."""
    measured: dict[str, UpdateRuns] = {}
    for turn in range(runs + 1):
        for name, candidate in updates.items():
            candidate.model.zero_grad()
            started, cpu_started = time.perf_counter(), time.process_time()
            logps = candidate.update()
            seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu_started
            if turn == 0:
                gradients = (p.grad for p in candidate.model.parameters())
                gradient = torch.cat([g.flatten() for g in gradients if g is not None])
                measured[name] = UpdateRuns([], [], logps, gradient)
            else:
                measured[name].seconds.append(seconds)
                measured[name].cpu_seconds.append(cpu_seconds)
    return measured


def peaks(updates: dict[str, Candidate]) -> dict[str, int]:
    """Bytes by which each update raises the peak resident size of this process (Linux).

    Run under `MALLOC_ENV`, so that freed memory is not reused. `ru_maxrss` is no alternative: it cannot be
    reset and starts at the size of the parent process.
    """
    growth = {}
    for name, candidate in updates.items():
        candidate.model.zero_grad()
        Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")  # resets the peak to the current size
        before = _resident("VmRSS")
        candidate.update()
        growth[name] = _resident("VmHWM") - before
    return growth


MALLOC_ENV = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "0"}
"""Makes glibc return freed memory to the system immediately."""


def _resident(field: str) -> int:
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(field))


def report(shape: Shape, results: dict[str, UpdateRuns]) -> None:
    """Print the figures, then the JSON line."""
    command = [sys.executable, "-m", "bench.update", *sys.argv[1:], "--memory"]
    done = subprocess.run(command, env={**os.environ, **MALLOC_ENV}, check=True, stdout=subprocess.PIPE)
    growth = json.loads(done.stdout.splitlines()[-1])
    for name, measured in results.items():
        best, middle, cpu = min(measured.seconds), median(measured.seconds), min(measured.cpu_seconds)
        peak = growth[name] / 2**20
        print(f"{name:36} {best:.2f} s (median {middle:.2f}), CPU {cpu:.2f} s, peak +{peak:.0f} MiB")
    mine = results["ours"]
    for name, other in results.items():
        if other is not mine:
            print(f"{name:36} {differences(mine, other)}")
    rival = min((name for name in results if name != "ours"), key=lambda name: min(results[name].seconds))
    ours_s, rival_s = min(mine.seconds), min(results[rival].seconds)
    cpu_ratio = min(results[rival].cpu_seconds) / min(mine.cpu_seconds)
    print(f"{rival_s / ours_s:.2f} times faster, {cpu_ratio:.2f} times less CPU time", end="")
    print(f", {shape.ideal:.2f} times fewer tokens")
    least = min(growth[name] for name in results if name != "ours")
    more = {"memory_ratio": growth["ours"] / least}
    print(last_line("update", shape, ours_s, (rival, rival_s), more))


def differences(mine: UpdateRuns, other: UpdateRuns) -> str:
    """Differences of log-probabilities and gradients, as text. Raises ValueError beyond 1e-5 and 1e-4."""
    logps = float((mine.logps - other.logps).abs().max())
    gradient = float((mine.gradient - other.gradient).norm() / other.gradient.norm())
    text = f"log-probabilities differ by at most {logps:.1e}, gradients by {gradient:.1e} of their norm"
    if logps > 1e-5 or gradient > 1e-4:
        raise ValueError(f"this is not the same update: {text}")
    return text


def main() -> None:
    parser = shape_parser(__doc__, RIVALS)
    parser.add_argument("--runs", type=int, default=5, help="timed runs of each")
    parser.add_argument("--memory", action="store_true", help=argparse.SUPPRESS)
    args, shape = parse(parser)
    with tempfile.TemporaryDirectory() as folder:
        updates = candidates(shape, args.rival, Path(folder))
        if args.memory:
            print(json.dumps(peaks(updates)))
        else:
            report(shape, measure(updates, args.runs))


if __name__ == "__main__":
    main()
