"""Any text becomes a picture of itself, or is refused with the reason; never anything between."""

from __future__ import annotations

import shutil
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seethink.synth.draft import Draft
from seethink.synth.latex import Piece, formula, pieces, plain
from seethink.synth.render import MARGIN_PX, WIDTH_PX, Undrawable, picture
from seethink.synth.steps.render import Render
from tests.synth.steps.teaching import drafted, taught

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
        drawn = picture(text, "mathtext").load()
    except Undrawable as error:
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
def test_what_mathematics_is_written_in_can_be_drawn(text):
    shown = np.asarray(picture(text, "mathtext").load().convert("L"))
    assert shown.min() < 60  # there is ink
    assert (shown[:, : MARGIN_PX // 2] == 255).all() and (shown[: MARGIN_PX // 2] == 255).all()


def test_equal_texts_give_equal_pixels_and_others_do_not():
    first, second, other = (picture(text, "mathtext") for text in ("How many?", "How many?", "How much?"))
    assert first.load().tobytes() == second.load().tobytes() and first.key == second.key
    assert first.load().tobytes() != other.load().tobytes() and first.key != other.key


def test_a_longer_text_gets_a_taller_picture_up_to_a_limit():
    heights = [picture("Some words of it. " * n, "mathtext").load().height for n in (1, 20, 60)]
    assert heights == sorted(heights) and len({*heights}) == 3
    with pytest.raises(Undrawable, match="characters are more than fit"):
        picture("word " * 2_000)
    with pytest.raises(Undrawable, match="pixels of height"):
        picture("\n".join("line" for _ in range(400)), "mathtext")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (r"$\foo{x}$", r"Unknown symbol: \\foo"),
        (r"$x^{2$", "mathtext cannot draw"),
        ("$中$", r"no glyph for U\+4E2D"),
        ("\ue123", r"has U\+E123"),
        (" \n", "no text"),
    ],
)
def test_what_cannot_be_drawn_is_named(text, why):
    with pytest.raises(Undrawable, match=why):
        picture(text, "mathtext")


def test_text_and_formulas_are_told_apart():
    assert list(pieces(r"a $b$ \(c\) $$d$$ \$5")) == [
        *(Piece("a "), Piece("b", True), Piece(" "), Piece("c", True), Piece(" ")),
        *(Piece("d", True, True), Piece(" $5")),
    ]


def test_commands_are_rewritten_and_unknown_ones_stand_as_they_are():
    assert formula(r"a \le b \ne \frac12") == r"a \leq b \neq \frac{1}{2}"
    assert formula(r"\leq \foo") == r"\leq \foo"
    assert plain(r"\textbf{so} \begin{center}C:\new\end{center} 5\%") == "so  C:\\new  5%"


def test_a_question_in_words_gets_a_twin_and_one_with_a_formula_that_cannot_be_drawn_says_why():
    kept, _ = taught(Render(tex="mathtext"), drafted("What is $x^2$?"), lambda call: "")
    assert isinstance(kept, Draft) and kept.twin == "What is $x^2$?"
    lost, _ = taught(Render(tex="mathtext"), drafted(r"What is $\foo$?"), lambda call: "")
    assert isinstance(lost, Draft) and lost.twin is None and lost.verdict
    assert lost.verdict.passed is None and r"\foo" in lost.verdict.why


@pytest.mark.skipif(not shutil.which("latex"), reason="TeX is not installed")
def test_a_real_tex_draws_where_it_is_installed_and_reads_no_other_files():
    drawn = picture(r"$f(x)=\begin{cases} 1 & x>0 \\ 0 & x \le 0 \end{cases}$", "latex").load()
    assert np.asarray(drawn.convert("L")).min() < 60
    with pytest.raises(Undrawable, match="latex cannot draw it"):
        picture(r"\input{/etc/passwd}", "latex")
