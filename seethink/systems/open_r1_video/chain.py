"""Chain of Open-R1-Video: questions about clips, cut to question and letter, and rewritten."""

from __future__ import annotations

from seethink.synth.chain import Chain
from seethink.synth.kept_rows import rewritten_rows
from seethink.synth.steps.answer import AnswerStep
from seethink.synth.steps.leaks import LeaksStep
from seethink.synth.steps.question import QuestionStep, ReformatStep


def open_r1_video(frames: int = 16) -> Chain:
    """Multiple-choice questions about clips cut to question and letter, then rewritten from `frames` frames.

    source   Open-R1-Video's format_video_data.py, and the rewriter in it
    differs  there, main never calls the rewriter, so rows have no thought; options after "Please" are kept,
             `(B)` and `Option B` are letters too; the new answer is compared with the old one
    """
    about = "Questions about clips, cut to question and letter and rewritten from frames."
    steps = (ReformatStep(), QuestionStep(frames=frames), AnswerStep(), LeaksStep())
    return Chain("open_r1_video", about, steps, rewritten_rows, world="clips")


CHAINS = {"open_r1_video": open_r1_video}
