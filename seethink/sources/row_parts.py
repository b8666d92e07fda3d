"""Parts that the layouts of written rows share: turns with their marks, targets, media, columns of ours."""

from __future__ import annotations

import json
from typing import Any

from seethink.formats import THINK_ANSWER
from seethink.media import Image
from seethink.sources.media_store import MediaStore
from seethink.types import Example, InputError, Turn

Columns = dict[str, Any]
"""The values of a row by column."""


def marked(example: Example) -> list[Turn]:
    """All turns, the question last, with a mark for every medium; unmarked media are marked at the start of
    the first question."""
    turns = [*example.history, Turn("user", example.question)]
    if not example.is_marked:
        first = next(i for i, turn in enumerate(turns) if turn.role == "user")
        marks = "".join(f"<{medium.kind}>" for medium in example.media)
        turns[first] = turns[first]._replace(text=marks + turns[first].text)
    return turns


def question_of(example: Example) -> str:
    return marked(without_history(example))[0].text


def without_history(example: Example) -> Example:
    """The example. Raises InputError if there are turns before its question."""
    if example.history:
        raise InputError(
            f"{example.label} has turns before its question, for which this dialect has no column; "
            "leave it out"
        )
    return example


def all_learned(turns: list[Turn], name: str) -> list[Turn]:
    """The turns. Raises InputError if one must not be learned."""
    if not all(turn.learned for turn in turns):
        raise InputError(f"{name} has a turn of weight 0, for which this dialect has no column; leave it out")
    return turns


def messages_of(turns: list[Turn] | tuple[Turn, ...], weight: str = "") -> list[dict[str, Any]]:
    """weight: the key by which a turn says that it is not learned."""
    return [
        {"role": turn.role, "content": turn.text} | ({} if turn.learned or not weight else {weight: 0})
        for turn in turns
    ]


def answered_messages(example: Example, weight: str) -> list[dict[str, Any]]:
    """All turns with the answer as messages; weight: as in `_messages`."""
    turns = marked(example)
    turns = turns if weight else all_learned(turns, example.label)
    return messages_of([*turns, Turn("assistant", target_of(example))], weight)


def paired(example: Example) -> tuple[str, Columns]:
    """(question, columns `system` and `history` with pairs of turns)."""
    *before, question = all_learned(marked(example), example.label)
    system = before.pop(0).text if before and before[0].role == "system" else None
    if [turn.role for turn in before] != ["user", "assistant"] * (len(before) // 2):
        raise InputError(f"{example.label} has turns that are not pairs; write another dialect")
    pairs = [[asked.text, said.text] for asked, said in zip(before[::2], before[1::2], strict=True)]
    return question.text, {"system": system, "history": pairs}


def target_of(example: Example) -> str:
    """The answer, or thought and answer in tags if there are steps."""
    answer = str(example.answer)
    return THINK_ANSWER.write(" ".join(example.steps), answer) if example.steps else answer


def paths_of(example: Example, store: MediaStore) -> dict[str, list[str]]:
    return {
        f"{kind}s": [store.path(medium) for medium in example.media if medium.kind == kind]
        for kind in ("image", "video")
    }


def embedded_of(example: Example, store: MediaStore) -> list[dict[str, Any]]:
    return [store.embedded(medium) for medium in pictures_of(example)]


def pictures_of(example: Example) -> list[Image]:
    pictures = [medium for medium in example.media if isinstance(medium, Image)]
    if len(pictures) < len(example.media):
        raise InputError(f"{example.label} has a clip, for which this dialect has no column; leave it out")
    return pictures


def extra_columns(example: Example) -> dict[str, Any]:
    """The columns that these dialects lack; meta as JSON text, since a table column has one type."""
    meta = as_json(dict(example.meta), example.id) if example.meta else None
    return {
        "id": example.id,
        "choices": list(example.choices),
        "steps": list(example.steps),
        "meta": meta,
    }


def as_json(value: Any, name: str) -> str:
    """JSON text. Raises InputError naming the example for values that JSON or UTF-8 cannot represent."""
    try:
        text = json.dumps(value, ensure_ascii=False)
        text.encode()  # fails for a lone surrogate
        return text
    except (TypeError, UnicodeEncodeError) as error:
        raise InputError(f"example {name} cannot be written as JSON: {error}; correct it") from error
