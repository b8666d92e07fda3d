"""What all tests share: one thread, the CPU, a plain environment, no fonts and no TeX of this machine.

Nothing that somebody installed or set by hand may decide a test.
"""

from __future__ import annotations

import atexit
import gc
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS")
UNSET = re.compile(
    r"(HF|OPENAI|TRANSFORMERS|TTY)_.*|.*_proxy|COLUMNS|LINES|(NO|FORCE)_COLOR|RANK", re.IGNORECASE
)
WORKER_BYTES = 2 * 2**30
CONTRIBUTING = (Path(__file__).parent.parent / "CONTRIBUTING.md").read_text(encoding="utf-8")
SKIPS = re.findall(r"^- `(.+)`: ", CONTRIBUTING.partition("## Tests that may be skipped")[2], re.MULTILINE)
"""Reasons for which a test may be skipped."""

if "PYTEST_XDIST_WORKER" not in os.environ:  # workers and child processes inherit it
    for name in filter(UNSET.fullmatch, list(os.environ)):
        del os.environ[name]
    CACHES = tempfile.mkdtemp(prefix="seethink-tests-")
    atexit.register(shutil.rmtree, CACHES, ignore_errors=True)
    os.environ |= dict.fromkeys(THREADS, "1") | dict.fromkeys(("HF_HOME", "MPLCONFIGDIR"), CACHES)
    os.environ |= {"HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""}
    os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)  # Ray keeps one at home otherwise

# Only now what reads these variables at its import.
from hypothesis import settings  # noqa: E402

from seethink.sources import fonts  # noqa: E402
from seethink.synth import text_images  # noqa: E402

settings.register_profile("unhurried", deadline=None)  # a busy machine says nothing about the code
settings.load_profile("unhurried")


@pytest.fixture(autouse=True)
def bundled_fonts_and_no_tex(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Matplotlib's fonts alone, and no TeX, unless the test is marked `real_machine`."""
    if request.node.get_closest_marker("real_machine") is None:
        monkeypatch.setattr(fonts, "system_fonts", lambda: ())
        monkeypatch.setattr(text_images, "has_latex", lambda: False)


def pytest_collection_finish() -> None:
    """Libraries and tests are no garbage: every training asks for a collection, which looks through all that
    is not frozen."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, Any]:
    """A test that is skipped for a reason that CONTRIBUTING.md does not list fails."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2].removeprefix("Skipped: ")
        if reason not in SKIPS:
            report.outcome = "failed"
            report.longrepr = f"{item.nodeid}: CONTRIBUTING.md does not list the reason of its skip: {reason}"
    return report


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """A worker for each core that this process may use, as far as memory goes; none for single files."""
    named = [str(argument).partition("::")[0] for argument in config.args]
    if all(Path(config.invocation_params.dir, name).is_file() for name in named):
        return 0
    import psutil

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cores, psutil.virtual_memory().available // WORKER_BYTES))
