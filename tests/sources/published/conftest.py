from __future__ import annotations

from pathlib import Path

import pytest

from tests.sources.published.layouts import LAYOUTS


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")


@pytest.fixture
def copy(tmp_path):
    """A small copy of a data set, in a folder of its own."""

    def write(name: str) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        LAYOUTS[name](folder)
        return folder

    return write
