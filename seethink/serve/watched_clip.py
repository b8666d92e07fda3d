"""A clip file whose decoding is watched between packets and frames; its header may promise less than it
holds."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import Any

from seethink.media import Video
from seethink.media.frame_reader import FrameReader
from seethink.serve.errors import ApiError, bad_request
from seethink.serve.limits import Limits


@dataclass
class Watch:
    """What may be decoded of one clip, counted over all passes through its file. cancelled: nobody waits for
    the clip any more. param: the field of the request. Raises ApiError where a limit is passed."""

    limits: Limits
    cancelled: threading.Event
    param: str
    frames: int = field(default=0, init=False)
    begun_s: float = field(default_factory=time.monotonic, init=False)

    def __call__(self, frame: Any) -> None:
        """A packet was read (None), or a frame decoded."""
        if self.cancelled.is_set():
            raise ApiError(400, "the client has gone", "cancelled", self.param)
        if time.monotonic() - self.begun_s > self.limits.max_decode_s:
            limit = f"more than {self.limits.max_decode_s:g} s"
            raise bad_request(f"decoding the clip takes {limit}", self.param, "video_too_long")
        if frame is None:
            return
        self.frames += 1
        if self.frames > self.limits.max_decoded_frames:
            limit = f"more than {self.limits.max_decoded_frames:,} frames"
            raise bad_request(f"{limit} of the clip must be decoded", self.param, "video_too_long")
        if frame.width * frame.height > self.limits.max_image_px:
            size = f"{frame.width} x {frame.height} pixels"
            raise bad_request(f"the clip's frames have {size}", self.param, "video_too_large")


@dataclass(frozen=True, eq=False, kw_only=True)
class WatchedVideo(Video):
    """A clip file of a request."""

    watch: Watch

    def _reader(self) -> FrameReader:
        return FrameReader(self.path, self.watch)
