"""Clips that are odd or broken are right, or refused in one sentence."""

from __future__ import annotations

import io
import json
import random
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import PIL.Image
import pytest
from av.stream import Disposition

from seethink.check import Preflight, check
from seethink.check.media_info import inspect_medium
from seethink.formats import THINK_ANSWER
from seethink.media import Frames, Video, write_clip
from seethink.types import InputError
from tests.films import Film, number_of, numbered
from tests.test_frame_choice import VPX, X264, X265, film_name


def test_pixels_that_are_not_square_are_stretched(tmp_path: Path) -> None:
    """As in DVDs and in films of cameras that store 1,440 pixels for 1,920."""
    for aspect, size in ((Fraction(4, 3), (85, 48)), (Fraction(1, 2), (64, 96))):
        path = Film("mp4", "libx264", options=X264, aspect=aspect).write(tmp_path / "wide.mp4")
        assert Video(path).size() == Video(path).load().pictures[0].size == size
        turned = Film("mp4", "libx264", options=X264, aspect=aspect, turn=(90, False, False))
        assert Video(turned.write(path)).size() == size[::-1]


@pytest.mark.parametrize(
    "film",
    [
        Film("mp4", "libx264", count=1, options=X264),
        Film("gif", "gif", count=1, pixels="rgb8"),
        Film("mp4", "libx264", size=(34, 18), options=X264),
        Film("matroska", "ffv1", size=(33, 17), pixels="yuv444p"),
        Film("avi", "mjpeg", size=(33, 17), pixels="yuvj444p"),
        Film("matroska", "ffv1", pixels="gray"),
        Film("matroska", "ffv1", pixels="bgra"),
        Film("mp4", "libx265", pixels="yuv420p10le", options=X265),
        Film("matroska", "ffv1", pixels="yuv420p16le"),
        Film("mov", "qtrle", pixels="rgb24"),
        Film("webm", "libvpx-vp9", pixels="yuva420p", options=VPX),
        Film("avi", "rawvideo", pixels="bgr24"),
        Film("avi", "huffyuv", pixels="yuv422p"),
    ],
    ids=film_name,
)
def test_odd_clips_are_right(film: Film, tmp_path: Path) -> None:
    frames = Video(film.write(tmp_path / "odd"), num_frames=3).load()
    numbers = [number_of(picture) for picture in frames.pictures]
    assert numbers == ([0, 0, 0] if film.count == 1 else [10, 30, 50])
    assert {picture.size for picture in frames.pictures} == {film.size}


def test_packed_b_frames_are_unpacked(tmp_path: Path) -> None:
    """As DivX wrote them into AVI: two frames in one packet, and an empty frame in the next."""
    plain = Film("avi", "mpeg4", options={"bf": "1", "g": "12"}).write(tmp_path / "plain.avi")
    with av.open(str(plain)) as file:
        packets = [(bytes(packet), packet) for packet in file.demux(video=0) if packet.size]
    begin, packed = b"\0\0\1\xb6", []
    while packets:
        data, packet = packets.pop(0)
        if packet.is_keyframe:
            data = data.replace(begin, b"\0\0\1\xb2DivX503b1393p" + begin, 1)
        packed.append((data, packet.is_keyframe))
        if packets and packets[0][1].pts < packet.pts:
            bits = f"0101{packet.pts % 25:05b}1001111"  # of a P frame that is not coded
            packed[-1] = (data + packets.pop(0)[0], packet.is_keyframe)
            packed.append((begin + int(bits, 2).to_bytes(2, "big"), False))
    path = tmp_path / "packed.avi"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for i, (data, is_key) in enumerate(packed):
            packet = av.Packet(data)
            packet.pts = packet.dts = i
            packet.is_keyframe, packet.time_base, packet.stream = is_key, Fraction(1, 25), stream
            out.mux(packet)
    frames = Video(path, num_frames=6).load()
    assert [number_of(picture) for picture in frames.pictures] == [5, 15, 25, 35, 45, 55]
    assert frames.times_s == pytest.approx([0.2, 0.6, 1.0, 1.4, 1.8, 2.2])


def test_ten_milliseconds_at_a_hundred_frames_a_second(tmp_path: Path) -> None:
    video = Video(Film("mp4", "libx264", count=1, rate=100).write(tmp_path / "short.mp4"), num_frames=2)
    assert video.load().length_s == pytest.approx(0.01) and video.load().times_s == (0, 0)


def test_what_is_transparent_is_white(tmp_path: Path) -> None:
    """Black ink on a clear ground, in a GIF file whose second frame draws beside the first."""
    ground = PIL.Image.new("RGBA", (64, 48))
    left, right = ground.copy(), ground.copy()
    left.paste("black", (0, 0, 16, 48))
    right.paste("black", (48, 0, 64, 48))
    path = tmp_path / "ink.gif"
    left.save(path, save_all=True, append_images=[right], duration=500, disposal=2)
    first, second = Video(path, num_frames=2).load().pictures
    at = [(picture.getpixel((4, 20)), picture.getpixel((60, 20))) for picture in (first, second)]
    assert at == [((0, 0, 0), (255, 255, 255)), ((255, 255, 255), (0, 0, 0))]


def test_a_cover_picture_is_no_clip(tmp_path: Path) -> None:
    """A song with a cover is refused; of a film with a cover, the film is taken."""
    film = Film("matroska", "libx264", options=X264, sound_s=1)
    cover = io.BytesIO()
    PIL.Image.new("RGB", (300, 300), "red").save(cover, "JPEG")
    song = tmp_path / "song.mka"
    with av.open(str(song), "w", format="matroska") as out:
        sound = film.sound(out)
        out.add_attachment("cover.jpg", "image/jpeg", cover.getvalue())
        for packet in sound:
            out.mux(packet)
    with pytest.raises(InputError, match=r"song\.mka holds no video stream but a cover picture"):
        Video(song).load()
    path = film.write(tmp_path / "film.mkv")
    covered = tmp_path / "covered.mkv"
    with av.open(str(path)) as source, av.open(str(covered), "w") as out:
        out.add_attachment("cover.jpg", "image/jpeg", cover.getvalue())
        stream = out.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = stream
                out.mux(packet)
    video = Video(covered, num_frames=3)
    assert [number_of(picture) for picture in video.load().pictures] == [10, 30, 50]
    assert video.size() == film.size


def test_a_picture_and_a_text_are_no_clips(tmp_path: Path) -> None:
    for name in ("p.png", "p.jpg", "p.webp", "p.bmp", "p.tiff"):
        PIL.Image.fromarray(numbered(3)).save(tmp_path / name)
        with pytest.raises(InputError, match=f"{name} is a picture, not a clip; give it as a picture"):
            Video(tmp_path / name).load()
    for name, text in (
        ("t.txt", "hello " * 99),
        ("t.nfo", "hello\n"),
        ("t.srt", "1\n00:00:00,0 --> 00:00:01,0\nhi\n"),
    ):
        (tmp_path / name).write_text(text, encoding="utf-8")
        with pytest.raises(InputError, match=name):
            Video(tmp_path / name).load()


def test_of_two_video_streams_the_one_marked_as_default_is_taken(tmp_path: Path) -> None:
    for default in (0, 1):
        path = tmp_path / f"{default}.mkv"
        with av.open(str(path), "w") as out:
            streams = [out.add_stream("libx264", rate=25, options=dict(X264)) for _ in range(2)]
            for k, stream in enumerate(streams):
                stream.width, stream.height, stream.pix_fmt = (64, 48, "yuv420p")
                stream.disposition = Disposition.default if k == default else 0
            packets = []
            for k, stream in enumerate(streams):
                for i in range(20):
                    frame = av.VideoFrame.from_ndarray(numbered(i + 100 * k), format="rgb24")
                    frame.pts, frame.time_base = i, Fraction(1, 25)
                    packets += stream.encode(frame)
                packets += stream.encode()
            for packet in sorted(packets, key=lambda packet: packet.dts * packet.time_base):
                out.mux(packet)
        numbers = [number_of(picture) for picture in Video(path, num_frames=2).load().pictures]
        assert numbers == [5 + 100 * default, 15 + 100 * default]


def test_a_broadcast_that_changes_its_size_keeps_that_of_its_first_frame(tmp_path: Path) -> None:
    small = Film("mpegts", "libx264", options=X264, count=50).write(tmp_path / "small.ts")
    large = Film("mpegts", "libx264", options=X264, count=50, size=(128, 96), start_s=2).write(
        tmp_path / "large.ts"
    )
    (tmp_path / "both.ts").write_bytes(small.read_bytes() + large.read_bytes())
    frames = Video(tmp_path / "both.ts", num_frames=4).load()
    assert [number_of(picture) for picture in frames.pictures] == [12, 37, 12, 37]
    assert {picture.size for picture in frames.pictures} == {(64, 48)}


def test_huge_frames_are_refused_before_they_are_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seethink.media.frame_reader.MAX_PIXELS", 64 * 48 - 1)
    monkeypatch.setattr("seethink.check.media_info.MAX_PIXELS", 64 * 48 - 1)
    video = Video(Film("mp4", "libx264", options=X264).write(tmp_path / "huge.mp4"))
    with pytest.raises(InputError, match=r"huge\.mp4 has frames of 64 x 48 pixels, more than 3,071"):
        video.load()
    assert [kind for kind, _ in inspect_medium(video, decode=True).faults] == ["huge picture"]


def test_sound_alone_is_no_clip(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.mp2"), "w") as out:
        for packet in Film("mp2", "", sound_s=1).sound(out):
            out.mux(packet)
    with pytest.raises(InputError, match=r"a\.mp2 holds no video stream$"):
        Video(tmp_path / "a.mp2").load()


def test_a_clip_without_frames_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "empty.mkv"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        out.start_encoding()
    for use in (Video.load, Video.size, Video.duration_s):
        with pytest.raises(InputError, match=r"empty\.mkv"):
            use(Video(path))


@pytest.mark.parametrize("container", ["mp4", "matroska", "avi", "mpegts", "mpeg", "flv", "gif"])
@pytest.mark.parametrize("kept", [0.02, 0.5, 0.9])
def test_a_truncated_clip_is_right_or_refused(container: str, kept: float, tmp_path: Path) -> None:
    """Where the file itself tells that something is missing it is refused; of a broadcast what is left is
    measured and chosen from."""
    codec = {"gif": "gif", "mpeg": "mpeg1video", "avi": "mpeg4"}.get(container, "libx264")
    options = {"libx264": X264 | {"g": "5"}, "gif": {}}.get(codec, {"g": "5"})
    pixels = "rgb8" if codec == "gif" else "yuv420p"
    film = Film(container, codec, options=options, pixels=pixels, count=150)
    if container == "mp4":
        film = replace(film, container_options={"movflags": "faststart"})
    path = film.write(tmp_path / f"cut.{container}")
    path.write_bytes(path.read_bytes()[: int(kept * path.stat().st_size)])
    try:
        frames = Video(path, num_frames=4).load()
    except InputError as error:
        assert f"cut.{container}" in str(error) and "\n" not in str(error)
        assert kept == 0.02 or container not in ("mpegts", "mpeg")
    else:
        assert container in ("mpegts", "mpeg", "flv")  # FLV between two of its tags
        numbers = [number_of(picture) for picture in frames.pictures]
        assert numbers == sorted(set(numbers)) and numbers[-1] < 150 * kept + 15


@pytest.mark.parametrize("container", ["mp4", "matroska", "avi", "mpegts", "mpeg", "flv", "gif"])
def test_damage_anywhere_is_right_or_one_sentence(container: str, tmp_path: Path) -> None:
    codec = {"gif": "gif", "mpeg": "mpeg1video", "avi": "mpeg4"}.get(container, "libx264")
    options = X264 if codec == "libx264" else {}
    film = Film(container, codec, options=options, pixels="rgb8" if codec == "gif" else "yuv420p", count=40)
    path = film.write(tmp_path / f"hurt.{container}")
    whole, rng = path.read_bytes(), random.Random(container)
    for _ in range(20):
        data, at = bytearray(whole), rng.randrange(len(whole))
        if rng.random() < 0.5:
            data[at : at + rng.choice((1, 100, 2_000))] = rng.randbytes(rng.choice((0, 1, 400)))
        else:
            for _ in range(rng.choice((1, 20))):
                data[rng.randrange(min(900, len(data)))] = rng.randrange(256)
        path.write_bytes(data)
        try:
            frames = Video(path, num_frames=4).load()
        except InputError as error:
            assert f"hurt.{container}" in str(error) and "\n" not in str(error)
        else:
            assert len(frames.pictures) == 4 and list(frames.times_s) == sorted(frames.times_s)


def test_damage_is_named_with_its_second(tmp_path: Path) -> None:
    path = Film("mp4", "libx264", options=X264 | {"g": "5"}, count=100).write(tmp_path / "hurt.mp4")
    with av.open(str(path)) as file:
        packets = [(packet.pos, packet.size) for packet in file.demux(video=0) if packet.size]
    data = bytearray(path.read_bytes())
    for position, size in packets[45:55]:
        data[position : position + size] = bytes(size)
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"hurt\.mp4 cannot be decoded near second (1\.[89]|2\.[0-2])"):
        Video(path, num_frames=1).load()


def test_a_playlist_fetches_nothing(tmp_path: Path) -> None:
    lines = [
        "#EXTM3U",
        "#EXT-X-TARGETDURATION:9",
        "#EXTINF:9,",
        "http://127.0.0.1:9/part.ts",
        "#EXT-X-ENDLIST",
    ]
    (tmp_path / "list.m3u8").write_text("\n".join(lines) + "\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"list\.m3u8"):
        Video(tmp_path / "list.m3u8").load()


NONE = [float("nan"), float("inf"), 0, -1]


@pytest.mark.parametrize(
    "selection",
    [
        *({"num_frames": number} for number in (*NONE, 2.5)),
        *({"frame_interval": number} for number in NONE),
        *({"max_px": number} for number in (*NONE, 0.5)),
        *({"span_s": (number, 2)} for number in (float("nan"), -1, 2, 3)),
        *({"span_s": (0, number)} for number in NONE),
    ],
    ids=str,
)
def test_a_selection_of_no_frames_is_refused(selection: dict[str, Any], tmp_path: Path) -> None:
    path = Film("mp4", "libx264", options=X264).write(tmp_path / "film.mp4")
    with pytest.raises(InputError, match=r"invalid .*film\.mp4"):
        Video(path, **selection)
    assert len(Video(path, num_frames=3.0).load().pictures) == 3  # type: ignore[arg-type]  # as JSON has it


@pytest.mark.parametrize("name", ["a%03d.mp4", "a:b.mp4", "file.mp4", "\u6620\u50cf #1?.mp4", "pipe:0"])
def test_a_file_may_have_any_name(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = Film("mp4", "libx264", options=X264).write(tmp_path / "film.mp4").rename(tmp_path / name)
    assert Video(written, num_frames=1).load().length_s == pytest.approx(2.4)
    monkeypatch.chdir(tmp_path)
    assert Video(Path(name), num_frames=1).load().length_s == pytest.approx(2.4)


def test_check_names_a_clip_whose_frames_are_all_equal(tmp_path: Path) -> None:
    """A still clip, up to compression; not one that moves, nor one of which a single frame is taken."""
    still = PIL.Image.fromarray(numbered(85)).resize((64, 48))
    write_clip(Frames((still,) * 8, tuple(range(8)), 8.0), tmp_path / "still.mp4")
    Film("mp4", "libx264", options=X264).write(tmp_path / "moving.mp4")
    clips = ["still.mp4", "moving.mp4", {"path": "still.mp4", "count": 1}]
    rows = [{"video": clip, "question": f"What is in {i}?", "answer": "3"} for i, clip in enumerate(clips)]
    path = tmp_path / "my.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    assert check(Preflight(path, THINK_ANSWER)).clean
    report = check(Preflight(path, THINK_ANSWER, decode=True))
    assert [(fault.kind, fault.row) for fault in report.faults if not fault.suspected] == [("still clip", 1)]
    assert "the 8 frames chosen" in report.faults[0].message
