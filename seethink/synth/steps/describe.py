"""Pictures as text, each in the form that suits it: a teacher that sees says which form, and writes it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from seethink.engines.teacher import Call
from seethink.synth.asking import in_words, said, seed_of, together, until_read
from seethink.synth.draft import Ask, Draft, Dropped, Formal, Verdict
from seethink.synth.forms import FORMS, NO_TEXT, read_form
from seethink.synth.tongue import tongue_of
from seethink.types import GREEDY, Example, InputError, Sampling

KINDS = tuple(FORMS)
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
class Describe:
    """The pictures of an example as text, in one of the forms `kinds`, which a teacher that sees chooses;
    one kind alone needs no choice. also: what is written beside a kind. An example without pictures goes on
    as it is.

    A caption is in the language of the question. Faulty forms (`synth.forms`) are asked for again, then
    dropped ("invalid"; boxes that are none "not JSON"). Code is read, and never run.

    Source: R1-Onevision (arXiv 2503.10615), section on formal descriptions, whose prompts are not published;
    R1-Vision has captions alone. The forms' wordings, and that the solution of a figure is not asked for, are
    ours.
    """

    name: str = "describe"
    kinds: tuple[str, ...] = KINDS
    also: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
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
        named = [*self.kinds, *self.also, *(kind for kinds in self.also.values() for kind in kinds)]
        unknown = next((kind for kind in named if kind not in KINDS), None)
        if unknown is not None or not self.kinds:
            told = f"no description of the kind {unknown!r}" if unknown is not None else "no kind at all"
            raise InputError(f"the step {self.name} knows {told}; its kinds are {', '.join(KINDS)}")

    async def __call__(self, draft: Draft, ask: Ask) -> Draft | Dropped:
        example = draft.example
        if not example.media:
            return replace(draft, verdict=Verdict(None, "there is no picture to describe"))
        kind = self.kinds[0] if len(self.kinds) == 1 else await self._routed(example, ask)
        if isinstance(kind, Dropped):
            return kind
        kinds = dict.fromkeys((kind, *self.also.get(kind, ())))
        made = await together([self._described(example, kind, ask) for kind in kinds])
        if faults := [part for part in made if isinstance(part, Dropped)]:
            return faults[0]
        parts = [part for part in made if isinstance(part, Formal)]
        told = f"as {', '.join(part.kind for part in parts)}"
        return replace(draft, formal=(*draft.formal, *parts), verdict=Verdict(True, told))

    async def _routed(self, example: Example, ask: Ask) -> str | Dropped:
        suits = "\n".join(f"{kind}: {self.suits[kind]}" for kind in self.kinds)
        call = self._call(example, "route", self.routing.format(suits=suits))
        return await until_read(
            ask, call, lambda text: read_kind(text, self.kinds), self.retries, self.reminder
        )

    async def _described(self, example: Example, kind: str, ask: Ask) -> Formal | Dropped:
        language = LANGUAGES[tongue_of(in_words(example))]
        wording = self.wordings[kind].format(language=language)
        call = self._call(example, kind, f"{wording} {self.visible}")
        text = await until_read(ask, call, lambda text: read_form(kind, text), self.retries, self.reminder)
        return text if isinstance(text, Dropped) else Formal(kind, text)

    def _call(self, example: Example, what: str, wording: str) -> Call:
        sampling = replace(self.sampling, seed=seed_of(example.id, self.name, what))
        messages = [said("user", *example.media, f"\n\n{wording}")]
        return Call(f"{self.name}/{what}", example, "see", messages, sampling)


def read_kind(text: str, kinds: tuple[str, ...]) -> str | Dropped:
    """The one of the kinds that a reply names."""
    words = set(re.findall(r"[a-z]+", text.lower()))
    named = [kind for kind in kinds if kind in words]
    if len(named) != 1:
        told = f"names {' and '.join(named)}" if named else f"names none of {', '.join(kinds)}"
        return Dropped("invalid", f"the route {told}: {text[:80]!r}")
    return named[0]
