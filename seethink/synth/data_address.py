"""Load the examples of a synthesis by the address given on the command line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from seethink.sources import drawn, records
from seethink.types import Example, InputError


def load_examples(address: str, world: str, media_root: Path | None = None) -> Sequence[Example]:
    """The examples of a file, of `drawn:WORLD:N`, or of `drawn:N`, which draws from `world`. Raises
    InputError, also for a conversation: a chain works on one question."""
    if not address.startswith(drawn.PREFIX):
        examples = records.read(Path(address), media_root)
        for example in examples:
            if example.history:
                why = "has turns before its question, which a synthesis cannot use; leave it out"
                raise InputError(f"{example.label} {why}")
        return examples
    name = address.removeprefix(drawn.PREFIX)
    if name.partition(":")[0].isdecimal():
        address = f"{drawn.PREFIX}{world}:{name}"
    return drawn.by_address(address)


def absolute_address(address: str) -> str:
    """The address with an absolute path, valid in any working directory."""
    return address if address.startswith(drawn.PREFIX) else str(Path(address).resolve())
