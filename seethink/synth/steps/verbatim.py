"""Check that text visible in the image is quoted verbatim, and not translated."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher

from seethink.synth.draft import AskTeacher, Draft, Dropped, StepVerdict
from seethink.synth.formal import ocr_texts
from seethink.synth.language import scripts_of

IN_SENTENCES = ("caption", "geometry")
"""Kinds of descriptions in which quotation marks quote text; elsewhere they are part of code."""
LONGEST = 200
"""Longest quotation, in characters; anything longer is not treated as one."""
_INSIDE = rf"{{1,{LONGEST}}}?"
_QUOTED = re.compile(
    rf'"(?P<a>[^"\n]{_INSIDE})"|“(?P<b>[^“”]{_INSIDE})”|「(?P<c>[^「」]{_INSIDE})」|'
    rf"『(?P<d>[^『』]{_INSIDE})』|«(?P<e>[^«»]{_INSIDE})»"
)
_GLOSS = re.compile(rf"\s*[(（]([^()（）\n]{_INSIDE})[)）]")
_ELLIPSIS = re.compile(r"…|\.{3,}")


@dataclass(frozen=True)
class VerbatimStep:
    """Drop an example if a description, the thought, or the text after it quotes visible text in another form
    than the image shows ("translated"). Makes no call.

    The visible text is that of a description of the kind "ocr", if the draft has one. A quotation is a
    translation if it has none of the scripts of the visible text. It is altered if it is similar to a visible
    text (ratio `min_similarity` or more) but equal to none; case, spaces, and punctuation at the ends are
    ignored. Any other quotation that is not in the visible text is accepted: it may not be text of the image,
    or OCR may have missed it. Translations within one script are not found. Without "ocr" only one error is
    found: a quotation in the script of the surrounding text, followed by the original in brackets.

    Source: R1-Vision, whose Chinese captions translate the text of the images; the rule is ours.
    """

    name: str = "verbatim"
    min_similarity: float = 0.75

    async def __call__(self, draft: Draft, ask: AskTeacher) -> Draft | Dropped:
        ocr = [ocr_texts(part.text) for part in draft.formal if part.kind == "ocr"]
        visible = [text for lines in ocr for text in lines or ()]
        texts = [part.text for part in draft.formal if part.kind in IN_SENTENCES]
        texts += [text for text in (draft.thought, draft.final) if text]
        if fault := next((f for text in texts for f in faults(text, visible, self.min_similarity)), ""):
            return Dropped("translated", fault)
        n = sum(len(list(_quotations(text))) for text in texts)
        if not ocr:
            return replace(draft, verdict=StepVerdict(None, f"{n} quotations; there is no OCR of the image"))
        found = sum(_is_verbatim(quotation, visible) for text in texts for quotation, _ in _quotations(text))
        why = f"{found} of {n} quotations are in the OCR text, and none is a translation"
        return replace(draft, verdict=StepVerdict(True, why))


def faults(text: str, visible: Sequence[str], min_similarity: float = 0.75) -> Iterator[str]:
    """What is wrong with the quotations in a text about an image whose visible texts are `visible`."""
    around = scripts_of(_QUOTED.sub(" ", text)).most_common(1)
    own = around[0][0] if around else ""
    scripts = set().union(*map(scripts_of, visible))
    for quotation, gloss in _quotations(text):
        mine = {*scripts_of(quotation)}
        if _is_verbatim(quotation, visible):
            continue
        if gloss and mine == {own} and (original := {*scripts_of(gloss)}) and own not in original:
            yield f"it quotes {quotation!r:.60} with the original {gloss!r:.60} after it"
        elif scripts and mine and mine.isdisjoint(scripts):
            yield f"it quotes {quotation!r:.60}, but the OCR text is {visible[0]!r:.60}"
        elif near := next((text for text in visible if _similarity(quotation, text) >= min_similarity), ""):
            yield f"it quotes {quotation!r:.60}, but the OCR text is {near!r:.60}"


def _quotations(text: str) -> Iterator[tuple[str, str]]:
    """(quoted text, text in brackets after it) of each quotation."""
    for match in _QUOTED.finditer(text):
        gloss = _GLOSS.match(text, match.end())
        yield match[match.lastgroup or 0], gloss[1] if gloss else ""


def _is_verbatim(quotation: str, visible: Sequence[str]) -> bool:
    """Whether the quotation, or each of its parts between ellipses, is in the visible text."""
    whole = _normalised(" ".join(visible))
    parts = [bare for part in _ELLIPSIS.split(quotation) if (bare := _normalised(part))]
    return bool(parts) and all(part in whole for part in parts)


def _similarity(one: str, other: str) -> float:
    return SequenceMatcher(None, _normalised(one), _normalised(other), autojunk=False).ratio()


def _normalised(text: str) -> str:
    """Case-folded, with single spaces, without punctuation at the ends."""
    folded = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    return re.sub(r"^\W+|\W+$", "", folded)
