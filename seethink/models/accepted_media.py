"""Which pictures and clips a model takes, asked of its processor before any work.

Sizes are read from headers, and each distinct one is judged once: by the processor's own function of sizes
where it has one, and by a blank picture that the whole processor gets, for sizes that are more extreme than
all accepted so far. So the answer is the processor's own, for every family.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any, Literal, NamedTuple

import PIL.Image

from seethink.media import DrawnVideo, Frames, Image, Video
from seethink.media.resize import size_within
from seethink.models.encoder import Encoder, takes, texts_of
from seethink.types import InputError, Media, Task

Kind = Literal["image", "video"]

ORDINARY_RATIO = 4
ORDINARY_SIDE_PX = 64
"""Sizes up to this ratio and from this side on are judged together, by the first of them."""
BLANK_FRAMES = 2
"""Of a blank clip; one for a clip that has no more."""


class _Size(NamedTuple):
    """Of a medium, as the processor sees it."""

    kind: Kind
    width: int
    height: int
    frames: int


class AcceptedMedia:
    """The sizes that an encoder's processor and model take, learned on demand.

    tried: blank media given to the processor so far.
    """

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder
        self.tried = 0
        self._judged: dict[_Size, str | None] = {}
        self._taken: set[str] = set()
        self._accepted: dict[tuple[Kind, int], list[tuple[int, int]]] = defaultdict(list)
        self._count_patches = _patch_counter(encoder.processor)

    def refuse(self, medium: Media) -> None:
        """Raise InputError, which names the medium, if the model does not take it. A medium without a header,
        such as a drawn clip, passes."""
        if not isinstance(medium, Image | Video) or medium.key in self._taken:
            return
        (width, height), frames = medium.size(), 1
        if isinstance(medium, Video):
            width, height = size_within(width, height, medium.max_px)
            frames = min(medium.frame_count(), BLANK_FRAMES)
        if why := self.why_not(medium.kind, width, height, frames):
            name = medium.path if isinstance(medium, Video) else medium.where
            raise InputError(
                f"the model cannot take {name} of {width} x {height} pixels: {why}; pad, crop or enlarge it, "
                "or remove the row"
            )
        self._taken.add(medium.key)

    def why_not(self, kind: Kind, width: int, height: int, frames: int = BLANK_FRAMES) -> str | None:
        """Why the model does not take media of this size; None if it does. frames: of a clip, at most
        `BLANK_FRAMES`."""
        size = _Size(kind, width, height, frames if kind == "video" else 1)
        if size not in self._judged:
            self._judged[size] = self._judge(size)
        return self._judged[size]

    def _judge(self, size: _Size) -> str | None:
        if not self._fails_by_size(size) and self._surpassed(size):
            return None
        why = self._try(size)
        if why is None:
            self._accepted[size.kind, size.frames].append((size.width, size.height))
        return why

    def _surpassed(self, size: _Size) -> bool:
        """Whether an accepted size is as ordinary, or as long and as narrow in the same direction."""
        width, height, accepted = size.width, size.height, self._accepted[size.kind, size.frames]
        if _is_ordinary(width, height):
            return any(_is_ordinary(*one) for one in accepted)
        if max(width, height) < ORDINARY_SIDE_PX:  # rounding to patches: each small size is a case of its own
            return False
        short, long = sorted((width, height))
        return any(
            (w > h) == (width > height) and min(w, h) <= short and max(w, h) >= long for w, h in accepted
        )

    def _fails_by_size(self, size: _Size) -> bool:
        """Whether the processor's function of sizes fails, if it has one: a quick look; a blank decides."""
        if size.kind != "image" or self._count_patches is None:
            return False
        try:
            self._count_patches(size.height, size.width)
        except (ValueError, ArithmeticError):
            return True
        return False

    def _try(self, size: _Size) -> str | None:
        """What the processor says to a blank medium of this size; None if it takes it."""
        self.tried += 1
        kind, blank = size.kind, _blank(size)
        content = [{"type": kind, kind: blank}, {"type": "text", "text": "?"}]
        try:
            (prompt,) = self.encoder.prompts([[{"role": "user", "content": content}]])
        except Exception as error:  # each processor has errors of its own
            return f"{error}" or type(error).__name__
        tokens, least = prompt.ids.count(self.encoder.image_token_id), self.encoder.family.least_image_tokens
        if kind == "image" and tokens < least:
            return f"it becomes {tokens} token(s), and this family needs at least {least}"
        return None


def _patch_counter(processor: Any) -> Callable[[int, int], object] | None:
    """(height, width) -> number of patches, by the processor's own function; None where it has none, or one
    of another signature."""
    count: Any = getattr(getattr(processor, "image_processor", None), "get_number_of_image_patches", None)
    return (lambda height, width: count(height, width, {})) if takes(count, 28, 28, {}) else None


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
        raise InputError.of_rows(faults)


def is_drawn(medium: Media) -> bool:
    """Whether a function draws the medium, so that it has no header."""
    return callable(medium.source) if isinstance(medium, Image) else isinstance(medium, DrawnVideo)


def _is_ordinary(width: int, height: int) -> bool:
    return (
        max(width, height) <= ORDINARY_RATIO * min(width, height) and min(width, height) >= ORDINARY_SIDE_PX
    )


def _blank(size: _Size) -> Media:
    picture = PIL.Image.new("RGB", (size.width, size.height))
    key = f"blank {size}"
    if size.kind == "image":
        return Image.drawn(key, lambda: picture)
    times_s = tuple(i / size.frames for i in range(size.frames))
    return DrawnVideo(key, lambda: Frames((picture,) * size.frames, times_s, 1.0))
