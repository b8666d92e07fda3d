"""Thoughts that speak of a description where a picture should be: the ban list, and its linter."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from seethink.synth.draft import Ask, Draft, Dropped, Verdict

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
"""Regular expressions, read without case. Those of R1-Onevision ("based on the caption", "based on the
description", "visualizing the image") and their kin; ours."""


@dataclass(frozen=True)
class Leaks:
    """Drops an example whose thought, or what is said after it, has a phrase of the ban list ("leak"); of
    several paths those that have one, and the example only if no other is left.

    Source: rule three of R1-Onevision's reasoning prompt, checked here instead of hoped for.
    """

    name: str = "leaks"
    banned: tuple[str, ...] = BANNED

    async def __call__(self, draft: Draft, ask: Ask) -> Draft | Dropped:
        if found := leaks("\n".join(filter(None, (draft.thought, draft.final))), self.banned):
            return Dropped("leak", f"it says {found[0]!r:.80}")
        clean = tuple(path for path in draft.paths if not leaks("\n".join(path.steps), self.banned))
        if draft.paths and not clean:
            return Dropped("leak", f"each of {len(draft.paths)} paths speaks of a description")
        why = "no phrase of the ban list"
        if clean != draft.paths:
            why = f"{len(draft.paths) - len(clean)} of {len(draft.paths)} paths speak of a description"
        return replace(draft, paths=clean, verdict=Verdict(True, why))


def leaks(text: str, banned: Sequence[str] = BANNED) -> list[str]:
    """The phrases of the ban list in a text, as they stand there."""
    return [found[0] for phrase in banned for found in re.finditer(phrase, text, re.IGNORECASE)]
