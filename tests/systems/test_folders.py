"""Every folder of `systems/` is a system: documented, named in one way, and packaged."""

from __future__ import annotations

import re
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest

from seethink import systems
from seethink.types import InputError

FOLDER = Path(systems.__file__).parent
TESTS = Path(__file__).parents[2]
NINE = {
    "insight_v",
    "llamav_o1",
    "open_r1_multimodal",
    "open_r1_video",
    "r1_onevision",
    "r1_vision",
    "r1v",
    "visualthinker",
    "vlm_r1",
}


def test_the_nine_systems_and_sprout_have_a_folder() -> None:
    folders = {path.name for path in FOLDER.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert folders == {*systems.names()} == {*NINE, "sprout"}


@pytest.mark.parametrize("name", systems.names())
def test_a_readme_has_source_claim_and_defects_on_half_a_page(name: str) -> None:
    text = (FOLDER / name / "README.md").read_text(encoding="utf-8")
    assert "**Source.**" in text and "**Claim.**" in text
    assert "**Known" in text
    assert 20 <= len(text.splitlines()) <= 45
    if name in NINE:
        assert "**Faithful here.**" in text and "**Different here.**" in text


@pytest.mark.parametrize("name", sorted(NINE))
def test_a_readme_names_five_defects_and_what_tests_each(name: str) -> None:
    """A reader of the folder alone finds the test of a defect, which stands under the name that is given."""
    _, head, below = (FOLDER / name / "README.md").read_text(encoding="utf-8").partition("**Known defects")
    told, *bullets = re.split(r"^- ", below.partition("\n\n")[0], flags=re.MULTILINE)
    named = f"tests/systems/test_{name}.py"
    tests = (TESTS / named).read_text(encoding="utf-8")
    assert head and f"`{named}`" in told and len(bullets) == 5
    for bullet in bullets:
        functions = re.findall(r"`(test_\w+)`", bullet)
        assert functions and all(f"def {function}(" in tests for function in functions), bullet
    for file in re.findall(r"`(tests/[\w/]+\.py)`", below):
        assert (TESTS / file).is_file(), file


@pytest.mark.parametrize("name", systems.names("recipe"))
def test_a_recipe_has_at_most_100_lines_below_its_header(name: str) -> None:
    source = (FOLDER / name / "recipe.py").read_text(encoding="utf-8")
    below = source.split('"""\n', 1)[1]
    assert 40 <= len(below.splitlines()) <= 100


@pytest.mark.parametrize("written", ["R1-V", "r1_v", "r1v", "R1V"])
def test_a_system_is_found_however_its_name_is_written(written: str) -> None:
    assert systems.named(written, "recipe") == systems.named(written, "rewards") == "r1v"


def test_an_unknown_system_is_refused_with_the_near_ones() -> None:
    with pytest.raises(InputError, match="unknown recipe 'r1w'; did you mean r1v"):
        systems.recipe("r1w")
    with pytest.raises(InputError, match="unknown system with published rewards 'sprout'"):
        systems.verifier("same_math@sprout")


def test_readmes_and_the_bundled_model_are_packaged() -> None:
    project = tomllib.loads((FOLDER.parents[1] / "pyproject.toml").read_text(encoding="utf-8"))
    patterns = project["tool"]["setuptools"]["package-data"]["seethink"]
    for path in [*FOLDER.glob("*/README.md"), *(FOLDER / "sprout" / "model").iterdir()]:
        relative = path.relative_to(FOLDER.parent).as_posix()
        assert any(fnmatch(relative, pattern) for pattern in patterns), relative
