import json

import pytest
from PIL import Image

from seethink.report import write_gallery_page
from seethink.types import InputError
from tests.report.sample_run import Page, attempt, write_arms, write_rows

LONG = "handwritten/train/0/(4, 4)/(4, 12)/scans/('count', 'total')/1145"


def look_page(folder, rows):
    write_arms(folder, {})
    out = write_gallery_page(rows, folder, folder / "pages/look.html", "A <title>")
    assert out == folder / "pages/look.html"
    return Page(out.read_text(encoding="utf-8"))


def test_attempts_are_shown_with_picture_verdict_and_reason(tmp_path):
    page = look_page(tmp_path, [attempt("q0", True), attempt("q1", False), attempt("q2", None)])
    assert [card["data-outcomes"] for card in page.all("article", cls="card")] == [
        "right;right",
        "wrong;wrong",
        "unjudged;unjudged",
    ]
    assert len(page.all("img", cls="magnified", width="224", height="112", alt="3 1 4")) == 3
    for text in ("A <title>", "read 5, expected 7", "✓ right", "✗ wrong", "? not judged"):
        assert text in page.text


def test_the_answers_of_all_steps_to_one_question_share_a_card(tmp_path):
    rows = [attempt("q0", right, step=1) for right in (True, False, False)] + [attempt("q0", True, step=20)]
    page = look_page(tmp_path, [rows[0], attempt("q1", True, step=1), *rows[1:]])
    assert [card["data-outcomes"] for card in page.all("article", cls="card")] == [
        "mixed differs mended;mixed differs mended",
        "right;right",
    ]
    assert len(page.all("section", cls="answer")) == 5
    assert [card["data-step"] for card in page.all("article", cls="card")] == ["1", "1"]
    assert page.text.index("step 1 3 answers, mean score 0.333") < page.text.index("step 20")


def test_arms_that_answered_the_same_question_share_a_card(tmp_path):
    arms = {"a": (True, False), "b": (False, None), "c": (True, True)}
    rows = [
        attempt(f"q{i}", right, arm=arm) for arm, of_arm in arms.items() for i, right in enumerate(of_arm)
    ]
    page = look_page(tmp_path, [*rows, attempt("q2", True, arm="b")])
    assert [card["data-outcomes"] for card in page.all("article", cls="card")] == [
        "right differs;wrong differs broken;right differs;mixed differs broken",
        "wrong differs;unjudged differs;right differs mended;mixed differs mended",
        ";right;;right",
    ]
    assert [option.get("value") for option in page.all("option")][2:6] == ["3", "0", "1", "2"]
    (counts,) = (json.loads(script) for script in page.scripts if script.strip().startswith("{"))
    assert [arm["all"] for arm in counts["seen"]] == [2, 3, 2, 3]


def test_the_same_id_with_another_picture_is_another_question(tmp_path):
    rows = [attempt("q0", True, arm="a"), attempt("q0", True, arm="b", media=["media/other.png"])]
    write_arms(tmp_path, {})
    Image.new("RGB", (8, 8)).save(tmp_path / "media/other.png")
    out = write_gallery_page(rows, tmp_path, tmp_path / "p.html", "A")
    assert len(Page(out.read_text(encoding="utf-8")).all("article", cls="card")) == 2


def test_a_card_can_be_found_by_how_its_answers_break_the_format(tmp_path):
    rows = [attempt("q0", False, fault='no "tag" & <b>'), attempt("q0", False), attempt("q1", True)]
    page = look_page(tmp_path, rows)
    assert [json.loads(card["data-faults"]) for card in page.all("article", cls="card")] == [
        ['no "tag" & <b>'],
        [],
    ]
    assert 'no "tag" & <b>' in page.text


def test_a_long_thought_opens_on_a_click(tmp_path):
    page = look_page(tmp_path, [attempt("q0", thought="word " * 100), attempt("q1", thought="short")])
    assert len(page.all("details", cls="long")) == 1


def test_cards_can_be_sorted_by_spread_and_step_where_they_have_them(tmp_path):
    def orders(rows):
        return [option.get("value") for option in look_page(tmp_path, rows).all("option")]

    assert not {"-spread", "step"} & set(orders([attempt("q0")]))
    assert {"-spread", "step", "-step"} <= set(orders([attempt("q0", right, step=3) for right in (0, 1)]))


@pytest.mark.parametrize("content", ["", "my notes", "<html>seethink report</html>"])
def test_a_file_that_is_no_such_page_is_kept(tmp_path, content):
    write_arms(tmp_path, {})
    out = tmp_path / "look.html"
    out.write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=r"look\.html was not written by .* give another name with --out"):
        write_gallery_page([attempt("q0")], tmp_path, out, "A")
    assert out.read_text(encoding="utf-8") == content
    out.unlink()
    for title in ("A", "B" * 3000):  # an own page is replaced
        write_gallery_page([attempt("q0")], tmp_path, out, title)
        assert title in out.read_text(encoding="utf-8")


def test_a_card_says_its_step_and_knows_its_score_and_length(tmp_path):
    rows = [
        attempt(LONG, right, step=7, value=float(right), n_tokens=n) for right, n in ((True, 5), (False, 9))
    ]
    page = look_page(tmp_path, rows)
    (card,) = page.all("article", cls="card")
    assert (card["data-reward"], card["data-longest"]) == ("0.5", "9")
    assert card["data-spread"] == "0.5"
    assert f"seen …{LONG[-24:]}" in page.text
    assert "step 7 2 answers" in page.text
    (named,) = page.all("small", cls="id")
    assert named["title"] == LONG


def test_curves_of_the_training_stand_above_its_attempts(tmp_path):
    metrics = write_rows(tmp_path / "m.jsonl", [{"step": step, "reward": 0.5} for step in (1, 2)])
    write_arms(tmp_path, {})
    out = write_gallery_page([attempt("q0", True)], tmp_path, tmp_path / "p.html", "A", {"grpo": metrics})
    page = Page(out.read_text(encoding="utf-8"))
    assert page.text.index("Reinforcement learning") < page.text.index("✓ right")
    assert len(page.all("figure", cls="panel")) == 1


def test_examples_without_answers_have_no_verdict_and_no_filter(tmp_path):
    page = look_page(
        tmp_path, [{"id": "7", "question": "How many?", "media": ["media/page.png"], "gold": None}]
    )
    assert "no reference answer" in page.text
    assert not page.all("section", cls="answer")
    assert [button["value"] for button in page.all("button")] == ["all"]


def test_a_page_without_rows_can_be_written(tmp_path):
    assert "0 questions." in look_page(tmp_path, []).text
