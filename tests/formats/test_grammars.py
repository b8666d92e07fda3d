"""Formats read back what they write, and name what violates their grammar."""

import json

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from seethink.boxes import Box, read_boxes, write_boxes
from seethink.formats import (
    ANSWER_LINE,
    BARE,
    BOX_JSON,
    BOXED,
    FORMATS,
    JSON_STEPS,
    PROMPT_MODES,
    STAGED,
    STEPS,
    TAGS,
    THINK_ANSWER,
    TagFormat,
    by_steps,
    read_any,
)

MARKS = [
    "<SUMMARY>",
    "</CAPTION>",
    "\\boxed{",
    "Answer:",
    "Final Answer:",
    "\nStep 2:",
    "\nAction 1:",
    '"title":',
]
formats = st.sampled_from([form for form in FORMATS.values() if form != BARE])
forms = st.builds(lambda form, mode: form.with_prompt_mode(mode), formats, st.sampled_from(PROMPT_MODES))
plain_text = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from('<>/\\{}[]$.:"\n '))
plain_text = plain_text.map(str.strip).filter(
    lambda text: text and not any(mark in text for mark in [*TAGS, *MARKS])
)
numbers = st.integers(-9999, 9999) | st.floats(-9999, 9999)
boxes = st.lists(st.builds(Box, numbers, numbers, numbers, numbers), min_size=1, max_size=4).map(write_boxes)
wild = st.lists(
    st.sampled_from([*TAGS, *MARKS, "5", "4 or 5", "B. ", " ", "\n", "<", "}", "{", "[", "so"])
).map("".join)


@st.composite
def cases(draw, forms=forms):
    """(format, thought, answer) as the format requests them."""
    form = draw(forms)
    thought = draw(plain_text)
    if isinstance(form, TagFormat) and len(form.stages) > 1:
        parts = draw(st.lists(plain_text, min_size=len(form.stages), max_size=len(form.stages)))
        thought = "\n\n".join(" ".join(part.split()) for part in parts)
    answer = draw(boxes if getattr(form, "boxes", False) else plain_text)
    assume(form.name != BOXED.name or answer.count("{") == answer.count("}") == answer.count("\\") == 0)
    return form, thought, answer


@given(cases())
def test_what_is_written_is_read_back(case):
    form, thought, answer = case
    response = form.parse(form.write(thought, answer))
    assert response.fault is None
    assert (response.thought, response.answer) == (thought if form.thinks else None, answer)


@given(forms, wild | plain_text | st.text(), wild | plain_text | boxes)
def test_what_would_not_be_read_back_is_not_written(form, thought, answer):
    """For any content: braces, tags, marks, nothing. Boxes are rewritten, so they are compared as boxes."""
    try:
        response = form.parse(form.write(thought, answer))
    except ValueError as error:
        assert str(error).startswith(form.name)
        return
    assert (response.thought or "") == (thought.strip() if form.thinks else "")
    if getattr(form, "boxes", False):
        assert read_boxes(response.answer or "") == read_boxes(answer)
    else:
        assert (response.answer or "") == answer.strip()


@given(st.sampled_from([STEPS, JSON_STEPS, STAGED]), st.lists(plain_text, min_size=3, max_size=3), plain_text)
def test_steps_are_read_back_as_steps(form, steps, answer):
    response = form.parse(form.write(steps, answer))
    assert (response.steps, response.answer, response.fault) == (tuple(steps), answer, None)
    assert response.thought == "\n\n".join(steps)


@pytest.mark.parametrize("answer", ["5", "\\frac{1}{\\sqrt{2}}", "\\{1, 2\\}", "{a{b}}", "5 \\% 日本"])
def test_a_box_holds_whatever_closes_its_braces(answer):
    response = BOXED.parse(BOXED.write("So { it is", answer))
    assert (response.thought, response.answer, response.fault) == ("So { it is", answer, None)


@given(cases(st.sampled_from([f for f in FORMATS.values() if f not in (BARE, BOX_JSON)])))
def test_the_lenient_reader_reads_every_well_formed_answer(case):
    form, thought, answer = case
    lines = " ".join(answer.split())
    marked = f"x{lines if form in (STEPS, ANSWER_LINE) else answer}x"
    assume(form not in (STEPS, ANSWER_LINE) or not {".", ";"} & set(marked))
    assert read_any(form.write(thought, marked)).answer == marked


@given(forms, st.text() | wild)
def test_any_text_is_read_without_an_exception(form, text):
    response = form.parse(text)
    assert response.text == text
    assert response.fault is None or response.fault.strip()
    assert read_any(text).text == text
    assert by_steps(text) in (True, False)


@given(st.sampled_from([f for f in FORMATS.values() if isinstance(f, TagFormat)]), wild)
def test_an_answer_is_read_from_one_closed_tag_or_not_at_all(form, text):
    if form.parse(text).answer is not None:
        assert text.count(f"<{form.final}>") == text.count(f"</{form.final}>") == 1


ONCE = {STEPS: ["Final Answer:"], BOXED: ["\\boxed{"], ANSWER_LINE: ["Answer:"]}
ONCE |= {form: form.tags for form in FORMATS.values() if isinstance(form, TagFormat)}


@given(cases(st.sampled_from(list(ONCE))), st.data(), st.integers(min_value=0))
def test_a_tag_counted_twice_is_malformed(case, data, where):
    form, thought, answer = case
    text = form.write(thought, answer)
    cut = where % (len(text) + 1)
    assert form.parse(text[:cut] + data.draw(st.sampled_from(ONCE[form])) + text[cut:]).fault is not None


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
def test_the_first_violation_is_the_fault(text, fault):
    assert THINK_ANSWER.parse(text).fault == fault


OUTSIDE = "text outside the tags, or tags out of order"
STAGES = "<SUMMARY>a</SUMMARY> <CAPTION>{}</CAPTION>\n<REASONING>c</REASONING><CONCLUSION>5</CONCLUSION>"
FINAL = '{"title": "FINAL ANSWER", "content": "5"}'


def step(title="a", content="b", after="final_answer"):
    return json.dumps({"title": title, "content": content, "next_action": after})


@pytest.mark.parametrize(
    ("form", "text", "answer", "fault"),
    [
        (STAGED, STAGES.format("b"), "5", None),
        (STAGED, STAGES.format(" "), "5", "a stage of the thought is empty"),
        (
            STAGED,
            "<REASONING>c</REASONING><CONCLUSION>5</CONCLUSION>",
            "5",
            "<SUMMARY> occurs 0 times, not once",
        ),
        (BOX_JSON, "<think>a</think><answer>[1, 2, 3, 4]</answer>", "[1, 2, 3, 4]", None),
        (BOX_JSON, "<think>a</think><answer>[]</answer>", "[]", None),
        (BOX_JSON, "<think>a</think><answer>left</answer>", "left", "the answer is not a JSON list of boxes"),
        (STEPS, "Step 1: look\nAction 1: there are 5\nStep 2: count\nFinal Answer: 5", "5", None),
        (STEPS, "Final Answer: 5", "5", "the thought is empty"),
        (
            STEPS,
            "Step 1: look\nStep 3: count\nFinal Answer: 5",
            "5",
            "Step 3 is out of order",
        ),
        (
            STEPS,
            "Step 1: a\nAction 2: b\nFinal Answer: 5",
            "5",
            "Action 2 is out of order",
        ),
        (STEPS, "Step 1: \nFinal Answer: 5", "5", "Step 1 is empty"),
        (STEPS, "Well.\nStep 1: a\nFinal Answer: 5", "5", "text before the first step"),
        (
            STEPS,
            "Step 1: a\nFinal Answer: 5\nFinal Answer: 6",
            None,
            "Final Answer: occurs 2 times, not once",
        ),
        (STEPS, "Step 1: a\nFinal Answer:", None, "the answer is empty"),
        (JSON_STEPS, f"[{step()}, {FINAL}]", "5", None),
        (JSON_STEPS, f"```json\n{step()}\n{FINAL}\n```", "5", None),
        (JSON_STEPS, FINAL, "5", "the thought is empty"),
        (JSON_STEPS, f"{step()} {FINAL} {FINAL}", None, "FINAL ANSWER occurs 2 times, not once"),
        (JSON_STEPS, f"{FINAL} {step()}", "5", "a step after the final answer"),
        (JSON_STEPS, f"{step(after='continue')} {FINAL}", "5", "step 1 has next_action 'continue'"),
        (
            JSON_STEPS,
            f"{step(content='')} {FINAL}",
            "5",
            "step 1 has an empty title or content, or one that is not text",
        ),
        (JSON_STEPS, '{"title": "a", "title": "b"}', None, "not JSON: a key occurs twice"),
        (JSON_STEPS, "[" * 100_000, None, "not JSON: "),
        (BOXED, "It is $\\boxed{5}$.", "5", None),
        (BOXED, "\\boxed{5}", "5", "the thought is empty"),
        (BOXED, "It is \\boxed{5} or so", "5", "text after the box"),
        (BOXED, "It is \\boxed{42}\n\n(or 43)", "42 or 43", "text after the box"),
        (BOXED, "It is \\boxed{} or 6", None, "text after the box"),
        (THINK_ANSWER, "<think>a</think><answer>42</answer> (or 43)", "42 or 43", OUTSIDE),
        (THINK_ANSWER, "<think>a</think><answer>A</answer> or (A)", "A", OUTSIDE),
        (THINK_ANSWER, "<think>a</think><answer>A</answer> or (B)", "A or (B)", OUTSIDE),
        (THINK_ANSWER, "<think>a</think><answer>42</answer> or so", "42", OUTSIDE),
        (BOXED, "\\boxed{4} or \\boxed{5}", None, "\\boxed{} occurs 2 times, not once"),
        (BOXED, "It is \\boxed{5", None, "\\boxed{} occurs 1 time, but is not closed"),
        (ANSWER_LINE, "It is so.\nAnswer: 5", "5", None),
        (ANSWER_LINE, "Answer: 5", "5", "the thought is empty"),
        (ANSWER_LINE, "It is Answer: 5", "5", "Answer: does not begin its line"),
        (BARE, "5\n", "5", None),
        (BARE, " ", None, "the answer is empty"),
    ],
)
def test_every_grammar_has_its_faults(form, text, answer, fault):
    response = form.parse(text)
    assert response.answer == answer
    assert response.fault == fault or (
        fault and fault.endswith(" ") and (response.fault or "").startswith(fault)
    )


def test_a_step_of_json_keeps_its_title():
    assert JSON_STEPS.parse(f"[{step('Look', 'a cat')}, {FINAL}]").steps == ("Look: a cat",)


def test_a_staged_thought_has_a_step_for_each_stage():
    text = STAGED.write(("plan", "a cat", "one"), "1")
    assert STAGED.parse(text).steps == ("plan", "a cat", "one")
    with pytest.raises(ValueError, match="SUMMARY, CAPTION, REASONING, not 1 steps"):
        STAGED.write("one", "1")


def test_boxes_are_written_as_named_corners_in_whatever_form_they_were_given():
    written = '<think>so</think><answer>[{"bbox_2d": [1, 2, 3, 4]}]</answer>'
    assert BOX_JSON.write("so", "[1, 2, 3, 4]") == BOX_JSON.write("so", '{"bbox": [1.0, 2, 3, 4]}') == written
    assert BOX_JSON.write("so", "None").endswith("<answer>None</answer>")
    with pytest.raises(ValueError, match="not a JSON list of boxes"):
        BOX_JSON.write("so", "left")


def test_blank_space_around_and_between_the_tags_is_no_fault():
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
