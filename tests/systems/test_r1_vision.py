"""R1-Vision's five best-known defects, and what is done here instead.

Further cases of its chain are in `test_described_chains.py`, of quotations in
`tests/synth/steps/test_verbatim.py`, of long prompts in `tests/train/test_faults.py`, of twins in
`tests/evaluate/test_twins.py`.
"""

from __future__ import annotations

import asyncio
import re

import PIL.Image
import pytest
import torch

from seethink import systems
from seethink.engines.local import LocalEngine
from seethink.engines.oracle import Oracle
from seethink.evaluate.questions import by_question
from seethink.evaluate.twins import twins
from seethink.formats import ANSWER_ONLY, THINK_ANSWER
from seethink.media import Image
from seethink.models.packing import pack_groups
from seethink.models.policy import PolicyModel
from seethink.run.run import Run
from seethink.run.scale import Scale
from seethink.sources.drawn import by_name
from seethink.sources.drawn.rendered_text import WORD_PROBLEMS
from seethink.sources.drawn.world import DrawnExamples
from seethink.synth.chain import run_example
from seethink.synth.steps.verbatim import faults
from seethink.systems.r1_vision.chain import InBothForms, r1_vision
from seethink.systems.r1_vision.recipe import REWARD
from seethink.tasks import GoldTraces
from seethink.train.configs import GRPOConfig
from seethink.train.methods import METHODS
from seethink.train.sft import share
from seethink.types import Example, InputError, Sampling, Task
from tests import tiny

WORDS = DrawnExamples(WORD_PROBLEMS, 3)
BOTH = InBothForms(WORDS, "mathtext")


def rows_of(*examples: Example) -> list[Example]:
    """What the chain keeps of them, with a teacher that never errs."""
    chain, oracle = r1_vision(tex="mathtext"), Oracle()

    async def put(request):
        return await oracle.complete(request, lambda kind, detail: None), oracle.name

    drafts = [asyncio.run(run_example(chain, example, put)).draft for example in examples]
    return [row for draft in drafts for _, row in chain.build_rows(draft)]


@pytest.mark.parametrize(
    ("caption", "visible", "translates"),
    [
        ("牌子上写着“出口”。", "EXIT", True),
        ("牌子上写着“EXIT”。", "EXIT", False),
        ('The sign says "exit".', "Выход", True),
        ('The sign says "Выход".', "Выход", False),
    ],
)
def test_visible_text_is_quoted_and_never_translated(caption: str, visible: str, translates: bool) -> None:
    assert bool([*faults(caption, [visible])]) is translates


def test_an_answer_depends_on_the_picture_without_vllm_too() -> None:
    model = tiny.qwen2_vl()
    prompts = [
        ANSWER_ONLY.prompt(Example(key, "?", (Image.drawn(key, lambda c=colour: _page(c)),)))
        for key, colour in {"black": "black", "white": "white", "black again": "black"}.items()
    ]
    engine = LocalEngine(model, tiny.encoder(model))
    black, white, again = (
        one.logps for (one,) in engine.generate(prompts, Sampling(temperature=0.0, max_tokens=4))
    )
    assert black == again and black != white


def _page(colour: str) -> PIL.Image.Image:
    return PIL.Image.new("RGB", (56, 56), colour)


def test_a_prompt_is_never_cut_and_the_row_that_is_too_long_is_named(tmp_path) -> None:
    model = tiny.saved(tmp_path / "model")
    task = Task("practice", BOTH, THINK_ANSWER, REWARD)
    config = GRPOConfig.of(max_prompt_length=110)
    with pytest.raises(InputError, match=r"/0/twin.* more than max_prompt_length=110"):
        METHODS["grpo"].check(model, task, config, lambda row: None)


def test_rows_in_words_twins_and_pictures_are_learned_together() -> None:
    words, picture = WORDS[0], by_name("exams", 1)[0]
    two = next(e for e in by_name("screens", 5) if len(e.media) == 2)
    rows = rows_of(words, picture, two)
    assert [len(row.media) for row in rows] == [0, 1, 1, 2]
    for row in rows:
        shown = [p["type"] for m in THINK_ANSWER.prompt(row) for p in m["content"] if p["type"] == "image"]
        assert len(shown) == len(row.media) and row.steps
    model = tiny.qwen2_vl(max_position_embeddings=4_096)
    encoder = tiny.encoder(model)
    lessons = [*GoldTraces(Task("practice", rows, THINK_ANSWER, REWARD))]
    groups = share(lessons, encoder.prompts([THINK_ANSWER.prompt(row) for row in rows]), encoder)
    trained = sum(sum(branch.trained) for group in groups for branch in group.branches)
    logps = torch.cat([PolicyModel(model)(pack) for pack in pack_groups(groups, 10_000)])
    assert len(logps) == trained > 0 and torch.isfinite(logps).all()


def test_twins_are_the_same_question_and_their_agreement_is_measured() -> None:
    assert [example.meta["form"] for example in BOTH] == ["words", "picture"] * 3
    for original, twin in zip(BOTH[::2], BOTH[1::2], strict=True):
        assert (twin.id, twin.answer) == (f"{original.id}/twin", original.answer)
        assert re.search(r"How many \w+ are left\?$", original.question) and twin.media
    said = ["7", "7", "3", "4", None, None]
    rows = [
        {"task": "twins", "id": e.id, "meta": e.meta, "said": s, "stop": "stop", "correct": None}
        for e, s in zip(BOTH, said, strict=True)
    ]
    found = twins([*by_question(rows).values()])
    assert found["n"] == 3 and found["same"]["value"] == pytest.approx(1 / 3)


def test_the_planned_rl_begins_with_the_cold_start(tmp_path) -> None:
    stages = Run("r1_vision", Scale("full"), tmp_path).dry_run(systems.recipe("r1_vision").recipe)
    assert stages["sft-rl"].inputs["model"].key == stages["sft"].artefact_key
    assert stages["thoughts"].config.text_teacher.endswith("DeepSeek-R1-Distill-Qwen-32B")
