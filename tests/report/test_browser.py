"""The page of `look` in a real browser: what it shows, its filters and keys; hostile texts do nothing."""

from __future__ import annotations

import threading
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import uvicorn

from seethink.cli.attempt_files import placed
from seethink.evaluate.attempts import append_rows
from seethink.report import write_gallery_page
from seethink.report.live import LiveRun, live_app
from seethink.serve.startup import bound
from tests.browser import CHROMIUM, Tab, browser
from tests.report.sample_run import HOSTILE, attempt, write_arms, write_rows

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")

READY = "document.querySelector('.answer')"
ROWS = "[...document.querySelectorAll('.row .asks')].map((row) => row.textContent)"
STATUS = "document.querySelector('.status')?.textContent"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Tab]:
    with browser() as tab:
        yield tab


@pytest.fixture
def tab(chromium: Tab) -> Tab:
    """The browser's page, which has said and asked for nothing yet."""
    chromium.said.clear()
    chromium.asked.clear()
    return chromium


def counted(place: str) -> str:
    return f"document.querySelectorAll({place!r}).length"


def fill(tab: Tab, name: str, value: object) -> None:
    """Set a filter as a user does."""
    tab.value(
        f"{{ const input = document.querySelector('.filters').elements[{name!r}]; input.value = {value!r};"
        "input.dispatchEvent(new Event('input', { bubbles: true })); 0 }"
    )


def click(tab: Tab, place: str) -> None:
    tab.value(f"document.querySelector({place!r}).click()")


def page_of(folder: Path, n: int = 40) -> str:
    """Question i was asked by an evaluation and at steps 1 and 2 with four answers each, i % 5 of which are
    right in the end."""
    write_arms(folder, {})
    rows = [attempt(f"q{i}", i % 2 > 0, arm="base", question=f"<image>Question {i}?") for i in range(n)]
    rows += [
        attempt(f"q{i}", k < (i % 5 if step == 2 else 1), arm="grpo", question=f"<image>Question {i}?")
        | {"step": step, "n_tokens": 10 * i + k, "fault": "no <answer>" if i == 3 else None}
        for step in (1, 2)
        for i in range(n)
        for k in range(4)
    ]
    metrics = write_rows(folder / "m.jsonl", [{"step": step, "reward": step / 9} for step in range(1, 9)])
    page = write_gallery_page(rows, folder, folder / "look.html", "A run", {"grpo": metrics})
    return page.as_uri()


def test_filters_keys_and_the_address(tab: Tab, tmp_path: Path) -> None:
    tab.look_like(1280, 900)
    url = page_of(tmp_path)
    tab.open(url, READY)
    assert tab.value(STATUS) == "40 questions, 360 answers."
    assert tab.value(counted(".row")) < 40  # only the visible ones exist
    assert tab.value(counted(".answer")) == 9  # of the open question: the evaluation's and two groups
    assert tab.value("document.querySelector('.row[aria-selected=true] .asks').textContent") == "Question 0?"

    for key in "jjjk":
        tab.press(key)
    tab.press("ArrowRight")
    assert tab.value("document.querySelector('.question-text').textContent") == "Question 3?"
    tab.wait_for("location.hash.includes('at=')")
    link = tab.value("location.hash")

    fill(tab, "step", 1)
    assert tab.value(STATUS) == "40 questions, 160 answers."
    assert tab.value(counted(".group-of-answers")) == 1
    tab.press("]")
    assert tab.value("document.querySelector('.steps output').textContent") == "2"
    fill(tab, "high", "0.5")
    assert tab.value(STATUS) == "32 of 40 questions, 80 answers."
    fill(tab, "longer", "350")
    assert tab.value(ROWS) == [f"Question {i}?" for i in range(35, 39)]  # of 39, all are right
    click(tab, ".clear")
    assert tab.value(STATUS) == "40 questions, 360 answers."

    fill(tab, "fault", "=no <answer>")
    assert tab.value(ROWS) == ["Question 3?"]
    click(tab, ".clear")
    tab.press("/")
    assert tab.value("document.activeElement.name") == "find"
    fill(tab, "find", "QUESTION 17")
    assert tab.value(ROWS) == ["Question 17?"]
    fill(tab, "find", "nowhere")
    assert "No question is left" in tab.value("document.querySelector('.detail').textContent")
    click(tab, ".clear")
    tab.press("Escape")

    click(tab, "button[value=broken]")
    assert set(tab.value(ROWS)) <= {f"Question {i}?" for i in range(40)}
    wrong = tab.value("Number(document.querySelector('button[value=broken] span').textContent)")
    assert tab.value(STATUS).startswith(f"{wrong} of 40 questions")
    click(tab, ".clear")
    fill(tab, "order", "-longest")
    assert tab.value(ROWS)[0] == "Question 39?"

    tab.open(f"{url}?again{link}&find=question", READY)
    assert tab.value("document.querySelector('.question-text').textContent") == "Question 3?"
    assert tab.value("document.querySelector('[name=find]').value") == "question"
    assert tab.said == [] and not [asked for asked in tab.asked if not asked.startswith(("file:", "data:"))]


@contextmanager
def serving(run: LiveRun) -> Iterator[str]:
    """The address of the live page, served on a thread."""
    sock = bound("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(live_app(run), log_level="warning", ws="none"))
    thread = threading.Thread(target=server.run, args=([sock],), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{sock.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(60)
        sock.close()


def test_the_live_page_shows_what_is_written_while_it_is_open(tab: Tab, tmp_path: Path) -> None:
    log, metrics = tmp_path / "grpo/attempts.jsonl", tmp_path / "grpo/metrics.jsonl"
    write_arms(tmp_path, {})
    write_rows(metrics, [{"step": 1, "reward": 0.5}])
    files = lambda name: {"grpo": tmp_path / "grpo" / name} if log.exists() else {}  # noqa: E731
    run = LiveRun("A run", lambda: files(log.name), lambda: files(metrics.name), placed, 100)
    tab.look_like(1280, 900)
    with serving(run) as url:
        tab.open(url, f"{STATUS}?.startsWith('No rollouts yet')")
        write_rows(log, [attempt("q0", False, step=1), attempt("q0", True, step=1)])
        tab.wait_for(f"{STATUS} === '1 question, 2 answers.'")
        tab.wait_for("document.querySelector('.plot') !== null")
        tab.wait_for("document.querySelector('.placed img').naturalWidth === 28")
        fill(tab, "find", "how many")
        append_rows(log, [attempt(f"q{i}", True, step=2) for i in range(1, 4)])
        tab.wait_for(f"{STATUS} === '4 questions, 5 answers.'")
        assert tab.value("document.querySelector('[name=find]').value") == "how many"  # filters stay
        assert (
            tab.value("document.querySelector('.row[aria-selected=true]').id") == "q0"
        )  # and the open question
        log.write_bytes(log.read_bytes() + b"{\n")
        assert "line 6 is not JSON" in tab.wait_for("document.querySelector('.trouble').textContent")
        write_rows(log, [attempt("again", True, step=0)])
        tab.wait_for(f"{STATUS} === '1 question, 1 answer.'")
    assert all(asked.startswith((url, "data:")) for asked in tab.asked if not asked.startswith("file:"))


def test_a_figure_is_saved_as_svg_with_its_axis_and_no_style(tab: Tab, tmp_path: Path) -> None:
    for dark in (False, True):
        tab.look_like(1280, 900, dark)
        tab.open(page_of(tmp_path, 3) + f"?{dark}", READY)
        svg = tab.value("figureSvg(document.querySelector('figure.panel'))")
        assert "for-print" not in tab.value("document.documentElement.className")
        root = ElementTree.fromstring(svg)
        texts = [text.text for text in root.iter() if text.tag.endswith("}text")]
        assert {"Reward", "0 %", "50 %", "100 %", "step"} <= set(texts)
        lines = [line for line in root.iter() if line.tag.endswith("}polyline")]
        assert [len(line.attrib["points"].split()) for line in lines] == [8, 8]
        width, height = (float(root.attrib[name]) for name in ("width", "height"))
        for point in lines[0].attrib["points"].split():
            x, y = map(float, point.split(","))
            assert 0 < x < width and 0 < y < height
        assert (
            "class=" not in svg and "var(" not in svg and "rgb(35, 39, 43)" in svg
        )  # light in the dark, too
        name = tab.value("document.querySelector('figure .download').download")
        assert name == "reward.svg"


@pytest.mark.parametrize("width", [400, 1280])
def test_the_link_of_a_curve_is_beside_what_is_said_about_it(tab: Tab, tmp_path: Path, width: int) -> None:
    write_arms(tmp_path, {})
    rows = [{"step": step, "frac_reward_zero_std": 1.0} for step in range(1, 12)]
    rows[9]["alarms"] = {"no_signal": "no group had two different rewards in 10 steps, and so on and on"}
    metrics = write_rows(tmp_path / "m.jsonl", rows)
    page = write_gallery_page([attempt("q0")], tmp_path, tmp_path / "look.html", "A run", {"grpo": metrics})
    tab.look_like(width, 900)
    tab.open(page.as_uri(), READY)
    tab.value("document.querySelector('.curves').open = true")
    sides = (
        "(({ top, bottom }) => [top, bottom])(document.querySelector('.panel %s').getBoundingClientRect())"
    )
    link, text = (tab.value(sides % place) for place in (".download", "p.alarm"))
    assert link[1] - link[0] < 30, "one line"
    assert link[1] <= text[0]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_texts_do_nothing(tab: Tab, tmp_path: Path, name: str) -> None:
    text = HOSTILE[name]
    write_arms(tmp_path, {})
    texts = dict.fromkeys(
        ("id", "question", "gold", "text", "thought", "said", "why", "task", "arm", "fault"), text
    )
    parts = {text: {"value": 0.5, "why": text}}
    rows = [attempt(**texts | {"parts": parts, "meta": {"caption": text}}), attempt("q1", arm="b")]
    page = write_gallery_page(rows, tmp_path, tmp_path / "look.html", "A")
    usual = write_gallery_page(
        [attempt("q0"), attempt("q1", arm="b")], tmp_path, tmp_path / "usual.html", "A"
    )
    tags = []
    for path in (usual, page):
        tab.look_like(1280, 900)
        tab.open(path.as_uri(), READY)
        tab.value("document.querySelectorAll('.detail details').forEach((part) => { part.open = true; })")
        tab.wait_for(counted(".detail pre"))
        tags.append(
            tab.value("[...new Set([...document.querySelectorAll('*')].map((e) => e.localName))].sort()")
        )
    assert set(tags[1]) - set(tags[0]) <= {"span", "button", "label"}
    assert tab.value(counted("script")) == 4 and tab.said == []
    shown = tab.value("document.querySelector('.look').innerText")
    assert not set("\x1b\x07\x00\u202e\u2066\u200f\u2028") & set(shown)
    assert tab.value("document.documentElement.scrollWidth <= innerWidth")
    if name == "ansi":
        assert "U+001B" in shown and "[31mred" in shown
    if name == "direction":
        assert "U+202E" in shown and "\u05e9\u05dc\u05d5\u05dd" in shown
    if name == "line":
        assert len(shown) < 100_000 and "more characters" in shown


def test_boxes_are_drawn_over_the_picture_and_can_be_hidden(tab: Tab, tmp_path: Path) -> None:
    write_arms(tmp_path, {})
    said = {"said": "[[7, 0, 14, 7]]", "boxes": [[7, 0, 14, 7]], "points": None, "clips": []}
    row = attempt("q0", question="<image>Where is it?", gold="[[0, 0, 14, 14]]", **said)
    page = write_gallery_page([row, row], tmp_path, tmp_path / "look.html", "A")
    tab.open(page.as_uri(), READY)
    image = tab.value("document.querySelector('.placed img').getBoundingClientRect().toJSON()")
    drawn = "[...document.querySelectorAll('.place rect.edge')]"
    boxes = tab.value(f"{drawn}.map((box) => box.getBoundingClientRect().toJSON())")
    shares = [((box["x"] - image["x"]) / image["width"], box["width"] / image["width"]) for box in boxes]
    expected = [(0, 0.5), (0.25, 0.25), (0.25, 0.25)]
    assert sum(shares, ()) == pytest.approx(sum(expected, ()), abs=0.02)
    tab.press("b")
    assert tab.value("getComputedStyle(document.querySelector('.places')).display") == "none"


@pytest.mark.parametrize("width", [400, 1280])
def test_nothing_is_wider_than_the_window(tab: Tab, tmp_path: Path, width: int) -> None:
    tab.look_like(width, 800)
    tab.open(page_of(tmp_path), READY)
    assert tab.value("document.documentElement.scrollWidth") <= width
    long = dict.fromkeys(("id", "question", "gold", "thought", "said", "task", "why", "fault"), "w" * 300)
    rows = [attempt(**long, arm=arm * 200, step=step) for arm in "ab" for step in (1, 2)]
    metrics = write_rows(tmp_path / "m.jsonl", [{"step": step, "reward": 0.5} for step in (1, 2)])
    curves = {"a" * 200: metrics}
    page = write_gallery_page(rows, tmp_path, tmp_path / "long.html", "t" * 300, curves)
    tab.open(page.as_uri(), READY)
    tab.value("document.querySelector('.curves').open = true")
    assert tab.value("document.documentElement.scrollWidth") <= width


def test_tokens_are_shaded_by_what_was_recorded_of_them(tab: Tab, tmp_path: Path) -> None:
    write_arms(tmp_path, {})
    tokens = {"text": ["<b>", "two"], "log-ratio": [-0.5, None], "entropy": [0.0, 2.0]}
    page = write_gallery_page([attempt("q0", tokens=tokens)], tmp_path, tmp_path / "look.html", "A")
    tab.open(page.as_uri(), READY)
    tab.value("[...document.querySelectorAll('.detail details')].at(-1).open = true")
    tab.wait_for(counted(".tokens span"))
    titles = "[...document.querySelectorAll('.tokens span')].map((token) => [token.textContent, token.title])"
    assert tab.value(titles) == [["<b>", "log-ratio -0.5"], ["two", "not recorded"]]
    tab.value(
        "{ const choice = document.querySelector('.detail select'); choice.value = 'entropy';"
        "choice.dispatchEvent(new Event('change')); 0 }"
    )
    assert tab.value(titles) == [["<b>", "entropy 0"], ["two", "entropy 2"]]
