"""Batches of a fixed shape give the losses of ordinary rows, are learned from, and resume exactly."""

from __future__ import annotations

import io
import itertools
import json
import random
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from rich.console import Console
from torch import Tensor
from torch.nn.functional import cross_entropy
from transformers import AutoModelForImageTextToText

from seethink.sources.drawn import WORLDS, shapes
from seethink.sources.drawn.spatial import SPATIAL
from seethink.sources.drawn.world import SceneWorld
from seethink.systems.sprout.curriculum import CELL_NAMES, SHARES, CurriculumExamples, cells
from seethink.systems.sprout.growth import CourseBatches, PackedLoss, PackedTower, grow, load, skeleton
from seethink.systems.sprout.growth_config import GrowthConfig, RowShape
from seethink.systems.sprout.initial_model import ModelSize, write_initial_model
from seethink.systems.sprout.perception import (
    LENGTH,
    SquareBatches,
    SquareLoss,
    pretrain_vision_tower,
    targeted_frames,
)
from seethink.systems.sprout.readings import MARKS
from seethink.systems.sprout.rows import IGNORED, coarse
from seethink.systems.sprout.square_targets import (
    CHARACTERS,
    VALUES,
    Squares,
    SquareTargets,
    drawn,
    token_names,
)
from seethink.systems.sprout.styles import ANSWERING, READING
from seethink.train.progress_bar import ProgressBar
from seethink.types import CoordinateFrame, Example, NotFinite

SHAPE = RowShape(rows=2, width=1024, tower_rows=3, tower_width=1024)
COURSE = CurriculumExamples(10**6, "test", 0, ANSWERING, shares={**SHARES, "words": 0.3})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("initial") / "model"
    write_initial_model(out, seed=0, size=ModelSize(128, 2, 192, 64, 2), texts=2_000)
    return out


@pytest.mark.parametrize("fixed_shape", [True, False])
def test_the_loss_of_a_batch_is_that_of_its_examples_one_by_one(folder: Path, fixed_shape: bool) -> None:
    model, processor = load(folder)
    batches = CourseBatches(COURSE, folder, GrowthConfig(1, SHAPE))
    batch = batches[0]
    packed = PackedLoss(model, processor, fixed_shape)(batch)
    packed.backward()
    gradients = {name: w.grad.clone() for name, w in model.named_parameters() if w.grad is not None}
    model.zero_grad()
    losses, targets = _one_by_one(folder, model, int(batch["pictures"]))
    (losses / targets).backward()
    assert targets == (batch["labels"] != IGNORED).sum()
    assert packed.item() == pytest.approx(losses.item() / targets, abs=1e-5)
    assert {*gradients} == {name for name, w in model.named_parameters() if w.requires_grad}
    for name, found in gradients.items():
        weights = model.get_parameter(name)
        difference = (weights.grad - found).norm() / weights.grad.norm().clamp(min=1e-6)
        assert difference < 1e-4, name


def _one_by_one(
    folder: Path, model: torch.nn.Module, pictures: int, course: CurriculumExamples = COURSE
) -> tuple[Tensor, int]:
    """(summed loss, targets) of ordinary rows about the first pictures, by the model's own call."""
    from seethink.models.loading import load_encoder

    encoder, _ = load_encoder(str(folder))
    losses, targets = torch.zeros(()), 0
    for row in (row for page in range(pictures) for row in course.about(page)):
        (prompt,) = encoder.prompts([row.format.prompt(row.example)])
        reply = encoder.response_ids(coarse(row.text, prompt.frame))
        ids = torch.tensor([[*prompt.ids, *reply]])
        kinds = torch.tensor([[*prompt.kinds, *[0] * len(reply)]])
        seen = torch.ones_like(ids)
        logits = model(input_ids=ids, mm_token_type_ids=kinds, attention_mask=seen, **prompt.media).logits[0]
        at = logits[len(prompt.ids) - 1 : -1].float()
        losses = losses + cross_entropy(at, torch.tensor(reply), reduction="sum")
        targets += len(reply)
    return losses, targets


def test_a_batch_holds_whole_groups_and_is_the_same_each_time(folder: Path) -> None:
    first, second = (CourseBatches(COURSE, folder, GrowthConfig(2, SHAPE))[1] for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert first["pictures"] > 2 and first["ids"].shape == (SHAPE.rows, SHAPE.width)
    other = CourseBatches(COURSE, folder, GrowthConfig(2, SHAPE))[0]
    assert not torch.equal(first["ids"], other["ids"])


def test_tokens_of_a_picture_are_to_name_what_their_squares_hold(folder: Path) -> None:
    course = CurriculumExamples(10**6, "named", 0, READING, shares={"pages": 0.5, "text": 0.5})
    plain, named = (
        CourseBatches(course, folder, GrowthConfig(1, SHAPE, name_squares=names))[0]
        for names in (False, True)
    )
    at_media = named["feature"] > 0
    assert torch.equal(plain["labels"][~at_media], named["labels"][~at_media])
    assert (plain["labels"][at_media] == IGNORED).all()
    encoder, seen = skeleton(folder)[0], 0
    for row, group in ((0, 1), (0, 2), (1, 1)):
        labels = named["labels"][row][at_media[row] & (named["group"][row] == group)]
        seen += (labels != IGNORED).sum()
        words = {encoder.tokenizer.decode([label]).strip() for label in labels.tolist() if label != IGNORED}
        text = encoder.tokenizer.decode(named["ids"][row][named["group"][row] == group].tolist())
        assert sum(word in text for word in words) >= 0.6 * len(words)  # titles are not read aloud
    assert seen > 10
    assert (named["labels"][at_media] == IGNORED).any(), "empty squares of a text have no name"


def test_squares_of_a_page_are_named_in_reading_order(folder: Path) -> None:
    course = CurriculumExamples(10**6, "named", 0, READING, 1, shares={"pages": 1.0})
    batch = CourseBatches(course, folder, GrowthConfig(1, SHAPE, name_squares=True))[0]
    tokenizer, columns = skeleton(folder)[0].tokenizer, (batch["group"][0] == 1) & (batch["feature"][0] > 0)
    held, found = cells(course.picture(0)), batch["labels"][0][columns].tolist()
    assert len(held) == len(found)
    assert all(tokenizer.decode(i).strip() in name.split() for i, name in zip(found, held, strict=True))


@pytest.mark.parametrize("fixed_shape", [True, False])
def test_a_batch_of_words_alone_is_learned_too(folder: Path, fixed_shape: bool) -> None:
    words = CurriculumExamples(10**6, "test", 0, ANSWERING, shares={"words": 1.0})
    batch = CourseBatches(words, folder, GrowthConfig(1, SHAPE))[0]
    assert batch["pictures"] > 1 and not batch["frame"].any()
    model, processor = load(folder)
    loss = PackedLoss(model, processor, fixed_shape)(batch)
    losses, targets = _one_by_one(folder, model, int(batch["pictures"]), words)
    assert torch.isclose(loss[0], losses / targets, rtol=1e-4)


def test_a_gradient_that_is_not_finite_stops_before_it_is_saved(folder: Path, tmp_path: Path) -> None:
    config = GrowthConfig(
        4,
        RowShape(1, 512, 1, 512),
        learning_rate=1e30,
        adam_learning_rate=1e30,
        workers=0,
    )
    pages = CurriculumExamples(10**6, "read", 0, READING, shares={"pages": 1.0})
    with pytest.raises(NotFinite, match="step 4"):
        grow(_in(tmp_path / "far"), SimpleNamespace(path=folder), pages, config)
    assert not (tmp_path / "far" / "model").exists() and not (tmp_path / "far" / "model.state").exists()


def test_a_course_is_learned_and_resumes_exactly(folder: Path, tmp_path: Path) -> None:
    pages = CurriculumExamples(10**6, "read", 0, READING, shares={"pages": 1.0})
    config = GrowthConfig(30, RowShape(1, 512, 1, 512), 1e-2, 3e-3, workers=0, save_steps=10)
    model = SimpleNamespace(path=folder)
    grow(_in(tmp_path / "whole"), model, pages, config)
    losses = [row["loss"] for row in _metrics(tmp_path / "whole")]
    assert losses[-1] < 0.6 * losses[0]

    class Killed(Exception):
        pass

    bar = ProgressBar(Console(file=io.StringIO()), "read")

    def kill(row: dict[str, float]) -> None:
        bar(row)
        if row["step"] == 20:
            raise Killed

    with pytest.raises(Killed):
        grow(_in(tmp_path / "cut"), model, pages, config, kill)
    assert (tmp_path / "cut" / "model.state").exists()
    grow(tmp_path / "cut" / "model", model, pages, config)
    whole, cut = (
        AutoModelForImageTextToText.from_pretrained(tmp_path / n / "model") for n in ("whole", "cut")
    )
    for (name, a), (_, b) in zip(whole.named_parameters(), cut.named_parameters(), strict=True):
        assert torch.equal(a, b), name
    assert [row["step"] for row in _metrics(tmp_path / "cut")] == [10, 20, 30]


def test_batches_that_a_process_draws_ahead_are_the_same(folder: Path, tmp_path: Path) -> None:
    course = CurriculumExamples(10**6, "read", 0, READING, shares={"pages": 1.0})
    for workers in (0, 1):
        config = GrowthConfig(2, RowShape(1, 512, 1, 512), workers=workers)
        grow(_in(tmp_path / str(workers)), SimpleNamespace(path=folder), course, config)
    here, ahead = (load(tmp_path / str(workers) / "model")[0] for workers in (0, 1))
    for (name, a), (_, b) in zip(here.named_parameters(), ahead.named_parameters(), strict=True):
        assert torch.equal(a, b), name


@pytest.mark.parametrize("bfloat16", [True, False], ids=["bfloat16", "fp32"])
def test_the_tower_and_the_embeddings_stay_while_the_language_model_learns(
    bfloat16: bool, folder: Path, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setattr("seethink.systems.sprout.growth.has_bfloat16", lambda device: bfloat16)
    config = GrowthConfig(2, RowShape(1, 512, 1, 512), workers=0)
    pages = CurriculumExamples(10**6, "read", 0, READING, shares={"pages": 1.0})
    grow(_in(tmp_path / "frozen"), SimpleNamespace(path=folder), pages, config)
    before, after = load(folder)[0], load(tmp_path / "frozen" / "model")[0]
    for (name, a), (_, b) in zip(before.named_parameters(), after.named_parameters(), strict=True):
        assert torch.equal(a, b) == (".visual." in name or "embed_tokens" in name), name


def _in(folder: Path) -> Path:
    folder.mkdir()
    return folder / "model"


def _metrics(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]


# The vision tower -------------------------------------------------------------------------------------------


def _targets(folder: Path, world: str, key: str) -> list[tuple[Example, SquareTargets]]:
    """The targets of each still picture of an example, or of each pair of frames."""
    example, (encoder, _) = WORLDS[world].example(key, shifted=False), skeleton(folder)
    return [(example, targets) for _, targets in targeted_frames(encoder, example, merge=2)]


def test_squares_name_the_objects_whose_centres_they_hold(folder: Path) -> None:
    for i in range(30):
        ((example, targets),) = _targets(folder, "counting", f"squares/{i}")
        scene = example.meta["formal"]
        assert torch.equal(targets.names > 0, targets.corners[:, 0] != IGNORED)
        assert 0 < (targets.names > 0).sum() <= len(scene["things"])
        for square in targets.names.nonzero()[:, 0].tolist():
            corners = targets.corners[square].tolist()
            box = [mark * scene["size"][k % 2] / MARKS for k, mark in enumerate(corners)]
            (thing,) = [
                t for t in scene["things"] if max(abs(p - q) for p, q in zip(t["box"], box, strict=True)) < 3
            ]
            assert CELL_NAMES[targets.names[square]] == shapes.name(thing)
            middle = targets.centres[square] * torch.tensor(scene["size"])
            assert max(abs(p - q) for p, q in zip(shapes.centre(thing), middle.tolist(), strict=True)) <= 14


@pytest.mark.parametrize("world", ["charts", "text", "screens", "geometry"])
def test_squares_name_all_characters_and_words_of_a_page(folder: Path, world: str) -> None:
    tokenizer = skeleton(folder)[0].tokenizer
    for i in range(20):
        for k, (example, targets) in enumerate(_targets(folder, world, f"letters/{i}")):
            lines = drawn(example.media[k]).info["written"]
            named = [CHARACTERS[c - 1] for c in targets.letters[targets.letters > 0].tolist()]
            written = "".join(line.text.replace(" ", "") for line in lines)
            full = (targets.letters > 0).all(1).any()
            assert not Counter(named) - Counter(written)
            assert full or len(named) == len(written)
            said = [word for line in lines for word in line.text.split()] + _read(targets)
            words = {
                id_ for word in said for id_ in tokenizer(f" {word}", add_special_tokens=False).input_ids
            }
            sets = [[word for word in row if word != IGNORED] for row in targets.words.tolist()]
            assert all(len({*one}) == len(one) for one in sets), "a square names a token once"
            full = max(map(len, sets)) == targets.words.shape[1]
            assert {*itertools.chain(*sets)} <= words if full else {*itertools.chain(*sets)} == words


def test_labels_name_their_values(folder: Path) -> None:
    ((example, targets),) = _targets(folder, "charts", "values/0")
    assert sorted(_read(targets)) == sorted(map(str, example.meta["formal"]["values"]))
    controls = [targets for i in range(5) for _, targets in _targets(folder, "screens", f"values/{i}")]
    assert {"on", "off"} < {*itertools.chain(*map(_read, controls))}


def _read(targets: SquareTargets) -> list[str]:
    """The values that squares name."""
    named = targets.values[targets.values[:, 0] != IGNORED].tolist()
    return ["".join(VALUES[part] for part in parts) for parts in named]


@pytest.mark.parametrize("world", [WORLDS["counting"], SPATIAL.only("front")])
def test_a_square_names_what_is_said_of_its_object(folder: Path, world: SceneWorld) -> None:
    """Its colour, its shape and its size; in a pile its layer, from the back."""
    encoder, layers = skeleton(folder)[0], 0
    for i in range(20):
        example = world.example(f"sets/{i}", shifted=False, level=1)
        ((_, targets),) = targeted_frames(encoder, example, merge=2)
        scene = example.meta["formal"]
        squares = Squares((6, 6), scene["size"])
        for layer, thing in enumerate(scene["things"], 1):
            named = targets.words[squares.at(*shapes.centre(thing))]
            said = str(layer) if "piled" in scene else thing["size"]
            ids = encoder.tokenizer(f" {shapes.name(thing)} {said}", add_special_tokens=False).input_ids
            assert named[named != IGNORED].tolist() == ids
            layers += "piled" in scene
    assert (layers > 0) == (world.name == "spatial-front")


def test_a_token_of_each_set_is_drawn_and_none_for_an_empty_square(folder: Path) -> None:
    ((_, targets),) = _targets(folder, "counting", "drawn/0")
    rng = random.Random(0)
    drawn_often = [token_names(targets, rng) for _ in range(60)]
    for words, names in zip(targets.words.tolist(), zip(*drawn_often, strict=True), strict=True):
        assert {*names} == ({*words} - {IGNORED} or {IGNORED})


def test_frames_of_a_clip_name_the_objects_that_they_show(folder: Path) -> None:
    for i in range(10):
        pairs = _targets(folder, "clips", f"clip/{i}")
        scene = pairs[0][0].meta["formal"]
        assert len(pairs) == scene["frames"] / 2
        for k, (_, targets) in enumerate(pairs):
            shown = {shapes.name(t) for t in scene["things"] if any(t["shown"][2 * k : 2 * k + 2])}
            named = {CELL_NAMES[n] for n in targets.names[targets.names > 0].tolist()}
            assert named == shown


def test_a_tower_learns_to_name_squares_and_the_language_model_stays(folder: Path, tmp_path: Path) -> None:
    course = CurriculumExamples(10**6, "see", 0, READING)
    config = GrowthConfig(
        30,
        RowShape(0, tower_rows=2, tower_width=1024),
        learning_rate=1e-2,
        adam_learning_rate=3e-3,
        workers=0,
    )
    pretrain_vision_tower(_in(tmp_path / "see"), SimpleNamespace(path=folder), course, config)
    rows = _metrics(tmp_path / "see")
    assert rows[-1]["letters"] < 0.7 * rows[0]["letters"] and rows[-1]["names"] < rows[0]["names"]
    before, after = load(folder)[0], load(tmp_path / "see" / "model")[0]
    moved = {
        n
        for (n, a), (_, b) in zip(before.named_parameters(), after.named_parameters(), strict=True)
        if not torch.equal(a, b)
    }
    assert moved == {n for n, _ in before.named_parameters() if ".visual." in n}
    batch = SquareBatches(course, folder, config)[0]
    real = batch["frame"].flatten()[::4] > 0
    features = PackedTower(after.model.visual, load(folder)[1], False)(batch)[real]
    embedding = after.get_input_embeddings().weight.norm(dim=1).mean()
    assert torch.isclose(features.norm(dim=1).mean(), LENGTH * embedding, rtol=1e-3)


def test_squares_without_objects_add_nothing_to_the_loss_of_corners(folder: Path) -> None:
    pages = CurriculumExamples(10**6, "see", 0, READING, shares={"pages": 1.0})
    batch = SquareBatches(pages, folder, GrowthConfig(1, RowShape(0, tower_rows=1)))[0]
    losses, others = (SquareLoss(*load(folder), fixed_shape) for fixed_shape in (True, False))
    others.load_state_dict(losses.state_dict())
    by_name = dict(zip(losses.names, losses(batch).tolist(), strict=True))
    assert by_name["corners"] == 0 and by_name["names"] > 0 and by_name["centres"] > 0
    assert losses(batch).isfinite().all()
    torch.testing.assert_close(others(batch), losses(batch))


def test_boxes_are_learned_in_steps_of_twenty_thousandths() -> None:
    frame = CoordinateFrame("thousandths", (200, 400), (1000, 1000))
    text = 'It is there. <answer>[{"bbox_2d": [7, 33, 101, 399]}]</answer>'
    assert coarse(text, frame) == text.replace("[7, 33, 101, 399]", "[40, 80, 500, 1000]")
    assert coarse(text, None) == text
