"""Chain of R1-Vision: a text-only reasoner continues from a caption; text questions get a rendered twin."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from seethink.evaluate.questions import TWIN_OF
from seethink.sequences import LazySequence
from seethink.synth.chain import Chain
from seethink.synth.draft import Draft
from seethink.synth.kept_rows import with_reasoning
from seethink.synth.language import language_of
from seethink.synth.steps.answer import AnswerStep
from seethink.synth.steps.describe import DescribeStep
from seethink.synth.steps.leaks import LeaksStep
from seethink.synth.steps.prefix import PrefixStep
from seethink.synth.steps.render import RenderStep
from seethink.synth.steps.verbatim import VerbatimStep
from seethink.synth.text_images import TexRenderer, render_text
from seethink.types import Example

IN_PICTURE: Mapping[str, str] = {"en": "Answer the question in the picture.", "zh": "请回答图片中的问题。"}


def r1_vision(reads: bool = True, tex: TexRenderer = "auto") -> Chain:
    """Thoughts that begin with a caption and end in the right answer; a question without a picture also has a
    twin row that shows it as a rendered picture, with the same response.

    reads: visible text is read from every picture, so that captions can be compared with it; otherwise few
    translations of visible text are found. tex: the renderer of the twins.

    source   R1-Vision's README; its pipeline was never published
    differs  the switch phrases vary; answers and leaks are checked, and captions must quote visible text
             verbatim, which those of the Chinese set do not; questions are not reworded by a model before
             they are rendered, and one that cannot be rendered has no twin and says why; thoughts about text
             questions come from the same teacher instead of Bespoke-Stratos
    """
    about = "Thoughts that continue from a caption, and text questions with a rendered twin."
    describe = DescribeStep(kinds=("caption",), extra_kinds={"caption": ("ocr",)} if reads else {})
    steps = (describe, VerbatimStep(), PrefixStep(), AnswerStep(), LeaksStep(), RenderStep(tex=tex))
    return Chain("r1_vision", about, steps, R1VisionRows(tex))


@dataclass(frozen=True)
class R1VisionRows:
    """The row of a kept draft and, for a text question, its rendered twin."""

    tex: TexRenderer = "auto"
    wording: Mapping[str, str] = field(default_factory=lambda: IN_PICTURE)

    def __call__(self, draft: Draft) -> Iterator[tuple[str, Example]]:
        row = with_reasoning(draft)
        yield "data", row
        if draft.twin is not None:
            yield "data", twin_of(row, self.tex, self.wording)


def twin_of(example: Example, tex: TexRenderer = "auto", wording: Mapping[str, str] = IN_PICTURE) -> Example:
    """The twin of a question in words: a picture of them, with the same answer and reasoning. Raises
    `UndrawableText`."""
    return replace(
        example,
        id=f"{example.id}/twin",
        question=wording[language_of(example.question)],
        media=(render_text(example.question, tex),),
        meta={**example.meta, TWIN_OF: example.id},
    )


@dataclass(frozen=True)
class InBothForms(LazySequence[Example]):
    """Questions in words, each followed by its twin; meta `form` is "words" or "picture". Raises
    `UndrawableText` at the access of a twin."""

    words: LazySequence[Example]
    tex: TexRenderer = "auto"

    @property
    def identity(self) -> str | None:
        known = self.words.identity
        return None if known is None else f"{known}, in both forms by {self.tex}"

    def __len__(self) -> int:
        return 2 * len(self.words)

    def item(self, i: int) -> Example:
        example = self.words[i // 2]
        shown = twin_of(example, self.tex) if i % 2 else example
        return replace(shown, meta={**shown.meta, "form": "picture" if i % 2 else "words"})


CHAINS = {"r1_vision": r1_vision}
