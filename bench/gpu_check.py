"""Every training path once on an accelerator: whether it runs, whether it is right, and how fast it is.

    python -m bench.gpu_check                        # under ten minutes on one GPU of 80 GB
    python -m bench.gpu_check --device cpu --quick   # the same program with a toy model

It has been run on a CPU only so far (`bench/RESULTS.md`).

r1v                      `seethink run r1v --scale smoke`, from the bundled model to the report
sft, dpo, grpo           rows that are written here, read as a user's own, under bf16 autocast; each with full
                         weights and with adapters ("lora"). Metrics must be finite, the loss of SFT must
                         fall, that of DPO begin at ln 2, weights must move, and those of frozen parts not
shared rows, branching   under bf16 autocast, log-probabilities and gradients of answers that share their
shared rows, flex        prompt must be as near to those of full fp32 rows as full rows under bf16 are: at
                         most twice their mean distance, and 0.001
waiting                  an update must not wait for the device before its end (torch's sync debug mode)
planned memory           what the memory plan tells that a pack keeps must be at least 0.85 of what it keeps
rollout                  sampled tokens a second of the trained model itself
bench.gpu                the benchmark of updates, with fewer prompts; both ways of sharing must be timed

Models are built here with random weights: a Qwen2-VL of about half a billion parameters, with `--quick` of
less than a million. Each check runs in a process of its own, so a failure hides no other. FlexAttention has
no backward pass on a CPU; there its check compares log-probabilities alone. The only line on stdout is one
JSON object: machine, versions, and for each check ok, seconds, figures and error. Exit code 1 if a check
failed.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from bench.device_checks import CHECKS, LARGE, TINY, Job, environment
from bench.shape import versions

SECONDS = 570
"""Time limit of the whole program."""


def outcome(name: str, args: argparse.Namespace, folder: Path, seconds: float) -> dict[str, Any]:
    """What a check gives in a process of its own: ok, seconds, and its figures or its error."""
    command = [sys.executable, "-m", "bench.gpu_check", "--device", args.device, "--check", name]
    command += ["--folder", str(folder), *(["--quick"] if args.quick else [])]
    started = time.perf_counter()
    with tempfile.TemporaryFile("w+", encoding="utf-8") as errors:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment(args.device)
        )
        try:
            printed, _ = process.communicate(timeout=max(1.0, seconds))
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            return {"ok": False, "seconds": time.perf_counter() - started, "error": "out of time"}
        errors.seek(0)
        last = (errors.read().strip().splitlines() or ["no message"])[-1]
    took = {"seconds": time.perf_counter() - started}
    lines = [line for line in printed.splitlines() if line.startswith("{")]
    if process.returncode or not lines:
        return {"ok": False, **took, "error": f"exit code {process.returncode}: {last}"}
    return {"ok": True, **took, **json.loads(lines[-1])}


def machine(device: str) -> dict[str, Any]:
    """What the program runs on."""
    known = {"device": device, "cores": os.cpu_count(), "platform": platform.platform()}
    if device == "cuda":
        about = torch.cuda.get_device_properties(0)
        known |= {"gpu": about.name, "memory_gib": about.total_memory / 2**30, "cuda": torch.version.cuda}
    return known


def main() -> None:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--quick", action="store_true", help="use a toy model")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="time limit of the whole program")
    parser.add_argument("--only", nargs="+", choices=CHECKS, default=list(CHECKS), help="these checks")
    parser.add_argument("--check", choices=CHECKS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.device == "cuda" and not torch.cuda.is_available():
        print("there is no accelerator; say --device cpu --quick for a toy model", file=sys.stderr)
        raise SystemExit(2)
    if args.check:
        job = Job(TINY if args.quick else LARGE, args.folder, args.device)
        print(json.dumps(CHECKS[args.check](job)))
        return
    began, checks = time.perf_counter(), {}
    with tempfile.TemporaryDirectory() as folder:
        for name in args.only:
            found = outcome(name, args, Path(folder), args.seconds - (time.perf_counter() - began))
            checks[name] = found
            print(
                f"{name}: {'ok' if found['ok'] else found['error']}, {found['seconds']:.0f} s",
                file=sys.stderr,
            )
    ok = all(found["ok"] for found in checks.values())
    line = {"name": "gpu_check", "ok": ok, "quick": args.quick, "seconds": time.perf_counter() - began}
    print(json.dumps(line | {"machine": machine(args.device), "versions": versions(), "checks": checks}))
    raise SystemExit(not ok)


if __name__ == "__main__":
    main()
