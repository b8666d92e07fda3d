"""Updates of Qwen2.5-VL-3B on one accelerator: its published sizes, random weights, bf16.

    python -m bench.gpu                 # P of 350, 1300 and 4096, C 512, G 8; under ten minutes on an H200
    python -m bench.gpu --tiny          # the same program with a toy model, on a CPU if there is nothing else

shared, flex       one row a question, FlexAttention (`seethink/train/flex.py`)
shared, branching  one row a question, the attention that trainings use (`seethink/train/branching.py`)
shared, dense      one row a question under one mask of all pairs
trl                TRL's GRPOTrainer, its own loss and backward (`bench/rival.py`)
repeated           full rows of prompt and answer, as in `bench/update.py`

A way runs in its own process. All answers go through one backward; where memory does not suffice, half of
them, and so on: `answers` says how many, and "out of memory" is a result. Least seconds of the timed runs,
after two that are not timed. `logp` is the mean log-probability, by which one sees that all do the same.

MFU is the arithmetic that this way has to do, by time and by the peak of the device: for each token 6 times
the weights of the layers that it goes through, for each pair of tokens of which one sees the other 12 times
the width of attention in each layer. What a way computes again or masks away is not counted, prompts and
pictures that it repeats are. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import gc
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

from bench.shape import IMAGE, Shape, arguments, data, parsed, versions
from bench.update import repeated
from seethink.engines import segments
from seethink.train import flex
from seethink.train.groups import Group, pack_groups
from seethink.train.shared_prefix import Scorer

WAYS = ("shared, flex", "shared, branching", "trl", "repeated", "shared, dense")
PEAK_TFLOPS = {"H100": 989.0, "H200": 989.0, "A100": 312.0}
"""bf16 without sparsity, by a part of the device's name (vendor's data sheets, SXM)."""
Update = Callable[[list[list[Group]]], Tensor]
"""One backward for each batch of groups; log-probabilities."""


def geometry(tiny: bool, layers: int | None) -> Qwen2_5_VLConfig:
    text: dict[str, Any] = dict(
        vocab_size=151_936, hidden_size=2048, intermediate_size=11_008, num_hidden_layers=36,
        num_attention_heads=16, num_key_value_heads=2, max_position_embeddings=128_000, rms_norm_eps=1e-6,
        rope_parameters=dict(rope_type="default", rope_theta=1e6, mrope_section=[16, 24, 24]),
        bos_token_id=None, eos_token_id=0,
    )  # fmt: skip
    vision: dict[str, Any] = dict(
        depth=32, hidden_size=1280, intermediate_size=3420, num_heads=16, out_hidden_size=2048, patch_size=14,
        window_size=112, fullatt_block_indexes=[7, 15, 23, 31], spatial_merge_size=2, temporal_patch_size=2,
    )  # fmt: skip
    if tiny:
        text |= dict(vocab_size=2048, hidden_size=64, intermediate_size=128, num_hidden_layers=2)
        text |= dict(num_attention_heads=4)
        text["rope_parameters"] |= dict(mrope_section=[2, 3, 3])
        vision |= dict(depth=2, hidden_size=32, intermediate_size=64, num_heads=2, out_hidden_size=64)
        vision |= dict(fullatt_block_indexes=[1])
    if layers:
        text |= dict(num_hidden_layers=layers)
    marks: dict[str, Any] = dict(
        image_token_id=IMAGE, video_token_id=6, vision_start_token_id=7, vision_end_token_id=8
    )
    return Qwen2_5_VLConfig(text_config=text, vision_config=vision, tie_word_embeddings=True, **marks)


def build(config: Qwen2_5_VLConfig, device: str) -> Any:
    torch.manual_seed(0)
    with torch.device(device):
        model = Qwen2_5_VLForConditionalGeneration._from_config(config, dtype=torch.bfloat16)
    model.set_attn_implementation({"": "sdpa", "vision_config": segments.NAME})
    return model.train()


def weighted(model: Any, shape: Shape, prompts: int) -> float:
    """Floating-point operations that weights take part in, forward and backward, a question's prompt and
    picture computed `prompts` times."""
    tower, answers = model.model.visual, shape.group * shape.response
    rows, columns = shape.picture
    language = _weights(model.model.language_model.layers) * (prompts * shape.prompt + answers)
    head = model.lm_head.weight.numel() * answers
    picture = rows * columns * (4 * _weights(tower.blocks) + _weights(tower.merger))
    pixels = 4 * rows * columns * _weights(tower.patch_embed)  # without a gradient of their own
    return shape.questions * (6 * (language + head + prompts * picture) + 4 * prompts * pixels)


def attended(model: Any, shape: Shape, prompts: int) -> float:
    """Floating-point operations of attention, as `weighted`; only pairs of which one sees the other."""
    text, vision = model.config.text_config, model.config.vision_config
    p, c, patches = shape.prompt, shape.response, 4 * shape.picture[0] * shape.picture[1]
    pairs = prompts * p * (p + 1) / 2 + shape.group * c * (p + (c + 1) / 2)
    window = min(patches, (vision.window_size // vision.patch_size) ** 2)
    full = len(vision.fullatt_block_indexes)
    seen = prompts * patches * (full * patches + (vision.depth - full) * window)
    language = text.hidden_size * text.num_hidden_layers * pairs
    return 12 * shape.questions * (language + vision.hidden_size * seen)


def _weights(module: Any) -> int:
    return sum(p.numel() for p in module.parameters() if p.dim() > 1)


class Dense:
    """Attention over packed rows under one mask of all pairs, as `branching` and `flex` are modules."""

    NAME = "bench_dense"
    MULTIPLE = 1

    @staticmethod
    def layout(branch: Tensor, blocks: Tensor | None = None) -> Tensor:
        """(B, 1, L, L)"""
        rows, at = (torch.arange(n, device=branch.device) for n in branch.shape)
        sees = flex.layout(branch, blocks).sees(None)
        return sees(rows[:, None, None], rows, at[:, None], at)[:, None]

    @staticmethod
    def attend(module: Any, query: Tensor, key: Tensor, value: Tensor, _: Any, **given: Any) -> Any:
        key, value = (x.repeat_interleave(query.shape[1] // x.shape[1], 1) for x in (key, value))
        out = scaled_dot_product_attention(query, key, value, given["packed"], scale=given["scaling"])
        return out.transpose(1, 2), None


AttentionInterface.register(Dense.NAME, Dense.attend)


def updater(way: str, model: Any, shape: Shape, folder: Path) -> Update:
    if way == "trl":
        from bench.rival import Rival

        return Rival(model, shape, folder, use_cpu=model.device.type == "cpu").update
    if way == "repeated":
        return lambda batches: repeated(model, batches)
    scorer = Scorer(model, "flex" if way == "shared, flex" else "branching")
    if way == "shared, dense":
        scorer.attention = Dense  # type: ignore[assignment]
        model.set_attn_implementation({"text_config": Dense.NAME})
    return lambda batches: torch.cat([_shared(scorer, groups) for groups in batches])


def _shared(scorer: Scorer, groups: list[Group]) -> Tensor:
    (pack,) = pack_groups(groups, sys.maxsize)
    pack = pack.to(scorer.model.device)
    logps = scorer(pack)
    (logps * -pack.advantages * pack.weights).sum().backward()
    return logps.detach()


def timed(model: Any, update: Update, shape: Shape, runs: int) -> Iterator[dict[str, Any]]:
    """Of each number of answers in one backward, down from all until it fits: what came of it."""
    answers, fits = shape.group, False
    while answers and not fits:
        batches = [
            [replace(group, branches=group.branches[i : i + answers])]
            for group in data(shape)
            for i in range(0, shape.group, answers)
        ]
        told: dict[str, Any] = {"answers": answers, "failed": "out of memory"}
        try:
            told = {"answers": answers, **_run(model, update, batches, runs)}
            fits = True
        except torch.OutOfMemoryError:
            pass  # that is the result
        yield told
        model.zero_grad()
        gc.collect()
        if model.device.type == "cuda":
            torch.cuda.empty_cache()
        answers //= 2


def _run(model: Any, update: Update, batches: list[list[Group]], runs: int) -> dict[str, Any]:
    device, seconds, logps = model.device.type, [], torch.zeros(0)
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    for _ in range(runs + 2):
        model.zero_grad()
        _wait(device)
        started = time.perf_counter()
        logps = update(batches)
        _wait(device)
        seconds.append(time.perf_counter() - started)
    peak = torch.cuda.max_memory_allocated() / 2**30 if device == "cuda" else None
    return {"seconds": min(seconds[2:]), "peak_gib": peak, "logp": float(logps.float().mean())}


def _wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def child(given: argparse.Namespace, peak_tflops: float | None) -> None:
    """One way, all lengths of prompts; a JSON line for each result."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    with tempfile.TemporaryDirectory() as folder:
        model = build(geometry(given.tiny, given.layers), device)
        for length in given.prompts:
            shape = Shape(length, given.response, given.group, given.questions)
            update = updater(given.way, model, shape, Path(folder))
            for told in timed(model, update, shape, given.runs):
                if "seconds" in told:
                    parts = -(-shape.group // told["answers"])
                    prompts = parts if given.way.startswith("shared") else shape.group
                    work = weighted(model, shape, prompts) + attended(model, shape, prompts)
                    told["tflops"] = work / told["seconds"] / 1e12
                    told["mfu"] = told["tflops"] / peak_tflops if peak_tflops else None
                print(json.dumps({"way": given.way, "prompt": length, **told}), flush=True)


def results(way: str, seconds: float) -> Iterator[dict[str, Any]]:
    """What the process of a way tells, as it comes; its failure is one of the results."""
    command = [sys.executable, "-m", "bench.gpu", *sys.argv[1:], "--way", way]
    with tempfile.TemporaryFile("w+") as errors:
        limited = ["timeout", str(max(1, int(seconds))), *command]
        with subprocess.Popen(limited, stdout=subprocess.PIPE, stderr=errors, text=True) as process:
            assert process.stdout
            for line in process.stdout:
                if line.startswith("{"):
                    yield json.loads(line)
        if process.returncode:
            errors.seek(0)
            last = (errors.read().strip().splitlines() or ["it said nothing"])[-1]
            yield {"way": way, "failed": "out of time" if process.returncode == 124 else last}


def ratios(rows: list[dict[str, Any]], shapes: list[Shape]) -> list[dict[str, Any]]:
    """Of each length of prompts: our fastest and the rivals' fastest."""
    found = []
    for shape in shapes:
        timed = [row for row in rows if row.get("prompt") == shape.prompt and "seconds" in row]
        ours = min((row for row in timed if "shared" in row["way"]), key=lambda r: r["seconds"], default=None)
        theirs = min(
            (row for row in timed if "shared" not in row["way"]), key=lambda r: r["seconds"], default=None
        )
        if ours and theirs:
            ratio = theirs["seconds"] / ours["seconds"]
            fact = {"ideal": shape.ideal, "measured_over_ideal": ratio / shape.ideal}
            found.append(
                {"prompt": shape.prompt, "ours": ours["way"], "rival": theirs["way"], "ratio": ratio, **fact}
            )
    return found


def report(given: argparse.Namespace, device: str) -> None:
    began, rows = time.perf_counter(), []
    for way in WAYS:
        for row in results(way, given.seconds - (time.perf_counter() - began)):
            rows.append(row)
            told = " ".join(f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}" for k, v in row.items())
            print(told, flush=True)
    shapes = [Shape(p, given.response, given.group, given.questions) for p in given.prompts]
    line = {"name": "gpu", "device": device, "rows": rows, "ratios": ratios(rows, shapes)}
    print(json.dumps(line | {"versions": versions()}))


def main() -> None:
    parser = arguments(__doc__, ("trl",))
    parser.set_defaults(response=512, questions=1)
    parser.add_argument("--prompts", type=int, nargs="+", default=[350, 1300, 4096], help="several P")
    parser.add_argument("--runs", type=int, default=2, help="timed runs of each")
    parser.add_argument("--seconds", type=int, default=570, help="for all of it")
    parser.add_argument("--layers", type=int, help="of the language model")
    parser.add_argument("--tiny", action="store_true", help="a toy model")
    parser.add_argument("--peak-tflops", type=float, help="of the device, bf16 without sparsity")
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    given, _ = parsed(parser)
    if not (torch.cuda.is_available() or given.tiny):
        print("there is no accelerator here; --tiny runs the program with a toy model", file=sys.stderr)
        raise SystemExit(2)
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
    known = next((peak for name, peak in PEAK_TFLOPS.items() if name in device), None)
    if given.way:
        child(given, given.peak_tflops or known)
    else:
        report(given, device)


if __name__ == "__main__":
    main()
