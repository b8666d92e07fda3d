"""What only shows when rows are compared: ids, repeated rows, equal pictures, test data, frames of boxes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from seethink.check.faults import Fault
from seethink.check.media import Seen, alike
from seethink.check.rows import Looked

LARGER = 1.25
"""A picture is larger than 1000 if its longest side is by this factor."""
BOXES_TO_SUSPECT = 8
"""With fewer boxes in larger pictures, it may be chance that no coordinate passes 1000."""


def same_id(looked: Sequence[Looked]) -> Iterator[Fault]:
    first: dict[str, int] = {}
    for one in looked:
        if one.asked and first.setdefault(one.id, one.row) != one.row:
            yield Fault("same id", one.row, one.id, f"the id is that of row {first[one.id]}, too")


def repeated(looked: Sequence[Looked]) -> Iterator[Fault]:
    """The same question about the same media: with the same answer, or with another one."""
    first: dict[str, Looked] = {}
    for one in looked:
        before = first.setdefault(one.asked, one) if one.asked else one
        if before is one:
            continue
        if before.answer == one.answer:
            yield Fault(
                "same row", one.row, one.id, f"question, media and answer are those of row {before.row}"
            )
        else:
            told = f"row {before.row} asks the same and answers {before.answer!r:.40}, not {one.answer!r:.40}"
            yield Fault("two answers", one.row, one.id, told)


def same_picture(looked: Sequence[Looked], seen: Mapping[str, Seen]) -> Iterator[Fault]:
    """Told once, at the first row that has the second name."""
    first = _first_rows(looked)
    for group in alike(seen.values()):
        kept, *others = sorted(group, key=lambda one: first[one.key].row)
        for other in others:
            row = first[other.key]
            told = f"{other.where} shows what {kept.where} shows (row {first[kept.key].row})"
            yield Fault("same picture", row.row, row.id, told)


def in_test_data(
    looked: Sequence[Looked],
    seen: Mapping[str, Seen],
    tested: Sequence[Looked],
    test_seen: Mapping[str, Seen],
    name: str,
) -> Iterator[Fault]:
    """Every row with a picture or clip of the test data."""
    rows = _first_rows(tested)
    met = {key: key for key in seen.keys() & test_seen.keys()}
    for group in alike([*(seen[key] for key in seen if key not in met), *test_seen.values()]):
        theirs = next((one.key for one in group if one.key in test_seen), None)
        if theirs:
            met |= {one.key: theirs for one in group if one.key in seen}
    for one in looked:
        if key := next((key for key in one.media if key in met), None):
            told = f"{seen[key].where} is in {name}, row {rows[met[key]].row}"
            yield Fault("in the test data", one.row, one.id, told)


def boxes_from_0_to_1000(looked: Sequence[Looked]) -> Iterator[Fault]:
    """Suspected where many pictures are larger than 1000 and no box reaches beyond."""
    larger = [one for one in looked if one.farthest and one.farthest[1] >= 1000 * LARGER]
    reach = [one.farthest[0] for one in larger if one.farthest]
    if len(larger) >= BOXES_TO_SUSPECT and 1 < max(reach) <= 1000:
        for one in larger:
            told = f"no box reaches beyond 1000 in all {len(larger)} larger pictures; are they parts of 1000?"
            yield Fault("boxes from 0 to 1000", one.row, one.id, told)


def _first_rows(looked: Sequence[Looked]) -> dict[str, Looked]:
    first: dict[str, Looked] = defaultdict()
    for one in looked:
        for key in one.media:
            first.setdefault(key, one)
    return first
