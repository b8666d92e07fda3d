"""Images of texts: every text is either drawn or refused with a reason."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import matplotlib
import numpy as np
import PIL.ImageFont
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seethink.sources import fonts
from seethink.synth import text_images
from seethink.synth.draft import Draft
from seethink.synth.latex import TextPiece, formula, pieces, plain
from seethink.synth.steps.render import RenderStep
from seethink.synth.text_images import MARGIN_PX, WIDTH_PX, UndrawableText, render_text
from tests.machine_fonts import box_font, without_outlines
from tests.synth.steps.run_step import make_draft, run_step

WORDS = st.sampled_from(
    [
        *(
            "area",
            "of",
            "$x^2$",
            r"$\frac{a}{b}$",
            r"\[ a \\ b \]",
            "$",
            "$$",
            r"\(",
            r"\)",
            r"\\",
            "{",
            "}",
            "&",
            "_",
        ),
        *(
            r"\frac",
            r"\begin{cases}",
            r"\end{cases}",
            r"\begin{align}",
            r"\end{align}",
            r"\text{if}",
            r"\left(",
            "中",
            "\n",
        ),
        *(
            "~",
            "%",
            "^",
            r"\sqrt",
            "long" * 90,
            "🙂",
            "\x00",
            "\ud800",
            r"\item",
            r"\textbf{so}",
            r"\$5",
            "'",
            "#",
        ),
    ]
)


@settings(max_examples=150, deadline=None)
@given(st.one_of(st.text(max_size=300), st.lists(WORDS, max_size=30).map(" ".join)))
def test_any_text_is_drawn_or_refused_in_bounded_time(text):
    began = time.process_time()
    try:
        drawn = render_text(text, "mathtext").load()
    except UndrawableText as error:
        assert str(error)
    else:
        assert drawn.width == WIDTH_PX
    assert time.process_time() - began < 5


@pytest.mark.parametrize(
    "text",
    [
        r"Let $AB=\dfrac{3}{2}$ and \[ \frac{x^2+1}{\sqrt{2}} \le 5. \] What is $\tfrac{a}{b}$?",
        r"$f(x)=\begin{cases} x^2 & x>0 \\ -x & \text{otherwise}\end{cases}$",
        r"\begin{align*} a &= b+c \\ d &= \binom{n}{k} \end{align*}",
        r"$\boxed{3} \implies 7 \equiv 1 \pmod 3$, $\frac12$, $\begin{pmatrix}1&2\\3&4\end{pmatrix}$",
        r"It costs \$5, 20\% off. \begin{itemize}\item one \item two\end{itemize}",
    ],
)
def test_common_latex_can_be_drawn(text):
    shown = np.asarray(render_text(text, "mathtext").load().convert("L"))
    assert shown.min() < 60  # there is ink
    assert (shown[:, : MARGIN_PX // 2] == 255).all() and (shown[: MARGIN_PX // 2] == 255).all()


def test_equal_texts_give_equal_pixels_and_others_do_not():
    first, second, other = (render_text(text, "mathtext") for text in ("How many?", "How many?", "How much?"))
    assert first.load().tobytes() == second.load().tobytes() and first.key == second.key
    assert first.load().tobytes() != other.load().tobytes() and first.key != other.key


def test_a_longer_text_gets_a_taller_picture_up_to_a_limit():
    heights = [render_text("Some words of it. " * n, "mathtext").load().height for n in (1, 20, 60)]
    assert heights == sorted(heights) and len({*heights}) == 3
    with pytest.raises(UndrawableText, match="characters are more than fit"):
        render_text("word " * 2_000)
    with pytest.raises(UndrawableText, match="pixels high"):
        render_text("\n".join("line" for _ in range(400)), "mathtext")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (r"$\foo{x}$", r"Unknown symbol: \\foo"),
        (r"$x^{2$", "mathtext cannot draw"),
        ("$中$", r"mathtext has no glyph for U\+4E2D"),
        ("How many is $中$?", r"mathtext has no glyph for U\+4E2D"),
        ("有几个？", r"no font on this machine has U\+4E2A"),
        ("\ue123", r"no font on this machine has U\+E123"),
        (" \n", "no text"),
    ],
)
def test_what_cannot_be_drawn_is_named(text, why):
    with pytest.raises(UndrawableText, match=why):
        render_text(text, "mathtext")


def test_text_and_formulas_are_separated():
    assert list(pieces(r"a $b$ \(c\) $$d$$ \$5")) == [
        *(TextPiece("a "), TextPiece("b", True), TextPiece(" "), TextPiece("c", True), TextPiece(" ")),
        *(TextPiece("d", True, True), TextPiece(" $5")),
    ]


def test_commands_are_replaced_and_unknown_ones_are_kept():
    assert formula(r"a \le b \ne \frac12") == r"a \leq b \neq \frac{1}{2}"
    assert formula(r"\leq \foo") == r"\leq \foo"
    assert plain(r"\textbf{so} \begin{center}C:\new\end{center} 5\%") == "so  C:\\new  5%"


def test_a_text_question_gets_a_twin_and_one_with_an_undrawable_formula_says_why():
    kept, _ = run_step(RenderStep(tex="mathtext"), make_draft("What is $x^2$?"), lambda call: "")
    assert isinstance(kept, Draft) and kept.twin == "What is $x^2$?"
    lost, _ = run_step(RenderStep(tex="mathtext"), make_draft(r"What is $\foo$?"), lambda call: "")
    assert isinstance(lost, Draft) and lost.twin is None and lost.verdict
    assert lost.verdict.passed is None and r"\foo" in lost.verdict.why


# Fonts of the machine ---------------------------------------------------------------------------------------


def installed(monkeypatch, *files):
    monkeypatch.setattr(fonts, "system_fonts", lambda: files)


def test_a_script_that_the_bundled_fonts_lack_is_drawn_with_a_font_of_the_machine(tmp_path, monkeypatch):
    installed(
        monkeypatch, box_font(tmp_path / "half.ttf", "有几"), box_font(tmp_path / "whole.ttf", "有几个？")
    )
    assert fonts.font_for("有几个？", fonts.BUNDLED[0], 20).path == str(tmp_path / "whole.ttf")
    shown = np.asarray(render_text("有几个？ $x^2$", "mathtext").load().convert("L"))
    assert shown.min() < 60
    with pytest.raises(UndrawableText, match=r"mathtext has no glyph for U\+4E2A"):
        render_text("有几个？ $个$", "mathtext")
    with pytest.raises(UndrawableText, match="no font on this machine has all characters of the text"):
        render_text("有几个？ How many?", "mathtext")


def test_bundled_fonts_come_first_so_that_what_is_installed_changes_no_picture(tmp_path, monkeypatch):
    plain = render_text("How many? $x^2$", "mathtext").load().tobytes()
    installed(monkeypatch, box_font(tmp_path / "latin.ttf", "Howmany?x2 "))
    assert render_text("How many? $x^2$", "mathtext").load().tobytes() == plain


def test_settings_of_matplotlib_change_no_picture(monkeypatch):
    plain = render_text("Is $x^2 + 1 > 0$?", "mathtext").load().tobytes()
    monkeypatch.setitem(matplotlib.rcParams, "mathtext.fontset", "stix")
    monkeypatch.setitem(matplotlib.rcParams, "mathtext.default", "rm")
    monkeypatch.setitem(matplotlib.rcParams, "font.family", ["serif"])
    text_images._parser.cache_clear(), text_images._properties.cache_clear()
    assert render_text("Is $x^2 + 1 > 0$?", "mathtext").load().tobytes() == plain
    assert matplotlib.rcParams["mathtext.fontset"] == "stix"


def test_a_font_that_cannot_be_read_or_has_no_outlines_is_left_out(tmp_path, monkeypatch, caplog):
    whole = box_font(tmp_path / "whole.ttf", "个")
    (tmp_path / "cut.ttf").write_bytes((tmp_path / "whole.ttf").read_bytes()[:200])
    (tmp_path / "text.ttf").write_text("no font", encoding="utf-8")
    broken = [str(tmp_path / name) for name in ("cut.ttf", "text.ttf", "gone.ttf")]
    installed(monkeypatch, *broken, without_outlines(tmp_path / "bitmaps.ttf", whole))
    with pytest.raises(UndrawableText, match=r"no font on this machine has U\+4E2A"):
        render_text("个", "mathtext")
    assert all(f"the font {file} cannot be read" in caplog.text for file in broken)
    assert "bitmaps.ttf" not in caplog.text
    installed(monkeypatch, *broken, whole)
    assert render_text("个", "mathtext").load().width == WIDTH_PX


@pytest.mark.real_machine
def test_the_fonts_that_are_installed_here_draw_or_are_left_out():
    for file in fonts.system_fonts():
        drawable = [c for c in sorted(fonts.characters(file)) if chr(c).isprintable()][:20]
        PIL.ImageFont.truetype(file, 20).getlength("".join(map(chr, drawable))) if drawable else None
    for text in ("有几个？", "🙂", "كم عددها؟"):
        try:
            assert render_text(text, "mathtext").load().width == WIDTH_PX
        except UndrawableText as error:
            assert "no font on this machine has" in str(error)


# TeX --------------------------------------------------------------------------------------------------------


def test_without_tex_auto_draws_by_mathtext_and_latex_is_refused():
    assert render_text("What is $x^2$?").key == render_text("What is $x^2$?", "mathtext").key
    with pytest.raises(UndrawableText, match="latex and dvipng are not installed"):
        render_text("What is $x^2$?", "latex")


def test_tex_runs_in_a_folder_of_its_own_and_may_read_and_write_nothing_else(tmp_path, monkeypatch):
    page = "import json, os; json.dump(dict(os.environ) | {'cwd': os.getcwd()}, open(%r, 'w'))"
    programs = {
        "latex": f"{page % str(tmp_path / 'env.json')}; open('page.dvi', 'w').close()",
        "dvipng": "import PIL.Image; PIL.Image.new('L', (60, 20), 0).save('page.png')",
    }
    for name, code in programs.items():
        (tmp_path / name).write_text(f"#!{sys.executable}\n{code}\n", encoding="utf-8")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(text_images, "has_latex", lambda: True)
    assert render_text("$x$").load().size == (60 + 2 * MARGIN_PX, 20 + 2 * MARGIN_PX)
    env = json.loads((tmp_path / "env.json").read_text(encoding="utf-8"))
    assert (env["openin_any"], env["openout_any"]) == ("p", "p")
    assert env["HOME"] == env["cwd"] and not Path(env["cwd"]).exists()
    (tmp_path / "latex").write_text(f"#!{sys.executable}\nprint('! Bad'), exit(1)\n", encoding="utf-8")
    with pytest.raises(UndrawableText, match="latex cannot draw it: ! Bad"):
        render_text("$y$", "latex")
    assert render_text("$y$").key == render_text("$y$", "mathtext").key, "auto falls back to mathtext"


@pytest.mark.real_machine
@pytest.mark.skipif(not text_images.has_latex(), reason="latex and dvipng are not installed")
def test_a_real_tex_draws_where_it_is_installed_and_reads_no_other_files():
    drawn = render_text(r"$f(x)=\begin{cases} 1 & x>0 \\ 0 & x \le 0 \end{cases}$", "latex").load()
    assert np.asarray(drawn.convert("L")).min() < 60
    with pytest.raises(UndrawableText, match="latex cannot draw it"):
        render_text(r"\input{/etc/passwd}", "latex")
