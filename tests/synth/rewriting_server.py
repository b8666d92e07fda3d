"""Replies of a deterministic server for `open_r1_multimodal`, and helpers for `seethink synth`.

Every reply contains the digest of its request, so that a ledger shows which requests were answered.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

from seethink.cli.app import main
from seethink.synth.ledger import Ledger
from seethink.synth.status import LEDGER_FILE


def digest(body: dict[str, Any]) -> str:
    """Digest of a request's body."""
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def rewrite_reply(body: dict[str, Any]) -> str:
    """A reply with the same question; one in four answers is wrong."""
    prompt = "\n".join(
        part["text"] for message in body["messages"] for part in message["content"] if part["type"] == "text"
    )
    reference, key = re.findall(r"<<<\n(.*?)\n>>>", prompt, re.DOTALL)[-1], digest(body)
    answer = f"{reference}1" if key[0] in "0123" else reference
    question = f"{prompt.split('Above are')[0].strip()} Give the answer alone."
    return json.dumps({"question": question, "thought": f"I look closely: {key}", "answer": answer})


def answered_digests(out: Path) -> set[str]:
    """The digests of the requests whose replies are in the ledger."""
    with Ledger(out / LEDGER_FILE) as ledger:
        texts = ledger.query("SELECT text FROM calls")
    return {key for (text,) in texts for key in re.findall(r"[0-9a-f]{64}", text)}


def tables(out: Path) -> list[list[tuple[Any, ...]]]:
    """All rows of a ledger's tables of calls and examples."""
    with Ledger(out / LEDGER_FILE) as ledger:
        return [ledger.query(f"SELECT * FROM {name} ORDER BY 1") for name in ("calls", "examples")]


def files(out: Path) -> dict[str, bytes]:
    """The files of the data set by relative path."""
    folder = out / "rows"
    return {str(f.relative_to(folder)): f.read_bytes() for f in sorted(folder.rglob("*")) if f.is_file()}


def synth(*words: object) -> int:
    """The exit code of `seethink synth` with these arguments."""
    try:
        main(["synth", *map(str, words)])
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0
