"""Progressive generation: one turn for each reasoning step, until the teacher is ready to answer
(Insight-V)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from seethink.engines.base import Request
from seethink.formats.messages import chat_message
from seethink.identity import seed_of
from seethink.synth.draft import AskTeacher, Draft, Dropped, ReasoningPath, StepVerdict
from seethink.synth.prompting import as_text, ask_until_valid, gather_all
from seethink.synth.replies import read_json_object
from seethink.types import Message, Sampling

REPEATED = "invalid"
"""Reason of a step that repeats an earlier one."""
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
class ReasoningStep:
    """One reasoning step of a reply. last: the teacher is ready to answer."""

    title: str
    content: str
    last: bool

    @property
    def line(self) -> str:
        return f"{self.title}: {self.content}"

    def message(self) -> Message:
        action = "final_answer" if self.last else "continue"
        reply = {"title": self.title, "content": self.content, "next_action": action}
        return chat_message("assistant", json.dumps(reply, ensure_ascii=False))


@dataclass(frozen=True)
class ProgressiveStep:
    """Generate `paths` solutions of one question, each in a separate conversation of JSON steps.

    min_steps: a path that would answer earlier is asked for another step. max_steps: after them it must
    answer. A step that repeats the content of an earlier one is requested again; if it still does, the path
    proceeds to its answer. A reply that cannot be read after `retries` ends the path, which the verdict
    notes; without any path the example is dropped. Identical paths count once.

    Source: Insight-V (arXiv 2411.14432) and its data_generation.py. There, reminders stay in the context, a
    step that fails three times is stored as an "Error" step, steps are stored twice (the generator yields the
    list so far, which is appended each time), and there is only one path. Its repetition penalty of 1.05 is
    not in `Sampling`.
    """

    name: str = "steps"
    paths: int = 4
    min_steps: int = 2
    max_steps: int = 16
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

    async def __call__(self, draft: Draft, ask: AskTeacher) -> Draft | Dropped:
        results = await gather_all([self._path(draft, ask, number) for number in range(1, self.paths + 1)])
        paths: list[ReasoningPath] = []
        notes: list[str] = []
        for number, (path, note) in enumerate(results, 1):
            if isinstance(path, ReasoningPath) and path in paths:
                note = f"is identical to path {1 + [p for p, _ in results].index(path)}"
            elif isinstance(path, ReasoningPath):
                paths.append(path)
            if note:
                notes.append(f"path {number} {note}")
        if not paths:
            lost = next(path for path, _ in results if isinstance(path, Dropped))
            return Dropped(lost.reason, f"no path: {'; '.join(notes)}")
        lengths = ", ".join(str(len(path.steps)) for path in paths)
        why = "; ".join([f"{len(paths)} of {self.paths} paths, with {lengths} steps", *notes])
        return replace(draft, paths=tuple(paths), verdict=StepVerdict(True, why))

    async def _path(self, draft: Draft, ask: AskTeacher, number: int) -> tuple[ReasoningPath | Dropped, str]:
        """A path, or why there is none, and a note for the verdict."""
        example, steps, note = draft.example, list[ReasoningStep](), ""
        opening = [
            chat_message("system", self.system),
            chat_message("user", *example.parts(), f"\n\n{self.first}"),
        ]
        sampling = replace(self.sampling, seed=seed_of(example.id, self.name, number))

        def request(what: str, wording: str, schema: dict[str, Any]) -> Request:
            messages = [*opening]
            for i, step in enumerate(steps):
                messages += [
                    step.message(),
                    chat_message("user", wording if i == len(steps) - 1 else self.further),
                ]
            return Request(f"{self.name}/{what}", example, "vision", messages, sampling, schema=schema)

        while len(steps) < self.max_steps and not (steps and steps[-1].last and len(steps) >= self.min_steps):
            step_request = request(str(len(steps) + 1), self.further, _STEP_SCHEMA)
            parsed = await ask_until_valid(
                ask, step_request, lambda text: read_step(text, steps), self.retries, self.reminder
            )
            if isinstance(parsed, Dropped) and parsed.reason == REPEATED and steps:
                note = f"had nothing new after step {len(steps)}"
                break
            if isinstance(parsed, Dropped):
                return parsed, f"ended at step {len(steps) + 1}: {parsed.reason}, {parsed.why}"
            if parsed.title.casefold() in {step.title.casefold() for step in steps}:
                note = f"has two steps with the title {parsed.title[:40]!r}"
            steps.append(parsed)
        if len(steps) == self.max_steps and not steps[-1].last:
            note = f"was stopped at {self.max_steps} steps"
        answer = await ask_until_valid(
            ask, request("final", self.final, _FINAL_SCHEMA), read_final, self.retries, self.reminder
        )
        if isinstance(answer, Dropped):
            return answer, f"has no final answer: {answer.reason}, {answer.why}"
        return ReasoningPath(tuple(step.line for step in steps), answer), note


def read_step(text: str, before: Sequence[ReasoningStep]) -> ReasoningStep | Dropped:
    """The step in a reply; `Dropped(REPEATED, ...)` if its content is that of an earlier step."""
    found = read_json_object(text)
    if found is None:
        return Dropped("not JSON", f"the reply has no JSON object: {text[:80]!r}")
    title, content, action = (as_text(found.get(key)) for key in ("title", "content", "next_action"))
    if not title or not content or action.lower() not in ("continue", "final_answer", "summary"):
        return Dropped("not JSON", f"the reply lacks title, content or next_action: {text[:80]!r}")
    if same := [i for i, step in enumerate(before, 1) if _plain(step.content) == _plain(content)]:
        return Dropped(REPEATED, f"the reply repeats step {same[0]}")
    return ReasoningStep(title, content, action.lower() != "continue")


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())


def read_final(text: str) -> str | Dropped:
    """The answer of `{"title": "FINAL ANSWER", "content": ...}`."""
    found = read_json_object(text)
    if found is None or not (answer := as_text(found.get("content"))):
        return Dropped("not JSON", f"the reply has no final answer as JSON: {text[:80]!r}")
    return answer
