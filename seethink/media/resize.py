"""The size of a picture under a pixel limit."""


def size_within(width: int, height: int, max_px: int) -> tuple[int, int]:
    """(width, height) downscaled to at most `max_px` pixels; the aspect ratio is kept."""
    scale = min(1.0, (max_px / (width * height)) ** 0.5)
    return max(1, int(width * scale)), max(1, int(height * scale))
