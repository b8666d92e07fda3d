from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seethink.synth.draft import Draft, Dropped, Formal
from seethink.synth.steps.verbatim import Verbatim, faults
from tests.synth.steps.teaching import drafted, taught


def judged(caption: str, *visible: str, kind: str = "caption", **more: str) -> Draft | Dropped:
    """With a picture in which these texts were read; nobody has read it if there are none."""
    lines = "\n".join(f"{text} @ [1, 2, 3, 4]" for text in visible)
    read = (Formal("ocr", lines),) if visible else ()
    after, calls = taught(Verbatim(), drafted(formal=(Formal(kind, caption), *read), **more), str)
    assert not calls
    return after


@pytest.mark.parametrize(
    ("caption", "visible"),
    [
        ("牌子上写着“出口”。", ["EXIT"]),
        ("牌子上写着「出口」。", ["EXIT", "12:30"]),
        ('A sign reads "Exit".', ["出口"]),
        ("A sign reads «Exit».", ["Выход"]),
        ('It says "BIG SALE TOMOROW".', ["Big sale tomorrow"]),
        ('The clock shows "12:30".', ["12:50"]),
    ],
)  # fmt: skip
def test_a_translation_or_a_change_of_what_was_read_is_dropped(caption: str, visible: list[str]) -> None:
    after = judged(caption, *visible)
    assert isinstance(after, Dropped) and after.reason == "translated" and visible[0] in after.why


@pytest.mark.parametrize(
    ("caption", "visible"),
    [
        ("牌子上写着“EXIT”（出口）。", ["EXIT"]),
        ("牌子上写着“出口”（EXIT）。", ["出口"]),
        ('It says "big sale, tomorrow!"', ["BIG SALE,", "tomorrow"]),
        ('It says "BIG ... tomorrow"', ["BIG SALE", "TOMORROW"]),
        ('A "smiley" face.', ["Dell"]),
        ("""A 24" screen and a 27" one.""", ["Dell"]),
        ("It says EXIT.", ["EXIT"]),
        ("No quotation.", ["EXIT"]),
    ],
)  # fmt: skip
def test_what_stands_as_it_was_read_or_proves_nothing_may_stay(caption: str, visible: list[str]) -> None:
    after = judged(caption, *visible)
    assert isinstance(after, Draft) and after.verdict and after.verdict.passed


def test_an_original_behind_its_translation_is_found_without_reading_the_picture() -> None:
    after = judged("牌子上写着“出口”（EXIT）。")
    assert isinstance(after, Dropped) and after.reason == "translated" and "EXIT" in after.why
    for fine in (
        "牌子上写着“EXIT”（出口）。",
        "牌子上写着“出口”。",
        "牌子上写着“出口”（左边）。",
        '"A" (B).',
    ):
        after = judged(fine)
        assert isinstance(after, Draft) and after.verdict and after.verdict.passed is None


def test_the_thought_is_held_against_the_picture_too_and_code_is_not() -> None:
    assert isinstance(judged("A sign.", "EXIT", thought="牌子上写着“出口”。"), Dropped)
    assert isinstance(judged("A sign.", "EXIT", final="“出口”"), Dropped)
    assert isinstance(judged("Given: “出口”", "EXIT", kind="geometry"), Dropped)
    assert isinstance(judged('"出口",2', "EXIT", kind="table"), Draft)


def test_a_picture_without_text_says_nothing_against_quotations() -> None:
    formal = (Formal("caption", 'A "smiley" face.'), Formal("ocr", "(no text)"))
    after, _ = taught(Verbatim(), drafted(formal=formal), str)
    assert isinstance(after, Draft) and after.verdict and after.verdict.why.startswith("0 of 1")
    assert isinstance(taught(Verbatim(), drafted(), str)[0], Draft)


WORDS = st.lists(st.text(st.characters(categories=["Lu", "Ll", "Lo", "Nd"]), min_size=1), min_size=1)


@given(WORDS, st.text(st.characters(exclude_characters='"“”「」『』«»\n')))
def test_whatever_was_read_may_be_quoted(words: list[str], around: str) -> None:
    text = f'{around} "{" ".join(words)[:150]}" {around}'
    assert list(faults(text, [" ".join(words)])) == []


@given(st.text(), WORDS)
def test_any_text_is_judged(text: str, words: list[str]) -> None:
    list(faults(text, words))
    list(faults(text, []))
