"""A server that rewrites questions for `open_r1_multimodal`: the same request gets the same reply, in which
its digest stands, so that a ledger tells which requests it has the replies to."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

from seethink.cli import main
from seethink.synth.ledger import Ledger
from seethink.synth.status import LEDGER


def digest(body: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def rewritten(body: dict[str, Any]) -> str:
    """The question as it was; of four answers one is wrong."""
    told = "\n".join(
        part["text"] for message in body["messages"] for part in message["content"] if part["type"] == "text"
    )
    gold, found = re.findall(r"<<<\n(.*?)\n>>>", told, re.DOTALL)[-1], digest(body)
    answer = f"{gold}1" if found[0] in "0123" else gold
    question = f"{told.split('Above are')[0].strip()} Give the answer alone."
    return json.dumps({"question": question, "thought": f"I look closely: {found}", "answer": answer})


def answered(out: Path) -> set[str]:
    """The digests of the requests whose replies the ledger has."""
    with Ledger(out / LEDGER) as ledger:
        texts = ledger.counted("SELECT text FROM calls")
    return {found for (text,) in texts for found in re.findall(r"[0-9a-f]{64}", text)}


def tables(out: Path) -> list[list[tuple[Any, ...]]]:
    """All that a ledger says of calls and examples."""
    with Ledger(out / LEDGER) as ledger:
        return [ledger.counted(f"SELECT * FROM {name} ORDER BY 1") for name in ("calls", "examples")]


def files(out: Path) -> dict[str, bytes]:
    folder = out / "rows"
    return {str(f.relative_to(folder)): f.read_bytes() for f in sorted(folder.rglob("*")) if f.is_file()}


def synth(*words: object) -> int:
    try:
        main(["synth", *map(str, words)])
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0
