"""Styles of pages with lines and text: fonts, inks and papers of the default and of the shifted variant."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import PIL.Image
import PIL.ImageDraw
import PIL.ImageFont

from seethink.sources.fonts import font

PRACTISED_FONTS = ("DejaVuSans.ttf", "DejaVuSerif.ttf", "DejaVuSansMono.ttf", "DejaVuSans-Bold.ttf")
UNSEEN_FONTS = ("STIXGeneral.ttf", "STIXGeneralBol.ttf", "cmss10.ttf", "DejaVuSans-Oblique.ttf")
INKS = {
    "black": (25, 25, 25), "red": (200, 35, 35), "blue": (35, 75, 200), "green": (25, 130, 60)
}  # fmt: skip
CHALKS = {
    "white": (240, 240, 235), "yellow": (250, 225, 110), "pink": (255, 170, 190), "cyan": (140, 225, 240)
}  # fmt: skip


def style(rng: random.Random, shifted: bool) -> dict[str, Any]:
    """Random font, paper and inks of a page; the shifted variant is light on dark, in other fonts."""
    if shifted:
        shade = rng.randint(20, 55)
        inks = rng.sample(list(CHALKS.values()), len(CHALKS))
        return {"font": rng.choice(UNSEEN_FONTS), "paper": [shade, shade + 18, shade + 10], "inks": inks}
    inks = rng.sample(list(INKS.values()), len(INKS))
    return {"font": rng.choice(PRACTISED_FONTS), "paper": [rng.randint(238, 255)] * 3, "inks": inks}


class WrittenText(NamedTuple):
    """A line of text on a picture. left, middle: of the line, in pixels."""

    text: str
    left: float
    middle: float
    font: PIL.ImageFont.FreeTypeFont

    def centres(self) -> Iterator[tuple[str, float, float]]:
        """(character, x, y of its centre) of all characters but blanks."""
        ends = [self.left + self.font.getlength(self.text[: i + 1]) for i in range(len(self.text))]
        for character, start, end in zip(self.text, [self.left, *ends], ends, strict=False):
            if character != " ":
                yield character, (start + end) / 2, self.middle


class Pen(PIL.ImageDraw.ImageDraw):
    """A drawing context that lists the text it writes as `info["written"]` of the picture."""

    def __init__(self, picture: PIL.Image.Image) -> None:
        super().__init__(picture)
        self.written: list[WrittenText] = picture.info.setdefault("written", [])

    def text(
        self, xy: Any, text: str, fill: Any = None, font: Any = None, anchor: str = "la", **options: Any
    ) -> None:
        super().text(xy, text, fill, font, anchor, **options)
        left, top, _, bottom = font.getbbox(text, anchor=anchor)
        self.written.append(WrittenText(text, xy[0] + left, xy[1] + (top + bottom) / 2, font))


def blank(scene: Mapping[str, Any]) -> tuple[PIL.Image.Image, Pen]:
    """(an empty page of `scene["size"]`, its drawing context)."""
    picture = PIL.Image.new("RGB", tuple(scene["size"]), tuple(scene["style"]["paper"]))
    return picture, Pen(picture)


def fitting(name: str, texts: Sequence[str], width_px: float, largest_px: int) -> PIL.ImageFont.FreeTypeFont:
    """The font in the largest size, from 9 to `largest_px`, in which each text is at most `width_px` wide."""
    for size in range(largest_px, 9, -1):
        if max(font(name, size).getlength(text) for text in texts) <= width_px:
            return font(name, size)
    return font(name, 9)


def faint(scene: Mapping[str, Any]) -> tuple[int, ...]:
    """The colour of unobtrusive lines, between paper and ink."""
    paper, ink = scene["style"]["paper"], scene["style"]["inks"][0]
    return tuple((3 * p + i) // 4 for p, i in zip(paper, ink, strict=True))
