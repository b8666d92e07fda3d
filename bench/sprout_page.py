"""Writes `docs/sprout.md`: what the bundled model can and cannot do, from a finished run of its recipe.

    seethink run sprout --scale tiny --out runs/sprout
    python -m bench.sprout_page runs/sprout

Every figure is read from the run: accuracy in each world with its interval, how long every course took, how
well the worlds are read after each course, and one right and one wrong answer in each world.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from bench.markdown import cell, table
from seethink.systems.sprout.courses import COURSES

RIGHT, WRONG = 0.75, 0.5
"""A score from RIGHT on is shown as right, one below WRONG as wrong."""
SHOWN = 240
"""Characters of a response that are shown."""
ABOUT = """# sprout, the bundled model: what it can and cannot do

Written by `python -m bench.sprout_page` from one run of `seethink run sprout --scale {scale}` (seed {seed}).
How the model is made: [`seethink/systems/sprout`](../seethink/systems/sprout/README.md).

## Accuracy

Greedy, {n} questions in each cell ({fewer} in those of the variants), means with 95 % intervals: the share of
right answers, in `grounding` the mean IoU, in `detection` the mean average precision. *Begun*: the response
begins with `<think>`, which was written for the model. *Asked*: it is asked to think and to answer in tags,
and mostly answers at once.
*Shifted*: the variant of the world that no training picture came from. {levels}

"""
REMEMBERED = """
## What was remembered

Share of the words of the densest reading of new pictures that were read (1 - edit distance), after each
course.

"""
EXAMPLES = """
## Right and wrong

The first right and the first wrong response, thought begun, of each test.
"""


def main() -> None:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("run", type=Path, help="folder of a finished run of the recipe `sprout`")
    parser.add_argument(
        "--docs", type=Path, default=Path("docs"), help="where to write sprout.md and sprout/"
    )
    args = parser.parse_args()
    write(args.run, args.docs)


def write(run: Path, docs: Path) -> None:
    """Write `sprout.md` and its pictures under `docs`. Raises FileNotFoundError for an unfinished run."""
    report = json.loads((run / "report.json").read_text(encoding="utf-8"))
    arms = report["results"]
    n, *_, fewer = (row["n"] for row in arms["begun"].values())
    pictures = docs / "sprout"
    shutil.rmtree(pictures, ignore_errors=True)
    pictures.mkdir(parents=True)
    text = "".join(
        [
            ABOUT.format(
                scale=report["scale"],
                seed=report["seeds"][0],
                n=n,
                fewer=fewer,
                levels=_levels(arms["begun"]),
            ),
            _accuracy(arms),
            REMEMBERED,
            table(["world", *COURSES], _readings(run)),
            "\n## What it took\n\n",
            table(["course", "updates", "seconds"], _courses(run)),
            EXAMPLES,
            *_examples(run, pictures),
        ]
    )
    (docs / "sprout.md").write_text(text, encoding="utf-8")


def _levels(tests: Iterable[str]) -> str:
    """Which levels of the worlds were learned and are tested."""
    if not any(name.endswith(", all levels") for name in tests):
        return "All four levels of each world were learned."
    return (
        "Only the easiest level of each drawn world was learned (`drawn:WORLD:N:level1`), and is tested "
        "where nothing else is said; *all levels* mixes the four."
    )


def _accuracy(arms: Mapping[str, Mapping[str, Any]]) -> str:
    worlds = [name for name in arms["begun"] if ", " not in name]
    variants = [n.removeprefix(worlds[-1]) for n in arms["begun"] if n.startswith(worlds[-1])]
    columns = [(arm, suffix) for arm in ("begun", "asked") for suffix in variants]
    names = ["world", *(f"{arm}{suffix}" for arm, suffix in columns)]
    return table(names, [[w, *(cell(arms[a].get(f"{w}{s}")) for a, s in columns)] for w in worlds])


def _readings(run: Path) -> Iterator[list[str]]:
    after = [_stage(run / "readings" / course)["result"] for course in COURSES]
    for world in after[0]:
        yield [world, *(f"{rows[world]['value']:.2f}" for rows in after)]


def _courses(run: Path) -> Iterator[list[str]]:
    for name in ("initial", "see", *COURSES):
        stage = _stage(run / name)
        config = stage["inputs"].get("config") or {}
        yield [name, str(config.get("max_steps", "")), f"{stage['seconds']:,.0f}"]


def _stage(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "stage.json").read_text(encoding="utf-8"))


def _examples(run: Path, pictures: Path) -> Iterator[str]:
    lines = (run / "eval" / "begun" / "attempts.jsonl").read_text(encoding="utf-8").splitlines()
    by_task: dict[str, list[dict[str, Any]]] = {}
    for row in map(json.loads, lines):
        by_task.setdefault(row["task"], []).append(row)
    for task, rows in by_task.items():
        yield f"\n### {task}\n"
        right = next((row for row in rows if row["correct"] is not None and row["correct"] >= RIGHT), None)
        wrong = next((row for row in rows if row["correct"] is not None and row["correct"] < WRONG), None)
        for label, row in (("Right", right), ("Wrong", wrong)):
            yield "".join(_example(label, row, run, pictures)) if row else f"\n{label}: none.\n"


def _example(label: str, row: Mapping[str, Any], run: Path, pictures: Path) -> Iterator[str]:
    yield f"\n**{label}.** {_plain(row['question'])} Gold: `{row['gold']}`; answered: `{row['said']}`.\n"
    for medium in row["media"]:
        shutil.copyfile(run / medium, pictures / Path(medium).name)
        yield f"\n![{row['task']}](sprout/{Path(medium).name})\n"
    text = row["text"] if len(row["text"]) <= SHOWN else f"{row['text'][:SHOWN]} ..."
    yield f"\n```text\n{text}\n```\n"


def _plain(text: str) -> str:
    return " ".join(text.split())


if __name__ == "__main__":
    main()
