"""Tests give the same verdict on every machine: what `tests/conftest.py` promises."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from seethink.sources import fonts
from seethink.synth import text_images
from tests import conftest
from tests.package_source import ROOT

SOURCES = {path: path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("*.py")}

SET_BY_HAND = {
    "COLUMNS": "40",
    "FORCE_COLOR": "1",
    "HF_HOME": "/nowhere",
    "HF_TOKEN": "wrong",
    "NO_COLOR": "1",
    "OPENAI_API_KEY": "wrong",
    "RANK": "1",
    "http_proxy": "http://127.0.0.1:9",
    "HTTPS_PROXY": "http://127.0.0.1:9",
}


def test_what_is_set_by_hand_reaches_neither_tests_nor_their_children() -> None:
    code = "import os, tests.conftest; print(*(f'{k}={v}' for k, v in os.environ.items()), sep=chr(10))"
    env = {k: v for k, v in os.environ.items() if k != "PYTEST_XDIST_WORKER"} | SET_BY_HAND
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, cwd=ROOT, capture_output=True, text=True, check=True
    )
    left = dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
    assert set(SET_BY_HAND) & set(left) == {"HF_HOME"}
    assert left["HF_HOME"] != SET_BY_HAND["HF_HOME"] and left["HF_HUB_OFFLINE"] == "1"
    assert {left[name] for name in conftest.THREADS} == {"1"}
    assert left["CUDA_VISIBLE_DEVICES"] == ""


def test_a_test_sees_the_bundled_fonts_and_no_tex() -> None:
    assert fonts.system_fonts() == () and not text_images.has_latex()


def test_reasons_to_skip_are_listed_and_in_use() -> None:
    assert conftest.SKIPS
    for reason in conftest.SKIPS:
        assert any(f'"{reason}"' in text for text in SOURCES.values()), f"no test is skipped because {reason}"


def test_no_module_of_tests_is_skipped_as_a_whole() -> None:
    """Development dependencies are imported: where one is missing, that is an error."""
    words = ("import" + "orskip", "allow_module" + "_level")
    assert not [str(path) for path, text in SOURCES.items() if any(word in text for word in words)]


@pytest.mark.parametrize(
    ("arguments", "alone"),
    [
        (["tests/test_boxes.py"], True),
        (["tests/test_boxes.py::test_what_is_written_is_read_again", "tests/test_media.py"], True),
        (["tests"], False),
        (["tests/verify", "tests/test_media.py"], False),
    ],
)
def test_single_files_run_in_one_process_and_folders_on_all_cores(arguments: list[str], alone: bool) -> None:
    config = SimpleNamespace(args=arguments, invocation_params=SimpleNamespace(dir=Path(ROOT)))
    workers = conftest.pytest_xdist_auto_num_workers(config)  # pyright: ignore[reportArgumentType]
    assert (workers == 0) is alone


@pytest.mark.parametrize(("reason", "outcome"), [(conftest.SKIPS[0], "skipped"), ("no reason", "failed")])
def test_a_test_that_is_skipped_for_another_reason_fails(reason: str, outcome: str) -> None:
    report = SimpleNamespace(skipped=True, outcome="skipped", longrepr=("file.py", 1, f"Skipped: {reason}"))
    wrapper = conftest.pytest_runtest_makereport(SimpleNamespace(nodeid="file.py::test"))  # pyright: ignore
    next(wrapper)
    with pytest.raises(StopIteration):
        wrapper.send(report)
    assert report.outcome == outcome
