"""Names on the command line: options of the program, lists, stages before settings, runs as models."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from seethink import __version__, formats, systems, verify
from seethink.cli.listing import LISTS, first_sentence
from tests import fakes
from tests.cli.test_app import OWN, ROOT, TRAIN, call, config_of, well, world
from tests.fakes import evaluations

__all__ = ["world"]


def test_the_version_is_printed(capsys):
    assert well(capsys, "--version") == f"seethink {__version__}\n"


@pytest.mark.parametrize("words", [(), ("train",), ("train", "grpo"), ("run",), ("synth",), ("list",)])
def test_h_is_help(capsys, words):
    assert well(capsys, *words, "-h") == well(capsys, *words, "--help")


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("seethink tra", "train"),
        ("seethink train gr", "grpo"),
        ("seethink eval --verif", "--verifier"),
        ("seethink list fam", "families"),
    ],
)
def test_the_shell_completes_commands_options_and_values(typed, offered):
    completing = {"_SEETHINK_COMPLETE": "complete_bash", "COMP_WORDS": typed}
    done = subprocess.run(
        [sys.executable, "-m", "seethink"],
        cwd=ROOT,
        env=os.environ | completing | {"COMP_CWORD": str(typed.count(" "))},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert offered in done.stdout.split(), done.stderr


# Lists ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", LISTS)
def test_a_list_has_a_line_for_each_name_that_says_what_it_is(capsys, kind):
    names = LISTS[kind]()
    lines = well(capsys, "list", kind).splitlines()
    assert [line.split()[0] for line in lines] == [*names] and len(lines) > 1
    assert all(
        len(line.split()) > 1 and len(about) > 10 for line, about in zip(lines, names.values(), strict=True)
    )


def test_what_is_listed_is_what_the_options_take():
    assert all(systems.verifier(name) for name in LISTS["verifiers"]())
    assert {*verify.VERIFIERS} <= {*LISTS["verifiers"]()} and any(
        "@" in name for name in LISTS["verifiers"]()
    )
    assert [*LISTS["formats"]()] == [*formats.FORMATS]
    assert [*LISTS["chains"]()] == [*systems.chains()]
    assert [*LISTS["recipes"]()] == systems.names("recipe")


def test_an_unknown_list_is_refused_with_the_known_ones(capsys):
    code, _, err = call(capsys, "list", "familes")
    assert code == 2 and "families" in err


def test_the_first_sentence_ends_where_it_ends():
    def documented():
        """A score of 0.5
        is half. More follows.

        And more."""

    assert first_sentence(documented) == "A score of 0.5 is half."


def test_help_on_recipes_says_what_each_is(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    printed = well(capsys, "run", "--help")
    for name, title in systems.recipes().items():
        if name != "toy":  # not there when the module was read
            assert f"{name}  {title}" in printed


# Settings ---------------------------------------------------------------------------------------------------


def test_a_setting_may_name_its_stage(capsys):
    well(capsys, *TRAIN, "grpo.max_steps=4")
    assert config_of("runs/train-grpo/grpo")["max_steps"] == 4
    assert "grpo: skipped" in well(capsys, *TRAIN, "max_steps=4")
    well(capsys, "eval", *OWN, "eval.max_tokens=9")
    assert config_of(evaluations()[-1])["max_tokens"] == 9


@pytest.mark.parametrize(
    "text", ["grpo.max_steps: 4", "max_steps: 4", "grpo:\n  max_steps: 4", "grpo: {max_steps: 4}"]
)
def test_so_it_may_in_a_file(capsys, text):
    Path("my.yaml").write_text(text, encoding="utf-8")
    well(capsys, *TRAIN, "--config", "my.yaml")
    assert config_of("runs/train-grpo/grpo")["max_steps"] == 4


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            (*TRAIN, "sft.max_steps=4"),
            "'sft.max_steps=4' names the stage 'sft', and there is grpo alone; write max",
        ),
        ((*TRAIN, "max_steps=-3"), "grpo: max_steps=-3: it must be at least 1"),
        ((*TRAIN, "grpo.max_steps=-3"), "grpo: max_steps=-3: it must be at least 1"),
        ((*TRAIN, "lr=1e-6"), "its name here is learning_rate"),
        (("eval", *OWN, "max_tokens=-3"), "eval: max_tokens=-3: it must be at least 1"),
        ((*TRAIN, "--config", "under.yaml"), "under.yaml: grpo=4 is no setting"),
    ],
)
def test_a_setting_that_cannot_be_is_named(capsys, words, message):
    Path("under.yaml").write_text("grpo: 4", encoding="utf-8")
    code, out, err = call(capsys, *words)
    assert (code, out) == (2, "") and message in err


# Runs as models ---------------------------------------------------------------------------------------------


def stage(folder: str, started: str, checkpoint: bool = True) -> None:
    Path(folder).mkdir(parents=True)
    (Path(folder) / "stage.json").write_text(json.dumps({"started": started}), encoding="utf-8")
    if checkpoint:
        fakes.model_folder(Path(folder) / "checkpoint", folder.encode())


@pytest.mark.parametrize(
    ("model", "found"),
    [
        ("taught", "model: taught/b/grpo/checkpoint, the last of 3"),
        ("taught/sft", "model: taught/sft/checkpoint"),
        ("taught/b", "model: taught/b/grpo/checkpoint"),
        ("taught/sft/checkpoint", ""),
    ],
)
@pytest.mark.parametrize("command", ["eval", "train"])
def test_the_folder_of_a_run_is_its_last_checkpoint(capsys, command, model, found):
    stage("taught/sft", "2026-01-01T10:00:00+00:00")
    stage("taught/b/grpo", "2026-01-01T12:00:00+00:00")
    stage("taught/a", "2026-01-01T11:00:00+00:00")
    stage("taught/eval", "2026-01-01T13:00:00+00:00", checkpoint=False)
    stage("taught/.stale/old", "2026-01-01T14:00:00+00:00")
    words = ("train", "sft") if command == "train" else ("eval",)
    lines = well(capsys, *words, "--model", model, "--data", "my.jsonl").splitlines()
    assert [line for line in lines if line.startswith("model: ")] == ([found] if found else [])


def test_ask_finds_it_too(capsys, monkeypatch):
    asked = []

    def load(name):
        asked.append(name)
        raise SystemExit(0)

    monkeypatch.setattr(sys.modules["seethink.engines.local"], "LocalEngine", type("E", (), {"load": load}))
    stage("taught/sft", "2026-01-01T10:00:00+00:00")
    well(capsys, "ask", "page.png", "How many?", "--model", "taught")
    assert asked == ["taught/sft/checkpoint"]


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("begun", "begun has no checkpoint, for no training in it is finished"),
        ("torn", "torn/b/stage.json is no record of a stage"),
        ("empty", "empty holds neither config.json nor adapter_config.json, so it is not a model folder"),
    ],
)
def test_a_run_without_a_checkpoint_is_refused(capsys, model, message):
    stage("begun/sft", "2026", checkpoint=False)
    for name in "ab":
        stage(f"torn/{name}", "2026")
    Path("torn/b/stage.json").write_text("{", encoding="utf-8")
    Path("empty").mkdir()
    code, _, err = call(capsys, "eval", "--model", model, "--data", "my.jsonl")
    assert code == 2 and message in err


@pytest.mark.parametrize(
    "words",
    [
        ("train", "sft", "--data", "my.jsonl"),
        ("train", "grpo", "--data", "my.jsonl"),
        ("eval", "--data", "my.jsonl"),
        ("ask", "page.png", "How many?"),
        ("check", "my.jsonl"),
    ],
)
def test_a_hub_that_cannot_be_reached_is_one_sentence(capsys, monkeypatch, words):
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:1")
    code, out, err = call(capsys, *words, "--model", "owner/name")
    assert (code, out) == (2, "") and err.startswith("error: the hub at http://127.0.0.1:1 cannot be reached")
    assert len(err.splitlines()) == 1 and not Path("runs").exists()


def test_so_it_is_to_a_recipe_before_any_work(capsys, monkeypatch):
    well(capsys, "run", "toy")
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:1")
    recipe = Path("systems/toy/recipe.py")
    named = recipe.read_text(encoding="utf-8").replace(str(Path("base").resolve()), "owner/name")
    recipe.write_text(named, encoding="utf-8")
    sys.modules.pop("seethink.systems.toy.recipe")
    well(capsys, "show", "toy")
    for words in (("run", "toy", "--out", "new"), ("run", "toy")):
        code, out, err = call(capsys, *words)
        assert (code, out) == (2, "") and err.startswith("error: the hub at http://127.0.0.1:1 cannot be")
    assert not Path("new").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("r1_onevision", "passes=-3"), "r1_onevision: passes=-3: it must be at least 1"),
        (("insight_v", "paths=0"), "insight_v: paths=0: it must be at least 1"),
        (("insight_v", "tries=-1"), "insight_v: tries=-1: it must be at least 0"),
        (("open_r1_video", "frames=0"), "open_r1_video: frames=0: it must be at least 1"),
    ],
)
def test_a_count_of_a_chain_out_of_its_range_is_named(capsys, words, message):
    code, out, err = call(capsys, "synth", *words, "--data", "drawn:4", "--out", "made")
    assert (code, out) == (2, "") and message in err and not Path("made").exists()


def test_what_is_no_count_of_a_chain_has_no_range():
    assert systems.chain("r1_vision", {"reads": "false"}) and systems.chain("insight_v", {"tries": "0"})
