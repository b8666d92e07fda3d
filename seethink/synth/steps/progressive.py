"""Step by step: one turn a step, until the teacher says that it can answer. Insight-V's generator."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from seethink.engines.teacher import Call
from seethink.synth.asking import as_text, said, seed_of, together, until_read
from seethink.synth.draft import Ask, Draft, Dropped, Path, Verdict
from seethink.synth.replies import read_object
from seethink.types import Message, Sampling

REPEATED = "invalid"
_FINAL_SCHEMA = {
    "type": "object",
    "properties": {"title": {"type": "string"}, "content": {"type": "string"}},
    "required": ["title", "content"],
}
_STEP_SCHEMA = {
    "type": "object",
    "properties": {
        **_FINAL_SCHEMA["properties"],
        "next_action": {"type": "string", "enum": ["continue", "final_answer"]},
    },
    "required": ["title", "content", "next_action"],
}


@dataclass(frozen=True)
class Told:
    """A step as the teacher gave it. last: it is ready to answer."""

    title: str
    content: str
    last: bool

    @property
    def line(self) -> str:
        return f"{self.title}: {self.content}"

    def message(self) -> Message:
        action = "final_answer" if self.last else "continue"
        told = {"title": self.title, "content": self.content, "next_action": action}
        return said("assistant", json.dumps(told, ensure_ascii=False))


@dataclass(frozen=True)
class Progressive:
    """`paths` ways for one question, each its own conversation of JSON steps, at whose end it answers.

    fewest: a path that wants to answer sooner is asked for another step. most: then it must answer. A step
    that repeats the content of an earlier one is asked for again; if it still does, the path goes on to its
    answer. What cannot be read even after `retries` ends the path, and the verdict says so; without any path
    the example is dropped. Paths that are equal word by word are one.

    Source: Insight-V (arXiv 2411.14432) and its data_generation.py. There, reminders stay in the context, a
    step that fails three times is written down as an "Error" step, steps are stored twice (the generator
    yields the list so far, which is appended each time), and one path is made. Its repetition penalty of 1.05
    is not in `Sampling`.
    """

    name: str = "steps"
    paths: int = 4
    fewest: int = 2
    most: int = 16
    retries: int = 2
    sampling: Sampling = field(default=Sampling(temperature=0.7, top_p=0.95, max_tokens=1024))
    system: str = (
        "You solve questions about pictures one step at a time. Look closely, say what you see, doubt it, "
        "try another way, and check the result in as many ways as you can before you answer. Every reply is "
        'one JSON object, {"title": ..., "content": ..., "next_action": ...}, and nothing else: title names '
        'the step, content carries it out, next_action is "continue", or "final_answer" when nothing is left '
        "to find out. Take at least two steps."
    )
    first: str = "Give the first step, as JSON. Do not give the answer yet."
    further: str = "Give exactly one further step, a new one unlike those before it, as JSON. No answer yet."
    final: str = (
        'Now give the final answer alone, in the form that the question asks for, as JSON: {"title": "FINAL '
        'ANSWER", "content": ...}.'
    )
    reminder: str = (
        "Reply with one JSON object with exactly the keys named above, and nothing around it; do not repeat "
        "an earlier step."
    )

    async def __call__(self, draft: Draft, ask: Ask) -> Draft | Dropped:
        gone = await together([self._path(draft, ask, number) for number in range(1, self.paths + 1)])
        made: list[Path] = []
        notes: list[str] = []
        for number, (path, note) in enumerate(gone, 1):
            if isinstance(path, Path) and path in made:
                note = f"says the same as path {1 + [p for p, _ in gone].index(path)}"
            elif isinstance(path, Path):
                made.append(path)
            if note:
                notes.append(f"path {number} {note}")
        if not made:
            lost = next(path for path, _ in gone if isinstance(path, Dropped))
            return Dropped(lost.reason, f"no path: {'; '.join(notes)}")
        lengths = ", ".join(str(len(path.steps)) for path in made)
        why = "; ".join([f"{len(made)} of {self.paths} paths, of {lengths} steps", *notes])
        return replace(draft, paths=tuple(made), verdict=Verdict(True, why))

    async def _path(self, draft: Draft, ask: Ask, number: int) -> tuple[Path | Dropped, str]:
        """A path, or why there is none; and what is to be said of it."""
        example, steps, note = draft.example, list[Told](), ""
        opening = [said("system", self.system), said("user", *example.parts(), f"\n\n{self.first}")]
        sampling = replace(self.sampling, seed=seed_of(example.id, self.name, number))

        def call(what: str, wording: str, schema: dict[str, Any]) -> Call:
            messages = [*opening]
            for i, step in enumerate(steps):
                messages += [step.message(), said("user", wording if i == len(steps) - 1 else self.further)]
            return Call(f"{self.name}/{what}", example, "see", messages, sampling, schema=schema)

        while len(steps) < self.most and not (steps and steps[-1].last and len(steps) >= self.fewest):
            asked = call(str(len(steps) + 1), self.further, _STEP_SCHEMA)
            told = await until_read(
                ask, asked, lambda text: read_step(text, steps), self.retries, self.reminder
            )
            if isinstance(told, Dropped) and told.reason == REPEATED and steps:
                note = f"had nothing new to say after step {len(steps)}"
                break
            if isinstance(told, Dropped):
                return told, f"ended at step {len(steps) + 1}: {told.reason}, {told.why}"
            if told.title.casefold() in {step.title.casefold() for step in steps}:
                note = f"has two steps called {told.title[:40]!r}"
            steps.append(told)
        if len(steps) == self.most and not steps[-1].last:
            note = f"was stopped at {self.most} steps"
        answer = await until_read(
            ask, call("final", self.final, _FINAL_SCHEMA), read_final, self.retries, self.reminder
        )
        if isinstance(answer, Dropped):
            return answer, f"has no final answer: {answer.reason}, {answer.why}"
        return Path(tuple(step.line for step in steps), answer), note


def read_step(text: str, before: Sequence[Told]) -> Told | Dropped:
    """The step that a reply gives; `Dropped(REPEATED, ...)` where an earlier one says the same."""
    found = read_object(text)
    if found is None:
        return Dropped("not JSON", f"the reply holds no JSON object: {text[:80]!r}")
    title, content, action = (as_text(found.get(key)) for key in ("title", "content", "next_action"))
    if not title or not content or action.lower() not in ("continue", "final_answer", "summary"):
        return Dropped("not JSON", f"the reply lacks title, content or next_action: {text[:80]!r}")
    if same := [i for i, step in enumerate(before, 1) if _plain(step.content) == _plain(content)]:
        return Dropped(REPEATED, f"the reply says what step {same[0]} says")
    return Told(title, content, action.lower() != "continue")


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())


def read_final(text: str) -> str | Dropped:
    """The answer of `{"title": "FINAL ANSWER", "content": ...}`."""
    found = read_object(text)
    if found is None or not (answer := as_text(found.get("content"))):
        return Dropped("not JSON", f"the reply holds no final answer as JSON: {text[:80]!r}")
    return answer
