"""A folder with the pictures a.png and b.png."""

import pytest

from tests.sources.pictures import png


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "a.png").write_bytes(png())
    (tmp_path / "b.png").write_bytes(png((10, 200, 10)))
    return tmp_path
