"""Animated pictures as clips, where Pillow knows what FFmpeg does not: WebP, AVIF, the length of an APNG."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import PIL.Image

from seethink.media import decoding, whole
from seethink.media.clip import Frames, Video
from seethink.media.resize import size_within

ANIMATIONS_OF_PILLOW = ("WEBP", "PNG", "AVIF")
LEAST_MS = 10
"""A frame of less is shown for 100 ms, as browsers do."""


class Animation(Video):
    """An animated picture file as a clip; frames are chosen as `Video` does."""

    def load(self) -> Frames:
        """The selected frames, transparent parts white. Raises InputError, which names the file."""
        starts_s = [start_s for start_s, _ in self._frames()]
        length_s = starts_s.pop()
        wanted = [sum(start_s <= time_s for start_s in starts_s) - 1 for time_s in self._wanted_s(length_s)]
        shown = {
            i: self._small(picture)
            for i, (_, picture) in enumerate(self._frames())
            if picture is not None and i in wanted
        }
        times_s = tuple(round(float(starts_s[i]), 3) for i in wanted)
        start_s, end_s = self._part_s(length_s)
        return Frames(tuple(shown[i] for i in wanted), times_s, float(length_s), float(end_s - start_s))

    def duration_s(self) -> float:
        """The duration in seconds; every frame is decoded."""
        *_, (length_s, _) = self._frames()
        return float(length_s)

    def size(self) -> tuple[int, int]:
        """(width, height) of the frames in pixels, from the header."""
        with decoding.opened(self.path, str(self.path), animated=True) as picture:
            return picture.size

    def _frames(self) -> Iterator[tuple[Fraction, PIL.Image.Image | None]]:
        """(start in seconds, decoded frame) of each frame, then (length of the clip, None)."""
        if why := whole.cut_short(self.path):
            raise decoding.PictureError(f"{self.path} is cut short: {why}; replace the file")
        start_ms = 0
        with decoding.opened(self.path, str(self.path), animated=True) as picture:
            film: Any = picture
            for i in range(film.n_frames):
                try:
                    film.seek(i)
                    film.load()
                except Exception as error:  # Pillow's decoders raise errors of many kinds at broken files
                    raise decoding.PictureError(f"{self.path} is broken at frame {i + 1}: {error}") from error
                yield Fraction(start_ms, 1_000), film
                shown_ms = round(film.info.get("duration", 0))
                start_ms += shown_ms if shown_ms >= LEAST_MS else 100
        yield Fraction(start_ms, 1_000), None

    def _small(self, picture: PIL.Image.Image) -> PIL.Image.Image:
        rgb = decoding.on_white(picture)
        return rgb.resize(size_within(*rgb.size, self.max_px))
