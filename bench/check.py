"""How long `seethink check` takes for many rows, each with a picture of its own.

    python -m bench.check --rows 100000 --folder /tmp/many

Files of equal length are compared by content, so all pictures of one size are of one length here: the worst
case. The last line is JSON.
"""

from __future__ import annotations

import argparse
import io
import json
import random
import time
from pathlib import Path

import PIL.Image

from seethink.check import Preflight, check
from seethink.formats import THINK_ANSWER

SIZES = ((320, 240), (448, 448), (640, 480), (512, 384))


def encoded(size: tuple[int, int], form: str) -> bytes:
    noise = PIL.Image.effect_noise((size[0] // 8, size[1] // 8), 60).resize(size)
    out = io.BytesIO()
    noise.convert("RGB").save(out, form, quality=70)
    return out.getvalue()


def make(folder: Path, n: int) -> None:
    """Rows of numbers, options and boxes. Bytes behind a picture's end make its file its own."""
    (folder / "images").mkdir(parents=True)
    pictures = [(size, form, encoded(size, form)) for size in SIZES for form in ("JPEG", "PNG")]
    with (folder / "data.jsonl").open("w") as out:
        for i in range(n):
            drawn = random.Random(f"bench/{i}")
            (width, height), form, data = pictures[i % len(pictures)]
            name = f"images/{i}.{form.lower()}"
            (folder / name).write_bytes(data + f"{i:09d}".encode())
            box = [1, 1, drawn.randrange(2, width), drawn.randrange(2, height)]
            options = [str(i), str(i + 1), str(i + 2)]
            row = (
                {"question": f"How many dots are on page {i}?", "answer": drawn.randrange(100)},
                {"question": f"Which is the number of page {i}?", "answer": "B", "choices": options},
                {"question": f"Where is thing {i}?", "answer": json.dumps([{"bbox_2d": box, "label": "x"}])},
            )[i % 3]
            out.write(json.dumps({"id": i, "image": name, **row}) + "\n")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument("--rows", type=int, default=100_000)
    options.add_argument("--folder", type=Path, required=True)
    options.add_argument("--verifier")
    options.add_argument("--decode", action="store_true")
    asked = options.parse_args()
    if not (asked.folder / "data.jsonl").exists():
        make(asked.folder, asked.rows)
    began = time.perf_counter()
    report = check(
        Preflight(asked.folder / "data.jsonl", THINK_ANSWER, verifier=asked.verifier, decode=asked.decode)
    )
    took_s = time.perf_counter() - began
    print(f"{report.rows:,} rows, {report.pictures:,} pictures: {took_s:.1f} s; faults: {report.counts}")
    print(json.dumps({"rows": report.rows, "decode": asked.decode, "seconds": round(took_s, 1)}))


if __name__ == "__main__":
    main()
