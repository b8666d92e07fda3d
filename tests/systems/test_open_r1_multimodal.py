"""Five defects of open-r1-multimodal, and what is done here instead.

What its chain keeps and drops is in tests/systems/test_reasoned_chains.py and
tests/synth/steps/test_question.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import PIL.Image
import pytest
import torch

from seethink import systems, verify
from seethink.attempt import attempt
from seethink.engines.local import LocalEngine
from seethink.formats import ANSWER_ONLY, THINK_ANSWER
from seethink.media import Image
from seethink.models.encoder import Encoder, count_media_tokens
from seethink.models.policy import PolicyModel
from seethink.run.run import Run
from seethink.run.scale import Scale
from seethink.systems.open_r1_multimodal.recipe import REWARD
from seethink.systems.open_r1_multimodal.tiny_aria import tiny_aria, write_tiny_aria
from seethink.train.configs import GRPOConfig, SFTConfig
from seethink.train.grpo import grpo
from seethink.train.notes import training_notes
from seethink.train.sft import sft
from seethink.types import GREEDY, Example, InputError, Response, Score, SFTExample, Task
from tests import tiny
from tests.train.metric_rows import jsonl

SHORT = GRPOConfig.of(
    learning_rate=3e-3, prompts_per_step=2, num_generations=4, max_steps=1, max_completion_length=6
)


def picture(grey: int, width: int = 56) -> Image:
    return Image.drawn(f"{grey}/{width}", lambda: PIL.Image.new("RGB", (width, 56), (grey,) * 3))


PAIRS = [
    Example("narrow", "<image> and <image>: which is darker?", (picture(0), picture(250)), "the first"),
    Example("wide", "<image> and <image>: which is darker?", (picture(250, 112), picture(0)), "the second"),
]


def letter(example: Example, response: Response) -> Score:
    """The share of letters that are an e: what a model that knows nothing can climb."""
    letters = [c for c in response.text.lower() if c.isalpha()]
    return Score(letters.count("e") / len(letters) if letters else 0.0)


def trained(out: Path, **settings: object) -> list[dict]:
    base = tiny.saved(out.with_name(f"{out.name}-base"))
    grpo(base, Task("pairs", PAIRS, ANSWER_ONLY, letter), SHORT.replace(**settings), out)
    return jsonl(out / "metrics.jsonl")


# The format reward has no DOTALL and no end -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "published", "here"),
    [
        ("<think>a</think><answer>5</answer>", 1.0, 1.0),
        ("<think>a\nb</think><answer>5</answer>", 0.0, 1.0),
        ("<think>\n\na\r\nb\n</think>\n<answer>\n5\n</answer>", 0.0, 1.0),
        ("<think>a</think><answer>5</answer> or 6", 1.0, 0.0),
        ("<think>a</think><answer>5</answer><answer>6</answer>", 1.0, 0.0),
        ("<think>a</think><answer>5</answer><think>b</think>", 1.0, 0.0),
        ("5", 0.0, 0.0),
    ],
)
def test_a_thought_has_lines_and_nothing_stands_behind_the_answer(
    text: str, published: float, here: float
) -> None:
    example, response = Example("1", "?", answer="5"), THINK_ANSWER.parse(text)
    assert systems.verifier("well_formed@open_r1_multimodal")(example, response).value == published
    assert REWARD(example, response).parts["format"].value == here


# The whole completion is searched for the answer ------------------------------------------------------------


@pytest.mark.parametrize(
    ("gold", "text"),
    [
        ("5", "<think>a</think><answer>4</answer> rather $5$"),
        ("5", "I cannot tell; $5$"),
        (r"\frac{1}{2}", r"<think>Not 2.</think> It is $\frac{1}{2}$ or not."),
    ],
)
def test_the_answer_alone_is_judged(gold: str, text: str) -> None:
    example, response = Example("1", "?", answer=gold), THINK_ANSWER.parse(text)
    assert systems.verifier("same_math@open_r1_multimodal")(example, response).value == 1.0
    assert not REWARD(example, response).parts["correct"].value
    right = THINK_ANSWER.parse(f"<think>a</think><answer>{gold}</answer>")
    assert REWARD(example, right).value == verify.same_answer(example, right).value == 1.0


# The reference model was given no pictures ------------------------------------------------------------------


def test_the_reference_sees_all_pictures_of_a_question(tmp_path: Path, monkeypatch) -> None:
    """Policy and reference are equal before the first update, and so is what both say of pictures."""
    assert trained(tmp_path / "out", beta=0.04)[0]["kl"] == pytest.approx(0, abs=1e-9)
    seeing = PolicyModel.__call__

    def blind(self: PolicyModel, pack, *rest, **named):
        if not torch.is_grad_enabled():  # the reference
            unseen = torch.zeros_like(pack.media["pixel_values"])
            pack = replace(pack, media=pack.media | {"pixel_values": unseen})
        return seeing(self, pack, *rest, **named)

    monkeypatch.setattr(PolicyModel, "__call__", blind)
    assert trained(tmp_path / "blind", beta=0.04)[0]["kl"] > 1e-3, "a blind one would show"


# Prompts were cut by tokens, which can cut a picture in half ------------------------------------------------


def _encoders() -> dict[str, Encoder]:
    model, processor = tiny_aria()
    return {"qwen2_vl": tiny.encoder(tiny.qwen2_vl()), "aria": Encoder(processor, model.config)}


@pytest.mark.parametrize("shape", ["qwen2_vl", "aria"])
def test_a_prompt_is_refused_or_left_out_and_never_cut(shape: str, tmp_path: Path) -> None:
    encoder = _encoders()[shape]
    prompts = encoder.prompts([ANSWER_ONLY.prompt(example) for example in PAIRS])
    known = [count_media_tokens(prompt, encoder.processor) for prompt in prompts]
    assert all(one is None or one[0] == one[1] for one in known)
    longest = max(len(prompt.ids) for prompt in prompts)
    if shape == "aria":
        write_tiny_aria(tmp_path / "aria")
    base = str(tmp_path / "aria") if shape == "aria" else tiny.saved(tmp_path / "base")
    task = Task("pairs", PAIRS, ANSWER_ONLY, letter)
    with pytest.raises(InputError, match=f"tokens, more than max_prompt_length={longest - 1}"):
        grpo(base, task, SHORT.replace(max_prompt_length=longest - 1), tmp_path / "refused")


def test_a_row_with_a_longer_prompt_is_left_out_and_counted(tmp_path: Path) -> None:
    encoder = tiny.encoder(tiny.qwen2_vl())
    short, long = (len(encoder.prompts([ANSWER_ONLY.prompt(one)])[0].ids) for one in PAIRS)
    assert short < long
    trained(tmp_path / "out", max_prompt_length=short, filter_overlong_prompts=True)
    assert any("1 of 2 rows left out" in note for note in training_notes(tmp_path / "out"))


# One prompt on a device, and SFT on texts alone -------------------------------------------------------------


def test_each_completion_is_learned_with_the_pictures_of_its_own_prompt(tmp_path: Path, monkeypatch) -> None:
    """Two prompts in a step, each with two pictures. What the training computes of a completion is what was
    computed when it was sampled; with the pictures in another order it is not."""
    difference = "sampling/sampling_logp_difference/mean"
    apart = trained(tmp_path / "out")[0][difference]
    seeing = PolicyModel.__call__

    def mixed_up(self: PolicyModel, pack, *rest, **named):
        pixels = {"pixel_values": pack.media["pixel_values"].roll(16, 0)}  # a picture has 16 patches, or 32
        return seeing(self, replace(pack, media=pack.media | pixels), *rest, **named)

    monkeypatch.setattr(PolicyModel, "__call__", mixed_up)
    assert apart < 0.1 * trained(tmp_path / "mixed_up")[0][difference]


def test_sft_learns_from_pictures_of_several_sizes_in_one_step(tmp_path: Path) -> None:
    """The question is the same, so that a blind model could not answer both."""
    asked = [
        Example(name, "Which?", (picture(grey, width),), name)
        for name, grey, width in (("black", 0, 56), ("white", 250, 112))
    ]
    rows = [SFTExample(one, ANSWER_ONLY, f"<answer>{one.answer}</answer>") for one in asked]
    config = SFTConfig.of(
        learning_rate=3e-3, train_batch_size=2, max_steps=40, lr_scheduler_type="constant", warmup_ratio=0.0
    )
    checkpoint = sft(tiny.saved(tmp_path / "base"), rows, config, tmp_path / "out")
    task = Task("which", asked, ANSWER_ONLY, verify.same_text)
    engine, short = LocalEngine.load(str(checkpoint)), replace(GREEDY, max_tokens=8)
    said = [group[0].response.answer for group in attempt(engine, task, asked, short)]
    assert said == ["black", "white"]


# The recipe -------------------------------------------------------------------------------------------------


def _asked(scale: str) -> dict[str, Sequence[Task]]:
    """{evaluation: its tasks} of the recipe at a scale."""
    asked: dict[str, Sequence[Task]] = {}

    class Watched(Run):
        def evaluate(self, name, model, tasks, *rest):
            asked[name] = tasks
            return super().evaluate(name, model, tasks, *rest)

    run = Watched("open_r1_multimodal", Scale(scale), Path("nowhere"), dry=True)
    systems.recipe("open_r1_multimodal").recipe(run)
    return asked


@pytest.mark.parametrize(("scale", "shapes"), [("smoke", ["", "-aria"]), ("full", ["", "-7b", "-aria"])])
def test_every_shape_is_asked_the_same_questions_in_both_ways(scale: str, shapes: list[str]) -> None:
    asked = _asked(scale)
    assert [*asked] == [f"eval/{arm}{shape}" for shape in shapes for arm in ("direct", "thinking", "grpo")]
    modes = {name: {task.format.prompt_mode for task in tasks} for name, tasks in asked.items()}
    assert all(mode == ({"direct"} if "direct" in name else {"suffix"}) for name, mode in modes.items())
    assert (
        len({tuple((task.name, task.examples.identity) for task in tasks) for tasks in asked.values()}) == 1
    )
