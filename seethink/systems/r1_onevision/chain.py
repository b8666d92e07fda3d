"""Chain of R1-Onevision: pictures as formal text, reasoning by a text-only model, a rewrite, and a judge."""

from __future__ import annotations

from seethink.synth.chain import Chain
from seethink.synth.kept_rows import data_rows
from seethink.synth.steps.answer import AnswerStep
from seethink.synth.steps.describe import DescribeStep
from seethink.synth.steps.leaks import LeaksStep
from seethink.synth.steps.reason import ReasonStep
from seethink.synth.steps.rewrite import RewriteStep
from seethink.synth.steps.validity import ValidityStep


def r1_onevision(passes: int = 1) -> Chain:
    """Thoughts of a text-only reasoner, rewritten as about the picture and accepted by a judge that sees it.

    Scenes of objects become boxes and a caption; scenes with text a caption, boxes and the text; everything
    else one formal text. passes: maximum passes of the rewriter.

    source   R1-Onevision (arXiv 2503.10615, ICCV 2025); its pipeline was never published
    differs  one teacher describes what Grounding DINO, EasyOCR and GPT-4o describe there; geometry is
             described without a strategy, which gave solutions away; formal text is checked; the ban list is
             also a linter; a rewrite must keep numbers and answer; rules judge the answer before the judge
             does; the judge sees the picture
    """
    about = "Pictures as formal text, reasoned about, rewritten as seen, and judged by four criteria."
    describe = DescribeStep(extra_kinds={"boxes": ("caption",), "caption": ("boxes", "ocr")})
    steps = (describe, ReasonStep(), RewriteStep(passes=passes), LeaksStep(), AnswerStep(), ValidityStep())
    return Chain("r1_onevision", about, steps, data_rows)


CHAINS = {"r1_onevision": r1_onevision}
