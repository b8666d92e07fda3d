"""Rows that training and test data share."""

from __future__ import annotations

import os
import random
from pathlib import Path

import PIL.Image
import pytest

from seethink.check.overlap import rows_in_both
from seethink.media import Image
from seethink.sources.drawn import by_address
from seethink.types import Example, InputError, Turn


def picture(path: Path, seed: int, size: tuple[int, int] = (20, 10)) -> Image:
    noise = random.Random(f"picture/{seed}").randbytes(3 * size[0] * size[1])
    PIL.Image.frombytes("RGB", size, noise).save(path)
    return Image.file(path)


def asked(question: str, *media: Image, answer: str = "1", history: tuple[Turn, ...] = ()) -> Example:
    return Example(question, question, media, answer, history=history)


def test_rows_are_the_same_where_question_and_pixels_are(tmp_path: Path) -> None:
    train = [asked("How many?", picture(tmp_path / f"{i}.png", i)) for i in range(4)]
    test = [
        asked("How  many? ", picture(tmp_path / "copy.bmp", 2), answer="7"),
        asked("How many?", picture(tmp_path / "new.png", 9)),
        asked("How many dogs?", picture(tmp_path / "same.png", 1)),
        asked("How many?", picture(tmp_path / "wide.png", 1, (30, 10))),
        asked("<image>How many?", train[0].media[0]),
    ]
    assert rows_in_both(train, test) == [0, 4]
    assert rows_in_both(train[1:2], test) == [] and rows_in_both([], test) == []


def test_all_pictures_and_turns_count_in_their_order(tmp_path: Path) -> None:
    a, b = (picture(tmp_path / f"{i}.png", i) for i in range(2))
    c = picture(tmp_path / "b.bmp", 1)
    said = (Turn("user", "Hi"), Turn("assistant", "Hello"))
    train = [asked("Which?", a, b), asked("And now?", a, history=said), asked("2 + 2?")]
    test = [
        asked("Which?", a, c), asked("Which?", c, a), asked("And now?", a), asked("2 + 2?"), asked("2 + 3?"),
        asked("And now?", a, history=said),
    ]  # fmt: skip
    assert rows_in_both(train, test) == [0, 3, 5]


def test_only_pictures_of_the_same_question_and_size_are_decoded(tmp_path: Path) -> None:
    def broken(name: str) -> Image:
        path = tmp_path / name
        picture(path, 1, (40, 40))
        os.truncate(path, path.stat().st_size - 60)
        return Image.file(path)

    other, same = picture(tmp_path / "a.png", 1), picture(tmp_path / "b.png", 1, (40, 40))
    assert rows_in_both([asked("q", broken("1.png"))], [asked("p", same), asked("q", other)]) == []
    with pytest.raises(InputError, match=r"1\.png"):
        rows_in_both([asked("q", broken("1.png"))], [asked("q", same)])


def test_drawn_worlds_share_their_common_questions_with_one_another_and_with_files(tmp_path: Path) -> None:
    train = by_address("drawn:counting:6")
    assert rows_in_both(train, by_address("drawn:counting:4")) == [0, 1, 2, 3]
    assert rows_in_both(train, by_address("drawn:counting:4:test")) == []
    assert rows_in_both(train, by_address("drawn:counting:4:3")) == []
    file = tmp_path / "5.png"
    train[5].media[0].load().save(file)
    test = [asked(train[5].question, Image.file(file)), asked(train[4].question, Image.file(file))]
    assert rows_in_both(train, test)[0] == 0
    assert rows_in_both(test, train)[-1] == 5
    with_list = [*train]
    assert rows_in_both(with_list, by_address("drawn:counting:4")) == [0, 1, 2, 3]
