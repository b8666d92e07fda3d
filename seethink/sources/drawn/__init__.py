"""Drawn worlds: procedurally generated data sets whose pictures come with question, answer, reasoning steps,
caption and formal description.

`by_name("grounding", 1000)` gives 1,000 questions of a world, generated on access; the command line takes
`--data drawn:grounding:1000`, and `drawn:grounding:1000:level1` for the easiest level alone.
"""

from __future__ import annotations

import random
from dataclasses import replace

from seethink.sources.drawn.charts import CHARTS
from seethink.sources.drawn.clips import CLIPS
from seethink.sources.drawn.counting import COUNTING
from seethink.sources.drawn.detection import DETECTION
from seethink.sources.drawn.geometry import GEOMETRY
from seethink.sources.drawn.grounding import GROUNDING
from seethink.sources.drawn.rendered_text import TEXT
from seethink.sources.drawn.screens import SCREENS
from seethink.sources.drawn.spatial import SPATIAL
from seethink.sources.drawn.world import LEVELS, DrawnExamples, MixedWorld, SceneWorld, World
from seethink.types import Example, InputError

EXAMS = MixedWorld(
    "exams",
    "A mixture of counting, spatial, geometry, charts, text and screens, with category and level in meta.",
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


def by_name(
    name: str,
    n: int,
    split: str = "train",
    seed: int = 0,
    shifted: bool = False,
    level: int | None = None,
) -> DrawnExamples:
    """`n` questions of a world. shifted: of its variant for out-of-distribution tests. level: of all of them;
    None mixes the levels. Raises InputError for an unknown world or level, or n < 1."""
    if name not in WORLDS:
        raise InputError(f"unknown drawn world {name!r}; the worlds are {', '.join(WORLDS)}")
    if n < 1:
        raise InputError(f"n={n} is not a number of questions; set it to at least 1")
    if level not in (None, *LEVELS):
        raise InputError(f"level={level!r} is no level; the levels are {', '.join(map(str, LEVELS))}")
    return DrawnExamples(WORLDS[name], n, split, seed, shifted, level=level)


def by_address(address: str) -> DrawnExamples:
    """The questions of an address `drawn:WORLD:N`, optionally followed by `:test`, `:shifted`, `:levelL` and
    `:SEED` in any order. Raises InputError for any other text."""
    name, _, rest = address.removeprefix(PREFIX).partition(":")
    count, *options = rest.split(":")
    words, seeds = {"test", "shifted"} & {*options}, [word for word in options if word.isdecimal()]
    levels = [level for level in LEVELS if f"level{level}" in options]
    known = len(words) + len(seeds) + len(levels) == len(options)
    if not count.isdecimal() or not known or len(seeds) > 1 or len(levels) > 1:
        raise InputError(
            f"{address} is not an address; write {PREFIX}WORLD:N, then :test, :shifted, "
            f":level{LEVELS[0]} to :level{LEVELS[-1]} or a seed"
        )
    split, seed = "test" if "test" in words else "train", int(seeds[0]) if seeds else 0
    return by_name(name, int(count), split, seed, "shifted" in words, levels[0] if levels else None)


def another_question(rng: random.Random, example: Example) -> Example:
    """Another question of the same kind about the picture of a drawn example; the same one where eight draws
    give no other."""
    meta = example.meta
    name = meta.get("category", meta["world"])  # of a mixture, one of its worlds
    world = WORLDS[name.partition("-")[0]]  # of `SceneWorld.only`, the whole
    assert isinstance(world, SceneWorld)
    for _ in range(8):
        drawn = world.kinds[meta["kind"]](rng, meta["formal"])
        if drawn and drawn.question != example.question:
            return replace(example, question=drawn.question, answer=drawn.answer, steps=drawn.steps)
    return example
