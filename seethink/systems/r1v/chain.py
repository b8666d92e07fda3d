"""Chain of R1-V: a text-only reasoner counts in scenes described as text."""

from __future__ import annotations

from seethink.synth.chain import Chain
from seethink.synth.kept_rows import data_rows
from seethink.synth.steps.distill import DistillStep
from seethink.synth.steps.leaks import LeaksStep
from seethink.synth.steps.scene import SceneStep


def r1v_distill(reading: str = "ours") -> Chain:
    """Thoughts about counting questions with a right answer, worded as if about the picture.

    reading: "r1v" reads answers as R1-V's filter does. Rows of `sources.clevr` have the renderer's scenes;
    for other pictures a vision teacher lists the objects.

    source   R1-V's distill_r1: generate_scene_qa_pairs.ipynb, query_r1.py, filter_r1.py, create_hf_dataset.py
    differs  answers are read from the last bold line and not from the thought; besides "scene description",
             phrases of the ban list drop a row; the scene may come from a model, whose errors the answer
             filter finds only if they change the answer
    """
    about = "A text-only reasoner counts in scenes described as text."
    return Chain(
        "r1v_distill",
        about,
        (SceneStep(), DistillStep(reading=reading), LeaksStep()),
        data_rows,
        world="counting",
    )


CHAINS = {"r1v_distill": r1v_distill}
