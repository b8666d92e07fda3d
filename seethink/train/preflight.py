"""Every row of a training's data, checked before the model is loaded.

The one place of these checks, for every method: `ROW_CHECKS` lists them. What cannot be trained on is an
error that names its row, and what is left out is counted in `rows.json`. Of pictures and clips only headers
are read; prompts are encoded, with blank pictures of the same sizes, only where `max_prompt_length` limits
them."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from seethink.attempt import sft_example
from seethink.check.faults import Fault, no_such_option, same_option
from seethink.check.prompt_lengths import BlankedPrompt, encoded
from seethink.evaluate import references
from seethink.media import Image, Video
from seethink.models import chat_template
from seethink.models.accepted_media import AcceptedMedia, is_drawn
from seethink.models.encoder import Encoder, texts_of
from seethink.models.loading import load_encoder
from seethink.sequences import LazySequence
from seethink.train import trackers
from seethink.train.configs import DPOConfig, GRPOConfig, SFTConfig, TrainingConfig
from seethink.train.methods import OnStep
from seethink.train.notes import ROWS_FILE
from seethink.types import (
    Example,
    Format,
    InputError,
    Media,
    Messages,
    PreferencePair,
    Response,
    SFTExample,
    Task,
    assistant_prefill,
)
from seethink.verify.choice import same_choice
from seethink.verify.combine import uses_judge

T = TypeVar("T")

PROGRESS_EVERY_S = 1.0


@dataclass(frozen=True)
class TrainingRow:
    """What a training takes of a row. replies: the texts that it learns, prefill included; two of a pair.
    earlier: the same of the answers before it in its conversation."""

    example: Example
    form: Format
    replies: tuple[str, ...] = ()
    earlier: tuple[TrainingRow, ...] = ()


@dataclass
class RowContext:
    """What the checks share. accepted: what the processor takes. opened: keys of media whose headers were
    read. rendered: shapes of conversations that the chat template has rendered."""

    encoder: Encoder
    accepted: AcceptedMedia
    opened: set[str] = field(default_factory=set)
    rendered: set[str] = field(default_factory=set)


# The data of each method ------------------------------------------------------------------------------------


def check_examples(
    model: str, examples: Sequence[SFTExample], config: SFTConfig, out: Path | None, on_step: OnStep
) -> Sequence[SFTExample]:
    """The examples that are trained on: all that are not overlong. Raises InputError as `usable_rows`. out:
    where the number of rows left out is recorded; None for nowhere, ahead of a training."""

    thoughtless: set[int] = set()

    def row(i: int) -> TrainingRow:
        lesson = examples[i]
        if any(_is_thoughtless(turn) for turn in (*lesson.earlier, lesson)):
            thoughtless.add(i)
        return _training_row(lesson)

    encoder = _encoder(model, config.training)
    usable = usable_rows(len(examples), row, encoder, config.training, on_step)
    facts = {**_left_out(len(examples), usable, config.training), **_without_thought(thoughtless, usable)}
    record(out, {"rows": len(examples), **facts})
    return Subset.of(examples, usable)


def _training_row(lesson: SFTExample) -> TrainingRow:
    earlier = tuple(map(_training_row, lesson.earlier))
    return TrainingRow(lesson.example, lesson.format, (lesson.text,), earlier)


def check_pairs(
    model: str, pairs: Sequence[PreferencePair], config: DPOConfig, out: Path | None, on_step: OnStep
) -> Sequence[PreferencePair]:
    """The pairs that are trained on, as `check_examples`."""

    def row(i: int) -> TrainingRow:
        pair = pairs[i]
        return TrainingRow(pair.example, pair.format, (pair.better, pair.worse))

    encoder = _encoder(model, config.training)
    usable = usable_rows(len(pairs), row, encoder, config.training, on_step)
    record(out, {"rows": len(pairs), **_left_out(len(pairs), usable, config.training)})
    return Subset.of(pairs, usable)


def check_task(model: str, task: Task, config: GRPOConfig, out: Path | None, on_step: OnStep) -> Task:
    """The task with the examples that are trained on, as `check_examples`; its verifier must be able to judge
    a reference answer."""
    examples, thoughtless = task.examples, set[int]()

    def row(i: int) -> TrainingRow:
        if not config.sft_loss_coef:
            return TrainingRow(examples[i], task.format)
        lesson = sft_example(task, examples[i])
        if _is_thoughtless(lesson):
            thoughtless.add(i)
        return TrainingRow(lesson.example, task.format, (lesson.text,))

    encoder = _encoder(model, config.training)
    usable = usable_rows(len(examples), row, encoder, config.training, on_step)
    facts = {**_left_out(len(examples), usable, config.training), **_without_thought(thoughtless, usable)}
    facts |= _judged(task, usable, on_step)
    record(out, {"rows": len(examples), **facts})
    return replace(task, examples=Subset.of(examples, usable))


def _encoder(model: str, config: TrainingConfig) -> Encoder:
    """The model's encoder. Raises InputError first for a tracker that is not installed."""
    trackers.callbacks(config.monitoring.trackers, Path())
    return load_encoder(model)[0]


@dataclass(frozen=True)
class Subset(LazySequence[T]):
    """The items of a sequence at some indices, in the order of the indices."""

    items: Sequence[T]
    indices: Sequence[int]

    @classmethod
    def of(cls, items: Sequence[T], indices: Sequence[int]) -> Sequence[T]:
        """`items` themselves where all are taken."""
        return items if len(indices) == len(items) else cls(items, indices)

    def __len__(self) -> int:
        return len(self.indices)

    def item(self, i: int) -> T:
        return self.items[self.indices[i]]


# Rows -------------------------------------------------------------------------------------------------------


def usable_rows(
    n: int, row: Callable[[int], TrainingRow], encoder: Encoder, config: TrainingConfig, on_step: OnStep
) -> list[int]:
    """The indices of the rows whose prompts have at most `max_prompt_length` tokens.

    Raises InputError for the first row that cannot be trained on, with the number of the others, and where no
    row is left. on_step: called with progress, `{"step", "steps", "detail"}`, if it takes seconds."""
    if not n:
        raise InputError("there is no row to train on")
    context, blanked, faults = RowContext(encoder, AcceptedMedia(encoder)), [], []
    for i in watched(range(n), n, "rows checked", on_step):
        try:
            found = row(i)
            check_row(found, context)
            if config.max_prompt_length:
                sizes = [_size(medium) for medium in found.example.media]
                blanked.append(BlankedPrompt.of(i, found.example, found.form, sizes))
        except InputError as error:
            faults.append(str(error))
    _refuse(faults)
    if not config.max_prompt_length:
        return list(range(n))
    return _short(blanked, row, encoder, config, on_step)


def check_row(row: TrainingRow, context: RowContext) -> None:
    """Raise InputError, which names the row, for its first fault."""
    for turn in row.earlier:
        check_row(turn, context)
    try:
        messages = row.form.prompt(row.example)
        for check in ROW_CHECKS:
            check(row, messages, context)
    except InputError as error:
        raise _located(error, row.example) from error


def _located(error: Exception, example: Example) -> InputError:
    """The error with file and row in front, if it does not name them itself."""
    text = str(error)
    return InputError(text if example.label in text else f"{example.label}: {text}")


def _refuse(faults: Sequence[str]) -> None:
    """Raise InputError for the first fault, if there is one, with the number of the others."""
    if faults:
        raise InputError.of_rows(faults)


def _media_open(row: TrainingRow, messages: Messages, context: RowContext) -> None:
    """Every medium has a header. Drawn ones have none; those of a file's rows were opened by its reader."""
    for medium in row.example.media:
        if not row.example.where and not is_drawn(medium) and medium.key not in context.opened:
            if isinstance(medium, Video):
                medium.duration_s()
            _size(medium)
            context.opened.add(medium.key)


def _accepted(row: TrainingRow, messages: Messages, context: RowContext) -> None:
    """The processor takes every picture and clip."""
    for medium in row.example.media:
        if not is_drawn(medium):
            context.accepted.refuse(medium)


def _options(row: TrainingRow, messages: Messages, context: RowContext) -> None:
    """The answer is one of the choices, which differ."""
    answer = row.example.answer
    if answer is None:
        return
    paid = same_choice(row.example, Response(answer, answer=answer)).value == 1.0
    for fault in (*(() if paid else no_such_option(row.example)), *same_option(row.example)):
        raise InputError(f"{fault}; correct the answer or the choices")


def _control_tokens(row: TrainingRow, messages: Messages, context: RowContext) -> None:
    """No text would end a turn or stand for a picture."""
    context.encoder.control_tokens.refuse(texts_of(messages), "prompt")
    context.encoder.control_tokens.refuse(row.replies, "response")


def _replies(row: TrainingRow, messages: Messages, context: RowContext) -> None:
    """There is something to learn."""
    prefill = assistant_prefill(messages)
    if any(not reply.removeprefix(prefill).strip() for reply in row.replies):
        raise InputError("a response is empty; give its text, or remove the row")
    if len(set(row.replies)) < len(row.replies):
        raise InputError("chosen and rejected are the same text; give two different responses")


def _template(row: TrainingRow, messages: Messages, context: RowContext) -> None:
    """The chat template takes conversations of this shape: roles, and kinds of content."""
    shape = repr([(m["role"], [part["type"] for part in m["content"]]) for m in messages])
    if shape not in context.rendered:
        chat_template.render(
            context.encoder.processor, messages[:-1] if assistant_prefill(messages) else messages
        )
        context.rendered.add(shape)


ROW_CHECKS: Sequence[Callable[[TrainingRow, Messages, RowContext], None]] = (
    _media_open,
    _accepted,
    _options,
    _replies,
    _control_tokens,
    _template,
)
"""In this order. Each raises InputError with the fault and how to mend it; `check_row` adds file and row."""


def _size(medium: Media) -> tuple[int, int] | None:
    """(width, height) from the header; None for a drawn clip, which has none. Raises InputError."""
    return medium.size() if isinstance(medium, Image | Video) else None


# Long prompts -----------------------------------------------------------------------------------------------


def _short(
    blanked: Sequence[BlankedPrompt],
    row: Callable[[int], TrainingRow],
    encoder: Encoder,
    config: TrainingConfig,
    on_step: OnStep,
) -> list[int]:
    """The indices of the rows within `max_prompt_length`. Raises InputError for a longer one, unless
    `filter_overlong_prompts` leaves it out; where nothing is left; and for what the processor refuses."""
    limit, tokens, faults = config.max_prompt_length, {}, {}
    for one, prompt in watched(encoded(blanked, encoder), len(blanked), "prompts measured", on_step):
        if isinstance(prompt, Fault):
            faults[one.row] = prompt.message
        else:
            tokens[one.row] = len(prompt.ids)
    _refuse([str(_located(InputError(faults[i]), row(i).example)) for i in sorted(faults)])
    assert limit is not None
    longer = sorted(i for i, n in tokens.items() if n > limit)
    if longer and not config.filter_overlong_prompts:
        advice = "raise it, make its media smaller, or say filter_overlong_prompts=true"
        too_long = f"tokens, more than max_prompt_length={limit}; {advice}"
        _refuse([f"{row(i).example.label}: the prompt has {tokens[i]:,} {too_long}" for i in longer])
    if len(longer) == len(blanked):
        raise InputError(
            f"filter_overlong_prompts leaves no row: all {len(blanked):,} prompts are longer than "
            f"max_prompt_length={limit}, the shortest has {min(tokens.values()):,} tokens; raise it, or make "
            "the media smaller"
        )
    return sorted(tokens.keys() - set(longer))


def _left_out(n: int, usable: Sequence[int], config: TrainingConfig) -> dict[str, Any]:
    if config.max_prompt_length is None:
        return {}
    return {"overlong_prompts": n - len(usable), "max_prompt_length": config.max_prompt_length}


# Thoughts -----------------------------------------------------------------------------------------------


def _is_thoughtless(lesson: SFTExample) -> bool:
    """Whether a reply has an answer and no thought, although its format asks for one."""
    response = lesson.format.parse(lesson.text)
    return lesson.format.thinks and response.answer is not None and not response.thought


def _without_thought(thoughtless: Set[int], usable: Sequence[int]) -> dict[str, Any]:
    taught = sum(i in thoughtless for i in usable)
    return {"taught_rows": len(usable), "thoughtless_rows": taught} if taught else {}


# The verifier -----------------------------------------------------------------------------------------------


def _judged(task: Task, usable: Sequence[int], on_step: OnStep) -> dict[str, Any]:
    """How many rows the verifier cannot judge, by another row's reference answer. A judge model is not asked.

    Raises InputError where it can judge none, and for a row without an answer that it cannot judge."""
    if uses_judge(task.verifier):
        return {}
    probed = references.spread(usable)
    answers = references.two_answers(task, probed)
    unjudged: list[str] = []
    silent: list[str] = []
    for i in watched(probed, len(probed), "references judged", on_step):
        example = task.examples[i]
        why = references.unjudged(task, example, answers)
        if why is not None:
            unjudged.append(f"{example.label}: {why}")
            silent += [unjudged[-1]] if example.answer is None else []
    if len(unjudged) == len(probed):
        raise references.none_judged(unjudged, len(usable), "learned")
    _refuse([f"{text}; give the row an answer, or leave it out" for text in silent])
    return {"probed_rows": len(probed), "unjudged_rows": len(unjudged), "first_unjudged": unjudged[:1]}


# Progress and record ----------------------------------------------------------------------------------------


def watched(items: Iterable[T], n: int, detail: str, on_step: OnStep) -> Iterator[T]:
    """The items; every second `on_step` is told how many of `n` are done."""
    told = time.monotonic()
    for i, item in enumerate(items, 1):
        yield item
        if time.monotonic() - told > PROGRESS_EVERY_S:
            told = time.monotonic()
            on_step({"step": i, "steps": n, "detail": detail})


def record(out: Path | None, facts: Mapping[str, Any]) -> None:
    """Replace `out/rows.json`, in the first process of a launch; `notes.py` reads it."""
    if out is None or int(os.environ.get("RANK", "0")):
        return
    out.mkdir(parents=True, exist_ok=True)
    part = out / f"{ROWS_FILE}.part"
    part.write_text(json.dumps(facts) + "\n", encoding="utf-8")
    os.replace(part, out / ROWS_FILE)
