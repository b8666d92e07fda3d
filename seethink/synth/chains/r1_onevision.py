"""R1-Onevision: pictures become formal text, about which a reasoner thinks who cannot see; what it thinks is
retold as seen, and judged."""

from __future__ import annotations

from seethink.synth.chain import Chain
from seethink.synth.chains.rows import in_data
from seethink.synth.steps.answer import Answer
from seethink.synth.steps.describe import Describe
from seethink.synth.steps.leaks import Leaks
from seethink.synth.steps.reason import Reason
from seethink.synth.steps.rewrite import Rewrite
from seethink.synth.steps.validity import Validity


def r1_onevision(passes: int = 1) -> Chain:
    """Thoughts of a text-only reasoner, told as of the picture, which a judge that sees it finds valid.

    Scenes of things are boxes and a caption, scenes with writing a caption, boxes and the text read; all else
    is one formal text. passes: of the rewriter, at most.

    source   R1-Onevision (arXiv 2503.10615, ICCV 2025); its pipeline was never published
    differs  one teacher describes where Grounding DINO, EasyOCR and GPT-4o do; figures of geometry are told
             without a strategy, which gave solutions away; forms are checked; the ban list is a linter as
             well; a rewrite must keep numbers and answer; rules judge the answer before the judge does; the
             judge sees the picture
    """
    about = "Pictures as formal text, reasoned about, retold as seen, and judged by four criteria."
    describe = Describe(also={"boxes": ("caption",), "caption": ("boxes", "ocr")})
    steps = (describe, Reason(), Rewrite(passes=passes), Leaks(), Answer(), Validity())
    return Chain("r1_onevision", about, steps, in_data)
