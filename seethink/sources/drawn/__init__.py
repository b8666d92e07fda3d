"""Worlds that we draw: every picture comes with its question, answer, steps, caption and formal description.

`by_name("grounding", 1000)` gives questions of a world, lazily; the command line takes
`--data drawn:grounding:1000`.
"""

from __future__ import annotations

from seethink.sources.drawn.charts import CHARTS
from seethink.sources.drawn.clips import CLIPS
from seethink.sources.drawn.detection import DETECTION
from seethink.sources.drawn.geometry import GEOMETRY
from seethink.sources.drawn.grounding import GROUNDING
from seethink.sources.drawn.screens import SCREENS
from seethink.sources.drawn.spatial import SPATIAL
from seethink.sources.drawn.tally import COUNTING
from seethink.sources.drawn.text import TEXT
from seethink.sources.drawn.world import Exam, Items, World
from seethink.types import InputError

EXAMS = Exam(
    "exams",
    "Counting, space, geometry, charts, texts and screens mixed; each question says its category and level.",
    (COUNTING, SPATIAL, GEOMETRY, CHARTS, TEXT, SCREENS),
    "same_answer",
)
WORLDS: dict[str, World] = {
    world.name: world
    for world in (
        COUNTING, GROUNDING, DETECTION, SPATIAL, GEOMETRY, CHARTS, TEXT, SCREENS, CLIPS, EXAMS
    )
}  # fmt: skip
PREFIX = "drawn:"


def by_name(name: str, n: int, split: str = "train", seed: int = 0, shifted: bool = False) -> Items:
    """`n` questions of a world. Raises InputError for a world that there is not."""
    if name not in WORLDS:
        raise InputError(f"unknown drawn world {name!r}; the worlds are {', '.join(WORLDS)}")
    if n < 1:
        raise InputError(f"n={n} questions cannot be drawn; ask for at least 1")
    return Items(WORLDS[name], n, split, seed, shifted)


def by_address(address: str) -> Items:
    """`drawn:WORLD:N`, and after it, apart by colons and in any order: `test`, `shifted`, and a seed."""
    name, _, rest = address.removeprefix(PREFIX).partition(":")
    count, *more = rest.split(":")
    words, seeds = {"test", "shifted"} & {*more}, [word for word in more if word.isdecimal()]
    if not count.isdecimal() or len(words) + len(seeds) != len(more) or len(seeds) > 1:
        raise InputError(f"{address} cannot be read; write {PREFIX}WORLD:N, then :test, :shifted or a seed")
    split = "test" if "test" in words else "train"
    return by_name(name, int(count), split, int(seeds[0]) if seeds else 0, "shifted" in words)
