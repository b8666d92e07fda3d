"""Token counts of prompts for a model, and whether its media tokens and features agree."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from typing import Any

import PIL.Image

from seethink.check.faults import Fault, Size
from seethink.media import Image
from seethink.models.accepted_media import AcceptedMedia
from seethink.models.encoder import Encoder, Prompt, count_media_tokens, media_of, texts_of
from seethink.types import Example, Format, InputError, Media, Messages

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
class BlankedPrompt:
    """A row's conversation with blank pictures of the original sizes: the number of tokens depends on sizes
    only, and pictures of equal size are processed once. replies: other texts of the row, which a model would
    learn."""

    row: int
    id: str
    messages: Messages
    media: tuple[str, ...]
    replies: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        row: int,
        example: Example,
        form: Format,
        sizes: Sequence[Size | None],
        replies: Sequence[str] = (),
    ) -> BlankedPrompt:
        """Pictures become blank ones of `sizes`; clips are kept."""
        media = tuple(map(_blank, example.media, sizes))
        messages = form.prompt(replace(example, media=media))
        return cls(row, example.id, messages, tuple(medium.key for medium in media), tuple(replies))


def _blank(medium: Media, size: Size | None) -> Media:
    if size is None or medium.kind != "image":
        return medium
    blank = Image.drawn(f"blank {size[0]} x {size[1]}", lambda: PIL.Image.new("RGB", size))
    return replace(blank, where=getattr(medium, "where", blank.where))


def measure_prompts(
    rows: Iterable[BlankedPrompt], model: str, max_prompt_length: int | None
) -> tuple[dict[str, Any], list[Fault]]:
    """(statistics of all prompt lengths, faults). max_prompt_length: tokens; the model's own limit if
    None."""
    from seethink.models.loading import load_encoder

    encoder, model_limit = load_encoder(model)
    limit = max_prompt_length or model_limit
    lengths: list[PromptLength] = []
    faults: list[Fault] = []
    for row, prompt in encoded(rows, encoder):
        if isinstance(prompt, Fault):
            faults.append(prompt)
            continue
        lengths.append(PromptLength(row.row, row.id, len(prompt.ids)))
        faults += _faults(row, prompt, encoder, limit)
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


def _faults(row: BlankedPrompt, prompt: Prompt, encoder: Encoder, limit: int | None) -> Iterator[Fault]:
    try:
        encoder.control_tokens.refuse(row.replies, "answer, a step or a response")
    except InputError as error:
        yield Fault.of_error("control token", row.row, row.id, str(error))
    n_tokens, n_features = count_media_tokens(prompt, encoder.processor) or (0, 0)
    if n_tokens != n_features:
        message = f"{n_tokens} tokens for media of {n_features} features"
        yield Fault("tokens against features", row.row, row.id, message)
    if limit and len(prompt.ids) > limit:
        message = f"{len(prompt.ids):,} tokens, more than {limit:,}"
        yield Fault("prompt too long", row.row, row.id, message)


def encoded(
    rows: Iterable[BlankedPrompt], encoder: Encoder
) -> Iterator[tuple[BlankedPrompt, Prompt | Fault]]:
    """Prompts in batches of equal media; a rejected batch is encoded one by one to find the faulty row."""
    accepted, taken = AcceptedMedia(encoder), []
    for row in rows:
        try:
            for medium in media_of(row.messages):
                accepted.refuse(medium)
        except InputError as error:
            yield row, Fault.of_error("refused by the processor", row.row, row.id, str(error))
        else:
            taken.append(row)
    ordered = sorted(taken, key=lambda row: row.media)
    for _, group in groupby(ordered, lambda row: row.media):
        same = list(group)
        for begin in range(0, len(same), PROMPTS_PER_BATCH):
            batch = same[begin : begin + PROMPTS_PER_BATCH]
            try:
                prompts = encoder.prompts([row.messages for row in batch])
            except ValueError:
                yield from ((row, _single_prompt(row, encoder)) for row in batch)
            else:
                yield from zip(batch, prompts, strict=True)


def _single_prompt(row: BlankedPrompt, encoder: Encoder) -> Prompt | Fault:
    try:
        encoder.control_tokens.refuse(texts_of(row.messages))
    except InputError as error:
        return Fault.of_error("control token", row.row, row.id, str(error))
    try:
        (prompt,) = encoder.prompts([row.messages])
    except ValueError as error:
        return Fault.of_error("refused by the processor", row.row, row.id, str(error))
    return prompt
