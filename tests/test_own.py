"""A user's own verifiers and formats, by address."""

from __future__ import annotations

import inspect
import re
import sys
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

from seethink import formats, identity, own, systems, verify
from seethink.types import Example, InputError, Response, Score

PAGE = (Path(__file__).parent.parent / "docs" / "own.md").read_text(encoding="utf-8")
(EXAMPLE,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
ROW = Example("7", "How many?", answer="7", where="my.jsonl, row 7")
HEAD = "from seethink.types import Score\n"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """An empty working directory, whose modules are forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    before = {*sys.modules}
    yield tmp_path
    for name in {*sys.modules} - before:
        if Path(getattr(sys.modules[name], "__file__", None) or "/").is_relative_to(tmp_path):
            del sys.modules[name]


def write(name: str, text: str) -> None:
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_text(text, encoding="utf-8")


def answered(text: str) -> Response:
    return Response(text, answer=text)


def key_of(address: str) -> str:
    return identity.digest(identity.of_verifier(verify.by_name(address)))


# What is found --------------------------------------------------------------------------------------------


def test_the_example_of_the_page_is_short_and_does_what_the_page_says():
    assert 20 <= len([line for line in EXAMPLE.splitlines() if line.strip()]) <= 30
    write("mine.py", EXAMPLE)
    near, nearer = verify.by_name("./mine.py:near"), verify.by_name("mine.py:NEARER")
    assert [near(ROW, answered(text)).value for text in ("7", "8", "20")] == [1.0, 0.8, 0.0]
    assert nearer(ROW, answered("8")).value == 0.5
    assert near(ROW, answered("seven")).unread
    assert near(Example("1", "?", answer="many"), answered("7")).value is None
    terse = formats.by_name("./mine.py:TERSE", "system")
    assert (terse.name, terse.prompt_mode, terse.thinks) == ("terse", "system", False)
    assert terse.parse(terse.write("", "12")).answer == "12"


@pytest.mark.parametrize("address", ["deep/mine.py:near", "{here}/deep/mine.py:near", "~/deep/mine.py:near"])
def test_a_path_may_be_relative_absolute_or_in_the_home_folder(folder, monkeypatch, address):
    monkeypatch.setenv("HOME", str(folder))
    write("deep/mine.py", EXAMPLE)
    assert systems.verifier(address.format(here=folder))(ROW, answered("7")).value == 1.0


def test_a_folder_with_an_at_sign_is_no_system():
    write("me@work/mine.py", EXAMPLE)
    assert systems.verifier("./me@work/mine.py:near")(ROW, answered("7")).value == 1.0


def test_a_module_of_the_working_directory_is_found_and_its_parts_too():
    write("ownpackage/__init__.py", "")
    write("ownpackage/rules.py", "from ownpackage.helper import SCALE\n" + EXAMPLE)
    write("ownpackage/helper.py", "SCALE = 1")
    assert verify.by_name("ownpackage.rules:near")(ROW, answered("7")).value == 1.0
    assert formats.by_name("ownpackage.rules:TERSE").name == "terse"


def test_a_file_named_as_a_library_replaces_none():
    write("json.py", EXAMPLE)
    before = sys.modules["json"]
    assert verify.by_name("./json.py:near")(ROW, answered("7")).value == 1.0
    assert sys.modules["json"] is before


def test_two_files_of_one_name_are_two():
    for folder, value in (("a", 0.0), ("b", 1.0)):
        write(f"{folder}/mine.py", f"{HEAD}def near(example, response):\n    return Score({value})\n")
    a, b = (verify.by_name(f"{folder}/mine.py:near") for folder in "ab")
    assert (a(ROW, answered("7")).value, b(ROW, answered("7")).value) == (0.0, 1.0)
    assert identity.of_verifier(a) != identity.of_verifier(b)


def test_one_file_is_run_once():
    write("mine.py", EXAMPLE)
    assert own.load("verifier", "mine.py:NEARER") is own.load("verifier", "./mine.py:NEARER")


# Identity -------------------------------------------------------------------------------------------------


def test_a_changed_file_is_another_verifier_within_the_same_second():
    write("mine.py", EXAMPLE)
    before, score = key_of("./mine.py:near"), verify.by_name("./mine.py:near")(ROW, answered("8"))
    write("mine.py", EXAMPLE.replace("width=5", "width=2"))
    assert key_of("./mine.py:near") != before
    assert verify.by_name("./mine.py:near")(ROW, answered("8")) != score
    write("mine.py", EXAMPLE)
    assert key_of("./mine.py:near") == before


def test_a_moved_file_is_the_same_verifier():
    for place in ("mine.py", "elsewhere/mine.py"):
        write(place, EXAMPLE)
    assert key_of("./mine.py:near") == key_of("elsewhere/mine.py:near") != key_of("mine.py:NEARER")


@pytest.mark.parametrize(
    "line", ["from ownscale import WIDTH", "import ownscale", "def late():\n    from ownscale import WIDTH"]
)
def test_a_changed_file_beside_it_that_it_imports_is_another_verifier(line):
    write("mine.py", f"{line}\n{HEAD}def near(example, response):\n    return Score(1.0)\n")
    write("ownscale.py", "WIDTH = 5")
    before = key_of("mine.py:near")
    write("other.py", "WIDTH = 5")
    assert key_of("mine.py:near") == before
    write("ownscale.py", "WIDTH = 6")
    assert key_of("mine.py:near") != before


@pytest.mark.parametrize(
    "line",
    ["from ownrules.deep.helper import WIDTH", "from .deep import helper", "from .deep.helper import WIDTH"],
)
def test_a_changed_file_of_its_package_is_another_verifier(line):
    write("ownrules/__init__.py", "")
    write("ownrules/rules.py", f"{line}\n{HEAD}def near(example, response):\n    return Score(1.0)\n")
    write("ownrules/deep/__init__.py", "")
    write("ownrules/deep/helper.py", "WIDTH = 5")
    before = key_of("ownrules.rules:near")
    write("ownrules/deep/helper.py", "WIDTH = 6")
    assert key_of("ownrules.rules:near") != before


def test_a_changed_parser_is_another_format_and_a_comment_none():
    text = """from seethink.formats import TagFormat
class Loud(TagFormat):
    def parse(self, text):
        return super().parse(text.lower())
LOUD = Loud("loud", "Answer.", thinks=False)
"""
    write("mine.py", text)
    before = identity.digest(formats.by_name("mine.py:LOUD"))
    assert identity.digest(formats.by_name("mine.py:LOUD")) == before
    write("mine.py", text.replace("lower", "upper"))
    assert identity.digest(formats.by_name("mine.py:LOUD")) != before
    assert set(identity.plain(formats.THINK_ANSWER)) >= {"class", "name"}
    assert "source" not in identity.plain(formats.THINK_ANSWER)


def test_the_verifiers_of_this_package_are_hashed_by_their_modules_alone():
    for verifier in (verify.same_text, verify.VERIFIERS["box_iou"]):
        module = inspect.getmodule(verifier if inspect.isfunction(verifier) else type(verifier))
        assert identity._own_files(module) == set()


# What is refused ------------------------------------------------------------------------------------------

FAULTS = [
    ("mine.py", "", "'mine.py' is no address; write ./FILE.py:NAME"),
    (":near", "", "':near' is no address"),
    ("mine.py:", "", "'mine.py:' is no address"),
    ("mine.py:near()", "", "'mine.py:near()' is no address"),
    ("./gone.py:near", "", "there is no file gone.py"),
    ("./mine:near", "", "there is no file mine, which './mine:near' names; did you mean mine.py?"),
    ("nowhere.at.all:near", "", "there is no module nowhere, which"),
    ("mine.py:naer", "def near(e, r): ...", "unknown name in mine.py: 'naer'; did you mean near"),
    ("mine.py:near", "def near(:", "mine.py, line 1: SyntaxError: "),
    ("mine.py:near", "x = 1\ny = z", "mine.py, line 2: NameError: name 'z' is not defined"),
    ("mine.py:near", "import nothing_of_this_name", "mine.py, line 1: ModuleNotFoundError: No module"),
    ("mine.py:near", "import sys\nsys.exit('bye')", "mine.py, line 2: SystemExit: bye"),
    ("mine.py:near", "near = 3", "mine.py:near is 3; a verifier is a function"),
    ("mine.py:near", "class near:\n    pass", "mine.py:near is the class near; a verifier is a function"),
    ("mine.py:near", "near = lambda e, r: None", "mine.py:near: a lambda has no identity;"),
    ("mine.py:near", "def make():\n    def f(e, r): ...\n    return f\nnear = make()", "f, made inside"),
    ("mine.py:near", "from functools import partial\nnear = partial(print)", "a functools.partial has no"),
    ("mine.py:near", "class C:\n    def __call__(self, e, r): ...\nnear = C()", "of a class that is no"),
    ("mine.py:near", "async def near(e, r): ...", "mine.py:near is an async function; write a plain `def`"),
    ("mine.py:near", "def near(e, r):\n    yield 1", "mine.py:near is a generator, for it yields; write a"),
]  # fmt: skip


@pytest.mark.parametrize(("address", "text", "message"), FAULTS)
def test_an_address_that_leads_to_no_verifier_is_one_sentence(address, text, message):
    write("mine.py", text)
    with pytest.raises(InputError) as raised:
        verify.by_name(address)
    assert message in str(raised.value) and "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("from seethink.formats import TagFormat\nTERSE = TagFormat", "mine.py:TERSE is the class TagFormat"),
        ("TERSE = 'terse'", "mine.py:TERSE is 'terse'; a format is an instance"),
        ("def TERSE(x): ...", "a format is an instance, such as TagFormat("),
        (
            "from seethink.formats import TagFormat\nTERSE = TagFormat('t', 'A.', final=object())",
            "has no identity",
        ),
    ],
)
def test_an_address_that_leads_to_no_format_is_one_sentence(text, message):
    write("mine.py", text)
    with pytest.raises(InputError, match=re.escape(message)):
        formats.by_name("mine.py:TERSE")


def test_a_module_that_fails_is_named_with_its_line():
    write("ownbroken.py", "x = 1\n1 / 0")
    with pytest.raises(InputError, match=r"ownbroken.*, line 2: ZeroDivisionError: division by zero"):
        verify.by_name("ownbroken:near")


def test_what_a_verifier_raises_is_said_with_file_line_and_row():
    write("mine.py", "def near(example, response):\n    return {}['value']\n")
    with pytest.raises(InputError, match=r"mine.py, line 2: KeyError: 'value', at .* my.jsonl, row 7;"):
        verify.by_name("./mine.py:near")(ROW, answered("7"))


@pytest.mark.parametrize("value", ["None", "True", "0.5", "'good'"])
def test_what_is_no_score_is_refused_with_the_row(value):
    write("mine.py", f"def near(example, response):\n    return {value}\n")
    with pytest.raises(InputError, match=rf"returned {value} for an answer to my.jsonl, row 7; return Score"):
        verify.by_name("mine.py:near")(ROW, answered("7"))


def test_the_line_is_of_the_users_own_file_where_a_library_raises():
    write("mine.py", "import json\ndef near(example, response):\n    return json.loads('{')\n")
    with pytest.raises(InputError, match=r"^mine.py, line 3: JSONDecodeError: "):
        verify.by_name("./mine.py:near")(ROW, answered("7"))


def test_a_score_beyond_the_range_is_refused_with_the_row():
    write("mine.py", f"{HEAD}def near(example, response):\n    return Score(7.0)\n")
    with pytest.raises(InputError, match=r"mine.py, line 3: ValueError: a score must lie in .* row 7"):
        verify.by_name("mine.py:near")(ROW, answered("7"))


def test_a_row_cannot_name_code():
    write("mine.py", EXAMPLE)
    row = Example("1", "?", answer="7", meta={"accu_reward_method": "./mine.py:near"})
    with pytest.raises(InputError, match=r"'./mine.py:near' is none of"):
        verify.auto.refuse_unknown([row])


def test_an_own_verifier_is_frozen_and_its_score_is_passed_on():
    write("mine.py", EXAMPLE)
    near = verify.by_name("mine.py:near")
    assert near(ROW, answered("8")) == Score(0.8, "1 away from 7") and near.__name__ == "mine.py:near"
    with pytest.raises(FrozenInstanceError):
        near.address = "other"
