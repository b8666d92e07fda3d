"""No name that was replaced comes back: settings, options and classes of before the field's own words.

`docs/names.md` holds the new ones beside those of TRL, verl and ms-swift.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.package_source import ALL, FOLDERS, ROOT, nodes, place

EXEMPT = {"CHANGELOG.md", "docs/names.md", "tests/test_old_names.py"}
SUFFIXES = {".py", ".md", ".toml", ".html", ".js", ".txt", ".jinja", ".yaml", ""}

SETTINGS = (
    *("kl_weight", "clip_low", "clip_high", "updates_per_rollout", "questions_per_step"),
    *("responses_per_question", "max_prompt_tokens", "drop_long", "rollout_memory"),
    *("importance_cap", "overlong_tokens", "nll_weight", "lessons_per_step", "pairs_per_step", "save_every"),
    *("four_bit", "tokens_per_pack"),
)
"""Settings whose names mean nothing else."""

WORDS = ("kl", "ratio", "normalise", "advantage", "refills", "pass_rates", "per_token", "schedule", "warmup")
"""Settings that are ordinary words too: only `NAME=value` is the setting."""

OPTIONS = (
    *("--at-once", "--per-minute", "--timeout-s", "--wait-s", "--see", "--reason", "--images", "--frames"),
    *("--every-s", "--against", "--mode", "--judge", "--judge-tokens", "--task", "--view"),
)

CLASSES = {
    *("Asked", "AskedEngine", "Asker", "Asking", "Asks", "Checking", "Evaluating", "Judging"),
    *("Lanes", "Lesson", "Looked", "Looker", "Looking", "Making", "Meant", "Measured", "Memory", "Opened"),
    *("Opening", "Optimiser", "Order", "OtherPrompt", "Own", "OwnData", "Pace", "Practice", "Practising"),
    *("Preferring", "PUBLISHED", "RoomyLayer", "Schoolbook", "Scorer", "Seen", "ServedEngine", "Shown"),
    *("Tally", "Told", "Unanswered", "Unequal", "Walk", "Wire", "Wrong", "_Copying"),
}
"""Identifiers in Python. Words of prose are free."""


def _texts() -> dict[Path, str]:
    """Text files of the repository; environments and runs are left out."""
    inside = [path for folder in (*FOLDERS, "seethink", "docs", ".ci") for path in (ROOT / folder).rglob("*")]
    files = [path for path in (*ROOT.iterdir(), *inside) if path.is_file() and path.suffix in SUFFIXES]
    names = {path: str(path.relative_to(ROOT)) for path in files}
    return {path: path.read_text(encoding="utf-8") for path, name in names.items() if name not in EXEMPT}


TEXTS = _texts()


def _found(pattern: str) -> list[str]:
    """Places as FILE:LINE."""
    places = []
    for path, text in TEXTS.items():
        for match in re.finditer(pattern, text):
            places.append(f"{path.relative_to(ROOT)}:{text.count(chr(10), 0, match.start()) + 1}")
    return places


@pytest.mark.parametrize("name", SETTINGS)
def test_no_old_setting_is_named(name: str) -> None:
    assert not _found(rf"(?<![\w-]){name}(?![\w-])")


@pytest.mark.parametrize("name", WORDS)
def test_no_old_setting_with_a_common_name_is_given(name: str) -> None:
    assert not _found(
        rf"\b(?:grpo|sft|dpo|Config)(?:\.of)?[.(][^()\n]*\b{name}=|[\s\"'`,(]{name}=(?=[\d\"'])"
    )


@pytest.mark.parametrize("name", OPTIONS)
def test_no_old_option_is_named(name: str) -> None:
    assert not _found(rf"(?<![\w-]){name}(?![\w-])")


def test_no_old_class_is_used() -> None:
    assert [place(path, node) for path in ALL for node in nodes(path) if _identifiers(node) & CLASSES] == []


def _identifiers(node: ast.AST) -> set[object]:
    return {getattr(node, field, None) for field in ("name", "id", "attr")}


@pytest.mark.parametrize("code", ["class Asked: ...", "Asked(1)", "verify.Asked", "from verify import Asked"])
def test_an_old_class_is_recognised(code: str) -> None:
    assert any(_identifiers(node) & CLASSES for node in ast.walk(ast.parse(code)))


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        (r"(?<![\w.])/(?:root|work|home)/\w+", "a path of one machine"),
        (
            r"--(?:extra-)?index-url|https?://(?:pypi|download\.pytorch)\.org",
            "a package index",
        ),
    ],
)
def test_nothing_of_one_machine_is_written_down(pattern: str, why: str) -> None:
    assert not _found(pattern), why
