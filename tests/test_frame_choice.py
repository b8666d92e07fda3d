"""The frames chosen of a clip are those that decoding it from start to end finds, in every container."""

from __future__ import annotations

import gc
import random
import struct
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import accumulate, pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import PIL.Image
import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL.Image import Transpose

from seethink.media import Video
from seethink.media.frame_reader import SLOW, FrameReader, _Clock
from seethink.types import InputError
from tests.films import Film, number_of, numbered

UNEVEN = [
    Fraction(ms, 1_000) for ms in accumulate([0, *random.Random("uneven").choices((20, 40, 100, 700), k=49)])
]
"""Times of the frames of a clip of variable frame rate, in seconds."""
LACKING = [Fraction(i, 25) for i in accumulate([0, *random.Random("lacking").choices((1, 1, 2, 30), k=49)])]
"""The same where the rate is constant and frames are left out."""
X264 = {"preset": "ultrafast", "bf": "2", "g": "12"}
LONG = {"preset": "ultrafast", "bf": "3", "x264-params": "keyint=250:b-pyramid=2:scenecut=0"}
OPEN = {"preset": "ultrafast", "bf": "2", "x264-params": "keyint=8:min-keyint=8:open-gop=1"}
X265 = {"preset": "ultrafast", "x265-params": "log-level=none:keyint=10:open-gop=1:bframes=2"}
MPEG = {"bf": "2", "g": "9"}
VPX = {"deadline": "realtime", "cpu-used": "8", "g": "20"}
AV1 = {"preset": "12", "g": "10", "svtav1-params": "lookahead=0"}
FRAGMENTS = {"movflags": "frag_keyframe+empty_moov"}

FILMS = [
    Film("mp4", "libx264", options=X264),
    Film("mp4", "libx264", options=LONG, count=200),
    Film("mp4", "libx264", options=OPEN, rate=30, count=100),
    Film("mp4", "libx264", options=X264, start_s=600),
    Film("mp4", "libx264", options=X264, start_s=-1),
    Film("mp4", "libx264", options=X264, times_s=UNEVEN),
    Film("mp4", "libx264", options=X264, times_s=UNEVEN, start_s=600, sound_s=30),
    Film("mp4", "libx264", options=X264, container_options=FRAGMENTS),
    Film("mp4", "libx264", options=LONG, container_options=FRAGMENTS, start_s=600, count=120),
    Film("mp4", "libx264", options=X264, container_options={"use_editlist": "0"}, start_s=2.5),
    Film("mp4", "libx264", options=X264, container_options={"movflags": "faststart"}, sound_s=5),
    Film("mp4", "libx265", options=X265, rate=30),
    Film("mp4", "mpeg4", options=MPEG, start_s=7),
    Film("mp4", "libsvtav1", options=AV1, count=30),
    Film("mov", "libx264", options=X264, rate=60, count=150),
    Film("mov", "mjpeg", pixels="yuvj420p", times_s=UNEVEN),
    Film("mov", "prores", pixels="yuv422p10le", start_s=600),
    Film("mov", "mpeg4", options=MPEG, sound_s=4),
    Film("matroska", "libx264", options=X264),
    Film("matroska", "libx264", options=LONG, count=200, start_s=600),
    Film("matroska", "libx264", options=OPEN, times_s=UNEVEN),
    Film("matroska", "libx264", options=X264, container_options={"live": "1"}),
    Film("matroska", "libx264", options=X264, sound_s=9),
    Film("matroska", "libx265", options=X265),
    Film("matroska", "mpeg2video", options=MPEG),
    Film("matroska", "ffv1", start_s=0.5),
    Film("webm", "libvpx-vp9", options=VPX),
    Film("webm", "libvpx-vp9", options=VPX | {"lag-in-frames": "8", "auto-alt-ref": "1"}, start_s=600),
    Film("webm", "libvpx", options=VPX, times_s=UNEVEN, sound_s=3),
    Film("webm", "libvpx", options=VPX, container_options={"live": "1"}),
    Film("avi", "mpeg4", options={"g": "12"}),
    Film("avi", "mpeg4", options=MPEG),
    Film("avi", "libx264", options=X264),
    Film("avi", "mjpeg", pixels="yuvj420p", rate=10),
    Film("avi", "ffv1", sound_s=4),
    Film("avi", "mpeg4", options={"g": "12"}, times_s=LACKING),
    Film("avi", "libx264", options=X264 | {"bf": "0"}, times_s=LACKING),
    Film("mov", "libx264", options=X264 | {"x264-params": "tff=1"}),
    Film("mpegts", "mpeg2video", options=MPEG | {"flags": "+ildct+ilme"}),
    Film("mpegts", "libx264", options=X264),
    Film("mpegts", "libx264", options=LONG, start_s=600, count=200),
    Film("mpegts", "libx264", options=OPEN, start_s=93_000, sound_s=5),
    Film("mpegts", "libx264", options=X264, times_s=UNEVEN),
    Film("mpegts", "mpeg2video", options=MPEG, start_s=600),
    Film("mpegts", "libx265", options=X265, start_s=600),
    Film("mpeg", "mpeg1video", options=MPEG),
    Film("mpeg", "mpeg1video", options={"g": "1"}, start_s=600, rate=30, count=150),
    Film("vob", "mpeg2video", options=MPEG, start_s=600, sound_s=4),
    Film("flv", "libx264", options=X264),
    Film("flv", "libx264", options=LONG, start_s=600, count=120),
    Film("flv", "flv", options={"g": "12"}, sound_s=4),
    Film("gif", "gif", pixels="rgb8", rate=10),
    Film("gif", "gif", pixels="rgb8", times_s=UNEVEN),
    Film("apng", "apng", pixels="rgb24", rate=10, count=30),
    Film("nut", "ffv1"),
    Film("ogg", "libvpx", options=VPX),
    Film("asf", "msmpeg4", options={"g": "12"}, start_s=3),
    Film("mpegts", "libx264", options=X264, start_s=95_442, count=100),
    Film("mpegts", "libx264", options={"x264-params": "intra-refresh=1:keyint=30:bframes=0"}, count=120),
    Film("h264", "libx264", options=X264),
    Film("hevc", "libx265", options=X265),
    Film("m4v", "mpeg4", options=MPEG),
    Film("mpeg2video", "mpeg2video", options=MPEG),
]
"""At least 40 combinations of container, codec, rate, start and length. After 95,444 seconds, MPEG-TS counts
from zero again."""
INFERRED = {"avi", "mpeg", "vob", "h264", "hevc", "m4v", "mpeg2video"}
"""Containers of constant frame rate that store no times of display, or not those of all frames."""


def film_name(film: Film) -> str:
    kinds = [film.container, film.codec, f"{film.rate}x{len(film.times_s) or film.count}"]
    kinds += ["uneven"] if film.times_s else []
    kinds += [f"from {film.start_s:g}"] if film.start_s else []
    kinds += ["with sound"] if film.sound_s else []
    return " ".join([*kinds, *film.options.values(), *film.container_options])


def _decoded_in_order(path: Path, film: Film) -> tuple[list[int], list[Fraction]]:
    """(numbers of all frames, their times in seconds after the first, and the end of the last)."""
    with av.open(str(path)) as file:
        stream = file.streams.video[0]
        found = [(number_of(f.to_image()), f.pts, f.duration) for f in file.decode(stream)]
        numbers, stamps, durations = zip(*found, strict=True)
        if film.container in INFERRED:
            times_s = [*film.times_s] or [Fraction(i, film.rate) for i in range(len(found))]
            return [*numbers], [*times_s, times_s[-1] + Fraction(1, film.rate)]
        rate = stream.average_rate or stream.guessed_rate  # where the container stores no durations
        last_s = durations[-1] * stream.time_base if durations[-1] else 1 / rate
        times_s = [(pts - stamps[0]) * stream.time_base for pts in stamps]
        return [*numbers], [*times_s, times_s[-1] + last_s]


@pytest.mark.parametrize("film", FILMS, ids=film_name)
def test_the_frames_are_those_of_a_sequential_decode(film: Film, tmp_path: Path) -> None:
    path = film.write(tmp_path / f"film.{film.container}")
    numbers, (*times_s, length_s) = _decoded_in_order(path, film)
    assert numbers == sorted(numbers) and len(numbers) > 20
    for selection in ({"num_frames": 8}, {"num_frames": 3, "span_s": (0.5, 1.1)}, {"frame_interval": 0.1}):
        video = Video(path, **selection)
        frames = video.load()
        start_s, end_s = (Fraction(second) for second in video.span_s or (0, length_s))
        n = len(frames.pictures)
        wanted_s = [start_s + (2 * i + 1) * (end_s - start_s) / (2 * n) for i in range(n)]
        chosen = [bisect_right(times_s, time_s + Fraction(1, 10**6)) - 1 for time_s in wanted_s]
        assert [number_of(picture) for picture in frames.pictures] == [numbers[i] for i in chosen]
        assert frames.times_s == pytest.approx([float(times_s[i]) for i in chosen], abs=2e-3)
        assert frames.length_s == pytest.approx(float(length_s), abs=0.005)


def test_there_are_enough_films() -> None:
    assert len(set(map(film_name, FILMS))) == len(FILMS) >= 40


TURNS = {
    (0, False, False): None,
    (90, False, False): Transpose.ROTATE_90,
    (180, False, False): Transpose.ROTATE_180,
    (270, False, False): Transpose.ROTATE_270,
    (0, True, False): Transpose.FLIP_LEFT_RIGHT,
    (0, False, True): Transpose.FLIP_TOP_BOTTOM,
    (90, True, False): Transpose.TRANSVERSE,
    (90, False, True): Transpose.TRANSPOSE,
}


@pytest.mark.parametrize("container", ["mp4", "mov", "matroska"])
@pytest.mark.parametrize("turn", TURNS, ids=str)
def test_a_turned_clip_stands_upright(container: str, turn: tuple[int, bool, bool], tmp_path: Path) -> None:
    film = Film(container, "libx264", options=X264, size=(96, 48), count=30, turn=turn, start_s=600)
    video = Video(film.write(tmp_path / "turned"), num_frames=3)
    shown = [PIL.Image.fromarray(numbered(number, film.size)) for number in (5, 15, 25)]
    if TURNS[turn] is not None:
        shown = [picture.transpose(TURNS[turn]) for picture in shown]
    pictures = video.load().pictures
    assert video.size() == shown[0].size == pictures[0].size
    assert [number_of(picture) for picture in pictures] == [number_of(picture) for picture in shown]
    small = replace(video, max_px=96 * 48 // 4).load().pictures[0]
    assert small.size == tuple(side // 2 for side in video.size())


# Reading no more than needed --------------------------------------------------------------------------------


@pytest.mark.parametrize("container", ["mp4", "mov", "matroska", "webm", "mpegts", "flv"])
def test_a_long_clip_is_not_decoded_whole(
    container: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 1,000 frames with a key frame every ten, eight are found by decoding a small part."""
    options = VPX | {"g": "10"} if container == "webm" else X264 | {"g": "10"}
    codec = "libvpx" if container == "webm" else "libx264"
    film = Film(container, codec, count=1_000, options=options, start_s=600)
    path = film.write(tmp_path / f"long.{container}")
    decoded, slow = [], SLOW.copy()
    plain = FrameReader._decoded

    def counted(reader: FrameReader, packets: Any) -> Iterator[Any]:
        for frame in plain(reader, packets):
            decoded.append(frame.pts)
            yield frame

    monkeypatch.setattr(FrameReader, "_decoded", counted)
    frames = Video(path, num_frames=8).load()
    assert [number_of(picture) for picture in frames.pictures] == [(62 + 125 * i) % 256 for i in range(8)]
    assert len(decoded) < 8 * 60 and slow == SLOW


def test_no_thread_outlives_a_clip(tmp_path: Path) -> None:
    """A process forked while a thread of a decoder or a converter waits would hang when it frees the two."""
    good = Film("mp4", "libx264", options=X264, turn=(90, False, False)).write(tmp_path / "good.mp4")
    bad = tmp_path / "bad.ts"
    bad.write_bytes(good.read_bytes()[:3_000])
    threads = psutil.Process().num_threads()
    gc.collect()
    gc.disable()
    try:
        Video(good).load()
        with pytest.raises(InputError):
            Video(good, span_s=(50, 60)).load()
        with pytest.raises(InputError):
            Video(bad).load()
        assert psutil.Process().num_threads() <= threads
    finally:
        gc.enable()


def test_what_cannot_be_sought_is_decoded_whole_and_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = Film("mpeg", "mpeg1video", options=MPEG).write(tmp_path / "film.mpg")
    SLOW.clear()
    for _ in range(2):
        Video(path).load()
    assert SLOW == {"mpeg": 2}
    assert [record.message.count("decoded from its start") for record in caplog.records] == [1]


def test_key_frames_that_are_none_are_not_believed(tmp_path: Path) -> None:
    """An MP4 file whose table of key frames names every frame."""
    path = Film("mp4", "libx264", options=X264 | {"g": "30"}, count=90).write(tmp_path / "film.mp4")
    data = path.read_bytes()
    assert b"stss" in data
    path.write_bytes(data.replace(b"stss", b"free"))
    frames = Video(path, num_frames=5).load()
    assert [number_of(picture) for picture in frames.pictures] == [9, 27, 45, 63, 81]


# Lengths ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("container", ["mp4", "matroska", "avi", "flv", "mpegts"])
def test_sound_that_lasts_longer_does_not_lengthen_a_clip(container: str, tmp_path: Path) -> None:
    codec, options = ("mjpeg", {}) if container == "avi" else ("libx264", X264)
    pixels = "yuvj420p" if container == "avi" else "yuv420p"
    film = Film(container, codec, options=options, count=50, sound_s=20, pixels=pixels)
    frames = Video(film.write(tmp_path / f"film.{container}"), num_frames=5).load()
    assert frames.length_s == pytest.approx(2)
    assert [number_of(picture) for picture in frames.pictures] == [5, 15, 25, 35, 45]


def test_a_header_that_promises_too_much_is_not_believed(tmp_path: Path) -> None:
    """The element Duration of a Matroska file is multiplied by ten."""
    path = Film("matroska", "libx264", options=X264, count=50).write(tmp_path / "film.mkv")
    before, element, after = path.read_bytes().partition(b"\x44\x89\x88")
    (length_ms,) = struct.unpack(">d", after[:8])
    path.write_bytes(before + element + struct.pack(">d", 10 * length_ms) + after[8:])
    video = Video(path, num_frames=5)
    frames = video.load()
    assert (video.duration_s(), frames.length_s) == pytest.approx((20, 2))
    assert [number_of(picture) for picture in frames.pictures] == [5, 15, 25, 35, 45]


def test_a_duration_that_the_header_lacks_is_measured(tmp_path: Path) -> None:
    film = Film("matroska", "libx264", options=X264, container_options={"live": "1"})
    assert Video(film.write(tmp_path / "live.mkv")).duration_s() == pytest.approx(60 / 25)


def test_a_clip_of_fewer_frames_repeats_them(tmp_path: Path) -> None:
    frames = Video(Film("mp4", "libx264", count=2, rate=2).write(tmp_path / "two.mp4"), num_frames=4).load()
    assert [number_of(picture) for picture in frames.pictures] == [0, 0, 1, 1]
    assert frames.times_s == (0, 0, 0.5, 0.5) and frames.length_s == 1


def test_a_broadcast_whose_clock_jumps_goes_on(tmp_path: Path) -> None:
    """Two recordings, one after the other in one file; in the second, time is much later, then earlier."""
    for later_s in (5_000, 1):
        parts = [
            replace(Film("mpegts", "libx264", options=X264, count=50), start_s=start_s).write(
                tmp_path / f"{start_s}.ts"
            )
            for start_s in (600, later_s)
        ]
        both = tmp_path / "both.ts"
        both.write_bytes(b"".join(part.read_bytes() for part in parts))
        frames = Video(both, num_frames=10).load()
        assert frames.length_s == pytest.approx(4, abs=0.1)
        assert [number_of(picture) for picture in frames.pictures] == [*range(5, 50, 10)] * 2
        assert frames.times_s == pytest.approx([0.2 + 0.4 * i for i in range(10)], abs=0.1)


def test_a_cut_broadcast_begins_with_its_first_key_frame(tmp_path: Path) -> None:
    film = Film("mpegts", "libx264", options=X264 | {"g": "30"}, count=90, start_s=600)
    whole = film.write(tmp_path / "whole.ts").read_bytes()
    cut = tmp_path / "cut.ts"
    with av.open(str(tmp_path / "whole.ts")) as file:
        position = [packet.pos for packet in file.demux(video=0) if packet.size][10]
    cut.write_bytes(whole[position - position % 188 :])
    frames = Video(cut, num_frames=6).load()
    assert [number_of(picture) for picture in frames.pictures] == [35, 45, 55, 65, 75, 85]
    assert frames.times_s == pytest.approx([0.2 + 0.4 * i for i in range(6)])


@given(st.lists(st.none() | st.integers(-(10**9), 10**9), min_size=1, max_size=30), st.booleans())
def test_told_times_increase_and_are_those_of_stamps_that_do(stamps: list[int | None], loose: bool) -> None:
    stream: Any = SimpleNamespace(time_base=Fraction(1, 90_000), average_rate=Fraction(25), guessed_rate=None)
    for container, given_stamps in (("mpeg" if loose else "mpegts", stamps), ("matroska,webm", stamps)):
        clock = _Clock(stream, container)
        times_s = [clock.tell(stamp, None) for stamp in given_stamps]
        assert times_s[0] == 0 and all(a < b for a, b in pairwise(times_s))
        assert clock.end_s == times_s[-1] + Fraction(1, 25)
    rising = sorted({stamp for stamp in stamps if stamp is not None})
    clock = _Clock(stream, "matroska,webm")
    assert [clock.tell(stamp, None) for stamp in rising] == [
        Fraction(stamp - rising[0], 90_000) for stamp in rising
    ]
