"""The documentation is true: code blocks run, trees match the disk, links lead to files."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from seethink.cli.app import main

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
FOLDERS = (".", "docs", "bench", "seethink/systems/*")
PAGES = sorted(page for folder in FOLDERS for page in ROOT.glob(f"{folder}/*.md"))
WITH_PACKAGE = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
FOREIGN = {"--max-logprobs", "--dataset", "--structured-outputs-config", "--chain"}
"""Options in the pages that are other programs' (ms-swift, vLLM, bench)."""


@pytest.mark.parametrize("block", re.findall(r"```python\n(.*?)```", README, re.DOTALL))
def test_python_blocks_of_the_readme_run(block: str, tmp_path: Path) -> None:
    out = subprocess.run([sys.executable, "-c", block], capture_output=True, text=True, cwd=tmp_path)
    assert out.returncode == 0, out.stderr
    assert out.stdout.count("->") == 4


def test_the_first_hour_in_python_runs(tmp_path: Path) -> None:
    script = [sys.executable, str(ROOT / "docs" / "first_hour.py"), "--tiny"]
    out = subprocess.run(script, capture_output=True, text=True, cwd=tmp_path, env=WITH_PACKAGE)
    assert out.returncode == 0, out.stderr
    assert "none at fault: True" in out.stdout and "held-out questions, p = " in out.stdout
    for made in ("run/report.html", "look.html", "run/grpo/checkpoint/config.json"):
        assert (tmp_path / "first_hour" / made).is_file(), made


def test_the_commands_of_the_readme_name_files_that_exist_after_those_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In its first block: words that look like files, after `init` and `cd` were carried out."""
    block = README.partition("```bash\nseethink init")[2].partition("```")[0].replace("\\\n", " ")
    init, cd, *others = (shlex.split(line, comments=True) for line in f"seethink init{block}".splitlines())
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(init[1:])
    assert not ended.value.code and cd[0] == "cd"
    monkeypatch.chdir(cd[1])
    made, named = {"runs/own"}, 0
    assert [words[1] for words in others] == ["check", "train", "ask", "look"]
    for word in (word for words in others for word in words):
        if "/" in word or word.endswith(".jsonl"):
            named += 1
            assert word in made or Path(word.partition(":")[0]).is_file(), word
    assert named >= 8


def test_the_tree_in_the_readme_is_the_tree_on_disk() -> None:
    tree = re.search(r"```\nseethink/\n(.*?)```", README, re.DOTALL)
    assert tree
    listed = {line.split()[0].rstrip("/") for line in tree[1].splitlines()}
    disk = {p.name for p in (ROOT / "seethink").iterdir() if not p.name.startswith("_")}
    assert listed == disk


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_to_files(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", _text(page)):
        assert target.startswith("http") or (page.parent / target).exists(), target


def test_every_command_of_the_pages_exists() -> None:
    """At the start of a line or behind a backtick."""
    from seethink.cli.app import COMMANDS

    pattern = re.compile(r"(?:^|`)seethink (\w+)", re.MULTILINE)
    named = {(page.name, command) for page in PAGES for command in pattern.findall(_text(page))}
    assert {(page, command) for page, command in named if command not in COMMANDS} == set()
    assert len({command for _, command in named}) >= 8


def _text(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def _options(command: Any) -> set[str]:
    """Long options of a command, or of all commands of a group."""
    own = {name for param in command.params for name in (*param.opts, *param.secondary_opts)}
    return own.union(*map(_options, getattr(command, "commands", {}).values()))


def test_every_option_of_a_seethink_command_in_the_pages_exists() -> None:
    """In code blocks, with continued lines, and inside backticks; CHANGELOG and names.md also name others."""
    from seethink.cli.app import COMMANDS, load_command

    options = {name: _options(load_command(name)) for name in COMMANDS}
    checked = 0
    for page in (page for page in PAGES if page.name not in ("CHANGELOG.md", "names.md")):
        text = _text(page).replace("\\\n", " ")
        for command, arguments in re.findall(r"\bseethink (\w+)([^\n`]*)", text):
            for option in re.findall(r"(?<!\S)--[a-z-]+", arguments.partition("#")[0]):
                assert option in options.get(command, ()), f"{page.name}: seethink {command} {option}"
                checked += 1
        if page.parent.name != "bench" and page.parent != ROOT:
            for option in re.findall(r"`(--[a-z-]+)[^`]*`", text):
                assert option in FOREIGN.union(*options.values()), f"{page.name}: {option}"
    assert checked > 20


def test_pages_are_about_this_project_and_no_machine() -> None:
    for page in PAGES:
        assert not re.search(r"/(home|root|work|tmp)/", _text(page)), page.name


def _tables(page: str) -> list[dict[str, str]]:
    """{first cell: second cell} of each table of a page, without its head."""
    parts = re.split(r"\n\n(?=\|)", (ROOT / "docs" / page).read_text(encoding="utf-8"))[1:]
    rows = [re.findall(r"^\| ([^|]+) \| ([^|]+) \|", part.split("\n\n")[0], re.MULTILINE) for part in parts]
    return [dict(table[1:]) for table in rows]


def test_the_data_page_names_every_dialect_that_is_read_or_written() -> None:
    from seethink.sources.dialects import DIALECTS
    from seethink.sources.row_writers import ROW_WRITERS

    dialects, written = _tables("data.md")
    assert [*dialects] == [dialect.name for dialect in DIALECTS]
    assert [*written] == [*ROW_WRITERS]


def test_one_sentence_says_of_every_kind_of_fault_how_to_mend_it() -> None:
    from seethink.check import FAULTS, SUSPICIONS

    faults, suspicions = _tables("faults.md")
    assert ([*faults], [*suspicions]) == ([*FAULTS], [*SUSPICIONS])
    for kind, sentence in (faults | suspicions).items():
        assert re.fullmatch(r"[A-Z].{20,}: \S.+\.", sentence), f"{kind}: {sentence}"
        assert len(re.findall(r"[.!?](?:\s|$)", sentence)) == 1, f"{kind}: {sentence}"


def test_the_settings_that_the_training_page_names_exist() -> None:
    from seethink.settings import leaves, override, parse
    from seethink.train.configs import DPOConfig, GRPOConfig

    page = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
    methods = re.findall(r"^\| [^|]+ \| ([^|]*`\w+=[^|]*) \|$", page, re.MULTILINE)
    assert len(methods) == 7
    for row in methods:
        settings = [pair for code in re.findall(r"`([^`]+)`", row) for pair in code.split() if "=" in pair]
        assert settings and override(GRPOConfig(), dict(map(parse, settings)), "grpo") != GRPOConfig()
    for field in ("beta", "label_smoothing", "loss_type", "rpo_alpha"):
        assert field in page and field in leaves(DPOConfig())
    for field in (
        "max_prompt_length",
        "filter_overlong_prompts",
        "lora_rank",
        "max_tokens_per_batch",
        "vision_learning_rate",
    ):
        assert field in page and field in leaves(GRPOConfig())


def test_convert_names_every_dialect_that_it_writes() -> None:
    from seethink.cli.data import DIALECTS
    from seethink.sources.row_writers import ROW_WRITERS

    assert re.split(r", | or ", DIALECTS.rstrip(".")) == [*ROW_WRITERS]
