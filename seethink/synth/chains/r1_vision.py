"""R1-Vision: a reasoner that cannot see goes on from a caption, and questions in words get a picture."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from seethink.synth import render
from seethink.synth.chain import Chain
from seethink.synth.chains.rows import reasoned
from seethink.synth.draft import Draft
from seethink.synth.steps.answer import Answer
from seethink.synth.steps.describe import Describe
from seethink.synth.steps.leaks import Leaks
from seethink.synth.steps.prefix import Prefix
from seethink.synth.steps.render import Render
from seethink.synth.steps.verbatim import Verbatim
from seethink.synth.tongue import tongue_of
from seethink.types import Example

IN_PICTURE: Mapping[str, str] = {"en": "Answer the question in the picture.", "zh": "请回答图片中的问题。"}


def r1_vision(reads: bool = True, tex: render.Tex = "auto") -> Chain:
    """Thoughts that begin with a look at the picture and lead to the right answer; for a question in words,
    beside its own row, a twin that asks it by a picture of its text, with the same response.

    reads: the text of every picture is read as well, so that captions can be held against it; otherwise only
    little of what they translate is found. tex: what draws the twins.

    source   R1-Vision's README; its pipeline was never published
    differs  switches vary; answers and leaks are checked, and so is that captions quote visible text as it
             stands, which in the Chinese set they do not; questions are not reworded by a model before they
             are drawn, and one that cannot be drawn stays without a twin and says so; thoughts about
             questions in words come from the same teacher, and not from Bespoke-Stratos
    """
    about = "Thoughts that go on from a caption, and questions in words with a picture for a twin."
    describe = Describe(kinds=("caption",), also={"caption": ("ocr",)} if reads else {})
    steps = (describe, Verbatim(), Prefix(), Answer(), Leaks(), Render(tex=tex))
    return Chain("r1_vision", about, steps, Rows(tex))


@dataclass(frozen=True)
class Rows:
    tex: render.Tex = "auto"
    wording: Mapping[str, str] = field(default_factory=lambda: IN_PICTURE)

    def __call__(self, draft: Draft) -> Iterator[tuple[str, Example]]:
        row = reasoned(draft)
        yield "data", row
        if draft.twin is not None:
            yield "data", self._twin(row, draft.twin)

    def _twin(self, row: Example, text: str) -> Example:
        return replace(
            row,
            id=f"{row.id}/twin",
            question=self.wording[tongue_of(text)],
            media=(render.picture(text, self.tex),),
            meta={**row.meta, "twin_of": row.id},
        )
