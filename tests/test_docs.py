"""What the documents say is true: blocks run, trees match the disk, links lead somewhere."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "bench").glob("*.md")])


@pytest.mark.parametrize("block", re.findall(r"```python\n(.*?)```", README, re.DOTALL))
def test_python_blocks_of_the_readme_run(block: str, tmp_path: Path) -> None:
    out = subprocess.run([sys.executable, "-c", block], capture_output=True, text=True, cwd=tmp_path)
    assert out.returncode == 0, out.stderr
    assert out.stdout.count("->") == 4


def test_the_tree_in_the_readme_is_the_tree_on_disk() -> None:
    tree = re.search(r"```\nseethink/\n(.*?)```", README, re.DOTALL)
    assert tree
    told = {line.split()[0].rstrip("/") for line in tree[1].splitlines()}
    disk = {p.name for p in (ROOT / "seethink").iterdir() if not p.name.startswith("_")}
    assert told == disk


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_lead_to_files(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        assert target.startswith("http") or (page.parent / target).exists(), target


def test_every_command_of_the_readme_exists() -> None:
    told = set(re.findall(r"^seethink (\w+)", README, re.MULTILINE))
    out = subprocess.run(
        [sys.executable, "-m", "seethink", "--help"], capture_output=True, text=True, check=True
    )
    for command in told:
        assert re.search(rf"\b{command}\b", out.stdout), command


def test_pages_are_about_this_project_and_no_machine() -> None:
    for page in PAGES:
        assert not re.search(r"/(home|root|work|tmp)/", page.read_text()), page.name


def test_the_data_page_names_every_dialect_and_every_fault_with_its_mend() -> None:
    from seethink.check import FAULTS, SUSPICIONS
    from seethink.sources.dialects import DIALECTS
    from seethink.sources.layouts import LAYOUTS

    parts = re.split(r"\n\n(?=\|)", (ROOT / "docs" / "data.md").read_text())[1:]
    tables = [re.findall(r"^\| ([^|]+) \| ([^|]+) \|", part.split("\n\n")[0], re.MULTILINE) for part in parts]
    dialects, written, faults, suspicions = (dict(table[1:]) for table in tables)
    assert [*dialects] == [dialect.name for dialect in DIALECTS]
    assert [*written] == [*LAYOUTS]
    assert (faults, suspicions) == (FAULTS, SUSPICIONS)


def test_the_settings_that_the_training_page_names_exist() -> None:
    from seethink.settings import override, parse
    from seethink.train.configs import DPO, GRPO

    page = (ROOT / "docs" / "training.md").read_text()
    methods = re.findall(r"^\| [^|]+ \| ([^|]*`\w+=[^|]*) \|$", page, re.MULTILINE)
    assert len(methods) == 7
    for row in methods:
        settings = [pair for code in re.findall(r"`([^`]+)`", row) for pair in code.split() if "=" in pair]
        assert settings and override(GRPO(), dict(map(parse, settings)), "grpo") != GRPO()
    for field in ("beta", "label_smoothing", "per_token", "nll_weight"):
        assert field in page and hasattr(DPO(), field)
    for field in ("max_prompt_tokens", "drop_long", "lora_rank", "tokens_per_pack", "vision_learning_rate"):
        assert field in page and hasattr(GRPO(), field)


def test_convert_names_every_dialect_that_it_writes() -> None:
    from seethink.cli_data import DIALECTS
    from seethink.sources.layouts import LAYOUTS

    assert re.split(r", | or ", DIALECTS.rstrip(".")) == [*LAYOUTS]
