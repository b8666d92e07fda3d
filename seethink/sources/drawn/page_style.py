"""Styles of pages with lines and text: fonts, inks and papers of the default and of the shifted variant."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

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


def blank(scene: Mapping[str, Any]) -> tuple[PIL.Image.Image, PIL.ImageDraw.ImageDraw]:
    """(an empty page of `scene["size"]`, its drawing context)."""
    picture = PIL.Image.new("RGB", tuple(scene["size"]), tuple(scene["style"]["paper"]))
    return picture, PIL.ImageDraw.Draw(picture)


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
