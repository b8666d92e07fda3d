"""Rows of tokens.jsonl, in which a training records what it computed of every token of a completion."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seethink.evaluate.attempts import read_rows

RATIO, ENTROPY = "log-probability ratio", "entropy"
_SHOWN = ("text", RATIO, ENTROPY)


def tokens_of(attempts: Path) -> Mapping[tuple[Any, str, int], dict[str, Any]]:
    """{(step, id, number of the completion among those of its example): {"text", name of a quantity: a value
    for each token}} of the training whose attempts.jsonl this is; empty where none were recorded. Of several
    updates on the same completions, the last one's. Raises InputError as `read_rows` does."""
    path = attempts.with_name("tokens.jsonl")
    if not path.is_file():
        return {}
    return {
        (row["sampled_at"], row["id"], row["rollout"]): {name: row[name] for name in _SHOWN}
        for row in read_rows(path, ("sampled_at", "id", "rollout", *_SHOWN))
    }
