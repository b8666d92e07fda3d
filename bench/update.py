"""One update from G answers to each of B questions about a picture: answers that share their prompt against
answers that repeat it. Forward and backward, no optimiser.

    python bench/update.py --prompt 272 --response 64 --group 8

ours      one row a question, `[prompt | answer 1 | ... | answer G]`: the code that `seethink train grpo` runs
repeated  B * G full rows `[prompt | answer]`, every one with its own copy of the picture, as other trainers
          make them. At its best: no padding (all answers are equally long), logits at answer positions alone,
          pictures in the same forward, the same attention kernels. It runs with all rows in one batch and
          question by question; the faster of the two is the rival.

Both compute the same log-probabilities and gradients of the same model; the differences are printed. A
picture is as square as P - 16 tokens allow, the other prompt tokens are text. Timed runs alternate, after one
of each for warming up; the least counts. Memory is what one update adds to the resident size at its highest,
in another process. The ideal ratio counts tokens, G (P + C) / (P + G C); the picture alone would
save G. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import Tensor
from transformers import Qwen2VLConfig, Qwen2VLForConditionalGeneration

from seethink.engines import segments
from seethink.families import Prompt
from seethink.train.configs import GRPO
from seethink.train.groups import Branch, Group, pack_groups
from seethink.train.shared_prefix import Scorer

HIDDEN, LAYERS, VOCABULARY, IMAGE = 384, 6, 2048, 5
TEXT_TOKENS = 16
PATCH_VALUES = 3 * 2 * 14 * 14
"""Channels, frames of a patch, and pixels of its square."""


@dataclass(frozen=True)
class Shape:
    """P prompt tokens, C tokens of each answer, G answers a question, B questions."""

    prompt: int
    response: int
    group: int
    questions: int

    @property
    def picture(self) -> tuple[int, int]:
        """(rows, columns) of picture tokens: as square as fits and leaves `TEXT_TOKENS` of text."""
        room = self.prompt - TEXT_TOKENS
        rows = math.isqrt(room)
        return rows, room // rows

    @property
    def ideal(self) -> float:
        return self.group * (self.prompt + self.response) / (self.prompt + self.group * self.response)


def build() -> Qwen2VLForConditionalGeneration:
    """A Qwen2-VL of 24 million parameters, fp32, the same every time."""
    torch.manual_seed(0)
    text: dict[str, Any] = dict(
        vocab_size=VOCABULARY,
        hidden_size=HIDDEN,
        num_hidden_layers=LAYERS,
        num_attention_heads=4,
        num_key_value_heads=2,
        intermediate_size=3 * HIDDEN,
        rope_parameters=dict(rope_type="default", mrope_section=[16, 16, 16], rope_theta=10_000.0),
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=0,
    )
    vision = dict(depth=LAYERS, embed_dim=HIDDEN, hidden_size=HIDDEN, num_heads=4, mlp_ratio=3, patch_size=14)
    marks: dict[str, Any] = dict(
        image_token_id=IMAGE, video_token_id=6, vision_start_token_id=7, vision_end_token_id=8
    )
    config = Qwen2VLConfig(text_config=text, vision_config=vision, tie_word_embeddings=True, **marks)
    model = Qwen2VLForConditionalGeneration(config).train()
    model.set_attn_implementation({"": "sdpa", "vision_config": segments.NAME})
    return model


def data(shape: Shape) -> list[Group]:
    """B questions with pictures of noise and G answers of noise, some good, some bad."""
    rows, columns = shape.picture
    generator = torch.Generator().manual_seed(1)
    groups = []
    for b in range(shape.questions):
        ids = torch.randint(10, VOCABULARY, (shape.prompt,), generator=generator)
        ids[4 : 4 + rows * columns] = IMAGE
        pixels = torch.randn(4 * rows * columns, PATCH_VALUES, generator=generator)
        grid = torch.tensor([[1, 2 * rows, 2 * columns]])
        answers = torch.randint(10, VOCABULARY, (shape.group, shape.response), generator=generator)
        weight = 1 / (shape.questions * shape.group * shape.response)
        branches = [
            Branch(answer, weight=weight, advantage=advantage)
            for answer, advantage in zip(
                answers.tolist(), torch.linspace(-1, 1, shape.group).tolist(), strict=True
            )
        ]
        media = {"pixel_values": pixels, "image_grid_thw": grid}
        groups.append(
            Group(Prompt(ids.tolist(), (ids == IMAGE).int().tolist(), media), branches, f"question {b}")
        )
    return groups


Update = Callable[[Scorer, list[Group]], Tensor]
"""Leaves gradients in the model and returns (B * G, C) log-probabilities in the order of the groups."""


def ours(scorer: Scorer, groups: list[Group]) -> Tensor:
    logps = []
    for pack in pack_groups(groups, GRPO().tokens_per_pack):
        found = scorer(pack)
        (found * -pack.advantages * pack.weights).sum().backward()
        logps.append(found.detach().unflatten(0, (len(pack.branches), -1)))
    return torch.cat(logps)


def repeated(scorer: Scorer, groups: list[Group]) -> Tensor:
    rows = [(group.prompt, branch) for group in groups for branch in group.branches]
    ids = torch.tensor([[*prompt.ids, *branch.ids] for prompt, branch in rows])
    pictures = {
        name: torch.cat([prompt.media[name] for prompt, _ in rows])
        for name in ("pixel_values", "image_grid_thw")
    }
    n = len(rows[0][1].ids)
    logits = scorer.model(
        input_ids=ids,
        mm_token_type_ids=(ids == IMAGE).int(),
        use_cache=False,
        logits_to_keep=n + 1,
        **pictures,
    ).logits[:, :-1]
    logps = logits.gather(-1, ids[:, -n:, None])[..., 0] - logits.logsumexp(-1)
    (
        logps * torch.tensor([-branch.advantage * branch.weight for _, branch in rows])[:, None]
    ).sum().backward()
    return logps.detach()


def one_by_one(scorer: Scorer, groups: list[Group]) -> Tensor:
    return torch.cat([repeated(scorer, [group]) for group in groups])


UPDATES: dict[str, Update] = {
    "ours": ours,
    "repeated rows, one batch": repeated,
    "repeated rows, question by question": one_by_one,
}


@dataclass
class Measured:
    """Of each run the seconds by the clock and those of the processors, whom a busy machine disturbs less."""

    seconds: list[float]
    busy: list[float]
    logps: Tensor
    gradient: Tensor


def measure(shape: Shape, runs: int) -> dict[str, Measured]:
    """Every update `runs` times in turns, A B C A B C, after one round that is not timed."""
    scorer, groups = Scorer(build()), data(shape)
    found: dict[str, Measured] = {}
    for turn in range(runs + 1):
        for name, update in UPDATES.items():
            scorer.zero_grad()
            started, busy = time.perf_counter(), time.process_time()
            logps = update(scorer, groups)
            seconds, busy = time.perf_counter() - started, time.process_time() - busy
            if turn == 0:
                gradient = torch.cat([p.grad.flatten() for p in scorer.parameters() if p.grad is not None])
                found[name] = Measured([], [], logps, gradient)
            else:
                found[name].seconds.append(seconds)
                found[name].busy.append(busy)
    return found


def peaks(shape: Shape) -> dict[str, int]:
    """Bytes by which each update raises this process's resident size at its highest (Linux).

    Run with `RETURNING`, so that nothing freed before is used again. `ru_maxrss` will not do: it cannot be
    reset, and begins with the size of the parent process.
    """
    scorer, groups = Scorer(build()), data(shape)
    found = {}
    for name, update in UPDATES.items():
        scorer.zero_grad()
        Path("/proc/self/clear_refs").write_text("5")  # the peak is now the present size
        before = _resident("VmRSS")
        update(scorer, groups)
        found[name] = _resident("VmHWM") - before
    return found


RETURNING = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "0"}
"""glibc gives freed memory back to the system at once."""


def _resident(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(field))


def report(shape: Shape, runs: int) -> None:
    """The figures for a reader, then the JSON line."""
    found = measure(shape, runs)
    command = [sys.executable, *sys.argv, "--memory"]
    told = subprocess.run(command, env={**os.environ, **RETURNING}, check=True, stdout=subprocess.PIPE)
    grown = json.loads(told.stdout)
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
    more = {"memory_ratio": grown["ours"] / grown[rival]}
    print(last_line("update", shape, ours_s, (rival, rival_s), more))


def last_line(name: str, shape: Shape, ours_s: float, rival: tuple[str, float], more: dict[str, Any]) -> str:
    """The JSON object with which every program here ends; `more` adds to its fields."""
    versions = {name: version(name) for name in ("seethink", "torch", "transformers", "trl")}
    line = {
        "name": name,
        "shape": {**asdict(shape), "threads": torch.get_num_threads()},
        "ours_s": ours_s,
        "rival_s": rival[1],
        "rival": rival[0],
        "ratio": rival[1] / ours_s,
        "ideal": shape.ideal,
        "memory_ratio": None,
        "versions": {"python": platform.python_version(), **versions},
    }
    return json.dumps(line | more)


def differences(mine: Measured, other: Measured) -> str:
    """How far two ways of computing the same are apart. Raises ValueError beyond 1e-5 and 1e-4."""
    logps = float((mine.logps - other.logps).abs().max())
    gradient = float((mine.gradient - other.gradient).norm() / other.gradient.norm())
    told = f"log-probabilities differ by at most {logps:.1e}, gradients by {gradient:.1e} of their norm"
    if logps > 1e-5 or gradient > 1e-4:
        raise ValueError(f"this is not the same update: {told}")
    return told


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--prompt", type=int, required=True, help="P: prompt tokens, the picture's included")
    parser.add_argument("--response", type=int, required=True, help="C: tokens of each answer")
    parser.add_argument("--group", type=int, required=True, help="G: answers to each question")
    parser.add_argument("--questions", type=int, default=2, help="B: questions")
    parser.add_argument("--runs", type=int, default=5, help="timed runs of each")
    parser.add_argument("--threads", type=int, default=2, help="threads of torch")
    parser.add_argument("--memory", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    shape = Shape(given.prompt, given.response, given.group, given.questions)
    if given.memory:
        print(json.dumps(peaks(shape)))
    else:
        report(shape, given.runs)


if __name__ == "__main__":
    main()
