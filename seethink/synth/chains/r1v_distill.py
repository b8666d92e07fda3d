"""R1-V: a reasoner that cannot see thinks about scenes that were written down."""

from __future__ import annotations

from seethink.synth.chain import Chain
from seethink.synth.chains.rows import in_data
from seethink.synth.steps.distill import Distill
from seethink.synth.steps.leaks import Leaks
from seethink.synth.steps.scene import Scene


def r1v_distill(reading: str = "ours") -> Chain:
    """Thoughts about counting questions, of which the answer is right, told as if of the picture.

    reading: "r1v" reads answers as R1-V's filter does. Data of `sources.clevr` bring the renderer's scenes;
    for other pictures a teacher that sees lists the objects.

    source   R1-V's distill_r1: generate_scene_qa_pairs.ipynb, query_r1.py, filter_r1.py, create_hf_dataset.py
    differs  answers are read from the last line in bold and not from the thought; beyond "scene description",
             phrases of the ban list drop a row; whoever sees may be a model, whose mistakes the answer filter
             finds only where they change the answer
    """
    about = "A reasoner that cannot see counts in scenes that were written down."
    return Chain(
        "r1v_distill", about, (Scene(), Distill(reading=reading), Leaks()), in_data, world="counting"
    )
