"""The page of `seethink look` with many rollouts: its size, and how long headless Chromium takes to open,
filter and search it; with `--live`, what following a run costs.

    python -m bench.look --questions 2500 --group 8
    python -m bench.look --live runs/own --seconds 60

`opens_s`: from the navigation to the first question drawn. `filter_ms`: the longest of several filters, from
the input to the list and the question drawn and laid out. Pictures are gradients with grain, 320 x 240.
`server_cpu`: seconds of processor time that the server of the live page took for each second, from when its
page had drawn all that there was; a training on the same core slows down by at most that share. With
`--append N`, the program writes N answers a second to the run itself, in place of a training.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import statistics
import subprocess
import sys
import time
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import psutil
from PIL import Image

from seethink.evaluate.attempts import append_rows
from seethink.report import write_gallery_page
from tests.browser import Tab, browser

WORDS = [
    "the",
    "picture",
    "shows",
    "a",
    "red",
    "box",
    "left",
    "of",
    "two",
    "blue",
    "circles",
    "so",
    "there",
    "are",
    "three",
    "of",
    "them",
    "in",
    "all",
    "and",
    "then",
]
FILTERS = {
    "wrong": "document.querySelector('button[value=wrong]').click()",
    "mixed": "document.querySelector('button[value=mixed]').click()",
    "all": "document.querySelector('button[value=all]').click()",
    "step": "set('step', 3)",
    "score": "set('high', '0.4')",
    "tokens": "set('longer', '200')",
    "fault": "set('fault', form.elements.fault.options[1].value)",
    "clear": "document.querySelector('.clear').click()",
    "find": "set('find', 'left of two')",
    "find_longer": "set('find', 'left of two blue')",
    "order": "set('order', '-spread')",
    "next": "document.body.dispatchEvent(new KeyboardEvent('keydown', { key: 'j', bubbles: true }))",
}


@cache
def gradients() -> list[np.ndarray]:
    """32 pictures of 320 x 240 with grain, which compress about as photographs do."""
    generator = np.random.default_rng(0)
    coarse = generator.integers(0, 256, (32, 12, 16, 3), dtype=np.uint8)
    smooth = [np.asarray(Image.fromarray(one).resize((320, 240), Image.Resampling.BICUBIC)) for one in coarse]
    return [np.clip(one + generator.normal(0, 5, one.shape), 0, 255).astype(np.uint8) for one in smooth]


def picture(i: int) -> Image.Image:
    """Picture i: a gradient, shifted."""
    return Image.fromarray(np.roll(gradients()[i % 32], (i // 32, 3 * (i // 32)), (0, 1)))


def rollouts(folder: Path, questions: int, group: int, words: int) -> list[dict[str, Any]]:
    """Rows of attempts.jsonl: each question asked at one of 20 steps, with `group` answers of about `words`
    words, half of them right."""
    (folder / "media").mkdir(parents=True)
    rows = []
    for i in range(questions):
        name, chance = f"media/{i:016x}.png", random.Random(f"look/{i}")
        picture(i).save(folder / name, compress_level=1)
        asked = {"task": "seen", "id": f"train/{i}", "question": f"<image>How many things of kind {i}?"}
        rows += [
            asked
            | {"media": [name], "gold": str(i), "step": 1 + i * 20 // questions}
            | _answer(chance, i, words)
            for _ in range(group)
        ]
    return rows


def _answer(chance: random.Random, gold: int, words: int) -> dict[str, Any]:
    length = chance.randrange(words // 2, words * 3 // 2)
    said = [
        chance.choice(WORDS) if chance.random() < 0.8 else str(chance.randrange(1000)) for _ in range(length)
    ]
    value, read = float(chance.random() < 0.5), chance.randrange(100)
    part, thought = {"value": value, "why": f"read {read}, expected {gold}"}, " ".join(said)
    return {
        "text": f"<think>{thought}</think><answer>{read}</answer>", "thought": thought, "said": str(read),
        "stop": "stop", "n_tokens": length, "value": value, "why": "", "parts": {"correct": part},
        "fault": None if chance.random() < 0.9 else "no <answer> tag", "lenient": None, "by_steps": True,
        "boxes": None, "points": None, "meta": {},
    }  # fmt: skip


def measure(tab: Tab, page: Path) -> dict[str, Any]:
    """Seconds until the page is open, milliseconds of each filter and of the next question; in processor time
    of the page's process and main thread, too, which other work on the machine does not lengthen."""

    def used(name: str) -> float:
        metrics = tab.call("Performance.getMetrics")["metrics"]
        return next(metric["value"] for metric in metrics if metric["name"] == name)

    tab.call("Performance.enable")
    opened, opened_cpu = [], []
    for i in range(3):
        start, before = time.perf_counter(), used("ProcessTime")
        tab.open(f"{page.as_uri()}?{i}", "document.querySelector('.answer')")
        opened.append(time.perf_counter() - start)
        after = used("ProcessTime")
        opened_cpu.append(after - before if after > before else after)  # a new process starts at 0
    tab.value(
        "globalThis.form = document.querySelector('.filters'); globalThis.set = (name, value) => {"
        "const input = form.elements[name]; input.value = value;"
        "input.dispatchEvent(new Event('input', { bubbles: true })); }; 0"
    )
    tab.wait_for("globalThis.searchIsPrepared")  # the page makes the texts that it searches when it is idle
    taken, taken_cpu = {}, {}
    for name, action in FILTERS.items():
        before = used("ThreadTime")
        taken[name] = tab.value(timed(action))
        taken_cpu[name] = round(1000 * (used("ThreadTime") - before))
    heap = tab.value("performance.memory.usedJSHeapSize")
    return {
        **{"opens_s": round(statistics.median(opened), 2), "filter_ms": max(taken.values())},
        **{"opens_cpu_s": round(statistics.median(opened_cpu), 2), "filter_cpu_ms": max(taken_cpu.values())},
        **{"filters_ms": taken, "filters_cpu_ms": taken_cpu, "heap_mb": round(heap / 1e6)},
    }


def timed(action: str) -> str:
    """JavaScript that says how many milliseconds `action` takes, layout included."""
    start, end = "const start = performance.now()", "return Math.round(performance.now() - start)"
    return f"(() => {{ {start}; {action}; document.body.offsetHeight; {end}; }})()"


def opened_and_filtered(args: argparse.Namespace) -> dict[str, Any]:
    with TemporaryDirectory() as temporary:
        folder, page, result = Path(temporary), args.page or Path(temporary) / "look.html", {}
        if not page.exists():
            rows = rollouts(folder, args.questions, args.group, args.words)
            start = time.perf_counter()
            write_gallery_page(rows, folder, page, f"{len(rows):,} rollouts")
            result = {"rollouts": len(rows), "write_s": round(time.perf_counter() - start, 1)}
        with browser() as tab:
            tab.look_like(1280, 900)
            result |= {"file_mb": round(page.stat().st_size / 1e6, 1)} | measure(tab, page)
            if args.screenshot:
                tab.screenshot(args.screenshot)
        return result


def followed(args: argparse.Namespace) -> dict[str, Any]:
    """The share of one core that the server takes while a page follows a run."""
    with TemporaryDirectory() as temporary:
        run = args.live
        rows: list[dict[str, Any]] = []
        if args.append:
            rows = rollouts(run, args.append * args.seconds // args.group, args.group, args.words)
            append_rows(run / "attempts.jsonl", rows[:1])
        log = Path(temporary) / "log"
        command = [sys.executable, "-m", "seethink", "look", str(run), "--live"]
        with log.open("w", encoding="utf-8") as out:
            server = subprocess.Popen(command, stdout=out, stderr=out, env=os.environ | {"COLUMNS": "500"})
        try:
            while not (found := re.search(r"http://[\d.:]+", log.read_text(encoding="utf-8"))):
                assert server.poll() is None, log.read_text(encoding="utf-8")
                time.sleep(0.1)
            with browser() as tab:
                tab.open(found[0], "document.querySelector('.answer, .plot')")
                tab.wait_for("performance.now() > 10000")
                used, start = psutil.Process(server.pid).cpu_times(), time.perf_counter()
                for i in range(args.seconds):
                    append_rows(
                        run / "attempts.jsonl", rows[1 + i * args.append :][: args.append]
                    ) if rows else None
                    time.sleep(max(0.0, start + i + 1 - time.perf_counter()))
                now, wall = psutil.Process(server.pid).cpu_times(), time.perf_counter() - start
                status = tab.value("document.querySelector('.status').textContent")
        finally:
            server.terminate()
            server.wait()
    share = (now.user + now.system - used.user - used.system) / wall
    return {"server_cpu": round(share, 4), "seconds": round(wall, 1), "status": status}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--questions", type=int, default=2500)
    parser.add_argument("--group", type=int, default=8)
    parser.add_argument("--words", type=int, default=200, help="of an answer, on average")
    parser.add_argument("--page", type=Path, help="where it is written, or one that is measured as it is")
    parser.add_argument("--screenshot", type=Path)
    parser.add_argument("--live", type=Path, metavar="RUN")
    parser.add_argument("--append", type=int, default=0, help="answers written to RUN a second")
    parser.add_argument("--seconds", type=int, default=60)
    args = parser.parse_args()
    print(json.dumps(followed(args) if args.live else opened_and_filtered(args)))


if __name__ == "__main__":
    main()
