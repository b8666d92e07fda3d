"""The interface of drawn worlds: compose a scene, draw it, and ask a question about it.

A scene is plain data and the drawing is a pure function of it, so the scene is the exact formal description
of its picture. Every item is determined by a hash of (world, split, seed, variant, index).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import PIL.Image

from seethink.media import DrawnVideo, Frames, Image
from seethink.sequences import LazySequence
from seethink.types import Example, Media

Scene = Mapping[str, Any]
"""The content of a picture as JSON: objects with attributes and boxes, values of a chart, events of a
clip."""
Pictures = Sequence[PIL.Image.Image]
LEVELS = (1, 2, 3, 4)
"""Difficulty levels: more objects, longer sums, finer differences. What level 1 shows has fixed places, its
words are few, and so are its kinds of questions."""


@dataclass(frozen=True)
class DrawnQuestion:
    """A question about a scene, with its answer and reasoning steps."""

    question: str
    answer: str
    steps: tuple[str, ...]


def running_sum(numbers: Sequence[int]) -> str:
    """A sum of several numbers in steps of two: "3 + 4 = 7, 7 - 2 = 5." """
    total, steps = numbers[0], []
    for number in numbers[1:]:
        sign = "+" if number >= 0 else "-"
        steps.append(f"{total} {sign} {abs(number)} = {total + number}")
        total += number
    return ", ".join(steps) + "."


def numbered(items: Iterable[str]) -> str:
    """ "1: milk 8, 2: honey 7"."""
    return ", ".join(f"{i}: {item}" for i, item in enumerate(items, 1))


Compose = Callable[[random.Random, str, int, bool], Scene]
"""(rng, kind of question, level, shifted) -> scene."""
Ask = Callable[[random.Random, Scene], DrawnQuestion | None]
"""(rng, scene) -> question; None if the scene allows no well-posed one, and then another scene is
composed."""


class World(Protocol):
    """A generator of questions."""

    @property
    def name(self) -> str: ...
    @property
    def about(self) -> str:
        """One sentence of description."""
        ...

    @property
    def verifier(self) -> str:
        """The name of the verifier of its answers."""
        ...

    @property
    def blind(self) -> float:
        """Upper bound of the accuracy without seeing the picture."""
        ...

    def example(self, key: str, shifted: bool, level: int | None = None) -> Example:
        """The example determined by `key`. level: in `LEVELS`; random if None."""
        ...


@dataclass(frozen=True)
class SceneWorld:
    """A world defined by functions on scenes. Kinds of questions are equally frequent.

    draw: scene -> its pictures, or the frames of its clip. kinds: name -> function that asks. easy: names of
    the kinds that level 1 asks; all if there are none. pictures: how many `draw` returns. clip: whether it
    returns frames, at `frames_per_s` of the scene. The shifted variant has a renderer, sizes, densities,
    fonts or colours that do not occur in the default one.
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
    easy: tuple[str, ...] = ()

    def only(self, *kinds: str) -> SceneWorld:
        """The world with some of its kinds of questions alone; its name lists them."""
        some = {kind: self.kinds[kind] for kind in kinds}
        return replace(self, name=f"{self.name}-{'-'.join(kinds)}", kinds=some, easy=())

    def asked(self, level: int) -> Sequence[str]:
        """The kinds of questions of a level."""
        return self.easy if level == 1 and self.easy else tuple(self.kinds)

    def example(self, key: str, shifted: bool, level: int | None = None) -> Example:
        rng = random.Random(key)
        level = level or rng.choice(LEVELS)
        kind = rng.choice(self.asked(level))
        question = None
        while question is None:
            scene = self.compose(rng, kind, level, shifted)
            question = self.kinds[kind](rng, scene)
        return Example(
            id=key,
            question=question.question,
            media=self._media(key, scene),
            answer=question.answer,
            steps=question.steps,
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
            return (DrawnVideo(key, lambda: self._frames(scene)),)
        return tuple(Image.drawn(f"{key}/{i}", lambda i=i: self.draw(scene)[i]) for i in range(self.pictures))

    def _frames(self, scene: Scene) -> Frames:
        pictures, rate = tuple(self.draw(scene)), scene["frames_per_s"]
        times_s = tuple(i / rate for i in range(len(pictures)))
        return Frames(pictures, times_s, len(pictures) / rate)


@dataclass(frozen=True)
class MixedWorld:
    """A mixture of worlds: each world is a category, given in meta with the level."""

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
class DrawnExamples(LazySequence[Example]):
    """`n` questions of a world, generated on access. Equal fields give equal examples.

    num_frames: of each clip; None shows all. The questions do not depend on it. level: of all questions, in
    `LEVELS`; None mixes them.
    """

    world: World
    n: int
    split: str = "train"
    seed: int = 0
    shifted: bool = False
    num_frames: int | None = None
    level: int | None = None

    @property
    def identity(self) -> str:
        return self._scenes + (f"/{self.num_frames} frames" if self.num_frames else "")

    @property
    def _scenes(self) -> str:
        variant = "shifted" if self.shifted else "practised"
        level = f"/level {self.level}" if self.level else ""
        return f"drawn/{self.world.name}/{self.split}/{self.seed}/{variant}{level}"

    def __len__(self) -> int:
        return self.n

    def item(self, i: int) -> Example:
        example = self.world.example(f"{self._scenes}/{i}", self.shifted, self.level)
        return replace(example, media=tuple(map(self._shown, example.media)))

    def _shown(self, medium: Media) -> Media:
        if isinstance(medium, DrawnVideo) and self.num_frames:
            return medium.with_frames(self.num_frames)
        return medium
