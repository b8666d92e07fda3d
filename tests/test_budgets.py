"""Budgets of size, names and honesty that a machine can check, over the whole package."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import inspect
from collections import defaultdict
from collections.abc import Iterator
from typing import get_type_hints

import pytest

from seethink.train import configs
from tests.package_source import ALL, MODULES, ROOT, SOURCES, imports, module, nodes, place, tree

FILE_LINES, FUNCTION_LINES, CONFIG_FIELDS = 400, 60, 20
BROAD = {"Exception", "BaseException"}
LOGGERS = {"_LOG", "LOG", "logger", "logging", "warnings"}
NOT_IMPORTED = {"seethink.engines.vllm", "seethink.__main__"}
"""vLLM is not installed here; `__main__` runs the command line."""
GRPO_STEP = (
    "README.md",
    "seethink/train/grpo.py",
    "seethink/engines/local.py",
    "seethink/attempt.py",
    "seethink/train/objectives.py",
    "seethink/models/packing.py",
    "seethink/models/policy.py",
    "seethink/models/attention/branching.py",
    "seethink/train/trainer.py",
)
"""What a reader opens, in this order, to follow one production GRPO step from the README to the optimizer."""


def test_files_keep_their_budget() -> None:
    lengths = {place(path): len(path.read_text(encoding="utf-8").splitlines()) for path in ALL}
    assert {name: length for name, length in lengths.items() if length > FILE_LINES} == {}


def test_functions_keep_their_budget() -> None:
    lengths = {
        f"{place(path)}:{node.lineno}: {node.name}": (node.end_lineno or node.lineno) - node.lineno + 1
        for path in ALL
        for node in nodes(path)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert len(lengths) > len(ALL)
    assert {name: length for name, length in lengths.items() if length > FUNCTION_LINES} == {}


def test_the_grpo_example_is_short() -> None:
    path = ROOT / "examples" / "grpo_from_scratch.py"
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 200


# Configs ---------------------------------------------------------------------------------------------------


def test_a_dataclass_has_at_most_twenty_fields_inherited_ones_included() -> None:
    numbers = {
        f"{name}.{cls.__name__}": len(dataclasses.fields(cls))
        for name in sorted(set(MODULES) - NOT_IMPORTED)
        for cls in vars(importlib.import_module(name)).values()
        if inspect.isclass(cls) and cls.__module__ == name and dataclasses.is_dataclass(cls)
    }
    assert len(numbers) > 100
    assert {name: number for name, number in numbers.items() if number > CONFIG_FIELDS} == {}


def _leaves(cls: type) -> Iterator[str]:
    """Names of the fields that hold values, over all nested parts of a config."""
    types = get_type_hints(cls)
    for field in dataclasses.fields(cls):
        if dataclasses.is_dataclass(part := types[field.name]) and isinstance(part, type):
            yield from _leaves(part)
        else:
            yield field.name


TRAINING_CONFIGS = sorted(
    (
        cls
        for cls in vars(configs).values()
        if inspect.isclass(cls) and cls.__module__ == configs.__name__ and dataclasses.is_dataclass(cls)
    ),
    key=lambda cls: cls.__name__,
)


@pytest.mark.parametrize("cls", TRAINING_CONFIGS, ids=lambda cls: cls.__name__)
def test_a_leaf_of_a_training_config_is_found_by_its_name_alone(cls: type) -> None:
    leaves = list(_leaves(cls))
    assert len(leaves) == len(set(leaves)), sorted(name for name in leaves if leaves.count(name) > 1)


# Exceptions ------------------------------------------------------------------------------------------------


def _swallows(handler: ast.ExceptHandler) -> bool:
    """Whether the error vanishes: nothing is raised, logged or made from it, and no value stands for it.

    An error bound to a name and used is recorded. Without that, a handler of named exception types may
    return, yield or assign a value (`return None` where a text is no number); one of all exceptions may not.
    """
    nodes = [node for statement in handler.body for node in ast.walk(statement)]
    caught = {ast.unparse(t).split(".")[-1] for t in _types(handler)}
    if any(isinstance(node, ast.Raise) for node in nodes):
        return False
    if handler.name and any(isinstance(node, ast.Name) and node.id == handler.name for node in nodes):
        return False
    calls = (node for node in nodes if isinstance(node, ast.Call))
    if any(ast.unparse(call.func).split(".")[0] in LOGGERS for call in calls):
        return False
    if not caught or caught & BROAD:
        return True
    return not any(
        isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign | ast.Yield | ast.YieldFrom)
        or (isinstance(node, ast.Return) and node.value is not None)
        for node in nodes
    )


def _types(handler: ast.ExceptHandler) -> list[ast.expr]:
    if handler.type is None:
        return []
    return handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]


def test_no_exception_is_swallowed() -> None:
    handlers = [(p, node) for p in SOURCES for node in nodes(p) if isinstance(node, ast.ExceptHandler)]
    assert len(handlers) > 100
    assert [place(path, node) for path, node in handlers if _swallows(node)] == []


def test_no_exception_is_suppressed() -> None:
    assert [place(path, node) for path in SOURCES for node in nodes(path) if _suppresses(node)] == []


def _suppresses(node: ast.AST) -> bool:
    """Whether `contextlib.suppress` is imported or used."""
    if isinstance(node, ast.ImportFrom):
        return node.module == "contextlib" and "suppress" in {alias.name for alias in node.names}
    return isinstance(node, ast.Attribute) and ast.unparse(node) == "contextlib.suppress"


@pytest.mark.parametrize(
    ("code", "suppresses"),
    [
        ("from contextlib import closing, suppress", True),
        ("contextlib.suppress(OSError)", True),
        ("from contextlib import closing", False),
        ("contextlib.closing(file)", False),
        ("suppress(OSError)", False),
    ],
)
def test_suppression_is_recognised(code: str, suppresses: bool) -> None:
    assert any(map(_suppresses, ast.walk(ast.parse(code)))) is suppresses


@pytest.mark.parametrize(
    ("handler", "swallowed"),
    [
        ("except ValueError:\n    pass", True),
        ("except ValueError:\n    continue", True),
        ("except OSError:\n    return", True),
        ("except OSError:\n    shutil.rmtree(path)", True),
        ("except Exception:\n    return None", True),
        ("except:\n    value = 0", True),
        ("except (OSError, Exception):\n    value = 0", True),
        ("except Exception as error:\n    return 0", True),
        ("except ValueError:\n    return None", False),
        ("except ValueError:\n    found = None", False),
        ("except Exception:\n    undo()\n    raise", False),
        ("except Exception as error:\n    failures.append(error)", False),
        ("except OSError:\n    _LOG.warning('no file')", False),
        ("except OSError:\n    logger.exception('no file')", False),
    ],
)
def test_the_swallow_test_knows_a_swallow_when_it_meets_one(handler: str, swallowed: bool) -> None:
    lines = f"for x in y:\n  try:\n    f()\n  {handler.replace(chr(10), chr(10) + '  ')}"
    code = "def g():\n" + "\n".join(f"  {line}" for line in lines.splitlines())
    (node,) = (n for n in ast.walk(ast.parse(code)) if isinstance(n, ast.ExceptHandler))
    assert _swallows(node) is swallowed


# Names, encodings and the way to one step ------------------------------------------------------------------


def _names_of_one_thing(module: str) -> Iterator[str]:
    """Public classes, aliases of types and tables (dicts) of a module. The tables of `systems/<name>/` have
    the same names by design; a TypeVar is local."""
    for node in tree(MODULES[module]).body:
        if isinstance(node, ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            is_table = isinstance(node.value, ast.Dict | ast.DictComp) and ".systems." not in module
            is_alias = isinstance(node.value, ast.Subscript | ast.BinOp | ast.Name | ast.Attribute)
            for target in targets:
                if isinstance(target, ast.Name) and (is_table if target.id.isupper() else is_alias):
                    yield target.id


def test_no_two_public_classes_aliases_or_tables_share_a_name() -> None:
    bearers = defaultdict(list)
    for module_name in MODULES:
        for name in _names_of_one_thing(module_name):
            if name[0].isupper():
                bearers[name].append(module_name)
    assert {name: modules for name, modules in bearers.items() if len(modules) > 1} == {}


def _names_no_encoding(call: ast.Call) -> bool:
    """Whether a call reads or writes a text file without naming an encoding, as `path.open("w")` does."""
    if {"encoding", None} & {k.arg for k in call.keywords}:
        return False
    method = isinstance(call.func, ast.Attribute)
    name = call.func.attr if method else ast.unparse(call.func)
    if name in ("read_text", "write_text"):
        return True
    if name not in ("open", "fdopen"):
        return False
    modes = [k.value for k in call.keywords if k.arg == "mode"]
    modes += call.args[:1] if method and name == "open" else call.args[1:2]
    text = [m.value for m in modes if isinstance(m, ast.Constant) and set(str(m.value)) <= set("rwaxbt+")]
    return not (call.args and method) if not text else "b" not in text[0]


def test_text_files_are_read_and_written_as_utf_8_in_every_locale() -> None:
    calls = [(path, node) for path in ALL for node in nodes(path) if isinstance(node, ast.Call)]
    assert len(calls) > len(ALL)
    assert [place(path, call) for path, call in calls if _names_no_encoding(call)] == []


@pytest.mark.parametrize(
    ("call", "names_none"),
    [
        ("open(path)", True),
        ("open(path, 'w')", True),
        ("path.open()", True),
        ("path.open('a')", True),
        ("path.read_text()", True),
        ("path.write_text(text)", True),
        ("open(path, 'rb')", False),
        ("path.open(mode='wb')", False),
        ("path.open('w', encoding='utf-8')", False),
        ("PIL.Image.open(path)", False),
        ("av.open(str(path), 'w')", False),
        ("ChatEngine.open(url)", False),
    ],
)
def test_a_call_without_encoding_is_recognised(call: str, names_none: bool) -> None:
    (expression,) = ast.parse(call).body
    assert isinstance(expression, ast.Expr) and isinstance(expression.value, ast.Call)
    assert _names_no_encoding(expression.value) is names_none


def test_one_production_grpo_step_is_read_in_nine_files_and_1500_lines() -> None:
    lines = {name: len((ROOT / name).read_text(encoding="utf-8").splitlines()) for name in GRPO_STEP}
    assert len(GRPO_STEP) <= 9
    assert sum(lines.values()) <= 1_500, lines


def test_the_files_of_a_grpo_step_are_reached_by_the_imports_of_grpo() -> None:
    waiting, reached = [MODULES["seethink.train.grpo"]], set()
    while waiting:
        path = waiting.pop()
        if path not in reached:
            reached.add(path)
            waiting += [MODULES[name] for _, name in imports(path) if name in MODULES]
    named = {ROOT / name for name in GRPO_STEP if name.endswith(".py")}
    assert {module(path) for path in named - reached} == set()
