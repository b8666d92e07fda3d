"""Pictures and clips of requests, opened under the server's limits: what is refused is refused by its name,
its first bytes and its header, before a pixel is decoded."""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import re
import stat
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from seethink.media import DrawnVideo, Frames, Image
from seethink.serve.errors import ApiError, bad_request
from seethink.serve.limits import Limits
from seethink.serve.remote import fetch
from seethink.serve.watched_clip import Watch, WatchedVideo

PICTURES = {
    "jpeg": re.compile(rb"\xff\xd8\xff"),
    "png": re.compile(rb"\x89PNG\r\n\x1a\n"),
    "gif": re.compile(rb"GIF8[79]a"),
    "webp": re.compile(rb"RIFF....WEBP", re.DOTALL),
}
"""Formats of pictures that are read from requests, with their first bytes. Pillow's other decoders, such as
those of TIFF and JPEG 2000, are never shown a stranger's bytes."""
CLIPS = {
    "mp4": re.compile(rb"....ftyp(?!avi[fs]|hei|mif1|msf1)", re.DOTALL),
    "quicktime": re.compile(rb"....(ftyp|moov|mdat|wide|free)", re.DOTALL),
    "webm": re.compile(rb"\x1aE\xdf\xa3"),
    "x-matroska": re.compile(rb"\x1aE\xdf\xa3"),
    "x-msvideo": re.compile(rb"RIFF....AVI ", re.DOTALL),
}
"""The same for clips. Playlists, which name other files, are not among them."""
_ALIASES = {"jpg": "jpeg"}
_DATA_URI = re.compile(r"data:(?:(image|video)/([\w.+-]+))?((?:;[^,;]*)*),", re.ASCII | re.IGNORECASE)
_HEAD = 200
_REMOTE = re.compile(r"https?://", re.IGNORECASE)
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*):", re.IGNORECASE)


@dataclass
class MediaOpener:
    """Opens the media of one request. fetched: reads an http(s) URL. cancelled: set when nobody waits for the
    media any more, which ends their decoding. pictures, pixels: opened so far."""

    limits: Limits
    fetched: Callable[[str, Limits], bytes] = fetch
    cancelled: threading.Event = field(default_factory=threading.Event, init=False)
    pictures: int = field(default=0, init=False)
    pixels: int = field(default=0, init=False)

    def image(self, url: str, param: str) -> Image:
        """A picture. Raises ApiError or InputError."""
        data = self._bytes(url, "image", PICTURES, param)
        picture = Image.data(data, param)
        width, height = picture.size()
        if width * height > self.limits.max_image_px:
            size = f"{width} x {height} pixels, more than {self.limits.max_image_px:,}"
            raise bad_request(f"the picture has {size}", param, "image_too_large")
        self._count(1, width * height, param)
        return picture

    def clip(self, url: str, param: str) -> DrawnVideo:
        """A clip file, from which frames are decoded here and now: the file is gone afterwards."""
        data = self._bytes(url, "video", CLIPS, param)
        with tempfile.NamedTemporaryFile(suffix=".clip") as file:
            file.write(data)
            file.flush()
            video = WatchedVideo(
                path=Path(file.name),
                num_frames=self.limits.num_frames,
                max_px=self.limits.max_frame_px,
                watch=Watch(self.limits, self.cancelled, param),
            )
            try:
                self._refuse_length(video.duration_s(), param)
                width, height = video.size()
                if width * height > self.limits.max_image_px:
                    raise bad_request(
                        f"the clip's frames have {width} x {height} pixels", param, "video_too_large"
                    )
                frames = video.load()
                self._refuse_length(frames.length_s, param)  # as measured, not as the header says
            except ValueError as error:  # InputError, which names our temporary file
                raise bad_request(str(error).replace(file.name, "the clip"), param) from error
        pixels = sum(picture.width * picture.height for picture in frames.pictures)
        self._count(len(frames.pictures), pixels, param)
        return DrawnVideo(hashlib.sha256(data).hexdigest(), lambda: frames)

    def frames(self, urls: list[str], fps: float, param: str) -> DrawnVideo:
        """A clip from its frames, which must have one size; each is shown for 1 / fps seconds."""
        pictures = [self.image(url, f"{param}[{i}]") for i, url in enumerate(urls)]
        if len({picture.size() for picture in pictures}) > 1:
            raise bad_request("the frames of a clip must have one size", param)
        shown = [picture.fit(self.limits.max_frame_px) for picture in pictures]
        times_s = tuple(round((i + 0.5) / fps, 3) for i in range(len(urls)))
        key = hashlib.sha256("\n".join([*(p.key for p in pictures), str(fps)]).encode()).hexdigest()

        def draw() -> Frames:
            return Frames(tuple(picture.load() for picture in shown), times_s, len(urls) / fps)

        return DrawnVideo(key, draw)

    def _refuse_length(self, seconds: float, param: str) -> None:
        if seconds > self.limits.max_clip_s:
            limit = f"more than {self.limits.max_clip_s:g}"
            raise bad_request(f"the clip lasts {seconds:.0f} s, {limit}", param, "video_too_long")

    def _count(self, pictures: int, pixels: int, param: str) -> None:
        self.pictures, self.pixels = self.pictures + pictures, self.pixels + pixels
        if self.pictures > self.limits.max_media:
            most = f"more than {self.limits.max_media} pictures and frames"
            raise bad_request(f"the request has {most}", param, "too_many_images")
        if self.pixels > self.limits.max_request_px:
            most = f"more than {self.limits.max_request_px:,} pixels"
            raise bad_request(f"the pictures of the request have {most} together", param, "image_too_large")

    # Bytes --------------------------------------------------------------------------------------------------

    def _bytes(self, url: str, kind: str, known: dict[str, re.Pattern[bytes]], param: str) -> bytes:
        """The bytes behind a URL or path, of a known format of the kind ("image", "video")."""
        named = ""
        if url[:5].lower() == "data:":
            named, data = self._data(url, kind, known, param)
        elif _REMOTE.match(url):
            if not self.limits.remote:
                raise bad_request(
                    "this server fetches no remote URLs; send the file as a data URI",
                    param,
                    "remote_url_refused",
                )
            data = self.fetched(url, self.limits)
        else:
            data = self._file(url, param)
        if not any(pattern.match(data) for pattern in known.values()):
            formats = ", ".join(known)
            message = f"the bytes are of no {kind} format that this server reads ({formats})"
            raise bad_request(message, param, "unsupported_media_type")
        if named and not known[named].match(data):
            message = f"the bytes are not {kind}/{named}, as the data URI says"
            raise bad_request(message, param, "unsupported_media_type")
        return data

    def _data(
        self, url: str, kind: str, known: dict[str, re.Pattern[bytes]], param: str
    ) -> tuple[str, bytes]:
        head = _DATA_URI.match(url[:_HEAD])
        given, name = (head[1] or "").lower() if head else "", (head[2] or "").lower() if head else ""
        name = _ALIASES.get(name, name)
        if not head or given != kind or name not in known:
            accepted = ", ".join(f"{kind}/{name}" for name in known)
            message = f"a data URI of the type {url[5:60].split(',')[0]!r} is not read here; use {accepted}"
            raise bad_request(message, param, "unsupported_media_type")
        if "base64" not in head[3].lower().split(";"):
            raise bad_request("a data URI must be in base64: data:image/png;base64,...", param)
        if (len(url) - head.end()) * 3 // 4 > self.limits.max_media_bytes + 3:
            raise self._too_many_bytes(param)
        try:
            data = base64.b64decode(url[head.end() :], validate=True)
        except (binascii.Error, ValueError) as error:
            raise bad_request(f"the data URI is not base64: {error}", param) from error
        return name, data

    def _file(self, url: str, param: str) -> bytes:
        """A file under one of the roots, by path or file:// URL. What is outside them is refused in the same
        words whether it exists or not."""
        refused = ApiError(
            403, "this path is not in a folder that the server may read", "path_not_allowed", param
        )
        text = url
        if scheme := _SCHEME.match(url):
            if scheme[1].lower() != "file" or not url[scheme.end() :].startswith("///"):
                raise bad_request(
                    f"URLs of this kind are not read here: {url[:40]!r}", param, "unsupported_url"
                )
            text = unquote(url[scheme.end() + 2 :])
        if not self.limits.roots or len(text) > 4_096 or "\0" in text or ".." in Path(text).parts:
            raise refused
        for root in self.limits.roots:
            top = root.resolve()
            path = (top / text).resolve()
            if path.is_relative_to(top) and path != top:
                return self._read(path, refused, param)
        raise refused

    def _read(self, path: Path, refused: ApiError, param: str) -> bytes:
        """A regular file, which must not have become a link since its path was resolved."""
        flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
        try:
            handle = os.open(path, flags)
        except OSError as error:
            raise ApiError(
                400, "there is no file that can be read at this path", "file_not_found", param
            ) from error
        with os.fdopen(handle, "rb") as file:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise refused
            data = file.read(self.limits.max_media_bytes + 1)
        if len(data) > self.limits.max_media_bytes:
            raise self._too_many_bytes(param)
        return data

    def _too_many_bytes(self, param: str) -> ApiError:
        most = f"{self.limits.max_media_bytes // 2**20} MiB"
        return ApiError(413, f"a file has more than {most}", "file_too_large", param)
