"""What every drawn world is: it composes a scene, draws it, and asks about it.

A scene is plain data, and the drawing is a pure function of it: the formal description of a picture is what
the picture was drawn from. Every item depends on a hash of (world, split, seed, variant, index) and nothing
else.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, overload

import PIL.Image

from seethink.media import DrawnVideo, Frames, Image
from seethink.types import Example, Media

Scene = Mapping[str, Any]
"""What a picture shows, as JSON: objects with attributes and boxes, values of a chart, events of a clip."""
Pictures = Sequence[PIL.Image.Image]
LEVELS = (1, 2, 3, 4)
"""How hard an item is: more objects, longer sums, finer differences."""


@dataclass(frozen=True)
class Asked:
    """A question about a scene with its answer and the steps that lead to it."""

    question: str
    answer: str
    steps: tuple[str, ...]


Compose = Callable[[random.Random, str, int, bool], Scene]
"""(rng, kind of question, level, shifted) -> a scene."""
Ask = Callable[[random.Random, Scene], Asked | None]
"""A question about a scene; None where the scene has no good one, then another is composed."""


class World(Protocol):
    """A source of questions. `blind`: no one who does not look at the picture is right more often."""

    @property
    def name(self) -> str: ...
    @property
    def about(self) -> str: ...
    @property
    def verifier(self) -> str:
        """The name of the verifier that judges its answers."""
        ...

    @property
    def blind(self) -> float: ...

    def example(self, key: str, shifted: bool, level: int | None = None) -> Example: ...


@dataclass(frozen=True)
class Drawn:
    """A world told by its functions. Each kind of question is asked equally often.

    draw(scene) -> its pictures, or the frames of its clip. shifted: the variant with a renderer, sizes,
    densities, fonts or colours that the ordinary one never shows. clip: `draw` gives frames, of which the
    scene holds `frames_per_s`.
    """

    name: str
    about: str
    compose: Compose
    draw: Callable[[Scene], Pictures]
    kinds: Mapping[str, Ask]
    caption: Callable[[Scene], str]
    verifier: str
    blind: float
    pictures: int = 1
    clip: bool = False

    def example(self, key: str, shifted: bool, level: int | None = None) -> Example:
        rng = random.Random(key)
        level, kind = level or rng.choice(LEVELS), rng.choice(list(self.kinds))
        asked = None
        while asked is None:
            scene = self.compose(rng, kind, level, shifted)
            asked = self.kinds[kind](rng, scene)
        return Example(
            id=key,
            question=asked.question,
            media=self._media(key, scene),
            answer=asked.answer,
            steps=asked.steps,
            meta={
                "world": self.name,
                "kind": kind,
                "level": level,
                "caption": self.caption(scene),
                "formal": scene,
            },
        )

    def _media(self, key: str, scene: Scene) -> tuple[Media, ...]:
        if self.clip:
            return (DrawnVideo(key, lambda: self._filmed(scene)),)
        return tuple(Image.drawn(f"{key}/{i}", lambda i=i: self.draw(scene)[i]) for i in range(self.pictures))

    def _filmed(self, scene: Scene) -> Frames:
        pictures, rate = tuple(self.draw(scene)), scene["frames_per_s"]
        times_s = tuple(i / rate for i in range(len(pictures)))
        return Frames(pictures, times_s, len(pictures) / rate)


@dataclass(frozen=True)
class Exam:
    """Questions of several worlds, graded: every world is a category, and each question says its level."""

    name: str
    about: str
    worlds: tuple[World, ...]
    verifier: str

    @property
    def blind(self) -> float:
        return max(world.blind for world in self.worlds)

    def example(self, key: str, shifted: bool, level: int | None = None) -> Example:
        rng = random.Random(f"{key}/exam")
        world, level = rng.choice(self.worlds), level or rng.choice(LEVELS)
        example = world.example(key, shifted, level)
        return replace(example, meta={**example.meta, "world": self.name, "category": world.name})


@dataclass(frozen=True)
class Items(Sequence[Example]):
    """`n` questions of a world, lazily; equal names, splits, seeds and variants give equal examples, for
    ever."""

    world: World
    n: int
    split: str = "train"
    seed: int = 0
    shifted: bool = False

    @property
    def identity(self) -> str:
        variant = "shifted" if self.shifted else "practised"
        return f"drawn/{self.world.name}/{self.split}/{self.seed}/{variant}"

    def __len__(self) -> int:
        return self.n

    @overload
    def __getitem__(self, index: int) -> Example: ...
    @overload
    def __getitem__(self, index: slice) -> list[Example]: ...
    def __getitem__(self, index: int | slice) -> Example | list[Example]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(self.n))]
        return self.world.example(f"{self.identity}/{range(self.n)[index]}", self.shifted)
