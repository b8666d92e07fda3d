"""docs/scale.md holds what the cost model tells."""

from __future__ import annotations

import re
import sys

import pytest

from bench import scale


def test_tables_and_figures_of_the_page_are_those_that_are_computed(monkeypatch, capsys, tmp_path) -> None:
    monkeypatch.setattr(sys, "argv", ["scale", "--check"])
    scale.main()
    page = scale.PAGE.read_text(encoding="utf-8")
    assert "not run" not in page and "not measured" in page
    rates = (scale.FOLDER / "rate.svg").read_text(encoding="utf-8")
    for prompts in (16, 512):
        for kind in ("synchronous", "one step off-policy"):
            (last,) = [row for row in scale.rows(prompts) if (row.schedule, row.cards) == (kind, 512)]
            assert re.search(rf">\s*{last.prompts / last.seconds:.2f}\s*<", rates), (prompts, kind)
    monkeypatch.setattr(scale, "FOLDER", tmp_path)
    scale.draw()
    for name in ("rate.svg", "shares.svg"):
        drawn = (tmp_path / name).read_text(encoding="utf-8")
        kept = (scale.PAGE.parent / "scale" / name).read_text(encoding="utf-8")
        assert re.findall(r"<text[^>]*>([^<]*)", drawn) == re.findall(r"<text[^>]*>([^<]*)", kept)
    old = scale.PAGE
    scale.PAGE = tmp_path / "scale.md"
    try:
        scale.PAGE.write_text(page.replace("| 16 | 8 |", "| 16 | 9 |"), encoding="utf-8")
        with pytest.raises(SystemExit):
            scale.main()
        assert "python -m bench.scale" in capsys.readouterr().err
        monkeypatch.setattr(sys, "argv", ["scale"])
        scale.main()
        assert scale.PAGE.read_text(encoding="utf-8") == page
    finally:
        scale.PAGE = old


def test_the_calls_of_the_chains_are_those_of_the_results() -> None:
    text = (scale.PAGE.parent.parent / "bench" / "RESULTS.md").read_text(encoding="utf-8")
    for chain, calls in scale.CALLS.items():
        assert re.search(rf"^\| {chain} \| [\d.]+ \| {calls * 1000:,.0f} \|", text, re.MULTILINE), chain
