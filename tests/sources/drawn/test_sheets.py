"""The gallery in docs/ is the one that the command draws now."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image, ImageChops, ImageStat

from seethink.sources.drawn import WORLDS, sheets

DOCS = Path(__file__).parents[3] / "docs"
LARGEST_BYTES = 200_000


def test_the_page_is_up_to_date():
    assert (DOCS / "gallery.md").read_text(encoding="utf-8") == sheets.text("gallery"), (
        "run `seethink gallery`"
    )
    assert {file.stem for file in (DOCS / "gallery").iterdir()} == set(WORLDS)


@pytest.mark.parametrize("name", WORLDS)
def test_a_sheet_shows_what_is_drawn_now_and_is_small(name):
    """Letters may differ by a shade among versions of the font renderer."""
    file = DOCS / "gallery" / f"{name}.png"
    kept, drawn = Image.open(file).convert("RGB"), sheets.sheet(WORLDS[name])
    assert kept.size == drawn.size, "run `seethink gallery`"
    assert max(ImageStat.Stat(ImageChops.difference(kept, drawn)).mean) < 1, "run `seethink gallery`"
    assert file.stat().st_size <= LARGEST_BYTES
