from seethink.report import write_gallery_page
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
        "right",
        "wrong",
        "unjudged",
    ]
    assert len(page.all("img", cls="magnified", width="224", height="112", alt="3 1 4")) == 3
    for text in ("A <title>", "read 5, expected 7", "✓ right", "✗ wrong", "? not judged"):
        assert text in page.text


def test_neighbouring_answers_to_one_question_share_a_card(tmp_path):
    page = look_page(
        tmp_path, [attempt("q0", right, step=1) for right in (True, False)] + [attempt("q0", True, step=2)]
    )
    assert [card["data-outcomes"] for card in page.all("article", cls="card")] == ["right wrong", "right"]
    assert len(page.all("section", cls="answer")) == 3


def test_a_card_says_its_step_and_knows_its_score_and_length(tmp_path):
    rows = [
        attempt(LONG, right, step=7, value=float(right), n_tokens=n) for right, n in ((True, 5), (False, 9))
    ]
    page = look_page(tmp_path, rows)
    (card,) = page.all("article", cls="card")
    assert (card["data-reward"], card["data-longest"]) == ("0.5", "9")
    assert f"step 7, seen …{LONG[-24:]}" in page.text
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
