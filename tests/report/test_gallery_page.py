import base64
import io
import json

import pytest
from PIL import Image

from seethink.report import write_gallery_page
from seethink.report.page import render_page
from seethink.types import InputError
from tests.report.sample_run import HOSTILE, Page, attempt, held, write_arms, write_rows


def look_page(folder, rows, **options):
    write_arms(folder, {})
    out = write_gallery_page(rows, folder, folder / "pages/look.html", "A <title>", **options)
    assert out == folder / "pages/look.html"
    return Page(out.read_text(encoding="utf-8"))


def look_data(folder, rows):
    return held(look_page(folder, rows))


def outcomes(data):
    return [question["outcomes"] for question in data["questions"]]


def test_attempts_are_held_with_picture_verdict_and_reason(tmp_path):
    page = look_page(tmp_path, [attempt("q0", True), attempt("q1", False), attempt("q2", None)])
    assert "A <title>" in page.text
    data = held(page)
    assert outcomes(data) == [[["right"]] * 2, [["wrong"]] * 2, [["unjudged"]] * 2]
    assert [answer["verdict"] for answer in data["answers"]] == ["right", "wrong", None]
    assert data["answers"][1]["parts"][0] == ["correct", 0.0, "read 5, expected 7"]
    (pictures,) = (json.loads(script) for script in page.scripts if "UklGR" in script[:60])
    assert len(pictures) == 1  # the three questions show the same one
    for question in data["questions"]:
        ((name, width, height),) = question["pictures"]
        image = Image.open(io.BytesIO(base64.b64decode(pictures[name])))
        assert image.size == (width, height) == (28, 14)


def test_the_same_picture_in_two_files_is_held_once(tmp_path):
    write_arms(tmp_path, {})
    (tmp_path / "media/copy.png").write_bytes((tmp_path / "media/page.png").read_bytes())
    page = look_page(tmp_path, [attempt("q0"), attempt("q1", media=["media/copy.png"])])
    (pictures,) = (json.loads(script) for script in page.scripts if "UklGR" in script[:60])
    assert len(pictures) == 1 and len(held(page)["questions"]) == 2


def test_the_answers_of_all_steps_to_one_question_stand_beside_each_other(tmp_path):
    rows = [attempt("q0", right, step=1) for right in (True, False, False)] + [attempt("q0", True, step=20)]
    data = look_data(tmp_path, [rows[0], attempt("q1", True, step=1), *rows[1:]])
    assert outcomes(data) == [[["mixed", "differs", "mended"]] * 2, [["right"]] * 2]
    assert [answer["step"] for answer in data["questions"][0]["answers"]] == [1, 1, 1, 20]


def test_arms_that_answered_the_same_question_stand_beside_each_other(tmp_path):
    arms = {"a": (True, False), "b": (False, None), "c": (True, True)}
    rows = [
        attempt(f"q{i}", right, arm=arm) for arm, of_arm in arms.items() for i, right in enumerate(of_arm)
    ]
    data = look_data(tmp_path, [*rows, attempt("q2", True, arm="b")])
    assert data["arms"] == ["a", "b", "c"]
    assert outcomes(data) == [
        [
            *(["right", "differs"], ["wrong", "differs", "broken"], ["right", "differs"]),
            ["mixed", "differs", "broken"],
        ],
        [
            *(["wrong", "differs"], ["unjudged", "differs"], ["right", "differs", "mended"]),
            ["mixed", "differs", "mended"],
        ],
        [[], ["right"], [], ["right"]],
    ]


def test_the_same_id_with_another_picture_is_another_question(tmp_path):
    rows = [attempt("q0", True, arm="a"), attempt("q0", True, arm="b", media=["media/other.png"])]
    write_arms(tmp_path, {})
    Image.new("RGB", (8, 8)).save(tmp_path / "media/other.png")
    keys = [question["key"] for question in look_data(tmp_path, rows)["questions"]]
    assert len(set(keys)) == 2


def test_a_question_keeps_its_key_when_the_page_is_written_again(tmp_path):
    one = look_data(tmp_path, [attempt("q0"), attempt("q1")])
    two = look_data(tmp_path, [attempt("q1"), attempt("q2"), attempt("q0", step=3)])
    keys = [{question["id"]: question["key"] for question in data["questions"]} for data in (one, two)]
    assert keys[0].items() <= keys[1].items()


def test_an_answer_that_breaks_its_format_says_how(tmp_path):
    rows = [attempt("q0", False, fault='no "tag" & <b>'), attempt("q0", False), attempt("q1", True)]
    data = look_data(tmp_path, rows)
    assert [answer["fault"] for answer in data["answers"]] == ['no "tag" & <b>', None, None]
    assert outcomes(data) == [[["wrong", "faulty"]] * 2, [["right"]] * 2]


@pytest.mark.parametrize("name", HOSTILE)
def test_what_a_model_wrote_is_no_part_of_the_html(tmp_path, name):
    text = HOSTILE[name]
    places = ("id", "task", "arm", "question", "gold", "text", "thought", "said", "fault", "why")
    harmless = look_page(tmp_path, [attempt(**dict.fromkeys(places, "harmless"))])
    page = look_page(tmp_path, [attempt(**dict.fromkeys(places, text))])
    assert page.tags == harmless.tags and page.text == harmless.text
    assert [len(script) for script in page.scripts[:-2]] == [len(script) for script in harmless.scripts[:-2]]
    assert not set("\x1b\x07\x00\u202e\u2066\u200f\u2028") & set(page.html)
    data = held(page)
    (question,), (answer,) = data["questions"], data["answers"]
    kept = question | answer | {"arm": data["arms"][0]}
    assert kept["question"].strip() == text.strip()
    assert [kept[place] for place in places if place != "question"] == [text] * (len(places) - 1)


def test_a_title_cannot_leave_its_place(tmp_path):
    hostile = HOSTILE["script"] + HOSTILE["style"]
    write_arms(tmp_path, {})
    out = write_gallery_page([attempt("q0")], tmp_path, tmp_path / "p.html", hostile)
    usual = write_gallery_page([attempt("q0")], tmp_path, tmp_path / "u.html", "usual")
    tags = [[tag for tag, _ in Page(path.read_text(encoding="utf-8")).tags] for path in (out, usual)]
    assert tags[0] == tags[1]


def test_the_policy_of_a_page_lets_no_other_script_and_no_request_through(tmp_path):
    page = look_page(tmp_path, [attempt("q0")])
    (policy,) = (
        meta["content"] for meta in page.all("meta") if meta.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy.startswith(
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-"
    )
    live = render_page("look.html", title="t", trainings=[], outcomes={}, rollouts="", pictures={}, live="1")
    assert "img-src data: 'self'; connect-src 'self'; style-src" in live


@pytest.mark.parametrize(
    "content", ["", "my notes", "<html>seethink report</html>", "<!doctype html><title>mine</title>"]
)
def test_a_file_that_is_no_such_page_is_kept(tmp_path, content):
    write_arms(tmp_path, {})
    out = tmp_path / "look.html"
    out.write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=r"look\.html .* give another name with --out"):
        write_gallery_page([attempt("q0")], tmp_path, out, "A")
    assert out.read_text(encoding="utf-8") == content
    out.unlink()
    for title in ("A", "B" * 3000):  # an own page is replaced
        write_gallery_page([attempt("q0")], tmp_path, out, title)
        assert title in out.read_text(encoding="utf-8")


@pytest.mark.parametrize(("kicker", "kept"), [("SeeThink", False), ("SeeThink report", True)])
def test_a_page_of_a_version_that_did_not_say_so_is_replaced_and_a_report_is_kept(tmp_path, kicker, kept):
    out = tmp_path / "look.html"
    page = look_page(tmp_path, [attempt("q0")]).html.replace(
        '<meta name="generator" content="seethink look">', ""
    )
    out.write_text(
        page.replace('<p class="kicker">SeeThink</p>', f'<p class="kicker">{kicker}</p>'), encoding="utf-8"
    )
    if kept:
        with pytest.raises(InputError, match="give another name with --out"):
            write_gallery_page([attempt("q0")], tmp_path, out, "Written anew")
    else:
        write_gallery_page([attempt("q0")], tmp_path, out, "Written anew")
    assert ("Written anew" in out.read_text(encoding="utf-8")) != kept


def test_curves_of_the_training_stand_above_its_attempts_in_the_same_colour(tmp_path):
    metrics = write_rows(tmp_path / "m.jsonl", [{"step": step, "reward": 0.5} for step in (1, 2)])
    write_arms(tmp_path, {})
    rows = [attempt("q0", True, arm="eval/base"), attempt("q0", True, arm="grpo", step=1)]
    out = write_gallery_page(rows, tmp_path, tmp_path / "p.html", "A", {"sft": metrics, "grpo": metrics})
    page = Page(out.read_text(encoding="utf-8"))
    assert "Reinforcement learning" in page.text
    assert [figure["data-figure"] for figure in page.all("figure")] == ["Reward"]
    colour = held(page)["arms"].index("grpo")
    assert page.all("polyline", cls=f"smooth c{colour}")
    assert page.all("polyline", cls="smooth c2")  # another stage has a colour that no arm has


def test_examples_without_answers_have_no_verdict(tmp_path):
    data = look_data(
        tmp_path, [{"id": "7", "question": "How many?", "media": ["media/page.png"], "gold": None}]
    )
    assert data["answers"] == [] and outcomes(data) == [[["unasked"]] * 2]


def test_a_page_without_rows_can_be_written(tmp_path):
    assert look_data(tmp_path, []) == {"arms": [], "questions": [], "answers": [], "outcomes": []}


def test_a_missing_picture_is_named(tmp_path):
    write_arms(tmp_path, {})
    with pytest.raises(InputError, match=r"gone\.png"):
        write_gallery_page([attempt("q0", media=["media/gone.png"])], tmp_path, tmp_path / "p.html", "A")
