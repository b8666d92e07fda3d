"""Requests to the oracle: examples, and the messages of every step."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from functools import cache

from seethink import verify
from seethink.engines.base import Request
from seethink.engines.oracle import Oracle
from seethink.engines.oracle.descriptions import KINDS
from seethink.formats import ANSWER_LINE, THINK_ANSWER, read_any
from seethink.sources.drawn import WORLDS, by_name
from seethink.sources.drawn.grid import ShapeGrids
from seethink.sources.handwritten import Pages
from seethink.synth.replies import read_json_object
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
    return list(ShapeGrids(n)) if source == "counting on a grid" else list(Pages(n))


def right(source: str, example: Example, answer: str | None) -> bool:
    """Whether the world's verifier accepts an answer."""
    name = WORLDS[source].verifier if source in WORLDS else "same_answer"
    value = verify.by_name(name)(example, Response(text=str(answer), answer=answer)).value
    assert value is not None, (example.id, answer)
    return value >= 0.5


def message(role: str, text: str) -> Message:
    return {"role": role, "content": [{"type": "text", "text": text}]}


def quoted(**texts: str) -> str:
    return "".join(f"\n\n{name.replace('_', ' ')}:\n<<<\n{text}\n>>>" for name, text in texts.items())


def messages(step: str, example: Example, text: str = "") -> Messages:
    """Messages in the form of the steps; `text` is what the request is about."""
    thought = text or "\n\n".join([*example.steps, f"So the answer is {example.answer}."])
    texts = {
        "judge": quoted(Reference_answer=str(example.answer), Candidate=text or str(example.answer)),
        "grade": quoted(PATH_1=thought, PATH_2="No idea."),
        "validity": quoted(Standard_answer=str(example.answer), Response=thought),
        "rewrite": quoted(Thought=thought),
    }
    conversation = [message("user", f"{example.question}\n\nFollow the instructions.{texts.get(step, '')}")]
    if step == "prefix":
        begun = "<think>\nLet's first take a look at the image. A page.\n\nNow"
        return [*conversation, message("assistant", begun)]
    return conversation


def request(
    step: str, example: Example, seed: int = 0, text: str = "", conversation: Messages | None = None
) -> Request:
    conversation = conversation or messages(step, example, text)
    return Request(step, example, "vision", conversation, Sampling(seed=seed))


def reply(oracle: Oracle, request: Request) -> str:
    return asyncio.run(oracle.complete(request, lambda *_: None)).text


def path(oracle: Oracle, example: Example, seed: int = 0) -> tuple[list[dict[str, str]], str, set[str]]:
    """(steps of a path, its answer, faults planted in it); its replies must be readable."""
    conversation, steps, planted = [message("user", example.question)], [], set[str]()
    while not steps or steps[-1]["next_action"] == "continue":
        one = request(f"steps/{len(steps) + 1}", example, seed, conversation=conversation)
        steps.append(json.loads(reply(oracle, one)))
        planted |= oracle.planted(one)
        conversation = [*conversation, message("assistant", json.dumps(steps[-1])), message("user", "Go on.")]
    last = replace(one, step="steps/final", messages=conversation)
    final = json.loads(reply(oracle, last))
    assert final["title"] == "FINAL ANSWER"
    return steps, final["content"], planted | oracle.planted(last)


def answer_in(step: str, text: str) -> str | None:
    """The answer as the step's reader finds it; asserts the reply's form."""
    if step in ("sample", "reason", "distill", "prefix"):
        thought, end, _ = text.rpartition("</think>")
        assert end and thought.strip() and (step == "prefix") == (not text.startswith("<think>"))
    if step == "sample":
        read = THINK_ANSWER.parse(text)
        assert read.fault is None
        return read.answer
    if step == "question":
        found = read_json_object(text)
        assert found is not None and found.keys() == {"question", "thought", "answer"}
        return found["answer"]
    if step in ("reason", "summary"):
        read = ANSWER_LINE.parse(text)
        assert read.fault is None and text.splitlines()[-1].startswith("Answer:")
        return read.answer
    if step == "distill":
        last = text.splitlines()[-1]
        assert last.startswith("**The answer is: ") and last.endswith("**")
        return last[len("**The answer is: ") : -2]
    return text if step == "direct" else read_any(text).answer
