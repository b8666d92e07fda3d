"""The table of docs/families.md: how every family that transformers maps is trained here."""

from __future__ import annotations

import re

import pytest
from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES

from tests import own_vlms, shrunk, vlms
from tests.every_family import CASES, measure
from tests.package_source import ROOT

ROWS = {
    cells[0].strip("` "): [cell.strip() for cell in cells[1:]]
    for line in (ROOT / "docs" / "families.md").read_text(encoding="utf-8").splitlines()
    if (cells := line.strip("| ").split(" | ")) and re.fullmatch(r"`[^`]+`", cells[0])
}
"""{model type: [status, cases, ...]} as documented."""
SAMPLED = dict.fromkeys(("hunyuan_vl", "minicpm_ocr", "minicpmv4_7", "qwen3_5", "qwen3_5_moe"), 1e-4)
"""Bounds of what sampling reports, where the cached states of `generate` round more than 2e-5."""


def test_the_table_has_a_row_for_every_family_of_the_installed_transformers() -> None:
    assert ROWS.keys() == set(MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES)
    assert {*vlms.BUILDERS, *own_vlms.BUILDERS} <= ROWS.keys()


def test_what_is_not_measured_is_named_with_a_reason() -> None:
    unmeasured = {name for name, cells in ROWS.items() if cells[0] == "not measured"}
    assert unmeasured == {*shrunk.UNBUILT}
    assert all(measure(name).refused[""] in ROWS[name][-1] for name in unmeasured)


@pytest.mark.parametrize("name", sorted({*MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES} - {*shrunk.UNBUILT}))
def test_a_family_is_exact_or_refused_as_the_table_says(name: str) -> None:
    row = measure(name)
    status, cases = ROWS[name][:2]
    assert row.status == status, row.refused
    if row.how == "refused":
        assert row.refused and all(row.refused.values())
        return
    measured = [case for case in CASES if case in row.measured]
    assert measured == cases.split(", ")
    for case, found in row.measured.items():
        assert found.logps is not None and found.logps <= 1e-5, case
        if case in CASES:
            assert found.gradients is not None and found.gradients <= 1e-4, case
        if row.samples:
            assert found.rollouts is not None and found.rollouts <= SAMPLED.get(name, 2e-5), case
