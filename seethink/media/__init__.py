"""Pictures and clips, decoded on demand and within size limits."""

from seethink.media.clip import DrawnVideo, Frames, Video, write_clip
from seethink.media.image import MAX_PIXELS, Image, PictureError
from seethink.media.paths import is_file, shown
from seethink.media.preview import fingerprint, pixels_digest, save_preview

__all__ = [
    "MAX_PIXELS",
    "DrawnVideo",
    "Frames",
    "Image",
    "PictureError",
    "Video",
    "fingerprint",
    "is_file",
    "pixels_digest",
    "save_preview",
    "shown",
    "write_clip",
]
