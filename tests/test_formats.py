import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seethink.formats import FORMATS, TAGS, THINK_ANSWER, by_name, by_steps, read_any
from seethink.types import Example, InputError

formats = st.sampled_from(list(FORMATS.values()))
said = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("<>/\\{}$.\n ")).map(str.strip)
said = said.filter(lambda text: text and not any(tag in text for tag in TAGS))
tagged = st.lists(st.sampled_from([*TAGS, "5", "4 or 5", " ", "\n", "<", "answer>", "so", "\\boxed{5}"])).map(
    "".join
)


@given(formats, said, said)
def test_what_is_written_is_read_back(format, thought, answer):
    response = format.parse(format.write(thought, answer))
    assert response.fault is None
    assert (response.thought, response.answer) == (thought if format.thinks else None, answer)


@given(formats, said, said)
def test_the_lenient_reader_reads_every_well_formed_answer(format, thought, answer):
    told = read_any(format.write(thought, f"x{answer}x"))
    assert told.answer == f"x{answer}x"


@given(formats, st.text() | tagged)
def test_any_text_is_read_without_an_exception(format, text):
    response = format.parse(text)
    assert response.text == text
    assert response.fault is None or response.fault.strip()
    assert read_any(text).text == text
    assert by_steps(text) in (True, False)


@given(formats, tagged)
def test_an_answer_is_read_from_one_closed_tag_or_not_at_all(format, text):
    if format.parse(text).answer is not None:
        assert text.count("<answer>") == text.count("</answer>") == 1


@given(formats, said, said, st.sampled_from(TAGS), st.integers(min_value=0))
def test_a_tag_counted_twice_is_malformed(format, thought, answer, tag, where):
    text = format.write(thought, answer)
    cut = where % (len(text) + 1)
    assert format.parse(text[:cut] + tag + text[cut:]).fault is not None


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "<think> occurs 0 times, not once"),
        ("<think>a</think>", "<answer> occurs 0 times, not once"),
        ("<think>a</think><answer>5</answer><answer>5</answer>", "<answer> occurs 2 times, not once"),
        ("<answer>5</answer><think>a</think>", "text outside the tags, or tags out of order"),
        ("<think>a</think> so <answer>5</answer>", "text outside the tags, or tags out of order"),
        ("<think>a <answer>5</answer></think>", "text outside the tags, or tags out of order"),
        ("<think>a</think><answer> </answer>", "the answer is empty"),
        ("<think> </think><answer>5</answer>", "the thought is empty"),
    ],
)
def test_the_first_breach_is_named(text, fault):
    assert THINK_ANSWER.parse(text).fault == fault


def test_blank_space_around_and_between_the_tags_is_no_breach():
    response = THINK_ANSWER.parse("\n <think>\n1 + 1\n</think>\n\n<answer> 2 </answer>\n")
    assert (response.thought, response.answer, response.fault) == ("1 + 1", "2", None)


def test_an_answer_without_its_thought_is_read_but_faulty():
    response = THINK_ANSWER.parse("<answer>5</answer>")
    assert (response.answer, response.fault) == ("5", "<think> occurs 0 times, not once")


def test_an_answer_inside_the_thought_is_none():
    assert THINK_ANSWER.parse("<think>maybe <answer>5</answer></think>").answer is None


@pytest.mark.parametrize("tag", TAGS)
def test_a_tag_cannot_be_written_into_thought_or_answer(tag):
    for thought, answer in ((f"a{tag}b", "5"), ("a", f"5{tag}")):
        with pytest.raises(ValueError, match="contains a tag"):
            THINK_ANSWER.write(thought, answer)


def test_a_begun_answer_is_the_assistants_and_opens_what_is_written():
    format = by_name("prefilled_think")
    messages = format.prompt(Example(id="1", question="How many?"))
    assert [message["role"] for message in messages] == ["user", "assistant"]
    (begun,) = messages[-1]["content"]
    assert format.write("1 + 1", "2").startswith(begun["text"])


def test_a_prompt_keeps_the_order_of_text_and_pictures_and_ends_with_the_instruction():
    picture = dataclasses.make_dataclass("Picture", ["key"], frozen=True, namespace={"kind": "image"})("p")
    example = Example(id="1", question="In <image> how many?", media=(picture,))
    (message,) = THINK_ANSWER.prompt(example)
    assert message["role"] == "user"
    assert [part["type"] for part in message["content"]] == ["text", "image", "text", "text"]
    assert message["content"][1]["image"] is picture
    assert message["content"][-1]["text"].strip() == THINK_ANSWER.instruction


def test_an_unknown_format_is_refused_with_the_known_ones():
    with pytest.raises(InputError, match="unknown format 'think'; the formats are think_answer, answer_only"):
        by_name("think")


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("<think>a</think><answer>5</answer>", "5"),
        ("<answer>4</answer> or rather <answer>5</answer>", "5"),
        ("<answer>5", "5"),
        ("<answer>5 <think>wait", "5"),
        ("The answer is 4. <answer>5</answer>", "5"),
        ("<answer>5</answer> The answer is 4.", "5"),
        ("The answer is 4. \\boxed{5}", "5"),
        ("\\boxed{5} so the answer is 4", "5"),
        ("\\boxed{4} no: \\boxed{5}", "5"),
        ("\\boxed{\\frac{1}{2}}", "\\frac{1}{2}"),
        ("The answer is 4. No, the answer is 5.", "5"),
        ("There are 5 even digits.", "5"),
        ("The answer is odd by 3.", "odd by 3"),
        ("The sum is 3.5.", "3.5"),
        ("Answer: 5", "5"),
        ("The total = $5$.", "5"),
        ("2 + 3 = 5. So the answer is 5\nDone", "5"),
        ("<think>the sum is 4</think> The sum is 5.", "5"),
        ("<think>the sum is 4</think> 5", "5"),
        ("<think></think> 5.", "5"),
        ("5.", "5"),
        ("5", "5"),
        ("odd by 3", "odd by 3"),
    ],
)
def test_a_final_answer_is_read_in_whatever_form_it_stands(text, answer):
    told = read_any(text)
    assert (told.answer, told.fault) == (answer, None)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n",
        "<think>3 and 2</think>",
        "<think>the answer is 5</think>",
        "<think>the answer is 5",
        "<think>there are 2 of them, and then there are 3",
        "I can see a page with a lot of digits on it",
    ],
)
def test_without_a_final_answer_there_is_none(text):
    told = read_any(text)
    assert told.answer is None
    assert told.fault == "no final answer in any form"


def test_an_empty_answer_tag_is_an_empty_answer():
    assert (read_any("<answer></answer>").answer, read_any("<answer></answer>").fault) == (
        None,
        "empty answer",
    )


@pytest.mark.parametrize(
    ("text", "stepwise"),
    [
        ("<think>7 is odd, 3 is odd, 2 is not.</think><answer>2</answer>", True),
        ("7 is odd, 3 is odd, 2 is not. The answer is 2.", True),
        ("7 is odd, 3 is odd, 2 is not. \\boxed{2}", True),
        ("<answer>2</answer>", False),
        ("<think></think><answer>2</answer>", False),
        ("I think the answer is 2.", False),
        ("2", False),
        ("<think>7 is odd, 3 is odd, 2 is not.</think>", False),
    ],
)
def test_a_text_answers_by_steps_if_it_says_enough_before_its_answer(text, stepwise):
    assert by_steps(text) is stepwise
