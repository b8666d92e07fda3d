"""How long each question is for a chosen model, and whether tokens and features of its media agree."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from typing import Any

import PIL.Image

from seethink.check.faults import Fault, Size
from seethink.families import Encoder, Prompt, features
from seethink.media import Image
from seethink.types import Example, Format, InputError, Media

LONGEST = 10
"""So many of the longest prompts are told."""
AT_A_TIME = 64


@dataclass(frozen=True)
class Long:
    """How many tokens a row's prompt has for the model, media among them."""

    row: int
    id: str
    tokens: int


@dataclass(frozen=True)
class Asked:
    """A row's example whose pictures have the right size and nothing in them: tokens depend on size alone,
    and pictures of one size are processed once."""

    row: int
    example: Example


def blank(row: int, example: Example, sizes: Sequence[Size | None]) -> Asked:
    def alike(medium: Media, size: Size | None) -> Media:
        if size is None or medium.kind != "image":
            return medium
        return Image.drawn(f"blank {size[0]} x {size[1]}", lambda: PIL.Image.new("RGB", size))

    media = tuple(alike(medium, size) for medium, size in zip(example.media, sizes, strict=True))
    return Asked(row, replace(example, media=media))


def measured(
    asked: Iterable[Asked], model: str, form: Format, most: int | None
) -> tuple[dict[str, Any], list[Fault]]:
    """What is told of all prompts, and the faults. most: tokens that a prompt may have; None for as many as
    the model was made for."""
    from seethink.engines.local import encoder

    reader, made_for = encoder(model)
    most = most or made_for
    lengths: list[Long] = []
    faults: list[Fault] = []
    for one, prompt in _prompts(asked, reader, form):
        if isinstance(prompt, Fault):
            faults.append(prompt)
            continue
        lengths.append(Long(one.row, one.example.id, len(prompt.ids)))
        faults += (Fault(kind, one.row, one.example.id, told) for kind, told in _faults(prompt, reader, most))
    lengths.sort(key=lambda long: (-long.tokens, long.row))
    mean = sum(long.tokens for long in lengths) / len(lengths) if lengths else None
    longest = [asdict(long) for long in lengths[:LONGEST]]
    return {"model": model, "prompts": len(lengths), "most": most, "mean": mean, "longest": longest}, faults


def _faults(prompt: Prompt, reader: Encoder, most: int | None) -> Iterator[tuple[str, str]]:
    standing, made = features(prompt, reader.processor) or (0, 0)
    if standing != made:
        yield "tokens against features", f"{standing} tokens stand for media of {made} features"
    if most and len(prompt.ids) > most:
        yield "prompt too long", f"{len(prompt.ids):,} tokens, more than {most:,}"


def _prompts(
    asked: Iterable[Asked], encoder: Encoder, form: Format
) -> Iterator[tuple[Asked, Prompt | Fault]]:
    """By batches of equal pictures; a batch that is refused is tried one by one, to know which it is."""
    ordered = sorted(asked, key=_keys)
    for _, same in groupby(ordered, _keys):
        waiting = list(same)
        for begin in range(0, len(waiting), AT_A_TIME):
            batch = waiting[begin : begin + AT_A_TIME]
            try:
                prompts = encoder.prompts([form.prompt(one.example) for one in batch])
            except ValueError:
                yield from ((one, _alone(one, encoder, form)) for one in batch)
            else:
                yield from zip(batch, prompts, strict=True)


def _keys(asked: Asked) -> tuple[str, ...]:
    return tuple(medium.key for medium in asked.example.media)


def _alone(asked: Asked, encoder: Encoder, form: Format) -> Prompt | Fault:
    try:
        (prompt,) = encoder.prompts([form.prompt(asked.example)])
    except InputError as error:
        return Fault("control token", asked.row, asked.example.id, str(error))
    except ValueError as error:
        return Fault("refused by the processor", asked.row, asked.example.id, str(error))
    return prompt
