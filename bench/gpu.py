"""Time, memory and MFU of one update on an accelerator: Qwen2.5-VL-3B's sizes, random weights, bf16.

    python -m bench.gpu                 # P of 350, 1300 and 4096, C 512, G 8; under ten minutes on an H200
    python -m bench.gpu --tiny          # the same program with a toy model, also without an accelerator

shared, flex       one row per question, FlexAttention (`seethink/models/attention/flex.py`)
shared, branching  one row per question, the default attention of trainings
                   (`seethink/models/attention/branching.py`)
shared, dense      one row per question under a dense mask
trl                TRL's GRPOTrainer, with its own loss and backward (`bench/rival.py`)
repeated           full rows of prompt and answer, as in `bench/update.py`

Each method runs in its own process. All answers go through one backward pass; where memory does not
suffice, half of them, and so on: `answers` is their number, and "out of memory" is a result. The time is
the minimum of the timed runs, after two warm-up runs. `logp` is the mean log-probability, which shows that
all methods compute the same.

MFU (model FLOPs utilisation) is the FLOPs that a method needs over time and over the peak of the device:
per token 6 times the weights of the layers it passes, per visible pair of tokens 12 times the width of
attention in each layer. Recomputed and masked operations are not counted; repeated prompts and images are.
The last line is one JSON object.
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

from bench.shape import IMAGE, Shape, data, parse, shape_parser, versions
from bench.update import repeated
from seethink.models.attention import flex, segments
from seethink.models.packing import Group, pack_groups
from seethink.models.policy import PolicyModel

METHODS = ("shared, flex", "shared, branching", "trl", "repeated", "shared, dense")
PEAK_TFLOPS = {"H100": 989.0, "H200": 989.0, "A100": 312.0}
"""bf16 without sparsity, by a part of the device's name (the vendor's data sheets, SXM)."""
Update = Callable[[list[list[Group]]], Tensor]
"""Runs one backward per batch of groups; returns log-probabilities."""


def model_config(tiny: bool, layers: int | None) -> Qwen2_5_VLConfig:
    """The published sizes of Qwen2.5-VL-3B, or toy sizes. layers: of the language model, if not the
    default."""
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
    """A model with random bf16 weights, always the same ones."""
    torch.manual_seed(0)
    with torch.device(device):
        model = Qwen2_5_VLForConditionalGeneration._from_config(config, dtype=torch.bfloat16)
    model.set_attn_implementation({"": "sdpa", "vision_config": segments.NAME})
    return model.train()


def weight_flops(model: Any, shape: Shape, prompts: int) -> float:
    """FLOPs of the weights, forward and backward. prompts: how often the prompt and image of a question are
    computed."""
    tower, answers = model.model.visual, shape.group * shape.response
    rows, columns = shape.picture
    language = _weights(model.model.language_model.layers) * (prompts * shape.prompt + answers)
    head = model.lm_head.weight.numel() * answers
    image = rows * columns * (4 * _weights(tower.blocks) + _weights(tower.merger))
    pixels = 4 * rows * columns * _weights(tower.patch_embed)  # no gradient with respect to pixels
    return shape.questions * (6 * (language + head + prompts * image) + 4 * prompts * pixels)


def attention_flops(model: Any, shape: Shape, prompts: int) -> float:
    """FLOPs of attention over visible pairs of tokens, otherwise as `weight_flops`."""
    text, vision = model.config.text_config, model.config.vision_config
    p, c, patches = shape.prompt, shape.response, 4 * shape.picture[0] * shape.picture[1]
    pairs = prompts * p * (p + 1) / 2 + shape.group * c * (p + (c + 1) / 2)
    window = min(patches, (vision.window_size // vision.patch_size) ** 2)
    full = len(vision.fullatt_block_indexes)
    patch_pairs = prompts * patches * (full * patches + (vision.depth - full) * window)
    language = text.hidden_size * text.num_hidden_layers * pairs
    return 12 * shape.questions * (language + vision.hidden_size * patch_pairs)


def _weights(module: Any) -> int:
    return sum(p.numel() for p in module.parameters() if p.dim() > 1)


class Dense:
    """Attention over packed rows under a dense mask, with the interface of the modules `branching` and
    `flex`."""

    NAME = "bench_dense"
    MULTIPLE = 1

    @staticmethod
    def layout(branch: Tensor, blocks: Tensor | None = None) -> Tensor:
        """(B, 1, L, L) mask, True where a token sees another."""
        rows, at = (torch.arange(n, device=branch.device) for n in branch.shape)
        sees = flex.layout(branch, blocks).sees(None)
        return sees(rows[:, None, None], rows, at[:, None], at)[:, None]

    @staticmethod
    def attend(module: Any, query: Tensor, key: Tensor, value: Tensor, _: Any, **kwargs: Any) -> Any:
        """Attention with the signature that transformers calls."""
        key, value = (x.repeat_interleave(query.shape[1] // x.shape[1], 1) for x in (key, value))
        out = scaled_dot_product_attention(query, key, value, kwargs["packed"], scale=kwargs["scaling"])
        return out.transpose(1, 2), None


AttentionInterface.register(Dense.NAME, Dense.attend)


def update_of(method: str, model: Any, shape: Shape, folder: Path) -> Update:
    """The update of one of `METHODS`."""
    if method == "trl":
        from bench.rival import Rival

        return Rival(model, shape, folder, use_cpu=model.device.type == "cpu").update
    if method == "repeated":
        return lambda batches: repeated(model, batches)
    policy = PolicyModel(model, "flex" if method == "shared, flex" else "branching")
    if method == "shared, dense":
        policy.attention = Dense  # type: ignore[assignment]
        model.set_attn_implementation({"text_config": Dense.NAME})
    return lambda batches: torch.cat([_shared(policy, groups) for groups in batches])


def _shared(policy: PolicyModel, groups: list[Group]) -> Tensor:
    (pack,) = pack_groups(groups, sys.maxsize)
    pack = pack.to(policy.model.device)
    logps = policy(pack)
    (logps * -pack.advantages * pack.weights).sum().backward()
    return logps.detach()


def measure(model: Any, update: Update, shape: Shape, runs: int) -> Iterator[dict[str, Any]]:
    """A result for each number of answers per backward pass: all, then half as many until memory suffices."""
    answers, fits = shape.group, False
    while answers and not fits:
        batches = [
            [replace(group, branches=group.branches[i : i + answers])]
            for group in data(shape)
            for i in range(0, shape.group, answers)
        ]
        result: dict[str, Any] = {"answers": answers, "failed": "out of memory"}
        try:
            result = {"answers": answers, **_run(model, update, batches, runs)}
            fits = True
        except torch.OutOfMemoryError:
            pass  # `result` says so
        yield result
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


def run_method(args: argparse.Namespace, peak_tflops: float | None) -> None:
    """Measure one method at all prompt lengths; prints a JSON line per result."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    with tempfile.TemporaryDirectory() as folder:
        model = build(model_config(args.tiny, args.layers), device)
        for length in args.prompts:
            shape = Shape(length, args.response, args.group, args.questions)
            update = update_of(args.method, model, shape, Path(folder))
            for result in measure(model, update, shape, args.runs):
                if "seconds" in result:
                    parts = -(-shape.group // result["answers"])
                    prompts = parts if args.method.startswith("shared") else shape.group
                    work = weight_flops(model, shape, prompts)
                    work += attention_flops(model, shape, prompts)
                    result["tflops"] = work / result["seconds"] / 1e12
                    result["mfu"] = result["tflops"] / peak_tflops if peak_tflops else None
                print(json.dumps({"way": args.method, "prompt": length, **result}), flush=True)


def results(method: str, seconds: float) -> Iterator[dict[str, Any]]:
    """The results of one method, as its process prints them; a failure of the process is a result, too."""
    command = [sys.executable, "-m", "bench.gpu", *sys.argv[1:], "--method", method]
    with tempfile.TemporaryFile("w+") as errors:
        limited = ["timeout", str(max(1, int(seconds))), *command]
        with subprocess.Popen(limited, stdout=subprocess.PIPE, stderr=errors, text=True) as process:
            assert process.stdout
            for line in process.stdout:
                if line.startswith("{"):
                    yield json.loads(line)
        if process.returncode:
            errors.seek(0)
            last = (errors.read().strip().splitlines() or ["no message"])[-1]
            yield {"way": method, "failed": "out of time" if process.returncode == 124 else last}


def ratios(rows: list[dict[str, Any]], shapes: list[Shape]) -> list[dict[str, Any]]:
    """For each prompt length, our fastest method against the fastest rival."""
    compared = []
    for shape in shapes:
        timed = [row for row in rows if row.get("prompt") == shape.prompt and "seconds" in row]
        ours = min((row for row in timed if "shared" in row["way"]), key=lambda r: r["seconds"], default=None)
        theirs = min(
            (row for row in timed if "shared" not in row["way"]), key=lambda r: r["seconds"], default=None
        )
        if ours and theirs:
            ratio = theirs["seconds"] / ours["seconds"]
            ideal = {"ideal": shape.ideal, "measured_over_ideal": ratio / shape.ideal}
            compared.append(
                {"prompt": shape.prompt, "ours": ours["way"], "rival": theirs["way"], "ratio": ratio, **ideal}
            )
    return compared


def report(args: argparse.Namespace, device: str) -> None:
    """Run all methods one after another; print each result, then the JSON object."""
    began, rows = time.perf_counter(), []
    for method in METHODS:
        for row in results(method, args.seconds - (time.perf_counter() - began)):
            rows.append(row)
            text = " ".join(f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}" for k, v in row.items())
            print(text, flush=True)
    shapes = [Shape(p, args.response, args.group, args.questions) for p in args.prompts]
    line = {"name": "gpu", "device": device, "rows": rows, "ratios": ratios(rows, shapes)}
    print(json.dumps(line | {"versions": versions()}))


def main() -> None:
    parser = shape_parser(__doc__, ("trl",))
    parser.set_defaults(response=512, questions=1)
    parser.add_argument("--prompts", type=int, nargs="+", default=[350, 1300, 4096], help="values of P")
    parser.add_argument("--runs", type=int, default=2, help="timed runs of each")
    parser.add_argument("--seconds", type=int, default=570, help="time limit of the whole program")
    parser.add_argument("--layers", type=int, help="layers of the language model")
    parser.add_argument("--tiny", action="store_true", help="use a toy model")
    parser.add_argument("--peak-tflops", type=float, help="peak of the device, bf16 without sparsity")
    parser.add_argument("--method", choices=METHODS, help=argparse.SUPPRESS)
    args, _ = parse(parser)
    if not (torch.cuda.is_available() or args.tiny):
        print("there is no accelerator; use --tiny for a toy model on the CPU", file=sys.stderr)
        raise SystemExit(2)
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
    known = next((peak for name, peak in PEAK_TFLOPS.items() if name in device), None)
    if args.method:
        run_method(args, args.peak_tflops or known)
    else:
        report(args, device)


if __name__ == "__main__":
    main()
