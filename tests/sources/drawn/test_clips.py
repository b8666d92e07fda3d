"""Drawn clips: what happens in the frames is what the answer says."""

from __future__ import annotations

import re

import pytest

from seethink.media import DrawnVideo, save_preview
from seethink.sources.drawn import by_name
from seethink.sources.drawn.clips import side_px
from seethink.sources.drawn.shapes import ALL_COLOURS, name

VARIANTS = pytest.mark.parametrize("shifted", [False, True])


def clips(shifted, n=200):
    return [(e, e.meta["formal"], e.meta["kind"]) for e in by_name("clips", n, "test", shifted=shifted)]


@VARIANTS
def test_answers_follow_from_paths_and_from_when_things_are_shown(shifted):
    for example, scene, kind in clips(shifted):
        things = {name(thing): thing for thing in scene["things"]}
        assert len(things) == len(scene["things"])
        if kind == "direction":
            path = things[re.search(r"does the (.+) move", example.question)[1]]["path"]
            (x, y), (u, v) = path[0], path[-1]
            words = [("up", "", "down")[(v > y) - (v < y) + 1], ("left", "", "right")[(u > x) - (u < x) + 1]]
            assert example.answer == " ".join(filter(None, words))
        elif kind == "order":
            assert example.answer.split(", ") == sorted(things, key=lambda n: things[n]["shown"].index(1))
            starts = [thing["shown"].index(1) for thing in things.values()]
            assert len(set(starts)) == len(starts) >= 3 and min(starts) > 0
        elif kind == "count":
            shown = things[re.search(r"does the (.+) light", example.question)[1]]["shown"]
            assert example.answer == str(len(re.findall("1+", "".join(map(str, shown)))))
        else:
            gone = {n: abs(t["path"][-1][0] - t["path"][0][0]) for n, t in things.items()}
            ordered = sorted(gone, key=gone.__getitem__, reverse="fastest" in example.question)
            assert example.answer == ordered[0]
            assert all(
                b / a >= 1.25 for a, b in zip(sorted(gone.values()), sorted(gone.values())[1:], strict=False)
            )


@VARIANTS
def test_frames_show_every_thing_where_and_when_the_scene_says(shifted):
    for example, scene, _ in clips(shifted, 25):
        frames, side = example.media[0].load().pictures, side_px(scene["size"])
        assert len(frames) == scene["frames"]
        for thing in scene["things"]:
            for frame, (x, y), shown in zip(frames, thing["path"], thing["shown"], strict=True):
                assert x >= 0 and y >= 0 and x + side <= frame.width and y + side <= frame.height
                visible = frame.getpixel((x + side // 2, y + side // 2)) == ALL_COLOURS[thing["colour"]]
                assert visible == bool(shown)


def test_a_drawn_clip_is_known_by_its_key_and_kept_as_one_picture(tmp_path):
    clip = by_name("clips", 1)[0].media[0]
    assert isinstance(clip, DrawnVideo) and clip == by_name("clips", 1)[0].media[0]
    assert len({clip, by_name("clips", 1)[0].media[0], by_name("clips", 2)[1].media[0]}) == 2
    assert (tmp_path / save_preview(clip, tmp_path / "media")).is_file()
