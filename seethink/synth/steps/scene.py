"""A scene as a list of objects: from a CLEVR scene file, or as a teacher sees it."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from seethink.engines.teacher import Call
from seethink.sources import clevr
from seethink.synth.asking import said, seed_of, until_read
from seethink.synth.draft import Ask, Draft, Dropped, Formal, Verdict
from seethink.types import GREEDY, Sampling


@dataclass(frozen=True)
class Scene:
    """The picture as a list of its objects, in an order drawn by hash, so that position says nothing.

    An example of `sources.clevr` brings the renderer's own list (meta `scene`); any other is put to a teacher
    that sees. Source: R1-V's generate_scene_qa_pairs notebook, which has the former alone.
    """

    name: str = "describe"
    retries: int = 2
    sampling: Sampling = field(default=replace(GREEDY, max_tokens=2048))
    wording: str = (
        "List every object in the picture, one a line, in any order, each with what can be told of it: size, "
        "color, material, shape, rotation, 3-D coordinates, and pixel coordinates of its centre. Write "
        "numbers as numbers. No answer to any question, nothing but the list."
    )
    reminder: str = "Write nothing but the list, one object a line."

    async def __call__(self, draft: Draft, ask: Ask) -> Draft | Dropped:
        example = draft.example
        if objects := example.meta.get("scene"):
            if fault := clevr.fault_of(objects):
                return Dropped("invalid", f"its scene {fault}")
            text = listed(objects, random.Random(f"{self.name}/scene/{example.id}"))
            told = Verdict(None, f"{len(objects)} objects, from the scene file")
            return replace(draft, formal=(*draft.formal, Formal("scene", text)), verdict=told)
        sampling = replace(self.sampling, seed=seed_of(example.id, self.name, "scene"))
        messages = [said("user", *example.media, f"\n\n{self.wording}")]
        call = Call(f"{self.name}/scene", example, "see", messages, sampling)
        text = await until_read(ask, call, _read, self.retries, self.reminder)
        if isinstance(text, Dropped):
            return text
        return replace(draft, formal=(*draft.formal, Formal("scene", text)))


def _read(text: str) -> str | Dropped:
    return text.strip() or Dropped("invalid", "the description is empty")


def listed(objects: Sequence[Mapping[str, Any]], rng: random.Random) -> str:
    """A line for each object of a CLEVR scene, shuffled: what it is, its rotation (degrees, one decimal), its
    place in space (two decimals) and in the picture (whole pixels)."""
    shuffled = [*objects]
    rng.shuffle(shuffled)
    return "\n".join(_line(thing) for thing in shuffled)


def _line(thing: Mapping[str, Any]) -> str:
    space = ", ".join(f"{value:.2f}" for value in thing["3d_coords"])
    pixels = ", ".join(f"{value:.0f}" for value in thing["pixel_coords"][:2])
    kind = " ".join(str(thing[name]) for name in ("size", "color", "material", "shape"))
    return f"- {kind}, rotation {thing['rotation']:.1f}, at ({space}) in space, ({pixels}) in pixels"
