"""The examples that a synthesis is made of, by the address that was given on the command line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from seethink.sources import drawn, records
from seethink.types import Example


def examples_of(data: str, world: str, images: Path | None = None) -> Sequence[Example]:
    """A file of questions, `drawn:WORLD:N`, or `drawn:N` of the world named. Raises InputError."""
    if not data.startswith(drawn.PREFIX):
        return records.read(Path(data), images)
    named = data.removeprefix(drawn.PREFIX)
    if named.partition(":")[0].isdecimal():
        data = f"{drawn.PREFIX}{world}:{named}"
    return drawn.by_address(data)


def absolute(data: str) -> str:
    """The address as it is understood in any other folder."""
    return data if data.startswith(drawn.PREFIX) else str(Path(data).resolve())
