"""The streaming reader: what it has told stays, and a conforming text gives `parse`'s thought and answer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seethink.formats import FORMATS, TagFormat
from seethink.formats.parts import thought_and_content

TAGGED = [form for form in FORMATS.values() if isinstance(form, TagFormat) and not form.boxes]
PIECES = ["<", ">", "/", "think", "answer", "<think>", "</think>", "<answer>", "</answer>", " ", "\n", "a b"]


@given(st.lists(st.sampled_from(PIECES), max_size=12), st.sampled_from(TAGGED))
def test_parts_only_grow(pieces: list[str], form: TagFormat) -> None:
    text, thought, content = "".join(pieces), "", ""
    for end in range(len(text) + 1):
        now = thought_and_content(form, text[:end], ended=end == len(text))
        assert now[0].startswith(thought) and now[1].startswith(content)
        thought, content = now


@given(
    st.lists(st.sampled_from(["one", "two", "3 < 4", "a > b", "</"]), min_size=1, max_size=5),
    st.sampled_from(TAGGED),
)
def test_a_conforming_text_gives_what_parse_reads(words: list[str], form: TagFormat) -> None:
    steps = [f"step {i} {words[0]}" for i in range(len(form.stages))]
    text = form.write(steps, " ".join(words))
    read = form.parse(text)
    assert thought_and_content(form, text) == (read.thought or "", read.answer)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("42", ("", "42")),
        ("<think>a</think>42", ("a", "42")),
        ("<think>a", ("a", "")),
        ("x <answer>42</answer> y", ("", "x\n42\ny")),
        ("a</think>42", ("", "a</think>42")),
        ("<think>a <answer>b</answer></think><answer>c</answer>", ("a <answer>b</answer>", "c")),
    ],
)
def test_nothing_is_left_out_but_tags_and_blanks(text: str, parts: tuple[str, str]) -> None:
    assert thought_and_content(FORMATS["think_answer"], text) == parts


def test_other_formats_are_all_content() -> None:
    assert thought_and_content(FORMATS["boxed"], "so \\boxed{4}") == ("", "so \\boxed{4}")
