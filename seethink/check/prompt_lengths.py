"""Token counts of prompts for a model, and whether its media tokens and features agree."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from typing import Any

import PIL.Image

from seethink.check.faults import Fault, Size
from seethink.media import Image
from seethink.models.encoder import Encoder, Prompt, count_media_tokens
from seethink.types import Example, Format, InputError, Media

LONGEST = 10
"""Number of longest prompts in the report."""
PROMPTS_PER_BATCH = 64


@dataclass(frozen=True)
class PromptLength:
    """The number of tokens of a row's prompt, media included."""

    row: int
    id: str
    tokens: int


@dataclass(frozen=True)
class BlankedExample:
    """A row's example with blank pictures of the original sizes: the number of tokens depends on sizes only,
    and pictures of equal size are processed once."""

    row: int
    example: Example


def blanked(row: int, example: Example, sizes: Sequence[Size | None]) -> BlankedExample:
    """Replace the pictures of an example by blank ones of `sizes`; clips are kept."""

    def blank(medium: Media, size: Size | None) -> Media:
        if size is None or medium.kind != "image":
            return medium
        return Image.drawn(f"blank {size[0]} x {size[1]}", lambda: PIL.Image.new("RGB", size))

    media = tuple(blank(medium, size) for medium, size in zip(example.media, sizes, strict=True))
    return BlankedExample(row, replace(example, media=media))


def measure_prompts(
    examples: Iterable[BlankedExample], model: str, form: Format, max_prompt_length: int | None
) -> tuple[dict[str, Any], list[Fault]]:
    """(statistics of all prompt lengths, faults). max_prompt_length: tokens; the model's own limit if
    None."""
    from seethink.models.loading import load_encoder

    encoder, model_limit = load_encoder(model)
    limit = max_prompt_length or model_limit
    lengths: list[PromptLength] = []
    faults: list[Fault] = []
    for one, prompt in _prompts(examples, encoder, form):
        if isinstance(prompt, Fault):
            faults.append(prompt)
            continue
        lengths.append(PromptLength(one.row, one.example.id, len(prompt.ids)))
        found = _faults(prompt, encoder, limit)
        faults += (Fault(kind, one.row, one.example.id, message) for kind, message in found)
    lengths.sort(key=lambda length: (-length.tokens, length.row))
    mean = sum(length.tokens for length in lengths) / len(lengths) if lengths else None
    longest = [asdict(length) for length in lengths[:LONGEST]]
    return {
        "model": model,
        "prompts": len(lengths),
        "max_prompt_length": limit,
        "mean": mean,
        "longest": longest,
    }, faults


def _faults(prompt: Prompt, encoder: Encoder, limit: int | None) -> Iterator[tuple[str, str]]:
    n_tokens, n_features = count_media_tokens(prompt, encoder.processor) or (0, 0)
    if n_tokens != n_features:
        yield "tokens against features", f"{n_tokens} tokens for media of {n_features} features"
    if limit and len(prompt.ids) > limit:
        yield "prompt too long", f"{len(prompt.ids):,} tokens, more than {limit:,}"


def _prompts(
    examples: Iterable[BlankedExample], encoder: Encoder, form: Format
) -> Iterator[tuple[BlankedExample, Prompt | Fault]]:
    """Prompts in batches of equal media; a rejected batch is encoded one by one to find the faulty
    example."""
    ordered = sorted(examples, key=_media_keys)
    for _, group in groupby(ordered, _media_keys):
        same = list(group)
        for begin in range(0, len(same), PROMPTS_PER_BATCH):
            batch = same[begin : begin + PROMPTS_PER_BATCH]
            try:
                prompts = encoder.prompts([form.prompt(one.example) for one in batch])
            except ValueError:
                yield from ((one, _single_prompt(one, encoder, form)) for one in batch)
            else:
                yield from zip(batch, prompts, strict=True)


def _media_keys(one: BlankedExample) -> tuple[str, ...]:
    return tuple(medium.key for medium in one.example.media)


def _single_prompt(one: BlankedExample, encoder: Encoder, form: Format) -> Prompt | Fault:
    try:
        (prompt,) = encoder.prompts([form.prompt(one.example)])
    except InputError as error:
        return Fault("control token", one.row, one.example.id, str(error))
    except ValueError as error:
        return Fault("refused by the processor", one.row, one.example.id, str(error))
    return prompt
