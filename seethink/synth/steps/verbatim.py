"""Visible text is quoted as it stands in the picture, and never translated."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher

from seethink.synth.draft import Ask, Draft, Dropped, Verdict
from seethink.synth.forms import texts_in
from seethink.synth.tongue import scripts_of

IN_SENTENCES = ("caption", "geometry")
"""Kinds of descriptions in which quotation marks are quotation marks, and no part of a code."""
LONGEST = 200
"""Characters of a quotation; what is longer is none."""
_INSIDE = rf"{{1,{LONGEST}}}?"
_QUOTED = re.compile(
    rf'"(?P<a>[^"\n]{_INSIDE})"|“(?P<b>[^“”]{_INSIDE})”|「(?P<c>[^「」]{_INSIDE})」|'
    rf"『(?P<d>[^『』]{_INSIDE})』|«(?P<e>[^«»]{_INSIDE})»"
)
_GLOSS = re.compile(rf"\s*[(（]([^()（）\n]{_INSIDE})[)）]")
_ELLIPSIS = re.compile(r"…|\.{3,}")


@dataclass(frozen=True)
class Verbatim:
    """Drops an example ("translated") in which a description, the thought, or what is said after it quotes
    visible text otherwise than it stands in the picture. Asks nobody.

    How it stands there tells a description of the kind "ocr", where the draft has one. Against it, a
    quotation is a translation if it is of none of the scripts that were read, and altered if it is nearly one
    of the texts (`alike` of their characters or more) and none exactly; case, spaces and punctuation at its
    ends aside. Any other quotation that was not read proves nothing: it may be no text, or have been
    overlooked. A translation within one script is not found. Without "ocr" one fault alone can be told: a
    quotation in the script of the text around it, with the original in brackets behind it.

    Source: R1-Vision, in whose Chinese captions the text of the pictures is translated; the rule is ours.
    """

    name: str = "verbatim"
    alike: float = 0.75

    async def __call__(self, draft: Draft, ask: Ask) -> Draft | Dropped:
        read = [texts_in(part.text) for part in draft.formal if part.kind == "ocr"]
        visible = [text for texts in read for text in texts or ()]
        told = [part.text for part in draft.formal if part.kind in IN_SENTENCES]
        told += [text for text in (draft.thought, draft.final) if text]
        if fault := next((f for text in told for f in faults(text, visible, self.alike)), ""):
            return Dropped("translated", fault)
        n = sum(len(list(_quotations(text))) for text in told)
        if not read:
            return replace(draft, verdict=Verdict(None, f"{n} quotations; nobody read the picture's text"))
        found = sum(_stands(quoted, visible) for text in told for quoted, _ in _quotations(text))
        why = f"{found} of {n} quotations stand so in the picture, and none is a translation"
        return replace(draft, verdict=Verdict(True, why))


def faults(text: str, visible: Sequence[str], alike: float = 0.75) -> Iterator[str]:
    """What is wrong with the quotations of a text about a picture in which `visible` was read."""
    around = scripts_of(_QUOTED.sub(" ", text)).most_common(1)
    own = around[0][0] if around else ""
    scripts = set().union(*map(scripts_of, visible))
    for quoted, gloss in _quotations(text):
        mine = {*scripts_of(quoted)}
        if _stands(quoted, visible):
            continue
        if gloss and mine == {own} and (original := {*scripts_of(gloss)}) and own not in original:
            yield f"it quotes {quoted!r:.60} with the original {gloss!r:.60} behind it"
        elif scripts and mine and mine.isdisjoint(scripts):
            yield f"it quotes {quoted!r:.60}, but what was read is {visible[0]!r:.60}"
        elif near := next((told for told in visible if _likeness(quoted, told) >= alike), ""):
            yield f"it quotes {quoted!r:.60}, but what was read is {near!r:.60}"


def _quotations(text: str) -> Iterator[tuple[str, str]]:
    """(what is quoted, what stands in brackets behind it) of each quotation."""
    for match in _QUOTED.finditer(text):
        gloss = _GLOSS.match(text, match.end())
        yield match[match.lastgroup or 0], gloss[1] if gloss else ""


def _stands(quoted: str, visible: Sequence[str]) -> bool:
    """Whether it was read so; of one with an ellipsis every part."""
    whole = _bare(" ".join(visible))
    parts = [bare for part in _ELLIPSIS.split(quoted) if (bare := _bare(part))]
    return bool(parts) and all(part in whole for part in parts)


def _likeness(one: str, other: str) -> float:
    return SequenceMatcher(None, _bare(one), _bare(other), autojunk=False).ratio()


def _bare(text: str) -> str:
    """In one case, with single spaces, without punctuation at its ends."""
    folded = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    return re.sub(r"^\W+|\W+$", "", folded)
