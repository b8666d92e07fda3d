"""Which pictures and clips a model takes, asked of its processor before any work.

Sizes are read from headers, and each distinct one is judged once: by the processor's own function of sizes
where it has one, and by a blank picture that the whole processor gets, for sizes that are more extreme than
all accepted so far. So the answer is the processor's own, for every family.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any, Literal

import PIL.Image

from seethink.media import DrawnVideo, Frames, Image, Video
from seethink.media.resize import size_within
from seethink.models.encoder import Encoder, texts_of
from seethink.types import InputError, Media, Task

_LOG = logging.getLogger(__name__)

Kind = Literal["image", "video"]

ORDINARY_RATIO = 4
ORDINARY_SIDE_PX = 64
"""Sizes up to this ratio and from this side on are judged together, by the first of them."""
BLANK_FRAMES = 2


class AcceptedMedia:
    """The sizes that an encoder's processor and model take, learned on demand.

    tried: blank media given to the processor so far.
    """

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder
        self.tried = 0
        self._judged: dict[tuple[Kind, int, int], str | None] = {}
        self._taken: set[str] = set()
        self._accepted: dict[Kind, list[tuple[int, int]]] = {"image": [], "video": []}

    def refuse(self, medium: Media) -> None:
        """Raise InputError, which names the medium, if the model does not take it. A medium without a header,
        such as a drawn clip, passes."""
        if not isinstance(medium, Image | Video) or medium.key in self._taken:
            return
        width, height = medium.size()
        if isinstance(medium, Video):
            width, height = size_within(width, height, medium.max_px)
        if why := self.why_not(medium.kind, width, height):
            name = medium.path if isinstance(medium, Video) else medium.where
            raise InputError(
                f"the model cannot take {name} of {width} x {height} pixels: {why}; pad, crop or enlarge it, "
                "or remove the row"
            )
        self._taken.add(medium.key)

    def why_not(self, kind: Kind, width: int, height: int) -> str | None:
        """Why the model does not take media of this size; None if it does."""
        key = (kind, width, height)
        if key not in self._judged:
            self._judged[key] = self._judge(kind, width, height)
        return self._judged[key]

    def _judge(self, kind: Kind, width: int, height: int) -> str | None:
        if not self._fails_by_size(kind, width, height) and self._surpassed(kind, width, height):
            return None
        why = self._try(kind, width, height)
        if why is None:
            self._accepted[kind].append((width, height))
        return why

    def _surpassed(self, kind: Kind, width: int, height: int) -> bool:
        """Whether an accepted size is as ordinary, or as long and as narrow in the same direction."""
        if _is_ordinary(width, height):
            return any(_is_ordinary(*size) for size in self._accepted[kind])
        if max(width, height) < ORDINARY_SIDE_PX:  # rounding to patches: each small size is a case of its own
            return False
        short, long = sorted((width, height))
        return any(
            (w > h) == (width > height) and min(w, h) <= short and max(w, h) >= long
            for w, h in self._accepted[kind]
        )

    def _fails_by_size(self, kind: Kind, width: int, height: int) -> bool:
        """Whether the processor's function of sizes fails, if it has one: a quick look; a blank decides."""
        image_processor = getattr(self.encoder.processor, "image_processor", None)
        count: Any = getattr(image_processor, "get_number_of_image_patches", None)
        if kind != "image" or count is None:
            return False
        try:
            count(height, width, {})
        except Exception as error:
            _LOG.debug("%s: %s", (width, height), error)
            return True
        return False

    def _try(self, kind: Kind, width: int, height: int) -> str | None:
        """What the processor says to a blank medium of this size; None if it takes it."""
        self.tried += 1
        blank = _blank(kind, width, height)
        content = [{"type": kind, kind: blank}, {"type": "text", "text": "?"}]
        try:
            (prompt,) = self.encoder.prompts([[{"role": "user", "content": content}]])
        except Exception as error:  # each processor has errors of its own
            return f"{error}" or type(error).__name__
        tokens, least = prompt.ids.count(self.encoder.image_token_id), self.encoder.family.least_image_tokens
        if kind == "image" and tokens < least:
            return f"it becomes {tokens} token(s), and this family needs at least {least}"
        return None


def refuse_unusable(engine: object, tasks: Iterable[Task]) -> None:
    """Raise InputError for the first example with a medium that the engine's model does not take, or with a
    control token in its prompt, with the number of the others. Drawn media are not looked at, and nothing is
    where the engine has no model here.
    """
    encoder = getattr(engine, "encoder", None)
    if not isinstance(encoder, Encoder):
        return
    accepted, faults = AcceptedMedia(encoder), []
    for task, example in ((one, example) for one in tasks for example in one.examples):
        try:
            encoder.control_tokens.refuse(texts_of(task.format.prompt(example)), "prompt")
            for medium in example.media:
                if not is_drawn(medium):
                    accepted.refuse(medium)
        except InputError as error:
            faults.append(f"{example.label}: {error}")
    if faults:
        others = len(faults) - 1
        more = f"; {others:,} more {'row is' if others == 1 else 'rows are'} at fault" if others else ""
        raise InputError(f"{faults[0]}{more}")


def is_drawn(medium: Media) -> bool:
    """Whether a function draws the medium, so that it has no header."""
    return callable(medium.source) if isinstance(medium, Image) else isinstance(medium, DrawnVideo)


def _is_ordinary(width: int, height: int) -> bool:
    return (
        max(width, height) <= ORDINARY_RATIO * min(width, height) and min(width, height) >= ORDINARY_SIDE_PX
    )


def _blank(kind: Kind, width: int, height: int) -> Media:
    picture = PIL.Image.new("RGB", (width, height))
    key = f"blank {kind} of {width} x {height}"
    if kind == "image":
        return Image.drawn(key, lambda: picture)
    times_s = tuple(i / BLANK_FRAMES for i in range(BLANK_FRAMES))
    return DrawnVideo(key, lambda: Frames((picture,) * BLANK_FRAMES, times_s, 1.0))
