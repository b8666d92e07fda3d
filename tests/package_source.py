"""The package as syntax trees: its files, its modules and what they import, for the tests of structure."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "seethink"
SOURCES = tuple(sorted(PACKAGE.rglob("*.py")))
FOLDERS = ("tests", "tests_vllm", "bench", "examples")
ALL = (*SOURCES, *sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")))


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    """All nodes of a file's tree, walked once for all tests."""
    return tuple(ast.walk(tree(path)))


def place(path: Path, node: ast.AST | None = None) -> str:
    """`seethink/attempt.py`, or with a node `seethink/attempt.py:12: judge(task, example)`, at most 80
    characters of its first line."""
    name = path.relative_to(ROOT).as_posix()
    if node is None:
        return name
    return f"{name}:{getattr(node, 'lineno', 0)}: {ast.unparse(node).splitlines()[0][:80]}"


def module(path: Path) -> str:
    """`seethink.verify.text` of `seethink/verify/text.py`; a package has the name of its folder."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {module(path): path for path in SOURCES}


def imports(path: Path, top_level: bool = False) -> Iterator[tuple[int, str]]:
    """Lines and full names of what a module imports: inside functions and under `TYPE_CHECKING` too, relative
    imports resolved, `importlib.import_module("name")` included. top_level: only what runs at its import."""
    package = module(path).split(".") if path.stem == "__init__" else module(path).split(".")[:-1]
    for node in _top_level(tree(path)) if top_level else nodes(path):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            for alias in node.names:
                whole = f"{base}.{alias.name}"
                yield node.lineno, whole if whole in MODULES else base
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            yield from ((node.lineno, a.value) for a in node.args if _is_text(a))


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _top_level(node: ast.AST) -> Iterator[ast.AST]:
    """Nodes that run when the module is imported: no function bodies, nothing under `TYPE_CHECKING`."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            for other in child.orelse:
                yield other
                yield from _top_level(other)
            continue
        yield child
        yield from _top_level(child)
