"""Twins of text-only questions: the same question as an image, with the same response."""

from __future__ import annotations

from dataclasses import dataclass, replace

from seethink.synth.draft import AskTeacher, Draft, Dropped, StepVerdict
from seethink.synth.text_images import TexRenderer, UndrawableText, render_text


@dataclass(frozen=True)
class RenderStep:
    """Give a text-only question a twin: an image of its text. A question that cannot be drawn is kept without
    a twin, and the verdict says why.

    tex: "latex", "mathtext", or "auto" (LaTeX if installed). Source: R1-Vision's text rendering, which
    silently lost 2.4 thousand of 15 thousand rows.
    """

    name: str = "render"
    tex: TexRenderer = "auto"

    async def __call__(self, draft: Draft, ask: AskTeacher) -> Draft | Dropped:
        if draft.example.media:
            return draft
        try:
            render_text(draft.example.question, self.tex)
        except UndrawableText as error:
            return replace(draft, verdict=StepVerdict(None, f"no twin: {error}"))
        return replace(
            draft, twin=draft.example.question, verdict=StepVerdict(True, "the question can be drawn")
        )
