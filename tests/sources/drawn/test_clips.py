"""Drawn clips: what happens in the frames is what the answer says."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from seethink.media import DrawnVideo, Video, save_preview
from seethink.media.clip import write_clip
from seethink.sources.drawn import WORLDS, by_name
from seethink.sources.drawn.clips import DENSE_CLIPS, side_px
from seethink.sources.drawn.shapes import ALL_COLOURS, name
from seethink.sources.drawn.world import DrawnExamples

EXAMPLES = {
    "practised": by_name("clips", 200, "test"),
    "shifted": by_name("clips", 200, "test", shifted=True),
    "dense": DrawnExamples(DENSE_CLIPS, 200, "test"),
}
VARIANTS = pytest.mark.parametrize("variant", EXAMPLES)


def clips(variant, n=200):
    return [(e, e.meta["formal"], e.meta["kind"]) for e in EXAMPLES[variant][:n]]


@VARIANTS
def test_answers_follow_from_paths_and_from_when_things_are_shown(variant):
    for example, scene, kind in clips(variant):
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
def test_frames_show_every_thing_where_and_when_the_scene_says(variant):
    for example, scene, _ in clips(variant, 25):
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


@pytest.mark.parametrize("n", [1, 3, 4, 8, 16, 20])
def test_a_drawn_clip_in_so_many_frames_shows_those_that_a_file_of_it_shows(n, tmp_path):
    whole = EXAMPLES["dense"][0]
    (shown,) = DrawnExamples(DENSE_CLIPS, 1, "test", num_frames=n)
    assert shown == replace(whole, media=shown.media) and shown.media != whole.media
    frames = whole.media[0].load()
    write_clip(frames, tmp_path / "clip.mp4")
    assert shown.media[0].load().times_s == Video(tmp_path / "clip.mp4", num_frames=n).load().times_s
    of_time = dict(zip(frames.times_s, frames.pictures, strict=True))
    chosen = shown.media[0].load()
    assert (
        chosen.pictures == tuple(of_time[time_s] for time_s in chosen.times_s) and len(chosen.pictures) == n
    )


def test_events_between_two_frames_are_seen_in_more_frames_alone():
    """Of dense clips; a practised one shows all of its flashes in eight frames."""

    def seen(example, n):
        scene = example.meta["formal"]
        shown = scene["things"][0]["shown"]
        chosen = [shown[(2 * i + 1) * len(shown) // (2 * n)] for i in range(n)]
        return str(len(re.findall("1+", "".join(map(str, chosen)))))

    counts = {variant: [e for e, _, kind in clips(variant) if kind == "count"] for variant in EXAMPLES}
    right = {n: sum(seen(e, n) == e.answer for e in counts["dense"]) for n in (4, 8, 16)}
    assert right[4] < right[8] < right[16] == len(counts["dense"])
    assert all(seen(e, 8) == e.answer for e in counts["practised"])


def test_pictures_are_shown_as_they_are_whatever_the_number_of_frames():
    examples = [DrawnExamples(WORLDS["counting"], 2, num_frames=n) for n in (None, 4)]
    assert [*examples[0]] == [*examples[1]]
