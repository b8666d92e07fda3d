"""open-r1-multimodal: questions rewritten so that their answers can be checked."""

from __future__ import annotations

from seethink.synth.chain import Chain
from seethink.synth.chains.rows import rewritten
from seethink.synth.steps.answer import Answer
from seethink.synth.steps.leaks import Leaks
from seethink.synth.steps.question import Question


def open_r1_multimodal() -> Chain:
    """A question of a data set becomes one with a short, certain answer, and a thought that leads there.

    source   open-r1-multimodal's GPT-4o script and its preparation of multimodal-open-r1-8k-verified; the
             same script in R1-Onevision's fork
    differs  the reply is JSON (tags are read as well); its checks are made as it comes, and a faulty reply is
             asked for again; the new answer is judged beside the old one, which there nobody does
    """
    about = "Questions rewritten so that their answers can be checked, with a thought for each."
    return Chain("open_r1_multimodal", about, (Question(), Answer(), Leaks()), rewritten)
