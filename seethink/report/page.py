"""What every page shares: templates, the dress of numbers, and a file that is written whole or not at all."""

from __future__ import annotations

import base64
import hashlib
import os
from pathlib import Path
from typing import Any

import jinja2
import markupsafe

ABSENT = "—"
MINUS = "\u2212"
NO_BREAK = "\u00a0"


def percent(share: float | None) -> str:
    """0.783 -> "78.3 %"; what was not measured is a dash."""
    return ABSENT if share is None else f"{100 * share:.1f}{NO_BREAK}%"


def points(difference: float | None) -> str:
    """A difference of shares in signed percentage points: 0.0211 -> "+2.1"; a rounded zero has no sign."""
    if difference is None:
        return ABSENT
    rounded = round(100 * difference, 1)
    return f"{rounded:+.1f}".replace("-", MINUS) if rounded else "0.0"


def chance(p: float | None) -> str:
    """A p value: "p < 0.001", "p = 0.013"."""
    if p is None:
        return ABSENT
    return f"p{NO_BREAK}<{NO_BREAK}0.001" if p < 0.001 else f"p{NO_BREAK}={NO_BREAK}{p:.3f}"


def plain(number: float | None) -> str:
    """Any other number in three digits: 0.0041, 41.7, 1,250."""
    if number is None:
        return ABSENT
    told = f"{number:,.0f}" if abs(number) >= 100 else f"{number:.3g}"
    return told.replace("-", MINUS)


def render(template: str, **context: Any) -> str:
    """A whole page. Models write what they like: all of `context` is escaped, and only our script may run."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("seethink.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(percent=percent, points=points, chance=chance, plain=plain)
    script, style = (environment.get_template(name).render() for name in ("page.js", "style.css"))
    allowed = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
    inline = {
        "script": markupsafe.Markup(script),
        "style": markupsafe.Markup(style),
        "script_sha256": allowed,
    }
    return environment.get_template(template).render(**inline, **context)


def write_whole(out: Path, text: str) -> None:
    """Replace `out` by `text` in one step, so that no reader and no crash ever sees half of it."""
    out.parent.mkdir(parents=True, exist_ok=True)
    unfinished = out.with_name(f".{out.name}.{os.getpid()}.unfinished")
    unfinished.write_text(text, encoding="utf-8")
    os.replace(unfinished, out)
