"""Chain of open-r1-multimodal: questions rewritten so that their answers can be verified."""

from __future__ import annotations

from seethink.synth.chain import Chain
from seethink.synth.kept_rows import rewritten_rows
from seethink.synth.steps.answer import AnswerStep
from seethink.synth.steps.leaks import LeaksStep
from seethink.synth.steps.question import QuestionStep


def open_r1_multimodal() -> Chain:
    """Questions rewritten to have a short, certain answer, with a thought that leads to it.

    source   open-r1-multimodal's GPT-4o script and its preparation of multimodal-open-r1-8k-verified; the
             same script in R1-Onevision's fork
    differs  the reply is JSON (tags are read as well); it is checked on arrival, and an invalid one is
             requested again; the new answer is compared with the old one, which the original does not do
    """
    about = "Questions rewritten so that their answers can be verified, with a thought for each."
    return Chain("open_r1_multimodal", about, (QuestionStep(), AnswerStep(), LeaksStep()), rewritten_rows)


CHAINS = {"open_r1_multimodal": open_r1_multimodal}
