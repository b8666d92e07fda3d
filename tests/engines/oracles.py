"""Calls to the oracle: about which examples, and with which messages for every step."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from functools import cache

from seethink import verify
from seethink.engines.scripted import Oracle
from seethink.engines.scripted.seen import KINDS
from seethink.engines.teacher import Call
from seethink.sources.drawn import WORLDS, by_name
from seethink.sources.drawn.counting import Counting
from seethink.sources.handwritten import Pages
from seethink.types import Example, Message, Messages, Response, Sampling

SOURCES = (*WORLDS, "counting on a grid", "pages")
DESCRIBES = tuple(f"describe/{kind}" for kind in KINDS)
THINKS = ("prefix", "reason", "sample", "question", "distill")
JUDGES = ("judge", "grade", "validity")
ALL = (
    "describe/route",
    *DESCRIBES,
    *THINKS,
    *JUDGES,
    "rewrite",
    "steps/1",
    "steps/final",
    "summary",
    "direct",
)


@cache
def examples(source: str, n: int, shifted: bool = False) -> Sequence[Example]:
    if source in WORLDS:
        return list(by_name(source, n, shifted=shifted))
    return list(Counting(n)) if source == "counting on a grid" else list(Pages(n))


def right(source: str, example: Example, answer: str | None) -> bool:
    """By the world's own verifier."""
    name = WORLDS[source].verifier if source in WORLDS else "same_answer"
    value = verify.by_name(name)(example, Response(text=str(answer), answer=answer)).value
    assert value is not None, (example.id, answer)
    return value >= 0.5


def said(role: str, text: str) -> Message:
    return {"role": role, "content": [{"type": "text", "text": text}]}


def quoted(**texts: str) -> str:
    return "".join(f"\n\n{name.replace('_', ' ')}:\n<<<\n{text}\n>>>" for name, text in texts.items())


def messages(step: str, example: Example, text: str = "") -> Messages:
    """As the steps put them; `text` is what the call is about."""
    told = text or "\n\n".join([*example.steps, f"So the answer is {example.answer}."])
    about = {
        "judge": quoted(Reference_answer=str(example.answer), Candidate=text or str(example.answer)),
        "grade": quoted(PATH_1=told, PATH_2="No idea."),
        "validity": quoted(Standard_answer=str(example.answer), Response=told),
        "rewrite": quoted(Thought=told),
    }
    asked = [said("user", f"{example.question}\n\nDo as you are told.{about.get(step, '')}")]
    if step == "prefix":
        return [*asked, said("assistant", "<think>\nLet's first take a look at the image. A page.\n\nNow")]
    return asked


def call(step: str, example: Example, seed: int = 0, text: str = "", asked: Messages | None = None) -> Call:
    return Call(step, example, "see", asked or messages(step, example, text), Sampling(seed=seed))


def reply(oracle: Oracle, asked: Call) -> str:
    return asyncio.run(oracle.answer(asked, lambda kind, told: None)).text


def path(oracle: Oracle, example: Example, seed: int = 0) -> tuple[list[dict[str, str]], str, set[str]]:
    """(the steps of a path, its answer, what was planted in it); its replies must be readable."""
    asked, steps, planted = [said("user", example.question)], [], set[str]()
    while not steps or steps[-1]["next_action"] == "continue":
        one = call(f"steps/{len(steps) + 1}", example, seed, asked=asked)
        steps.append(json.loads(reply(oracle, one)))
        planted |= oracle.planted(one)
        asked = [*asked, said("assistant", json.dumps(steps[-1])), said("user", "Go on.")]
    last = replace(one, step="steps/final", messages=asked)
    final = json.loads(reply(oracle, last))
    assert final["title"] == "FINAL ANSWER"
    return steps, final["content"], planted | oracle.planted(last)
