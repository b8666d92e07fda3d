from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seethink.synth.draft import Draft, Dropped, FormalDescription
from seethink.synth.steps.verbatim import VerbatimStep, faults
from tests.synth.steps.run_step import make_draft, run_step


def checked(caption: str, *visible: str, kind: str = "caption", **more: str) -> Draft | Dropped:
    """The result for a description, with these texts as OCR; without OCR if there are none."""
    lines = "\n".join(f"{text} @ [1, 2, 3, 4]" for text in visible)
    ocr = (FormalDescription("ocr", lines),) if visible else ()
    after, calls = run_step(
        VerbatimStep(), make_draft(formal=(FormalDescription(kind, caption), *ocr), **more), str
    )
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
def test_a_translated_or_altered_quotation_is_dropped(caption: str, visible: list[str]) -> None:
    after = checked(caption, *visible)
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
def test_a_verbatim_or_unknown_quotation_is_accepted(caption: str, visible: list[str]) -> None:
    after = checked(caption, *visible)
    assert isinstance(after, Draft) and after.verdict and after.verdict.passed


def test_an_original_after_its_translation_is_found_without_ocr() -> None:
    after = checked("牌子上写着“出口”（EXIT）。")
    assert isinstance(after, Dropped) and after.reason == "translated" and "EXIT" in after.why
    for fine in (
        "牌子上写着“EXIT”（出口）。",
        "牌子上写着“出口”。",
        "牌子上写着“出口”（左边）。",
        '"A" (B).',
    ):
        after = checked(fine)
        assert isinstance(after, Draft) and after.verdict and after.verdict.passed is None


def test_the_thought_is_compared_with_the_ocr_text_too_and_code_is_not() -> None:
    assert isinstance(checked("A sign.", "EXIT", thought="牌子上写着“出口”。"), Dropped)
    assert isinstance(checked("A sign.", "EXIT", final="“出口”"), Dropped)
    assert isinstance(checked("Given: “出口”", "EXIT", kind="geometry"), Dropped)
    assert isinstance(checked('"出口",2', "EXIT", kind="table"), Draft)


def test_ocr_without_text_accepts_any_quotation() -> None:
    formal = (FormalDescription("caption", 'A "smiley" face.'), FormalDescription("ocr", "(no text)"))
    after, _ = run_step(VerbatimStep(), make_draft(formal=formal), str)
    assert isinstance(after, Draft) and after.verdict and after.verdict.why.startswith("0 of 1")
    assert isinstance(run_step(VerbatimStep(), make_draft(), str)[0], Draft)


WORDS = st.lists(st.text(st.characters(categories=["Lu", "Ll", "Lo", "Nd"]), min_size=1), min_size=1)


@given(WORDS, st.text(st.characters(exclude_characters='"“”「」『』«»\n')))
def test_all_ocr_texts_may_be_quoted(words: list[str], around: str) -> None:
    text = f'{around} "{" ".join(words)[:150]}" {around}'
    assert list(faults(text, [" ".join(words)])) == []


@given(st.text(), WORDS)
def test_any_text_is_checked(text: str, words: list[str]) -> None:
    list(faults(text, words))
    list(faults(text, []))
