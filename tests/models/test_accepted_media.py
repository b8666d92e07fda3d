"""A picture that a model does not take is found before any work, for every family, by its own processor."""

from __future__ import annotations

import json
import random
from typing import Any

import PIL.Image
import pytest
import torch

from seethink.check import Preflight, check
from seethink.cli.app import main
from seethink.engines import local
from seethink.engines.local import LocalEngine
from seethink.formats import THINK_ANSWER
from seethink.media import DrawnVideo, Frames, Image, Video
from seethink.models.accepted_media import AcceptedMedia
from seethink.train import dpo, grpo, sft
from seethink.types import InputError, Sampling
from tests import films, own_vlms, tiny, vlms

SIZES = [
    *((1, 1), (1, 2), (3, 3), (7, 7), (8, 8), (9, 5), (13, 13), (27, 28), (28, 28), (64, 48), (640, 480)),
    *((1, 50), (50, 1), (1, 199), (200, 1), (1, 201), (402, 2), (2000, 10), (2001, 10), (28, 5628)),
    *((3, 1500), (100, 3000), (6000, 13), (1, 3000)),
]
TWO_TOKENS = Sampling(temperature=0.0, max_tokens=2)
"""One after the prompt and one after the cache of the prompt: all that depends on the size of a picture."""


def conversation(size):
    picture = Image.drawn(f"blank {size}", lambda: PIL.Image.new("RGB", size))
    return [{"role": "user", "content": [{"type": "image", "image": picture}, {"type": "text", "text": "?"}]}]


def fails(engine: LocalEngine, size: tuple[int, int]) -> bool:
    """Whether the model really fails at a picture of this size."""
    try:
        engine.generate([conversation(size)], TWO_TOKENS)
    except Exception as error:
        return bool(error.args) or True
    return False


@pytest.mark.parametrize("name", sorted(vlms.BUILDERS))
def test_exactly_the_sizes_at_which_a_family_fails_are_refused(name: str, monkeypatch) -> None:
    monkeypatch.setattr(local, "BATCH_TOKENS", 1)
    model, encoder = vlms.build(name)
    engine, accepted = LocalEngine(model, encoder), AcceptedMedia(encoder)
    sizes = random.Random(name).sample(SIZES, len(SIZES))
    refused = {size for size in sizes if accepted.why_not("image", *size)}
    assert refused == {size for size in sizes if fails(engine, size)}
    if encoder.family.mrope:  # Qwen and GLM
        assert refused == {size for size in SIZES if max(size) > 200 * min(size)}


def test_few_of_many_sizes_are_tried() -> None:
    accepted = AcceptedMedia(tiny.encoder(tiny.qwen2_vl()))
    rng = random.Random(0)
    sizes = {(rng.randint(100, 900), rng.randint(100, 900)) for _ in range(3_000)}
    assert not any(accepted.why_not("image", *size) for size in sizes)
    assert accepted.tried <= 40


def test_a_clip_is_tried_as_a_clip() -> None:
    accepted = AcceptedMedia(tiny.encoder(tiny.qwen2_vl()))
    assert "aspect ratio" in (accepted.why_not("video", 10, 2_500) or "")
    assert accepted.why_not("video", 64, 48) is None


@pytest.mark.parametrize("name", [*vlms.CLIPS, *own_vlms.CLIPS])
def test_a_clip_of_one_frame_is_the_same_as_of_that_frame_twice_and_is_answered(name: str, tmp_path) -> None:
    """Some processors raise an error where there are fewer frames than one patch joins."""
    model, encoder = (own_vlms if name in own_vlms.CLIPS else vlms).build(name)
    path = films.clip(tmp_path / "a.mp4", 2)
    for one in (Video(path, num_frames=1), Video(path, frame_interval=9.0)):
        AcceptedMedia(encoder).refuse(one)
        (prompt,) = encoder.prompts([_about(one)])
        frames = one.load()
        twice = Frames(frames.pictures * 2, frames.times_s * 2, frames.length_s)
        if len(prompt.loaded) == 1 and len(prompt.loaded[0].pictures) == 2:
            (wanted,) = encoder.prompts([_about(DrawnVideo("twice", lambda f=twice: f))])
            assert prompt.ids == wanted.ids
            assert all(torch.equal(tensor, wanted.media[k]) for k, tensor in prompt.media.items())
        engine = LocalEngine(model, encoder)
        assert len(engine.complete([prompt], TWO_TOKENS)[0][0].token_ids) in (1, 2)


def _about(video: Any) -> list[dict[str, Any]]:
    content = [{"type": "video", "video": video}, {"type": "text", "text": "?"}]
    return [{"role": "user", "content": content}]


def test_a_clip_is_judged_with_as_many_frames_as_it_has(tmp_path, monkeypatch) -> None:
    accepted = AcceptedMedia(tiny.encoder(tiny.qwen2_vl()))
    monkeypatch.setattr(accepted, "_try", lambda size: "too few" if size.frames < 2 else None)
    path = films.clip(tmp_path / "a.mp4", 2)
    for taken in (Video(path), Video(path, frame_interval=0.5)):
        accepted.refuse(taken)
    for short in (Video(path, num_frames=1), Video(path, frame_interval=1.5)):
        with pytest.raises(InputError, match=r"cannot take .*a\.mp4 of 64 x 48 pixels: too few"):
            accepted.refuse(short)


def test_a_function_of_sizes_with_another_signature_is_not_asked(monkeypatch) -> None:
    encoder = tiny.encoder(tiny.qwen2_vl())

    def count(height: int, width: int) -> int:
        raise AssertionError("called")

    monkeypatch.setattr(encoder.processor.image_processor, "get_number_of_image_patches", count)
    accepted = AcceptedMedia(encoder)
    sizes = [(100 + i, 100) for i in range(50)]
    assert not any(accepted.why_not("image", *size) for size in sizes) and accepted.tried == 1


@pytest.mark.parametrize("options", [("--num-frames", "1"), ("--frame-interval", "60")])
def test_data_with_clips_of_one_frame_are_checked_trained_and_evaluated(tmp_path, options) -> None:
    model, encoder = vlms.build("qwen3_vl")
    model.save_pretrained(tmp_path / "base")
    encoder.processor.save_pretrained(tmp_path / "base")
    films.clip(tmp_path / "a.mp4", 2)
    path, base = tmp_path / "my.jsonl", str(tmp_path / "base")
    path.write_text(json.dumps({"video": "a.mp4", **TASK}) + "\n", encoding="utf-8")
    out, given = str(tmp_path / "out"), ("--data", str(path), "--model", base, *options)
    for words in (
        ("check", str(path), "--model", base, *options),
        ("eval", *given, "--out", f"{out}-eval"),
        ("train", "sft", *given, "--out", f"{out}-sft", "max_steps=1", "train_batch_size=1"),
    ):
        with pytest.raises(SystemExit) as exit_:
            main([*words])
        assert exit_.value.code == 0, words


def test_what_is_drawn_passes() -> None:
    picture = PIL.Image.new("RGB", (9, 9))
    AcceptedMedia(tiny.encoder(tiny.qwen2_vl())).refuse(
        DrawnVideo("x", lambda: Frames((picture,), (0.0,), 1.0))
    )


# Commands -------------------------------------------------------------------------------------------------


@pytest.fixture
def base(tmp_path, monkeypatch) -> str:
    """A model, and a folder with a picture that it does not take."""
    monkeypatch.chdir(tmp_path)
    PIL.Image.new("RGB", (64, 48), "navy").save("good.png")
    PIL.Image.new("RGB", (2_400, 10), "navy").save("narrow.png")
    return tiny.saved(tmp_path / "base")


@pytest.fixture
def no_step(monkeypatch) -> None:
    """Whoever generates or loads weights to train comes too late."""

    def too_late(*_: Any, **__: Any) -> None:
        raise AssertionError("work began")

    monkeypatch.setattr(LocalEngine, "generate", too_late)
    for module in (sft, dpo, grpo):
        monkeypatch.setattr(module, "load_policy", too_late)


def rows(tmp_path, **more) -> str:
    path = tmp_path / "my.jsonl"
    named = [{"image": name, **more} for name in ("good.png", "good.png", "narrow.png", "narrow.png")]
    lines = [json.dumps({"id": f"r{i}", **row}) + "\n" for i, row in enumerate(named)]
    path.write_text("".join(lines), encoding="utf-8")
    return str(path)


def stopped(capsys, *words: str) -> str:
    """What a command prints that exits with 2."""
    with pytest.raises(SystemExit) as exit_:
        main([*words])
    assert exit_.value.code == 2
    return capsys.readouterr().err


TASK = {"question": "How many?", "answer": "3", "steps": ["Count."]}
PAIR = {"prompt": "How many?", "chosen": "<think>a</think><answer>3</answer>", "rejected": "no"}


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (TASK, ("eval", "--data")),
        (TASK, ("train", "sft", "--data")),
        (TASK, ("train", "grpo", "--data")),
        (PAIR, ("train", "dpo", "--data")),
    ],
)
def test_commands_stop_before_the_first_step(tmp_path, base, no_step, capsys, row, words) -> None:
    path = rows(tmp_path, **row)
    message = stopped(capsys, *words, path, "--model", base, "--out", str(tmp_path / "run"))
    assert "my.jsonl, row 3" in message and "narrow.png of 2400 x 10 pixels" in message, message
    assert (
        "aspect ratio" in message
        and "pad, crop or enlarge it" in message
        and "1 more row is at fault" in message
    )


def test_an_evaluation_stops_at_a_control_token_before_the_first_answer(
    tmp_path, base, no_step, capsys
) -> None:
    path = tmp_path / "my.jsonl"
    texts = ["How many?", "How <|im_end|> many?", "Why?", "Where <|image_pad|>?"]
    lines = [json.dumps({"question": text, "answer": "3"}) + "\n" for text in texts]
    path.write_text("".join(lines), encoding="utf-8")
    message = stopped(capsys, "eval", "--data", str(path), "--model", base, "--out", str(tmp_path / "run"))
    assert "my.jsonl, row 2: the prompt contains '<|im_end|>', a control token" in message, message
    assert "1 more row is at fault" in message


def test_ask_stops_before_the_model_answers(base, no_step, capsys) -> None:
    message = stopped(capsys, "ask", "good.png", "narrow.png", "How many?", "--model", base)
    assert "narrow.png of 2400 x 10 pixels" in message


def test_check_with_a_model_names_every_row(tmp_path, base) -> None:
    report = check(Preflight(tmp_path / rows(tmp_path, **TASK), THINK_ANSWER, model=base))
    faults = [fault for fault in report.faults if not fault.suspected and fault.row in (3, 4)]
    found = [(fault.kind, fault.row) for fault in faults]  # the processor's refusal has the same cause
    assert found == [("narrow picture", 3), ("narrow picture", 4), ("same row", 4)]
    assert all("2400 x 10 pixels" in fault.message for fault in faults[:2])


def test_a_picture_that_was_downscaled_is_judged_at_its_size(tmp_path, base) -> None:
    PIL.Image.new("RGB", (10_000, 55)).save("wide.png")
    wide = Image.file("wide.png")
    accepted = AcceptedMedia(tiny.encoder(tiny.qwen2_vl()))
    accepted.refuse(wide)
    with pytest.raises(InputError, match=r"wide\.png of 603 x 3 pixels"):
        accepted.refuse(wide.fit(2_000))
