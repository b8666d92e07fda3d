"""Parts shared by all pages: templates, number formatting, and atomic writing."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
import markupsafe

from seethink.lock import writable
from seethink.types import InputError

ABSENT = "—"
MINUS = "\u2212"
NO_BREAK = "\u00a0"
OWN_PAGE = b'<meta name="generator" content="seethink look">'
HEAD_BYTES, STYLE_BYTES = 2_000, 64_000
"""A page of `seethink look` says so within the first, and its style sheet ends within the second."""
OWN_POLICY = b"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-"
OWN_KICKER = b'<p class="kicker">SeeThink</p>'
"""By which pages of versions that did not say so are known; a report has another kicker."""


def percent(share: float | None) -> str:
    """0.783 -> "78.3 %"; None -> a dash."""
    return ABSENT if share is None else f"{100 * share:.1f}{NO_BREAK}%"


def points(difference: float | None) -> str:
    """A difference of shares in signed percentage points: 0.0211 -> "+2.1"; a rounded zero has no sign."""
    if difference is None:
        return ABSENT
    rounded = round(100 * difference, 1)
    return f"{rounded:+.1f}".replace("-", MINUS) if rounded else "0.0"


def number_of_questions(n: int) -> str:
    """1 -> "1 question"; 1250 -> "1,250 questions"."""
    return f"{n:,} question{'s' * (n != 1)}"


def p_value(p: float | None) -> str:
    """0.0004 -> "p < 0.001"; 0.0131 -> "p = 0.013"; None -> a dash."""
    if p is None:
        return ABSENT
    return f"p{NO_BREAK}<{NO_BREAK}0.001" if p < 0.001 else f"p{NO_BREAK}={NO_BREAK}{p:.3f}"


def number(value: float | None) -> str:
    """Any other number with three digits: 0.0041, 41.7, 1,250; None -> a dash."""
    if value is None:
        return ABSENT
    text = f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return text.replace("-", MINUS)


def render_page(template: str, *, scripts: Sequence[str] = ("figures.js", "cards.js"), **context: Any) -> str:
    """A complete HTML page. Everything in `context` is escaped, since models may write anything; the content
    security policy of the page admits only our own scripts, which are run as one."""
    environment = _templates()
    script = "\n".join(environment.get_template(name).render() for name in scripts)
    style = environment.get_template("style.css").render()
    script_hash = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
    inline = {
        "script": markupsafe.Markup(script),
        "style": markupsafe.Markup(style),
        "script_sha256": script_hash,
    }
    return environment.get_template(template).render(**inline, **context)


def render_macro(template: str, macro: str, *arguments: Any) -> str:
    """The HTML that one macro of a template makes, escaped as in a page."""
    return str(getattr(_templates().get_template(template).module, macro)(*arguments))


@cache
def _templates() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("seethink.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(percent=percent, points=points, p_value=p_value, number=number)
    return environment


def keep_other_files(out: Path) -> None:
    """Raises InputError where `out` is a file, but no page of `seethink look`: a name given by mistake costs
    nothing."""
    if not out.is_file():
        return
    with writable(out), out.open("rb") as file:
        beginning = file.read(STYLE_BYTES)
    head = beginning[:HEAD_BYTES]
    if OWN_PAGE in head or (OWN_POLICY in head and b"generator" not in head and OWN_KICKER in beginning):
        return
    raise InputError(
        f"{out} was not written by `seethink look` and is kept; move it away or give another name with --out"
    )


def write_atomically(out: Path, text: str) -> None:
    """Replace `out` by `text` in one step: neither a reader nor a crash leaves half a file.
    Raises InputError where it cannot be written."""
    with writable(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        unfinished = out.with_name(f".{out.name}.{os.getpid()}.unfinished")
        unfinished.write_text(text, encoding="utf-8")
        os.replace(unfinished, out)
