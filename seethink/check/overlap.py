"""Rows that training and test data have in common: the same question about the same pictures or clips."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence
from functools import lru_cache

from seethink.check.media_info import content_digest
from seethink.media import Image, Video
from seethink.sequences import LazySequence
from seethink.types import Example, Media

RowIndex = defaultdict[Hashable, list[int]]
"""{what rows have in common: their indices}"""


def rows_in_both(train: Sequence[Example], test: Sequence[Example]) -> list[int]:
    """Indices of the rows of `test` that `train` has too, whatever their answers.

    Media are the same if their keys are or, where texts and sizes agree, if their decoded pixels are; drawn
    media are compared with one another by key alone. Raises InputError for a medium that cannot be decoded.
    """
    known = train.identity if isinstance(train, LazySequence) else None
    if known is not None and isinstance(test, LazySequence) and test.identity == known:
        return [*range(min(len(train), len(test)))]
    asked = [_asked(example) for example in test]
    by_key, by_size = RowIndex(list), RowIndex(list)
    for i, example in enumerate(test):
        by_key[asked[i], _keys(example)].append(i)
    texts, found = set(asked), set[int]()
    candidates = [(text, example) for example in train if (text := _asked(example)) in texts]
    for text, example in candidates:
        found.update(by_key.get((text, _keys(example)), ()))
    candidates = [(text, example) for text, example in candidates if example.media]
    if all(_drawn(example) for _, example in candidates):
        left = [i for i, example in enumerate(test) if i not in found and not _drawn(example)]
    else:
        left = [i for i in range(len(test)) if i not in found]
    texts = {text for text, _ in candidates}
    for i in left:
        if asked[i] in texts:
            by_size[asked[i], _sizes(test[i])].append(i)
    content = lru_cache(maxsize=None)(content_digest)  # of the media of this call
    by_content: dict[Hashable, RowIndex] = {}
    for text, example in candidates:
        alike = (text, _sizes(example)) if by_size else None
        if alike not in by_size:
            continue
        if alike not in by_content:
            by_content[alike] = RowIndex(list)
            for i in by_size[alike]:
                by_content[alike][tuple(map(content, test[i].media))].append(i)
        found.update(by_content[alike].get(tuple(map(content, example.media)), ()))
    return sorted(found)


def _asked(example: Example) -> Hashable:
    """The turns with the places of their media; blanks count as one."""
    return tuple(
        (role, *(" ".join(part.split()) if isinstance(part, str) else part.kind for part in parts))
        for role, parts in example.turns()
    )


def _keys(example: Example) -> Hashable:
    return tuple(medium.key for medium in example.media)


def _sizes(example: Example) -> Hashable:
    """The size of each medium, read from its header; a drawn picture is drawn for it."""
    return tuple(_size(medium) for medium in example.media)


def _size(medium: Media) -> tuple[int, int] | None:
    return medium.size() if isinstance(medium, Image | Video) else None


def _drawn(example: Example) -> bool:
    """Whether all media are drawn: each then has a key that says how."""
    return all(
        callable(medium.source) if isinstance(medium, Image) else not isinstance(medium, Video)
        for medium in example.media
    )
