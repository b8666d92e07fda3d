"""Five defects of Open-R1-Video, and what is done here instead.

How its rows are cut at "Please" is in tests/synth/steps/test_question.py; which frames of a file are chosen,
in tests/test_frame_choice.py.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from seethink import systems, verify
from seethink.attempt import attempt
from seethink.engines.local import LocalEngine
from seethink.formats import ANSWER_ONLY, THINK_ANSWER
from seethink.models.encoder import count_media_tokens
from seethink.models.packing import Branch, Group, pack_groups
from seethink.models.policy import PolicyModel
from seethink.run.run import Run
from seethink.run.scale import Scale
from seethink.sources.drawn.clips import DENSE_CLIPS
from seethink.sources.drawn.world import DrawnExamples
from seethink.systems.open_r1_video.recipe import FRAMES, REWARD
from seethink.train.configs import GRPOConfig
from seethink.train.grpo import grpo
from seethink.train.notes import training_notes
from seethink.types import Example, InputError, Response, Sampling, Score, Task
from tests import tiny
from tests.train.metric_rows import jsonl

SHORT = GRPOConfig.of(
    learning_rate=3e-3, prompts_per_step=2, num_generations=4, max_steps=2, max_completion_length=6
)


def clips(n: int, num_frames: int = 4) -> DrawnExamples:
    return DrawnExamples(DENSE_CLIPS, n, "test", num_frames=num_frames)


def letter(example: Example, response: Response) -> Score:
    """The share of letters that are an e: what a model that knows nothing can climb."""
    letters = [c for c in response.text.lower() if c.isalpha()]
    return Score(letters.count("e") / len(letters) if letters else 0.0)


def trained(out: Path, **settings: object) -> list[dict]:
    base = tiny.saved(out.with_name(f"{out.name}-base"))
    grpo(base, Task("clips", clips(2), ANSWER_ONLY, letter), SHORT.replace(**settings), out)
    return jsonl(out / "metrics.jsonl")


# The first character of an answer is taken for an option ----------------------------------------------------


@pytest.mark.parametrize(
    ("said", "published", "here"),
    [
        ("A", 1.0, 1.0),
        ("A person pours it", 1.0, 0.0),
        ("All of them", 1.0, 0.0),
        ("A cat, so B", 1.0, 0.0),
        ("(A)", 0.0, 1.0),
        ("Option A", 0.0, 1.0),
        ("**A**", 0.0, 1.0),
        ("The answer is A.", 0.0, 1.0),
        ("B", 0.0, 0.0),
    ],
)
def test_an_option_is_read_as_a_whole(said: str, published: float, here: float) -> None:
    example = Example("1", "What?\nA. a jug\nB. a cup", answer="A", choices=("a jug", "a cup"))
    response = THINK_ANSWER.parse(f"<think>It pours.</think><answer>{said}</answer>")
    assert systems.verifier("same_choice@open_r1_video")(example, response).value == published
    assert verify.same_choice(example, response).value == here


@pytest.mark.parametrize("text", ["", "<answer></answer>", "<think>x</think><answer> </answer>", "<answer>"])
def test_an_empty_answer_is_wrong_and_raises_nothing(text: str) -> None:
    example = Example("1", "What?\nA. a jug\nB. a cup", answer="A", choices=("a jug", "a cup"))
    score = REWARD(example, THINK_ANSWER.parse(text))
    assert score.parts["correct"].value == 0.0


# The reference model was given no video ---------------------------------------------------------------------


def test_the_reference_sees_the_clip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Policy and reference are equal before the first update, and so is what both say of a clip."""
    assert trained(tmp_path / "out", beta=0.1)[0]["kl"] == pytest.approx(0, abs=1e-9)
    seeing = PolicyModel.__call__

    def blind(self: PolicyModel, pack, *rest, **named):
        if not torch.is_grad_enabled():  # the reference
            unseen = torch.zeros_like(pack.media["pixel_values_videos"])
            pack = replace(pack, media=pack.media | {"pixel_values_videos": unseen})
        return seeing(self, pack, *rest, **named)

    monkeypatch.setattr(PolicyModel, "__call__", blind)
    assert trained(tmp_path / "blind", beta=0.1)[0]["kl"] > 1e-3, "a blind one would show"


# Completions and rewards of several prompts were in different orders ----------------------------------------


def test_every_completion_belongs_to_its_own_clip() -> None:
    model = tiny.qwen2_vl()
    encoder, task = tiny.encoder(model), Task("clips", clips(3), ANSWER_ONLY, letter)
    rollouts = attempt(LocalEngine(model, encoder), task, task.examples, Sampling(n=3, max_tokens=6))
    prompts = encoder.prompts([ANSWER_ONLY.prompt(example) for example in task.examples])

    def logps(prompt, response: Response) -> torch.Tensor:
        (pack,) = pack_groups([Group(prompt, [Branch(response.token_ids)])], 10_000)
        return PolicyModel(model)(pack).detach()

    for i, group in enumerate(rollouts):
        for one in group:
            assert one.example.id == task.examples[i].id and one.score == letter(one.example, one.response)
            sampled = torch.tensor(one.response.logps)
            torch.testing.assert_close(logps(prompts[i], one.response), sampled, atol=5e-3, rtol=0)
            other = logps(prompts[(i + 1) % 3], one.response)
            assert (other - sampled).abs().max() > 2e-2, "another clip would show"


# Prompts were cut inside the tokens of a video --------------------------------------------------------------


def test_a_prompt_is_refused_or_left_out_and_never_cut(tmp_path: Path) -> None:
    encoder = tiny.encoder(tiny.qwen2_vl())
    prompts = encoder.prompts([ANSWER_ONLY.prompt(example) for example in clips(2)])
    short, long = sorted(len(prompt.ids) for prompt in prompts)
    assert short < long
    with pytest.raises(InputError, match=f"tokens, more than max_prompt_length={long - 1}"):
        trained(tmp_path / "refused", max_prompt_length=long - 1)
    trained(tmp_path / "without", max_prompt_length=long - 1, filter_overlong_prompts=True)
    assert any("1 of 2 rows left out" in note for note in training_notes(tmp_path / "without"))


# Up to 768 frames were read, and 16 of them kept; limits were dropped on the way ----------------------------


@pytest.mark.parametrize("n", [*FRAMES, 1, 5])
def test_the_model_gets_as_many_frames_as_were_asked_for(n: int) -> None:
    """Two frames are one patch of Qwen2-VL, so an odd last one is repeated."""
    encoder = tiny.encoder(tiny.qwen2_vl())
    (prompt,) = encoder.prompts([THINK_ANSWER.prompt(clips(1, n)[0])])
    assert int(prompt.media["video_grid_thw"][0, 0]) == (n + 1) // 2
    placeholders, features = count_media_tokens(prompt, encoder.processor)
    assert placeholders == features
    assert len(clips(1, n)[0].media[0].load().pictures) == n


def _tasks(scale: str) -> list[Task]:
    """All tasks that the recipe evaluates at a scale."""
    asked: list[Task] = []

    class Watched(Run):
        def evaluate(self, name, model, tasks, *rest):
            asked.extend(tasks)
            return super().evaluate(name, model, tasks, *rest)

    run = Watched("open_r1_video", Scale(scale), Path("nowhere"), dry=True)
    systems.recipe("open_r1_video").recipe(run)
    return asked


@pytest.mark.parametrize("scale", ["smoke", "tiny", "full"])
def test_all_arms_are_asked_the_same_questions_in_4_8_and_16_frames(scale: str) -> None:
    tasks = _tasks(scale)
    assert [task.name for task in tasks] == [f"{n} frames" for n in FRAMES] * 3
    assert [task.format.prompt_mode for task in tasks] == ["direct"] * 3 + ["suffix"] * 6
    frames = [getattr(t.examples, "num_frames", None) or t.examples.view.num_frames for t in tasks]
    assert frames == [*FRAMES] * 3
    if scale == "full":
        assert {task.examples.view.max_frame_px for task in tasks} == {196 * 28 * 28}
