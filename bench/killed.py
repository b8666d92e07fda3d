"""Whether recipes that are killed at random moments and continued end as undisturbed ones.

    python -m bench.killed                       # the nine systems at the scale smoke, one kill each
    python -m bench.killed r1v vlm_r1 --kills 3

Each recipe runs twice: to its end, and killed with SIGKILL at random moments before it goes on. Both must
end with the same results: every score, every answer's length, every test, and the weights of every model
that was tested. Seconds may differ. Exits with 1 if a recipe does not.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.markdown import table
from seethink import systems
from seethink.types import InputError

UNEQUAL = ("seconds",)
"""Keys of a report whose values are of one run alone."""


def main() -> None:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("recipes", nargs="*", help="names; all but sprout's by default")
    parser.add_argument("--scale", default="smoke")
    parser.add_argument("--kills", type=int, default=1, help="of each recipe")
    parser.add_argument("--seed", type=int, default=0, help="of the run and of the moments")
    given = parser.parse_args()
    names = given.recipes or [name for name in systems.names("recipe") if name != "sprout"]
    moments, rows = random.Random(given.seed), []
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            rows.append(killed(name, given.scale, given.seed, given.kills, moments, Path(folder)))
        print(*rows[-1], sep="\t", flush=True)
    print(table(["recipe", "undisturbed, s", "killed after, s", "ends the same"], rows))
    sys.exit(any(row[-1] != "yes" for row in rows))


def killed(name: str, scale: str, seed: int, kills: int, moments: random.Random, folder: Path) -> list[str]:
    """A row of the table."""
    command = [sys.executable, "-m", "seethink", "run", name, "--scale", scale, "--seed", str(seed), "--out"]
    began = time.perf_counter()
    _finish([*command, str(folder / "whole")])
    whole_s, after_s = time.perf_counter() - began, []
    for _ in range(kills):
        after_s.append(moments.uniform(0.1, 0.95) * whole_s)
        _kill([*command, str(folder / "broken")], after_s[-1])
    _finish([*command, str(folder / "broken")])
    unlike = differences(outcome(folder / "whole"), outcome(folder / "broken"))
    for line in unlike:
        print(f"{name}: {line}", flush=True)
    return [name, f"{whole_s:.0f}", ", ".join(f"{s:.0f}" for s in after_s), "no" if unlike else "yes"]


def _finish(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise InputError(f"{' '.join(command)} ended with {done.returncode}: {done.stderr[-2000:]}")


def _kill(command: list[str], after_s: float) -> None:
    """Start the command and end it, with all processes that it started."""
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        process.wait(after_s)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def outcome(run: Path) -> dict[str, Any]:
    """What a finished run found, without `UNEQUAL` and the name of its folder."""
    report = json.loads((run / "report.json").read_text(encoding="utf-8").replace(str(run), "RUN"))
    return {part: _without(report[part]) for part in ("results", "tests", "claims", "findings")}


def differences(one: Any, other: Any, path: str = "") -> list[str]:
    """A line for each place where two values of JSON differ."""
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        return [line for key in one for line in differences(one[key], other[key], f"{path}/{key}")]
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        return [
            line
            for i, pair in enumerate(zip(one, other, strict=True))
            for line in differences(*pair, f"{path}/{i}")
        ]
    return [] if one == other else [f"{path}: {one!r:.200} undisturbed, {other!r:.200} after the kill"]


def _without(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without(one) for key, one in value.items() if key not in UNEQUAL}
    return [*map(_without, value)] if isinstance(value, list) else value


if __name__ == "__main__":
    main()
