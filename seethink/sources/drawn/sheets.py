"""Generator of docs/gallery.md: one contact sheet of examples for each drawn world, and the page."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Sequence
from pathlib import Path

import PIL.Image
import PIL.ImageDraw

from seethink.boxes import read_boxes
from seethink.lock import writable
from seethink.media import Frames
from seethink.sources.drawn import WORLDS, by_name
from seethink.sources.drawn.world import MixedWorld, SceneWorld, World
from seethink.sources.fonts import font
from seethink.types import Example

COLUMNS, CARD_PX, GAP_PX = 4, 300, 12
LETTERS, LINE_PX, LINE_LETTERS = ("DejaVuSans.ttf", 12), 16, 42
GOLD = (255, 0, 170)
"""Colour of the reference boxes; no world uses it."""


def write_gallery(page: Path) -> None:
    """Write the page, and a folder of the same name beside it with one PNG file for each world."""
    folder = page.with_suffix("")
    with writable(page):
        folder.mkdir(parents=True, exist_ok=True)
    for world in WORLDS.values():
        part, drawn = folder / f"{world.name}.part", sheet(world)
        with writable(page):
            drawn.save(part, format="PNG", optimize=True)
            os.replace(part, folder / f"{world.name}.png")
    part = page.with_suffix(".part")
    with writable(page):
        part.write_text(text(folder.name), encoding="utf-8")
        os.replace(part, page)


def text(folder: str) -> str:
    """The page in Markdown. folder: of the sheets, relative to the page."""
    head = """# Drawn worlds

A drawn world is a procedurally generated data set: every picture comes with question, answer, reasoning
steps, caption and formal description. In each sheet, the upper row shows the default variant and the lower
row the shifted one, for out-of-distribution tests: its renderer, sizes, densities, fonts or colours do not
occur in the default variant.

`--data drawn:NAME:N` gives N questions of a world, optionally followed by `:test`, `:shifted`, a seed, or
`:level1` (the easiest) to `:level4`:
`seethink eval --model sprout --data drawn:counting:100:test:shifted --verifier same_number`. In Python:
`drawn.by_name("counting", 100, "test", shifted=True)`. `seethink gallery` generates this page.

*Blind accuracy* is an upper bound of the accuracy without seeing the picture (for boxes: of giving exactly
the same boxes).
"""
    return head + "".join(_section(world, folder) for world in WORLDS.values())


def _section(world: World, folder: str) -> str:
    parts = world.worlds if isinstance(world, MixedWorld) else ()
    categories = f" Categories: {', '.join(part.name for part in parts)}." if parts else ""
    easy = world.easy if isinstance(world, SceneWorld) else ()
    kinds = f" Level 1 asks for {', '.join(easy)} alone." if easy else ""
    return (
        f"\n## {world.name}\n\n{world.about}{categories}{kinds} "
        f"Verifier: `{world.verifier}`. Blind accuracy: at most {world.blind:.0%}.\n\n"
        f"![{world.name}]({folder}/{world.name}.png)\n"
    )


def sheet(world: World) -> PIL.Image.Image:
    """Eight cards, four of each variant, of as many kinds as possible."""
    cards = [card for shifted in (False, True) for card in _cards(world, shifted)]
    rows = [cards[i : i + COLUMNS] for i in range(0, len(cards), COLUMNS)]
    heights = [max(card.height for card in row) for row in rows]
    size = (COLUMNS * (CARD_PX + GAP_PX) + GAP_PX, sum(heights) + GAP_PX * (len(rows) + 1))
    whole = PIL.Image.new("RGB", size, (205, 208, 212))
    y = GAP_PX
    for row, height in zip(rows, heights, strict=True):
        for i, card in enumerate(row):
            x = GAP_PX + i * (CARD_PX + GAP_PX)
            whole.paste((255, 255, 255), (x, y, x + CARD_PX, y + height))
            whole.paste(card, (x, y))
        y += height + GAP_PX
    return whole


def _cards(world: World, shifted: bool) -> list[PIL.Image.Image]:
    """Four examples of different kinds (or categories) if possible. With more than four kinds, the default
    variant shows the first ones and the shifted variant the last ones."""
    first: dict[str, Example] = {}
    rest: list[Example] = []
    for example in by_name(world.name, 60, "gallery", shifted=shifted):
        kind = example.meta.get("category", example.meta["kind"])
        if first.setdefault(kind, example) is not example:
            rest.append(example)
    chosen = [first[kind] for kind in sorted(first)]
    chosen = [*rest[: max(0, COLUMNS - len(chosen))], *chosen]
    return [_card(example) for example in (chosen[-COLUMNS:] if shifted else chosen[:COLUMNS])]


def _card(example: Example) -> PIL.Image.Image:
    """Pictures, question and answer, from top to bottom."""
    kinds = [example.meta[name] for name in ("category", "kind") if name in example.meta]
    lines = [f"{', '.join(kinds)}, level {example.meta['level']}"]
    lines += textwrap.wrap(example.question, LINE_LETTERS)
    answer = textwrap.wrap(f"Answer: {example.answer}", LINE_LETTERS)
    media = _media_strip(example)
    height = media.height + LINE_PX * (len(lines) + len(answer)) + 26
    card = PIL.Image.new("RGB", (CARD_PX, height), (255, 255, 255))
    card.paste(media, ((CARD_PX - media.width) // 2, 5))
    pen, y = PIL.ImageDraw.Draw(card), media.height + 12
    inks = [(130, 130, 130), *[(20, 20, 20)] * (len(lines) - 1), *[(0, 95, 60)] * len(answer)]
    for line, ink in zip([*lines, *answer], inks, strict=True):
        pen.text((8, y), line, ink, font(*LETTERS))
        y += LINE_PX
    return card


def _media_strip(example: Example) -> PIL.Image.Image:
    """All pictures and frames at the width of a card, with the reference boxes."""
    pictures: list[PIL.Image.Image] = []
    for medium in example.media:
        loaded = medium.load()
        pictures += loaded.pictures if isinstance(loaded, Frames) else [loaded]
    if len(pictures) == 1:
        for box in read_boxes(example.answer or "") or ():
            frame = (box.x1 - 3, box.y1 - 3, box.x2 + 2, box.y2 + 2)
            PIL.ImageDraw.Draw(pictures[0]).rectangle(frame, outline=GOLD, width=2)
    return _side_by_side(pictures, columns=min(4, len(pictures)))


def _side_by_side(pictures: Sequence[PIL.Image.Image], columns: int) -> PIL.Image.Image:
    room = (CARD_PX - 10 - 4 * (columns - 1)) // columns
    small = [picture.copy() for picture in pictures]
    for picture in small:
        picture.thumbnail((room, CARD_PX - 10), PIL.Image.Resampling.LANCZOS)
    width, height = small[0].size
    rows = -(-len(small) // columns)
    size = (columns * width + 4 * (columns - 1), rows * height + 4 * (rows - 1))
    strip = PIL.Image.new("RGB", size, (205, 208, 212))
    for i, picture in enumerate(small):
        strip.paste(picture, (i % columns * (width + 4), i // columns * (height + 4)))
    return strip
