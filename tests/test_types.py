import pickle
from dataclasses import dataclass
from typing import Any, Literal

import pytest

from seethink.types import GREEDY, Example, InputError, Media, Sampling, Score


@dataclass(frozen=True)
class FakeMedium:
    key: str
    kind: Literal["image", "video"] = "image"

    def load(self) -> Any:
        return self.key


A, B = FakeMedium("a"), FakeMedium("b")


def test_whatever_has_key_kind_and_load_is_a_medium():
    assert isinstance(A, Media)
    assert not isinstance("a.png", Media)


@pytest.mark.parametrize(
    ("question", "media", "parts"),
    [
        ("How many?", (), ["How many?"]),
        ("How many?", (A, B), [A, B, "How many?"]),
        ("<image> How many?", (A,), [A, " How many?"]),
        ("In <image> and <image>?", (A, B), ["In ", A, " and ", B, "?"]),
        ("<image><image>", (A, B), [A, B]),
        ("<image>\n<video> Same?", (A, FakeMedium("c", "video")), [A, FakeMedium("c", "video"), " Same?"]),
    ],
)
def test_a_question_is_cut_where_its_pictures_stand(question, media, parts):
    assert Example(id="1", question=question, media=media).parts() == parts


@pytest.mark.parametrize(
    ("question", "media"),
    [("<image>?", ()), ("<image>?", (A, B)), ("<video>?", (A,)), ("<image><image>", (A,))],
)
def test_marks_that_disagree_with_the_media_are_refused(question, media):
    with pytest.raises(ValueError, match="example 7: the question marks"):
        Example(id="7", question=question, media=media)


def test_meta_is_not_part_of_equality():
    assert Example(id="1", question="?", meta={"caption": "a"}) == Example(id="1", question="?")
    assert hash(Example(id="1", question="?", meta={"caption": "a"})) == hash(Example(id="1", question="?"))


def test_examples_and_scores_travel_between_processes():
    for thing in (Example(id="1", question="?"), Score(0.5, "half", {"a": Score(None, "unknown")})):
        assert pickle.loads(pickle.dumps(thing)) == thing


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0, None])
def test_a_score_lies_between_0_and_1_or_is_none(value):
    assert Score(value).value == value


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan"), float("inf")])
def test_any_other_score_is_refused(value):
    with pytest.raises(ValueError, match="must lie in"):
        Score(value)


@pytest.mark.parametrize(
    "setting",
    [
        {"n": 0},
        {"max_tokens": 0},
        {"temperature": -1.0},
        {"temperature": float("inf")},
        {"top_p": 0.0},
        {"top_p": 1.1},
        {"top_k": -1},
    ],
)
def test_invalid_sampling_parameters_are_refused(setting):
    ((name, value),) = setting.items()
    with pytest.raises(ValueError, match=rf"{name}={value}: it must be "):
        Sampling(**setting)


def test_greedy_decoding_gives_one_completion():
    assert (GREEDY.n, GREEDY.temperature) == (1, 0.0)
    with pytest.raises(ValueError, match="one completion"):
        Sampling(n=2, temperature=0.0)


def test_an_input_error_is_a_value_error():
    assert issubclass(InputError, ValueError)
