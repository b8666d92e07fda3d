"""The record of an evaluation: all that must be equal for its numbers to be compared with others."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from seethink import identity, media
from seethink.formats import messages as shown
from seethink.types import Example, Task, assistant_prefill

_PIXEL_SETTINGS = (
    *("do_resize", "size", "min_pixels", "max_pixels", "patch_size", "merge_size"),
    *("max_patches", "crop_to_patches", "do_image_splitting", "max_image_size"),
)
"""Settings of a processor that decide how many pixels of a picture a model sees."""


def record(engine: object, task: Task, known: Mapping[str, Any]) -> dict[str, Any]:
    """How a task was asked and scored, as JSON. known: what the caller knows besides, such as model and
    decoding.

    prompt: the rendered wording, `{question}` in the question's place, and its SHA-256. pixels: the limits
    set on pictures (None: original size), and the model's own settings where it is loaded here. frames: of
    clips, None where there are none. verifier: SHA-256 of its sources and fields.
    """
    pictures = [medium for example in task.examples for medium in example.media]
    clips = [medium for medium in pictures if isinstance(medium, media.Video)]
    return {
        **identity.plain(known),
        "task": task.name,
        "format": task.format.name,
        "prompt_mode": task.format.prompt_mode,
        "prompt": _prompt(engine, task),
        "pixels": {
            "limit": _distinct(medium.max_px for medium in pictures if isinstance(medium, media.Image)),
            "processor": _processor_settings(engine),
        },
        "frames": _frames(clips) if clips else None,
        "verifier": identity.digest(identity.of_verifier(task.verifier)),
        "questions": identity.of_sequence(task.examples),
        "versions": identity.versions(),
    }


def _prompt(engine: object, task: Task) -> dict[str, str]:
    """The wording by text and hash: as the chat template renders it where the model is loaded here, else as
    the messages that a server gets, a paragraph each."""
    first = task.examples[0].media if len(task.examples) else ()
    marks = "".join(f"<{medium.kind}>" for medium in first)
    messages = task.format.prompt(Example("", f"{marks}{{question}}", first))
    text = shown.transcript(messages)
    encoder = getattr(engine, "encoder", None)
    if encoder is not None:
        from seethink.models import chat_template

        prefill = assistant_prefill(messages)
        text = chat_template.render(encoder.processor, messages[:-1] if prefill else messages) + prefill
    return {"sha256": hashlib.sha256(text.encode()).hexdigest(), "text": text}


def _processor_settings(engine: object) -> dict[str, Any] | None:
    """Of the model's own processor of pictures; None where it is not here."""
    processor = getattr(getattr(getattr(engine, "encoder", None), "processor", None), "image_processor", None)
    if processor is None:
        return None
    values = {name: getattr(processor, name, None) for name in _PIXEL_SETTINGS}
    return {name: identity.plain(_mapping(value)) for name, value in values.items() if value is not None}


def _mapping(value: Any) -> Any:
    return dict(value) if hasattr(value, "items") else value


def _frames(clips: list[media.Video]) -> dict[str, Any]:
    return {
        "num_frames": _distinct(clip.num_frames for clip in clips),
        "frame_interval": _distinct(clip.frame_interval for clip in clips),
        "limit": _distinct(clip.max_px for clip in clips),
    }


def _distinct(values: Any) -> Any:
    """The one value that all have; of several, a sorted list; None where there is none."""
    found = sorted({*values}, key=lambda value: (value is not None, value or 0))
    return found[0] if len(found) == 1 else found or None
