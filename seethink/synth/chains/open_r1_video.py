"""Open-R1-Video: questions about clips, cut to what can be checked, and rewritten."""

from __future__ import annotations

from seethink.synth.chain import Chain
from seethink.synth.chains.rows import rewritten
from seethink.synth.steps.answer import Answer
from seethink.synth.steps.leaks import Leaks
from seethink.synth.steps.question import Question, Reformat


def open_r1_video(frames: int = 16) -> Chain:
    """Multiple-choice questions about clips cut to question and letter, then rewritten from `frames` frames.

    source   Open-R1-Video's format_video_data.py, and the rewriter in it
    differs  there, main never calls the rewriter, so that rows have no thought; options behind "Please" are
             kept, `(B)` and `Option B` are letters too; the new answer is judged beside the old one
    """
    about = "Questions about clips, cut to what can be checked and rewritten from frames."
    steps = (Reformat(), Question(frames=frames), Answer(), Leaks())
    return Chain("open_r1_video", about, steps, rewritten, world="clips")
