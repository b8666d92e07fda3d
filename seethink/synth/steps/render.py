"""Questions as pictures of themselves: the same response to another modality."""

from __future__ import annotations

from dataclasses import dataclass, replace

from seethink.synth import render
from seethink.synth.draft import Ask, Draft, Dropped, Verdict


@dataclass(frozen=True)
class Render:
    """Gives a question without pictures a twin: a picture of its text. One that cannot be drawn stays without
    a twin, and the verdict says why; nothing is lost silently.

    tex: "latex", "mathtext", or "auto", what there is. Source: R1-Vision's text rendering, in which 2.4
    thousand of 15 thousand rows were lost without a word.
    """

    name: str = "render"
    tex: render.Tex = "auto"

    async def __call__(self, draft: Draft, ask: Ask) -> Draft | Dropped:
        if draft.example.media:
            return draft
        try:
            render.picture(draft.example.question, self.tex)
        except render.Undrawable as error:
            return replace(draft, verdict=Verdict(None, f"no twin: {error}"))
        return replace(draft, twin=draft.example.question, verdict=Verdict(True, "the question can be drawn"))
