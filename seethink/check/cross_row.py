"""Faults that only a comparison of rows shows: ids, repeated rows, equal pictures, test data, units of
boxes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from seethink import verify
from seethink.check.faults import Fault
from seethink.check.media_info import MediaInfo, duplicates
from seethink.check.row_checks import CheckedRow
from seethink.types import Example, Response

LARGER = 1.25
"""A picture counts as larger than 1000 if its longest side exceeds 1000 by this factor."""
BOXES_TO_SUSPECT = 8
"""Fewer boxes in larger pictures may all be below 1000 by chance."""


def same_id(checked: Sequence[CheckedRow]) -> Iterator[Fault]:
    """Rows with the id of an earlier row."""
    first: dict[str, int] = {}
    for one in checked:
        if one.digest and first.setdefault(one.id, one.row) != one.row:
            yield Fault("same id", one.row, one.id, f"row {first[one.id]} has the same id")


def repeated(checked: Sequence[CheckedRow]) -> Iterator[Fault]:
    """Rows with the question and media of an earlier row, with the same or with another answer; a row without
    an answer has no other one."""
    first: dict[str, CheckedRow] = {}
    for one in checked:
        earlier = first.setdefault(one.digest, one) if one.digest else one
        if earlier is one:
            continue
        if earlier.answer == one.answer:
            message = f"question, media and answer equal those of row {earlier.row}"
            yield Fault("same row", one.row, one.id, message)
        elif earlier.answer is not None and one.answer is not None and not _equal(earlier.answer, one.answer):
            answers = f"{earlier.answer!r:.40}, not {one.answer!r:.40}"
            message = f"row {earlier.row} has the same question and media and answers {answers}"
            yield Fault("two answers", one.row, one.id, message)


def _equal(answer: str, other: str) -> bool:
    """Whether two reference answers are the same number, formula or text."""
    return (
        verify.by_name("same_answer")(Example("", "", answer=answer), Response(other, answer=other)).value
        == 1.0
    )


def same_picture(checked: Sequence[CheckedRow], media: Mapping[str, MediaInfo]) -> Iterator[Fault]:
    """Media with equal content under several names, reported once, at the first row of each further name."""
    first = _first_rows(checked)
    for group in duplicates(media.values()):
        original, *copies = sorted(group, key=lambda one: first[one.key].row)
        for copy in copies:
            row = first[copy.key]
            message = f"{copy.where} has the content of {original.where} (row {first[original.key].row})"
            yield Fault("same picture", row.row, row.id, message)


def in_test_data(
    checked: Sequence[CheckedRow],
    media: Mapping[str, MediaInfo],
    test_rows: Sequence[CheckedRow],
    test_media: Mapping[str, MediaInfo],
    name: str,
) -> Iterator[Fault]:
    """Rows with a picture or clip of the test data `name`."""
    rows = _first_rows(test_rows)
    test_key = {key: key for key in media.keys() & test_media.keys()}
    for group in duplicates([*(media[key] for key in media if key not in test_key), *test_media.values()]):
        theirs = next((one.key for one in group if one.key in test_media), None)
        if theirs:
            test_key |= {one.key: theirs for one in group if one.key in media}
    for one in checked:
        if key := next((key for key in one.media if key in test_key), None):
            message = f"{media[key].where} is in {name}, row {rows[test_key[key]].row}"
            yield Fault("in the test data", one.row, one.id, message)


def boxes_from_0_to_1000(checked: Sequence[CheckedRow]) -> Iterator[Fault]:
    """Suspected if there are many boxes in pictures larger than 1000 and no coordinate exceeds 1000."""
    larger = [one for one in checked if one.farthest and one.farthest[1] >= 1000 * LARGER]
    reach = [one.farthest[0] for one in larger if one.farthest]
    if len(larger) >= BOXES_TO_SUSPECT and 1 < max(reach) <= 1000:
        for one in larger:
            message = f"no box exceeds 1000 in all {len(larger)} larger pictures; are they thousandths?"
            yield Fault("boxes from 0 to 1000", one.row, one.id, message)


def _first_rows(checked: Sequence[CheckedRow]) -> dict[str, CheckedRow]:
    """Key of a medium -> the first row that has it."""
    first: dict[str, CheckedRow] = {}
    for one in checked:
        for key in one.media:
            first.setdefault(key, one)
    return first
