from seethink.report import write_look
from tests.report.made import Page, attempt, write_arms


def looked(folder, rows):
    write_arms(folder, {})
    out = write_look(rows, folder, folder / "pages/look.html", "A <title>")
    assert out == folder / "pages/look.html"
    return Page(out.read_text(encoding="utf-8"))


def test_attempts_are_shown_with_picture_verdict_and_reason(tmp_path):
    page = looked(tmp_path, [attempt("q0", True), attempt("q1", False), attempt("q2", None)])
    assert [card["data-outcomes"] for card in page.all("article", cls="card")] == [
        "right",
        "wrong",
        "unjudged",
    ]
    assert len(page.all("img", cls="magnified", width="224", height="112", alt="3 1 4")) == 3
    for told in ("A <title>", "read 5, wanted 7", "✓ right", "✗ wrong", "? not judged"):
        assert told in page.told


def test_neighbouring_answers_to_one_question_share_a_card(tmp_path):
    page = looked(
        tmp_path, [attempt("q0", right, step=1) for right in (True, False)] + [attempt("q0", True, step=2)]
    )
    assert [card["data-outcomes"] for card in page.all("article", cls="card")] == ["right wrong", "right"]
    assert len(page.all("section", cls="answer")) == 3


def test_examples_that_nobody_answered_have_no_verdict_and_no_filter(tmp_path):
    page = looked(tmp_path, [{"id": "7", "question": "How many?", "media": ["media/page.png"], "gold": None}])
    assert "no known answer" in page.told
    assert not page.all("section", cls="answer")
    assert [button["value"] for button in page.all("button")] == ["all"]


def test_a_page_of_nothing_can_be_written(tmp_path):
    assert "0 questions." in looked(tmp_path, []).told
