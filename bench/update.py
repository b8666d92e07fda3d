"""One update from G answers to each of B questions about a picture: answers that share their prompt against
answers that repeat it. Forward and backward, no optimiser.

    python bench/update.py --prompt 272 --response 64 --group 8 --rival trl

ours      one row a question, `[prompt | answer 1 | ... | answer G]`: the code that `seethink train grpo` runs
repeated  B * G full rows `[prompt | answer]`, every one with its own copy of the picture, as other trainers
          make them. At its best: no padding (all answers are equally long), logits at answer positions alone,
          pictures in the same forward, the same attention kernels.
trl       the same rows in TRL's GRPOTrainer, its own loss and backward; see `bench/rival.py`.

A rival runs with all rows in one batch and question by question; the faster of the two counts. All compute
the same log-probabilities and gradients of the same model; the differences are printed. A picture is as
square as P - 16 tokens allow, the other prompt tokens are text. Timed runs alternate, after one of each for
warming up; the least counts. Memory is what one update adds to the resident size at its highest, in another
process; it is compared with the rival's way that needs less. The ideal ratio counts tokens, G (P + C) /
(P + G C); the picture alone would save G. The last line is one JSON object.
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

sys.path.insert(0, str(Path(__file__).parents[1]))  # started by its file's name, it finds `bench` too

import torch
from torch import Tensor

from bench.shape import IMAGE, Shape, arguments, build, data, last_line, parsed
from seethink.train.configs import GRPO
from seethink.train.groups import Group, pack_groups
from seethink.train.shared_prefix import Scorer

RIVALS = ("repeated", "trl")


def ours(scorer: Scorer, groups: list[Group], tokens_per_pack: int = GRPO().tokens_per_pack) -> Tensor:
    logps = []
    for pack in pack_groups(groups, tokens_per_pack):
        pack = pack.to(scorer.model.device)
        found = scorer(pack)
        (found * -pack.advantages * pack.weights).sum().backward()
        logps.append(found.detach().unflatten(0, (len(pack.branches), -1)))
    return torch.cat(logps)


def repeated(model: Any, batches: list[list[Group]]) -> Tensor:
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
    wanted = torch.tensor([-branch.advantage * branch.weight for _, branch in rows]).to(model.device)
    (logps * wanted[:, None]).sum().backward()
    return logps.detach()


@dataclass
class Way:
    """A model, and what leaves gradients in it and returns (B * G, C) log-probabilities in the order of the
    groups."""

    model: Any
    update: Callable[[], Tensor]


def ways(shape: Shape, rival: str, folder: Path) -> dict[str, Way]:
    scorer, groups = Scorer(build()), data(shape)
    if rival == "trl":
        from bench.rival import Rival

        trainer = Rival(build(), shape, folder)
        model, update = trainer.policy, trainer.update
    else:
        model = build()
        update = lambda batches: repeated(model, batches)  # noqa: E731
    return {
        "ours": Way(scorer.model, lambda: ours(scorer, groups)),
        f"{rival}, one batch": Way(model, lambda: update([groups])),
        f"{rival}, question by question": Way(model, lambda: update([[group] for group in groups])),
    }


@dataclass
class Measured:
    """Of each run the seconds by the clock and those of the processors, whom a busy machine disturbs less."""

    seconds: list[float]
    busy: list[float]
    logps: Tensor
    gradient: Tensor


def measure(found: dict[str, Way], runs: int) -> dict[str, Measured]:
    """Every update `runs` times in turns, A B C A B C, after one round that is not timed."""
    measured: dict[str, Measured] = {}
    for turn in range(runs + 1):
        for name, way in found.items():
            way.model.zero_grad()
            started, busy = time.perf_counter(), time.process_time()
            logps = way.update()
            seconds, busy = time.perf_counter() - started, time.process_time() - busy
            if turn == 0:
                gradient = torch.cat([p.grad.flatten() for p in way.model.parameters() if p.grad is not None])
                measured[name] = Measured([], [], logps, gradient)
            else:
                measured[name].seconds.append(seconds)
                measured[name].busy.append(busy)
    return measured


def peaks(found: dict[str, Way]) -> dict[str, int]:
    """Bytes by which each update raises this process's resident size at its highest (Linux).

    Run with `RETURNING`, so that nothing freed before is used again. `ru_maxrss` will not do: it cannot be
    reset, and begins with the size of the parent process.
    """
    grown = {}
    for name, way in found.items():
        way.model.zero_grad()
        Path("/proc/self/clear_refs").write_text("5")  # the peak is now the present size
        before = _resident("VmRSS")
        way.update()
        grown[name] = _resident("VmHWM") - before
    return grown


RETURNING = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "0"}
"""glibc gives freed memory back to the system at once."""


def _resident(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(field))


def report(shape: Shape, found: dict[str, Measured]) -> None:
    """The figures for a reader, then the JSON line."""
    command = [sys.executable, *sys.argv, "--memory"]
    told = subprocess.run(command, env={**os.environ, **RETURNING}, check=True, stdout=subprocess.PIPE)
    grown = json.loads(told.stdout.splitlines()[-1])
    for name, measured in found.items():
        best, middle, busy = min(measured.seconds), median(measured.seconds), min(measured.busy)
        peak = grown[name] / 2**20
        print(f"{name:36} {best:.2f} s (median {middle:.2f}), processors {busy:.2f} s, peak +{peak:.0f} MiB")
    mine = found["ours"]
    for name, other in found.items():
        if other is not mine:
            print(f"{name:36} {differences(mine, other)}")
    rival = min((name for name in found if name != "ours"), key=lambda name: min(found[name].seconds))
    ours_s, rival_s = min(mine.seconds), min(found[rival].seconds)
    spared = min(found[rival].busy) / min(mine.busy)
    print(f"{rival_s / ours_s:.2f} times faster, {spared:.2f} times less processor time", end="")
    print(f", {shape.ideal:.2f} times fewer tokens")
    frugal = min(grown[name] for name in found if name != "ours")
    more = {"memory_ratio": grown["ours"] / frugal}
    print(last_line("update", shape, ours_s, (rival, rival_s), more))


def differences(mine: Measured, other: Measured) -> str:
    """How far two ways of computing the same are apart. Raises ValueError beyond 1e-5 and 1e-4."""
    logps = float((mine.logps - other.logps).abs().max())
    gradient = float((mine.gradient - other.gradient).norm() / other.gradient.norm())
    told = f"log-probabilities differ by at most {logps:.1e}, gradients by {gradient:.1e} of their norm"
    if logps > 1e-5 or gradient > 1e-4:
        raise ValueError(f"this is not the same update: {told}")
    return told


def main() -> None:
    parser = arguments(__doc__, RIVALS)
    parser.add_argument("--runs", type=int, default=5, help="timed runs of each")
    parser.add_argument("--memory", action="store_true", help=argparse.SUPPRESS)
    given, shape = parsed(parser)
    with tempfile.TemporaryDirectory() as folder:
        found = ways(shape, given.rival, Path(folder))
        if given.memory:
            print(json.dumps(peaks(found)))
        else:
            report(shape, measure(found, given.runs))


if __name__ == "__main__":
    main()
