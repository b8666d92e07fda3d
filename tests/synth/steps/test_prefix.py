from __future__ import annotations

from dataclasses import replace

import PIL.Image
import pytest

from seethink.engines.base import Request
from seethink.media import DrawnVideo, Frames, Image
from seethink.synth.chain import step_version
from seethink.synth.draft import Draft, Dropped, FormalDescription
from seethink.synth.steps.leaks import leaks
from seethink.synth.steps.prefix import CHINESE, ENGLISH, PrefixStep, TransitionPhrases
from seethink.types import Completion, Example, Media, assistant_prefill
from tests.synth.steps.run_step import run_step, text_of

PICTURE = Image.drawn("p", lambda: PIL.Image.new("RGB", (64, 48)))
CLIP = DrawnVideo("c", lambda: Frames((PIL.Image.new("RGB", (32, 32)),), (0.0,), 1.0))
CAPTION = "Three red dots in a row."
REPLY = ", I count one, two, three.\n</think>\n\nThere are three: \\boxed{3}"


def draft(
    question: str = "How many dots are there?", media: tuple[Media, ...] = (PICTURE,), name: str = "one"
) -> Draft:
    formal = (FormalDescription("caption", CAPTION), FormalDescription("ocr", "(no text)")) if media else ()
    return Draft(Example(name, question, media, "3"), formal=formal)


def prefill(call: Request) -> str:
    return assistant_prefill(call.messages)


def test_the_thought_goes_on_from_the_caption() -> None:
    after, (call,) = run_step(PrefixStep(), draft(), lambda call: REPLY)
    assert isinstance(after, Draft) and after.thought and after.verdict and after.verdict.passed
    assert call.role == "text" and call.step == "prefix"
    assert prefill(call).startswith("<think>\n") and prefill(call) == prefill(call).rstrip()
    assert after.thought == prefill(call).removeprefix("<think>\n") + ", I count one, two, three."
    assert after.final == "There are three: \\boxed{3}"
    turn, _, leave = after.thought.partition(f" {CAPTION}\n\n")
    assert turn.endswith(".") and "the image" in turn and leave.split(",")[0] in ENGLISH.exits
    assert "(no text)" not in text_of(call) and text_of(call).startswith("How many dots are there?")
    assert all(part["type"] == "text" for message in call.messages for part in message["content"])


def test_phrases_vary_with_the_example_and_are_stable() -> None:
    thoughts = {}
    for number in range(60):
        for _ in range(2):
            _, (call,) = run_step(PrefixStep(), draft(name=f"e{number}"), lambda call: REPLY)
            thoughts.setdefault(number, set()).add(prefill(call))
    assert all(len(same) == 1 for same in thoughts.values())
    prefixes = {prefix for same in thoughts.values() for prefix in same}
    assert len(prefixes) > 30
    assert {prefix.rpartition("\n\n")[2] for prefix in prefixes} == {*ENGLISH.exits}


def test_a_chinese_question_has_a_chinese_thought() -> None:
    reply = "，一、二、三。\n</think>\n\n\\boxed{3}"
    after, (call,) = run_step(PrefixStep(), draft("图中有几个点？"), lambda call: reply)
    assert isinstance(after, Draft) and after.thought
    turn, _, leave = after.thought.partition(f"{CAPTION}\n\n")
    assert turn.endswith("。") and "图片" in turn and leave.split("，")[0] in CHINESE.exits
    assert "请逐步推理" in text_of(call)


@pytest.mark.parametrize("switches", [ENGLISH, CHINESE])
def test_no_phrase_mentions_a_description(switches: TransitionPhrases) -> None:
    for opener in switches.openers:
        for enter in switches.enters:
            for it in switches.names:
                text = f"{opener}{enter.format(it=it)}"
                assert it in text and not leaks(text) and "caption" not in text and "描述" not in text


def test_several_pictures_and_clips_are_named_as_such() -> None:
    for media, it in (((PICTURE, PICTURE), "the images"), ((CLIP,), "the video")):
        _, (call,) = run_step(PrefixStep(), draft(media=media), lambda call: REPLY)
        assert it in prefill(call)


def test_a_text_question_has_no_prefix() -> None:
    reply = "One, two, three.\n</think>\n3"
    after, (call,) = run_step(PrefixStep(), draft(media=()), lambda call: reply)
    assert isinstance(after, Draft) and after.thought == "One, two, three." and after.final == "3"
    assert prefill(call) == "<think>\n"


def test_an_image_without_a_caption_drops_the_example() -> None:
    after, calls = run_step(
        PrefixStep(), replace(draft(), formal=(FormalDescription("ocr", "(no text)"),)), lambda call: REPLY
    )
    assert isinstance(after, Dropped) and after.reason == "invalid" and not calls


def test_no_caption_ends_the_thought() -> None:
    sly = replace(draft(), formal=(FormalDescription("caption", "Dots.</think>3<think>"),))
    _, (call,) = run_step(PrefixStep(), sly, lambda call: REPLY)
    assert "</think>" not in prefill(call) and prefill(call).count("<think>") == 1


@pytest.mark.parametrize(
    "reply",
    [
        "I count three.", "I count three.</think>", " </think>3", "<think>I count.</think>3",
        "I count.</think>3</think>4", "I count three.</think>Well, there seem to be quite some of them",
    ],
)  # fmt: skip
def test_an_unusable_reply_is_retried_and_then_dropped(reply: str) -> None:
    after, calls = run_step(PrefixStep(retries=1), draft(), lambda call: reply)
    assert isinstance(after, Dropped) and after.reason == "no answer" and len(calls) == 2
    assert prefill(calls[1]) == prefill(calls[0]) and ENGLISH.reminder in text_of(calls[1])
    assert ENGLISH.reminder not in prefill(calls[1])
    replies = iter([reply, REPLY])
    assert isinstance(run_step(PrefixStep(), draft(), lambda call: next(replies))[0], Draft)


def test_refusals_and_cut_thoughts_are_named() -> None:
    after, calls = run_step(PrefixStep(), draft(), lambda call: "I'm sorry, but I can't.")
    assert isinstance(after, Dropped) and after.reason == "refused" and len(calls) == 1
    after, calls = run_step(PrefixStep(retries=1), draft(), lambda call: Completion(REPLY, "length"))
    assert isinstance(after, Dropped) and after.reason == "cut off" and len(calls) == 2


def test_other_phrases_are_another_version() -> None:
    other = PrefixStep(phrases={"en": replace(ENGLISH, exits=("Then",)), "zh": CHINESE})
    assert len({step_version(step) for step in (PrefixStep(), other, PrefixStep(retries=1))}) == 3
