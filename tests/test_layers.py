"""The house rules that a machine can check: imports point down, budgets hold, torch stays where it
belongs."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "seethink"
ROWS = (
    ("boxes",),
    ("types",),
    ("media", "chat", "lock"),
    ("formats", "families", "verify", "settings", "options"),
    ("attempt", "engines", "sources", "identity"),
    ("benchmarks",),
    ("solve", "synth"),
    ("train", "evaluate", "stage", "check"),
    ("report", "terminal"),
    ("terminal_synth",),
    ("run",),
    ("recipes",),
    ("cli_data", "cli_judge", "cli_synth"),
    ("cli",),
)
"""Lowest first. A module may import those of lower rows, and its own package; never a neighbour."""
HEAVY = {"torch", "transformers", "torchvision", "accelerate"}
MAY_BE_HEAVY = ("engines/", "train/")
SOURCES = sorted(PACKAGE.rglob("*.py"))
ALL = sorted(
    [
        *SOURCES,
        *(ROOT / "tests").rglob("*.py"),
        *(ROOT / "tests_vllm").rglob("*.py"),
        *(ROOT / "bench").rglob("*.py"),
        *(ROOT / "examples").rglob("*.py"),
    ]
)


def _level(module: str) -> int | None:
    return next((i for i, row in enumerate(ROWS) if module in row), None)


def _room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def _imports(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module:
        return [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return []


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_down(path: Path) -> None:
    room = _room(path)
    if room in ("__init__", "__main__"):
        return
    mine = _level(room)
    assert mine is not None, f"{room} stands in no row of ROWS"
    for node in ast.walk(ast.parse(path.read_text())):
        for name in _imports(node):
            parts = name.split(".")
            if parts[0] != "seethink" or len(parts) == 1 or (theirs := _level(parts[1])) is None:
                continue
            assert parts[1] == room or theirs < mine, f"{path.name} imports {name}, which is not below {room}"


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_torch_stays_in_engines_and_train(path: Path) -> None:
    """Elsewhere heavy imports stand inside functions, and only recipes that build models have them."""
    if str(path.relative_to(PACKAGE)).startswith(MAY_BE_HEAVY):
        return
    tree = ast.parse(path.read_text())
    top = [name for node in tree.body for name in _imports(node)]
    assert not [name for name in top if name.split(".")[0] in HEAVY]


@pytest.mark.parametrize("path", ALL, ids=lambda p: str(p.relative_to(ROOT)))
def test_files_and_functions_keep_their_budgets(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= 400
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            assert length <= 60, f"{path.name}: {node.name} has {length} lines"
        if isinstance(node, ast.ClassDef) and any("dataclass" in ast.dump(d) for d in node.decorator_list):
            fields = [n for n in node.body if isinstance(n, ast.AnnAssign)]
            assert len(fields) <= 20, f"{path.name}: {node.name} has {len(fields)} fields"


def test_no_exception_is_swallowed_where_it_would_cost_truth() -> None:
    for path in SOURCES:
        if _room(path) not in ("verify", "formats", "train"):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ExceptHandler):
                silent = all(isinstance(n, ast.Pass | ast.Continue) for n in node.body)
                assert not silent, f"{path.name}:{node.lineno} swallows an exception"


def test_the_grpo_example_is_short() -> None:
    assert len((ROOT / "examples" / "grpo_from_scratch.py").read_text().splitlines()) <= 200


@pytest.mark.parametrize("arguments", [["-c", "import seethink"], ["-m", "seethink", "--help"]])
def test_the_package_loads_without_torch(arguments: list[str]) -> None:
    code = subprocess.run(
        [sys.executable, "-X", "importtime", *arguments], capture_output=True, text=True, check=True, cwd=ROOT
    )
    loaded = {line.rpartition("|")[2].strip() for line in code.stderr.splitlines() if "|" in line}
    assert not loaded & HEAVY


def test_torch_and_torchvision_are_a_pair() -> None:
    """A torchvision of another build fails at import, and takes the processors with it."""
    code = "import torch, torchvision; torchvision.ops.nms(torch.zeros(1, 4), torch.zeros(1), 0.5)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_families_of_models_are_named_in_one_file() -> None:
    named = [p for p in SOURCES if "qwen" in p.read_text().lower()]
    allowed = {"families.py", "sprout.py", "r1v.py", "segments.py", "handwritten.py"}
    assert {p.name for p in named} <= allowed
