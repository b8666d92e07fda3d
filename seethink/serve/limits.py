"""What one request, and all of them together, may ask of the server."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Limits:
    """Caps of the server; each is checked before the work that it bounds.

    max_body_bytes, body_timeout_s: of a request's body, and how long its arrival may take. max_media:
    pictures of a request, frames of clips included. max_image_px: pixels of a picture, by its header.
    max_request_px: of all pictures of a request. max_media_bytes: of one file. max_clip_s, max_frame_px:
    length of a clip and size to which frames are reduced. num_frames: frames taken of a video file.
    max_decoded_frames, max_decode_s: frames that may be decoded to find them, and how long that may take.
    max_characters: text of a request. max_tokens: longest completion; also the default. max_n: completions
    of a request. max_sampled: completions times beams times tokens. max_concurrency: requests at work; more
    are answered with 429. timeout_s: of a request. json_tries: times that an answer which is not the
    requested JSON is sampled. roots: folders whose files may be named. remote: whether http(s) URLs are
    fetched.
    """

    max_body_bytes: int = 32 * 2**20
    body_timeout_s: float = 30.0
    max_media: int = 32
    max_image_px: int = 50_000_000
    max_request_px: int = 100_000_000
    max_media_bytes: int = 20 * 2**20
    max_clip_s: float = 600.0
    max_frame_px: int = 401_408
    num_frames: int = 8
    max_decoded_frames: int = 36_000
    max_decode_s: float = 60.0
    max_characters: int = 400_000
    max_tokens: int = 1_024
    max_n: int = 16
    max_sampled: int = 16_384
    max_concurrency: int = 256
    timeout_s: float = 300.0
    json_tries: int = 3
    roots: tuple[Path, ...] = field(default=())
    remote: bool = False
