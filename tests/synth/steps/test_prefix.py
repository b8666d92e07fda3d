from __future__ import annotations

from dataclasses import replace

import PIL.Image
import pytest

from seethink.engines.teacher import Call, Reply
from seethink.media import DrawnVideo, Frames, Image
from seethink.synth.chain import version_of
from seethink.synth.draft import Draft, Dropped, Formal
from seethink.synth.steps.leaks import leaks
from seethink.synth.steps.prefix import CHINESE, ENGLISH, Prefix, Switches
from seethink.types import Example, Media, begun_answer
from tests.synth.steps.teaching import taught, told

PICTURE = Image.drawn("p", lambda: PIL.Image.new("RGB", (64, 48)))
CLIP = DrawnVideo("c", lambda: Frames((PIL.Image.new("RGB", (32, 32)),), (0.0,), 1.0))
CAPTION = "Three red dots in a row."
REPLY = ", I count one, two, three.\n</think>\n\nThere are three: \\boxed{3}"


def draft(
    question: str = "How many dots are there?", media: tuple[Media, ...] = (PICTURE,), name: str = "one"
) -> Draft:
    formal = (Formal("caption", CAPTION), Formal("ocr", "(no text)")) if media else ()
    return Draft(Example(name, question, media, "3"), formal=formal)


def begun(call: Call) -> str:
    return begun_answer(call.messages)


def test_the_thought_goes_on_from_the_caption() -> None:
    after, (call,) = taught(Prefix(), draft(), lambda call: REPLY)
    assert isinstance(after, Draft) and after.thought and after.verdict and after.verdict.passed
    assert call.role == "reason" and call.step == "prefix"
    assert begun(call).startswith("<think>\n") and begun(call) == begun(call).rstrip()
    assert after.thought == begun(call).removeprefix("<think>\n") + ", I count one, two, three."
    assert after.final == "There are three: \\boxed{3}"
    turn, _, leave = after.thought.partition(f" {CAPTION}\n\n")
    assert turn.endswith(".") and "the image" in turn and leave.split(",")[0] in ENGLISH.exits
    assert "(no text)" not in told(call) and told(call).startswith("How many dots are there?")
    assert all(part["type"] == "text" for message in call.messages for part in message["content"])


def test_switches_vary_with_the_example_and_are_the_same_for_ever() -> None:
    thoughts = {}
    for number in range(60):
        for _ in range(2):
            _, (call,) = taught(Prefix(), draft(name=f"e{number}"), lambda call: REPLY)
            thoughts.setdefault(number, set()).add(begun(call))
    assert all(len(same) == 1 for same in thoughts.values())
    told = {begun for same in thoughts.values() for begun in same}
    assert len(told) > 30
    assert {text.rpartition("\n\n")[2] for text in told} == {*ENGLISH.exits}


def test_a_chinese_question_has_a_chinese_thought() -> None:
    reply = "，一、二、三。\n</think>\n\n\\boxed{3}"
    after, (call,) = taught(Prefix(), draft("图中有几个点？"), lambda call: reply)
    assert isinstance(after, Draft) and after.thought
    turn, _, leave = after.thought.partition(f"{CAPTION}\n\n")
    assert turn.endswith("。") and "图片" in turn and leave.split("，")[0] in CHINESE.exits
    assert "请逐步推理" in told(call)


@pytest.mark.parametrize("switches", [ENGLISH, CHINESE])
def test_no_switch_says_that_a_description_was_read(switches: Switches) -> None:
    for opener in switches.openers:
        for enter in switches.enters:
            for it in switches.names:
                text = f"{opener}{enter.format(it=it)}"
                assert it in text and not leaks(text) and "caption" not in text and "描述" not in text


def test_several_pictures_and_clips_are_named_as_such() -> None:
    for media, it in (((PICTURE, PICTURE), "the images"), ((CLIP,), "the video")):
        _, (call,) = taught(Prefix(), draft(media=media), lambda call: REPLY)
        assert it in begun(call)


def test_a_question_in_words_goes_straight_to_the_reasoner() -> None:
    reply = "One, two, three.\n</think>\n3"
    after, (call,) = taught(Prefix(), draft(media=()), lambda call: reply)
    assert isinstance(after, Draft) and after.thought == "One, two, three." and after.final == "3"
    assert begun(call) == "<think>\n"


def test_a_picture_without_a_caption_is_not_guessed_at() -> None:
    after, calls = taught(
        Prefix(), replace(draft(), formal=(Formal("ocr", "(no text)"),)), lambda call: REPLY
    )
    assert isinstance(after, Dropped) and after.reason == "invalid" and not calls


def test_no_caption_ends_the_thought() -> None:
    sly = replace(draft(), formal=(Formal("caption", "Dots.</think>3<think>"),))
    _, (call,) = taught(Prefix(), sly, lambda call: REPLY)
    assert "</think>" not in begun(call) and begun(call).count("<think>") == 1


@pytest.mark.parametrize(
    "reply",
    [
        "I count three.", "I count three.</think>", " </think>3", "<think>I count.</think>3",
        "I count.</think>3</think>4", "I count three.</think>Well, there seem to be quite some of them",
    ],
)  # fmt: skip
def test_a_reply_that_cannot_be_used_is_asked_for_again_and_then_dropped(reply: str) -> None:
    after, calls = taught(Prefix(retries=1), draft(), lambda call: reply)
    assert isinstance(after, Dropped) and after.reason == "no answer" and len(calls) == 2
    assert begun(calls[1]) == begun(calls[0]) and ENGLISH.reminder in told(calls[1])
    assert ENGLISH.reminder not in begun(calls[1])
    replies = iter([reply, REPLY])
    assert isinstance(taught(Prefix(), draft(), lambda call: next(replies))[0], Draft)


def test_refusals_and_cut_thoughts_are_named() -> None:
    after, calls = taught(Prefix(), draft(), lambda call: "I'm sorry, but I can't.")
    assert isinstance(after, Dropped) and after.reason == "refused" and len(calls) == 1
    after, calls = taught(Prefix(retries=1), draft(), lambda call: Reply(REPLY, "length"))
    assert isinstance(after, Dropped) and after.reason == "cut off" and len(calls) == 2


def test_other_switches_are_another_version() -> None:
    other = Prefix(switches={"en": replace(ENGLISH, exits=("Then",)), "zh": CHINESE})
    assert len({version_of(step) for step in (Prefix(), other, Prefix(retries=1))}) == 3
