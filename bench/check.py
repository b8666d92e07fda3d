"""Time of `seethink check` on many rows, each with its own image.

    python -m bench.check --rows 100000 --folder runs/many

Image files of equal length are compared by content. All images of one size have the same length here, which
is the worst case. The last line is one JSON object.
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


def noise_image(size: tuple[int, int], form: str) -> bytes:
    """A random image as a file of the format `form`."""
    noise = PIL.Image.effect_noise((size[0] // 8, size[1] // 8), 60).resize(size)
    out = io.BytesIO()
    noise.convert("RGB").save(out, form, quality=70)
    return out.getvalue()


def write_dataset(folder: Path, n: int) -> None:
    """Rows of numbers, options and boxes. Bytes after the end of each image make its file unique."""
    (folder / "images").mkdir(parents=True)
    pictures = [(size, form, noise_image(size, form)) for size in SIZES for form in ("JPEG", "PNG")]
    with (folder / "data.jsonl").open("w", encoding="utf-8") as out:
        for i in range(n):
            rng = random.Random(f"bench/{i}")
            (width, height), form, data = pictures[i % len(pictures)]
            name = f"images/{i}.{form.lower()}"
            (folder / name).write_bytes(data + f"{i:09d}".encode())
            box = [1, 1, rng.randrange(2, width), rng.randrange(2, height)]
            options = [str(i), str(i + 1), str(i + 2)]
            row = (
                {"question": f"How many dots are on page {i}?", "answer": rng.randrange(100)},
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
    args = options.parse_args()
    if not (args.folder / "data.jsonl").exists():
        write_dataset(args.folder, args.rows)
    began = time.perf_counter()
    report = check(
        Preflight(args.folder / "data.jsonl", THINK_ANSWER, verifier=args.verifier, decode=args.decode)
    )
    took_s = time.perf_counter() - began
    print(f"{report.rows:,} rows, {report.pictures:,} pictures: {took_s:.1f} s; faults: {report.counts}")
    print(json.dumps({"rows": report.rows, "decode": args.decode, "seconds": round(took_s, 1)}))


if __name__ == "__main__":
    main()
