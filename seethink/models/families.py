"""Model families: what differs between them, one `Family` entry each, and the coordinates that they name
boxes in.

A family is found by the `model_type` of a checkpoint's config. No torch is imported.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from seethink.boxes import Box, Point, read_boxes, read_points, read_spelled, scale_written
from seethink.media import Image
from seethink.types import CoordinateFrame, FrameKind, Media


@dataclass(frozen=True)
class Family:
    """How one model family takes pictures. The defaults describe LLaVA and most families after it.

    mrope: positions are (time, height, width) triples from the model's `get_rope_index`. media_axis: axis
    along which the media of several prompts are concatenated. blocks: the tokens of one picture also attend
    backwards to each other. cross: pictures are attended to by cross-attention, through a mask with a row for
    each token. segments: the vision tower takes all pictures as one row of patches (`attention/segments.py`).
    shared: branches can share a row (`policy.py`); other families take full rows and sample by their own
    `generate`, which is equal and slower. capped: logits have the cap of the text config (`head.py`). boxes:
    coordinates in which it names places, as its authors say (sources in docs/formats.md); pixels of the
    original picture where they say nothing. least_image_tokens: of one picture; transformers' Mistral 3 drops
    an axis of a picture of one token."""

    name: str
    model_types: tuple[str, ...]
    mrope: bool = False
    media_axis: int = 0
    blocks: bool = False
    cross: bool = False
    segments: bool = False
    shared: bool = True
    capped: bool = False
    boxes: FrameKind = "original"
    least_image_tokens: int = 1

    def alike(self, media: Mapping[str, Any]) -> tuple[Any, ...]:
        """A key: prompts with equal keys may share a batch.

        A batch has one kind of media, since GLM-4V's pictures and clips have the same placeholder. With
        cross-attention it has one number of pictures, since padding pictures would change its rows.
        """
        pictures = media["pixel_values"].shape[1] if self.cross and media else None
        return (*sorted(media), pictures)


FAMILIES = (
    Family("qwen2-vl", ("qwen2_vl",), mrope=True, segments=True, boxes="thousandths"),
    Family("qwen2.5-vl", ("qwen2_5_vl",), mrope=True, segments=True, boxes="resized"),
    Family("qwen3-vl", ("qwen3_vl", "qwen3_vl_moe"), mrope=True, boxes="thousandths"),
    Family("glm-4v", ("glm4v", "glm4v_moe", "glm46v", "glmga"), mrope=True, boxes="thousandths"),
    Family("llava", ("llava", "llava_next", "llava_onevision"), boxes="unit"),
    Family("internvl", ("internvl",), boxes="thousandths"),
    Family("mistral3", ("mistral3",), least_image_tokens=2),
    Family("cohere-vision", ("aya_vision", "cohere2_vision")),
    Family("ovis2", ("ovis2",)),
    Family("kimi", ("kimi_k25",)),
    Family("aria", ("aria",)),
    Family("idefics", ("idefics3", "smolvlm"), media_axis=1),
    Family("gemma3", ("gemma3",), blocks=True),
    Family("mllama", ("mllama",), cross=True),
)


def family_of(config: Any) -> Family:
    """The family of a model config; for a type without an entry, one that takes full rows."""
    for family in FAMILIES:
        if config.model_type in family.model_types:
            return family
    return Family(config.model_type, (config.model_type,), shared=False)


_PLACES: Mapping[FrameKind, int] = {"unit": 3}
"""Decimals of a written coordinate; 0 for the other frames."""


def places_in_pixels(
    text: str, frame: CoordinateFrame | None, media: Sequence[Media]
) -> tuple[tuple[Box, ...] | None, tuple[Point, ...] | None]:
    """(boxes, points) of an answer in pixels of the original picture, None for each that it is no list of.

    A spelling that names its own units (`boxes.read_spelled`) goes before the model's frame, and needs none:
    then the picture is the first of `media`. Without either, the coordinates are unknown: (None, None)."""
    spelled = read_spelled(text)
    if spelled is None:
        boxes, points = (read_boxes(text), read_points(text)) if frame else (None, None)
    else:
        boxes, points = spelled.boxes or None, spelled.points or None
        if spelled.units:
            size = frame.size if frame else next((m.size() for m in media if isinstance(m, Image)), None)
            frame = CoordinateFrame("original", size, (spelled.units, spelled.units)) if size else None
    if frame is None:
        return None, None
    return (
        None if boxes is None else boxes_to_pixels(boxes, frame),
        None if points is None else points_to_pixels(points, frame),
    )


def boxes_to_pixels(boxes: Sequence[Box], frame: CoordinateFrame) -> tuple[Box, ...]:
    """Boxes in the model's coordinates -> pixels of the original picture."""
    x, y = _pixels_of(frame)
    return tuple(box.scaled(x, y) for box in boxes)


def points_to_pixels(points: Sequence[Point], frame: CoordinateFrame) -> tuple[Point, ...]:
    """Points in the model's coordinates -> pixels of the original picture."""
    x, y = _pixels_of(frame)
    return tuple((px * x, py * y) for px, py in points)


def _pixels_of(frame: CoordinateFrame) -> tuple[float, float]:
    """Pixels of the original picture per unit of the model's coordinates, (x, y)."""
    x, y = (pixels / units for pixels, units in zip(frame.size, frame.units, strict=True))
    return x, y


def in_original_pixels(text: str, frame: CoordinateFrame | None) -> str:
    """`text`, whose boxes and points are in the model's coordinates, with pixels of the original picture."""
    if frame is None or frame.kind == "original":
        return text
    return scale_written(text, *_pixels_of(frame), 0)


def in_model_coordinates(text: str, frame: CoordinateFrame | None) -> str:
    """`text`, whose boxes and points are in pixels of the original picture, with the model's coordinates."""
    if frame is None or frame.kind == "original":
        return text
    x, y = (units / pixels for pixels, units in zip(frame.size, frame.units, strict=True))
    return scale_written(text, x, y, _PLACES.get(frame.kind, 0))
