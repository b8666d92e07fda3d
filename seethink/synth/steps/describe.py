"""Formal descriptions of images: a vision teacher chooses a kind for each image and writes it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from seethink.engines.base import Request
from seethink.formats.messages import chat_message, question_text
from seethink.identity import seed_of
from seethink.synth.draft import AskTeacher, Draft, Dropped, FormalDescription, StepVerdict
from seethink.synth.formal import NO_TEXT, SYNTAX_CHECKS, read_formal
from seethink.synth.language import language_of
from seethink.synth.prompting import ask_until_valid, gather_all
from seethink.types import GREEDY, Example, InputError, Sampling

KINDS = tuple(SYNTAX_CHECKS)
SUITS: Mapping[str, str] = {
    "caption": "a scene that is best told in sentences; a scene with writing in it, such as a meme; a clip",
    "boxes": "a scene of things that can be counted or placed",
    "ocr": "a page, a sign or a note: little but text",
    "table": "a table",
    "chart": "a chart with axes, bars, lines, points or sectors",
    "circuit": "an electric circuit",
    "flow": "a flowchart, or boxes with arrows between them",
    "ui": "a screen of an application or a web page",
    "score": "sheet music",
    "geometry": "a figure of geometry",
}
WORDINGS: Mapping[str, str] = {
    "caption": "Describe the picture in {language}, completely and plainly: what there is, how many, which "
    "colours, where, and what is written. Say what can be seen, and nothing that one would have to guess.",
    "boxes": "Find every thing in the picture. Reply with a JSON list, one object for each thing: "
    '[{{"bbox_2d": [x1, y1, x2, y2], "label": "..."}}], in pixels of the picture, the top left corner first.',
    "ocr": "Read all text in the picture, line by line in reading order. Write each line as `text @ [x1, y1, "
    f"x2, y2]`, with the box of that text in pixels. If there is no text, write {NO_TEXT}.",
    "table": "Write the table as CSV: its head, then its rows, all with the same number of columns. Quote "
    "cells in which a comma stands.",
    "chart": "Write the chart as Python code for matplotlib that draws it again: kind, title, labels, and "
    "every value as a number that can be read off it.",
    "circuit": "Write the circuit as a SPICE netlist: a title line, then a line for each component with its "
    "nodes and value. The last line is .end",
    "flow": "Write the flowchart in Mermaid. It begins with `flowchart TD`; every node has its text, every "
    "arrow its label.",
    "ui": "Write the screen as HTML: every element with its role, its text and its state, in reading order. "
    "Close every tag. No style, no script.",
    "score": "Write the music in LilyPond: key, time, and every note with its length.",
    "geometry": "Write in {language} what is given in the figure: points, lines, lengths, angles, and marks. "
    "Begin with `Given:`. Write nothing that follows from it, and no solution.",
}
LANGUAGES = {"en": "English", "zh": "Chinese"}


@dataclass(frozen=True)
class DescribeStep:
    """Describe the images of an example as text. A vision teacher chooses one of `kinds`, unless there is
    only one. extra_kinds: further descriptions to request with a kind. An example without images is left
    unchanged.

    Captions are in the language of the question. A description with a syntax error (`synth.formal`) is
    requested again; then the example is dropped ("invalid"; for boxes "not JSON"). Code is parsed, never run.

    Source: R1-Onevision (arXiv 2503.10615), section on formal descriptions, whose prompts are not published;
    R1-Vision has captions only. The prompts, and not asking for the solution of a geometric figure, are ours.
    """

    name: str = "describe"
    kinds: tuple[str, ...] = KINDS
    extra_kinds: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    retries: int = 2
    sampling: Sampling = field(default=replace(GREEDY, max_tokens=4096))
    routing: str = (
        "How is what is shown above best written down, for someone who cannot see it and must answer "
        "questions about it? Reply with one word, the first that fits of these:\n{suits}"
    )
    suits: Mapping[str, str] = field(default_factory=lambda: SUITS)
    wordings: Mapping[str, str] = field(default_factory=lambda: WORDINGS)
    visible: str = (
        "Text that is visible stands exactly as it is, in its own language and script: never translate or "
        "correct it; in a sentence, put it in quotation marks. Answer no question, and write nothing else."
    )
    reminder: str = "Mind the form that is asked for, and write nothing else."

    def __post_init__(self) -> None:
        names = [
            *self.kinds,
            *self.extra_kinds,
            *(kind for kinds in self.extra_kinds.values() for kind in kinds),
        ]
        unknown = next((kind for kind in names if kind not in KINDS), None)
        if unknown is not None or not self.kinds:
            fault = f"has no kind {unknown!r}" if unknown is not None else "needs at least one kind"
            raise InputError(f"the step {self.name} {fault}; choose from {', '.join(KINDS)}")

    async def __call__(self, draft: Draft, ask: AskTeacher) -> Draft | Dropped:
        example = draft.example
        if not example.media:
            return replace(draft, verdict=StepVerdict(None, "there is no image to describe"))
        kind = self.kinds[0] if len(self.kinds) == 1 else await self._choose_kind(example, ask)
        if isinstance(kind, Dropped):
            return kind
        kinds = dict.fromkeys((kind, *self.extra_kinds.get(kind, ())))
        results = await gather_all([self._describe(example, kind, ask) for kind in kinds])
        if faults := [part for part in results if isinstance(part, Dropped)]:
            return faults[0]
        parts = [part for part in results if isinstance(part, FormalDescription)]
        kinds_used = f"as {', '.join(part.kind for part in parts)}"
        return replace(draft, formal=(*draft.formal, *parts), verdict=StepVerdict(True, kinds_used))

    async def _choose_kind(self, example: Example, ask: AskTeacher) -> str | Dropped:
        suits = "\n".join(f"{kind}: {self.suits[kind]}" for kind in self.kinds)
        request = self._request(example, "route", self.routing.format(suits=suits))
        return await ask_until_valid(
            ask, request, lambda text: read_kind(text, self.kinds), self.retries, self.reminder
        )

    async def _describe(self, example: Example, kind: str, ask: AskTeacher) -> FormalDescription | Dropped:
        language = LANGUAGES[language_of(question_text(example))]
        wording = self.wordings[kind].format(language=language)
        request = self._request(example, kind, f"{wording} {self.visible}")
        text = await ask_until_valid(
            ask, request, lambda text: read_formal(kind, text), self.retries, self.reminder
        )
        return text if isinstance(text, Dropped) else FormalDescription(kind, text)

    def _request(self, example: Example, what: str, wording: str) -> Request:
        sampling = replace(self.sampling, seed=seed_of(example.id, self.name, what))
        messages = [chat_message("user", *example.media, f"\n\n{wording}")]
        return Request(f"{self.name}/{what}", example, "vision", messages, sampling)


def read_kind(text: str, kinds: tuple[str, ...]) -> str | Dropped:
    """The kind named in a reply."""
    words = set(re.findall(r"[a-z]+", text.lower()))
    found = [kind for kind in kinds if kind in words]
    if len(found) != 1:
        fault = f"names {' and '.join(found)}" if found else f"names none of {', '.join(kinds)}"
        return Dropped("invalid", f"the route {fault}: {text[:80]!r}")
    return found[0]
