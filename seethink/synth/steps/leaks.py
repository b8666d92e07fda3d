"""Leaks: thoughts that mention a description instead of the image. Ban list and linter."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from seethink.synth.draft import AskTeacher, Draft, Dropped, StepVerdict

_KIND = r"(?:(?:provided|given|formal|textual|written|image|picture|scene|visual|detailed)(?:'s)?\s+)"
_TEXT = r"(?:captions?|descriptions?)"
BANNED = (
    rf"\b(?:based on|according to|as per|relying on)\s+(?:the|this|that|its|a)\s+{_KIND}*{_TEXT}\b",
    rf"\b(?:from|in|by)\s+(?:the|this)\s+{_KIND}*{_TEXT}\b",
    rf"\b(?:the|this)\s+{_KIND}*{_TEXT}\s+(?:says?|states?|mentions?|tells?|notes?|lists?|gives?|indicates?)\b",
    rf"\b(?:the|this)\s+{_KIND}+{_TEXT}\b",
    r"\bvisuali[sz](?:e|es|ed|ing)\s+(?:the|this|an?)\s+(?:image|picture|scene|photo|diagram|figure)\b",
    r"根据(?:所给的?|上述|图片的?|图像的?)*(?:描述|说明|标题)|(?:描述|说明文字)中(?:说|提到|指出)|(?:想象|可视化)(?:这张)?(?:图片|图像|画面)",
)
"""Case-insensitive regular expressions. They extend R1-Onevision's phrases ("based on the caption", "based on
the description", "visualizing the image")."""


@dataclass(frozen=True)
class LeaksStep:
    """Drop an example if its thought, or the text after it, has a phrase of the ban list ("leak"). Paths with
    such a phrase are removed, and the example is dropped only if none is left.

    Source: rule three of R1-Onevision's reasoning prompt, enforced here.
    """

    name: str = "leaks"
    banned: tuple[str, ...] = BANNED

    async def __call__(self, draft: Draft, ask: AskTeacher) -> Draft | Dropped:
        if found := leaks("\n".join(filter(None, (draft.thought, draft.final))), self.banned):
            return Dropped("leak", f"it contains {found[0]!r:.80}")
        clean = tuple(path for path in draft.paths if not leaks("\n".join(path.steps), self.banned))
        if draft.paths and not clean:
            return Dropped("leak", f"all of {len(draft.paths)} paths mention a description")
        why = "no phrase of the ban list"
        if clean != draft.paths:
            why = f"{len(draft.paths) - len(clean)} of {len(draft.paths)} paths mention a description"
        return replace(draft, paths=clean, verdict=StepVerdict(True, why))


def leaks(text: str, banned: Sequence[str] = BANNED) -> list[str]:
    """The phrases of the ban list in a text, as written there."""
    return [found[0] for phrase in banned for found in re.finditer(phrase, text, re.IGNORECASE)]
