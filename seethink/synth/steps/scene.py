"""Scene descriptions: a list of objects, from a CLEVR scene file or by a vision teacher."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from seethink.engines.base import Request
from seethink.formats.messages import chat_message
from seethink.identity import seed_of
from seethink.sources import clevr
from seethink.synth.draft import AskTeacher, Draft, Dropped, FormalDescription, StepVerdict
from seethink.synth.prompting import ask_until_valid
from seethink.types import GREEDY, Sampling


@dataclass(frozen=True)
class SceneStep:
    """Describe the image as a list of its objects, in an order shuffled with a hashed seed.

    An example of `sources.clevr` has the renderer's list (meta `scene`); for any other a vision teacher
    writes it. Source: R1-V's generate_scene_qa_pairs notebook, which has scene files only.
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

    async def __call__(self, draft: Draft, ask: AskTeacher) -> Draft | Dropped:
        example = draft.example
        if objects := example.meta.get("scene"):
            if fault := clevr.scene_fault(objects):
                return Dropped("invalid", f"its scene {fault}")
            text = listed(objects, random.Random(f"{self.name}/scene/{example.id}"))
            verdict = StepVerdict(None, f"{len(objects)} objects, from the scene file")
            return replace(draft, formal=(*draft.formal, FormalDescription("scene", text)), verdict=verdict)
        sampling = replace(self.sampling, seed=seed_of(example.id, self.name, "scene"))
        messages = [chat_message("user", *example.media, f"\n\n{self.wording}")]
        request = Request(f"{self.name}/scene", example, "vision", messages, sampling)
        text = await ask_until_valid(ask, request, _read, self.retries, self.reminder)
        if isinstance(text, Dropped):
            return text
        return replace(draft, formal=(*draft.formal, FormalDescription("scene", text)))


def _read(text: str) -> str | Dropped:
    return text.strip() or Dropped("invalid", "the description is empty")


def listed(objects: Sequence[Mapping[str, Any]], rng: random.Random) -> str:
    """The objects of a CLEVR scene, one per line, shuffled: kind, rotation (degrees, one decimal), 3-D
    coordinates (two decimals) and pixel coordinates (whole numbers)."""
    shuffled = [*objects]
    rng.shuffle(shuffled)
    return "\n".join(_line(item) for item in shuffled)


def _line(item: Mapping[str, Any]) -> str:
    space = ", ".join(f"{value:.2f}" for value in item["3d_coords"])
    pixels = ", ".join(f"{value:.0f}" for value in item["pixel_coords"][:2])
    kind = " ".join(str(item[name]) for name in ("size", "color", "material", "shape"))
    return f"- {kind}, rotation {item['rotation']:.1f}, at ({space}) in space, ({pixels}) in pixels"
