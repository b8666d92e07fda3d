"""Every format has a prompt in every mode."""

import dataclasses

import pytest

from seethink.formats import FORMATS, PROMPT_MODES, THINK_ANSWER, by_name
from seethink.types import PLAIN, Example, InputError, assistant_prefill


def test_a_prefill_is_the_assistants_turn_and_opens_what_is_written():
    format = by_name("prefilled_think")
    messages = format.prompt(Example(id="1", question="How many?"))
    assert [message["role"] for message in messages] == ["user", "assistant"]
    (prefill,) = messages[-1]["content"]
    assert format.write("1 + 1", "2").startswith(prefill["text"])


def test_a_prompt_keeps_the_order_of_text_and_pictures_and_ends_with_the_instruction():
    picture = dataclasses.make_dataclass("Picture", ["key"], frozen=True, namespace={"kind": "image"})("p")
    example = Example(id="1", question="In <image> how many?", media=(picture,))
    (message,) = THINK_ANSWER.prompt(example)
    assert message["role"] == "user"
    assert [part["type"] for part in message["content"]] == ["text", "image", "text", "text"]
    assert message["content"][1]["image"] is picture
    assert message["content"][-1]["text"].strip() == THINK_ANSWER.instruction


PICTURE = dataclasses.make_dataclass("Picture", ["key"], frozen=True, namespace={"kind": "image"})("p")
CATS = Example(id="1", question="How many cats?", media=(PICTURE,))


def contents(message):
    return [part if part["type"] != "text" else part["text"] for part in message["content"]]


SHOWN, WORDS = {"type": "image", "image": PICTURE}, THINK_ANSWER.instruction


@pytest.mark.parametrize(
    ("mode", "messages"),
    [
        ("suffix", [("user", [SHOWN, "How many cats?", f" {WORDS}"])]),
        ("before", [("user", [SHOWN, f"{WORDS}\n", "How many cats?"])]),
        ("system", [("system", [WORDS]), ("user", [SHOWN, "How many cats?"])]),
        ("direct", [("user", [SHOWN, "How many cats?", f" {THINK_ANSWER.direct_instruction}"])]),
        (
            "base",
            [
                (
                    PLAIN,
                    [
                        SHOWN,
                        f"A user asks an assistant a question about what is shown. {WORDS}\nUser: ",
                        "How many cats?",
                        "\nAssistant: Let me solve this step by step.\n",
                    ],
                ),
                ("assistant", ["<think>"]),
            ],
        ),
    ],
)
def test_a_prompt_mode_places_the_instruction(mode, messages):
    form = by_name("think_answer", mode)
    assert form.prompt_mode == mode
    assert [(message["role"], contents(message)) for message in form.prompt(CATS)] == messages


@pytest.mark.parametrize("mode", PROMPT_MODES)
@pytest.mark.parametrize("name", FORMATS)
def test_every_format_has_every_prompt_mode(name, mode):
    form = by_name(name, mode)
    messages = form.prompt(CATS)
    assert any(
        form.instruction in text
        for message in messages
        for text in contents(message)
        if isinstance(text, str)
    )
    assert (form.instruction or name == "verbatim") and (
        form.thinks == (FORMATS[name].thinks and mode != "direct")
    )
    if prefill := assistant_prefill(messages):
        assert form.opening == prefill


def test_in_direct_mode_a_thought_is_a_fault():
    form = by_name("think_answer", "direct")
    assert form.parse("<answer>5</answer>").fault is None
    assert form.parse("<think>so</think><answer>5</answer>").fault == "a thought where none is asked for"


def test_an_unknown_mode_is_refused_with_the_known_ones():
    with pytest.raises(
        InputError, match="unknown prompt mode 'sufix'; the prompt modes are suffix, before, system, base"
    ):
        by_name("think_answer", "sufix")


def test_an_unknown_format_is_refused_with_the_known_ones():
    with pytest.raises(InputError, match="unknown format 'think'; the formats are think_answer, answer_only"):
        by_name("think")
