from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from seethink import cli, recipes
from seethink.types import Completion, InputError
from tests import fakes
from tests.sources.published.seen import truths

ROOT = Path(__file__).parent.parent
COMMANDS = ["run", "show", "ask", "look", "eval", "train", "gallery"]

TOY = '''"""Toy: two digits are told apart.

source   nobody
differs  in every way
         that matters
"""
from seethink.train.configs import GRPO
from seethink.types import GREEDY
from tests import fakes

def recipe(run):
    base = run.model(run.scale(tiny="{base}"))
    paid = run.grpo("grpo", base, fakes.task(), GRPO(steps=2, seed=run.seed))
    run.compare("report", {{n: run.evaluate(f"eval/{{n}}", m, [fakes.task()], GREEDY)
                           for n, m in (("base", base), ("grpo", paid))}})
'''


@pytest.fixture(autouse=True)
def world(tmp_path, monkeypatch):
    """An empty working directory with a model, a recipe, a picture and some questions."""
    monkeypatch.chdir(tmp_path)
    base = fakes.model_folder(tmp_path / "base")
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes" / "toy.py").write_text(TOY.format(base=base))
    monkeypatch.setattr(recipes, "__path__", [*recipes.__path__, str(tmp_path / "recipes")])
    Image.new("RGB", (8, 8)).save("page.png")
    write("my.jsonl", *({"question": "How many?", "answer": i, "image": "page.png"} for i in (1, 2, 3)))
    with fakes.installed():
        yield
    sys.modules.pop("seethink.recipes.toy", None)


def write(name, *rows):
    Path(name).write_text("".join(json.dumps(row) + "\n" for row in rows))


def call(capsys, *words):
    """(exit code, stdout, stderr) of a command."""
    with pytest.raises(SystemExit) as left:
        cli.main([str(word) for word in words])
    told = capsys.readouterr()
    return left.value.code or 0, told.out, told.err


def well(capsys, *words):
    code, out, err = call(capsys, *words)
    assert (code, err) == (0, "")
    return out


# Help -------------------------------------------------------------------------------------------------------


def test_help_comes_without_loading_torch():
    told = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "seethink", "--help"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    loaded = {line.split("|")[-1].strip().split(".")[0] for line in told.stderr.splitlines()}
    assert "seethink" in loaded and not loaded & {"torch", "transformers", "datasets", "scipy", "numpy"}
    assert all(name in told.stdout for name in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(capsys, command):
    assert f"Example: seethink {command}" in " ".join(well(capsys, command, "--help").split())


def test_the_nine_words_stand_at_the_door():
    import seethink

    assert all(hasattr(seethink, word) for word in seethink.__all__) and len(seethink.__all__) == 9
    with pytest.raises(AttributeError, match="tensor"):
        _ = seethink.tensor


# Recipes ----------------------------------------------------------------------------------------------------


def test_a_recipe_runs_into_its_own_folder_and_is_recognised_the_second_time(capsys):
    first = well(capsys, "run", "toy", "grpo.steps=3")
    assert fakes.calls == ["grpo", "evaluate", "evaluate"]
    assert "report: runs/toy-tiny/report.html" in first.splitlines()
    second = well(capsys, "run", "toy", "grpo.steps=3", "--scale", "smoke", "--out", "runs/toy-tiny")
    assert "grpo: done before" in second and "eval/grpo: done before" in second
    assert json.loads(Path("runs/toy-tiny/grpo/stage.json").read_text())["config"]["steps"] == 3


def test_out_seed_and_only_reach_the_run(capsys):
    well(capsys, "run", "toy", "--out", "here", "--seed", 3, "--only", "grpo")
    assert json.loads(Path("here/grpo/stage.json").read_text())["config"]["seed"] == 3
    assert fakes.calls == ["grpo"]


def test_show_tells_the_plan_and_leaves_nothing(capsys):
    out = well(capsys, "show", "toy", "grpo.steps=7")
    assert "differs in every way that matters" in out.splitlines()
    assert "grpo: pending" in out and "    grpo.steps=7" in out.splitlines()
    assert not Path("runs").exists() and fakes.calls == []


def test_an_interrupted_run_says_that_it_continues(capsys, monkeypatch):
    def stopped(self, recipe):
        raise KeyboardInterrupt

    monkeypatch.setattr("seethink.run.Run.execute", stopped)
    assert call(capsys, "run", "toy")[:2] == (130, "stopped; the same command continues\n")


# Your own data ----------------------------------------------------------------------------------------------

OWN = ("--model", "base", "--data", "my.jsonl")
EVAL = ("eval", "--model", "base", "--data")
TRAIN = ("train", "grpo", *OWN)


def test_grpo_on_own_data_leaves_a_checkpoint_and_is_recognised(capsys):
    words = ("train", "grpo", *OWN, "--verifier", "same_number", "--out", "out", "steps=2", "--seed", 5)
    assert "checkpoint: out/grpo/checkpoint" in well(capsys, *words).splitlines()
    config = json.loads(Path("out/grpo/stage.json").read_text())["config"]
    assert (config["steps"], config["seed"]) == (2, 5)
    assert Path("out/grpo/checkpoint/config.json").is_file()
    assert "grpo: done before" in well(capsys, *words)


def test_sft_on_own_data_teaches_answers_alone_too(capsys):
    write("my.jsonl", {"question": "a", "answer": "1", "steps": ["one"]}, {"question": "b", "answer": "2"})
    well(capsys, "train", "sft", *OWN)
    assert Path("runs/train-sft/sft/checkpoint").is_dir()


def test_settings_in_a_file_hold_the_same_fields_and_words_on_the_line_win(capsys):
    Path("grpo.yaml").write_text("learning_rate: 1e-5\nsteps: 9\nkl_weight: 0.04\nseed: 4\n")
    well(capsys, "train", "grpo", *OWN, "--config", "grpo.yaml", "steps=2")
    config = json.loads(Path("runs/train-grpo/grpo/stage.json").read_text())["config"]
    assert [config[name] for name in ("learning_rate", "steps", "kl_weight", "seed")] == [1e-5, 2, 0.04, 4]


def test_eval_prints_a_table_and_where_the_attempts_are(capsys):
    out = well(capsys, "eval", *OWN, "max_tokens=32")
    assert "my" in out and "50.0% (40.0% to 60.0%)" in out
    assert json.loads(Path("runs/eval/eval/stage.json").read_text())["config"]["max_tokens"] == 32
    assert Path("runs/eval/eval/attempts.jsonl").is_file()


def test_another_mode_is_another_evaluation(capsys):
    well(capsys, "eval", *OWN, "--mode", "system")
    asked = json.loads(Path("runs/eval/eval/stage.json").read_text())["inputs"]["tasks"][0]["format"]
    assert (asked["name"], asked["mode"]) == ("think_answer", "system")
    assert "its settings changed" in well(capsys, "eval", *OWN, "--mode", "direct")


# Published tests --------------------------------------------------------------------------------------------


def test_the_published_tests_are_listed_without_a_model(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    out = well(capsys, "eval", "--list")
    from seethink.benchmarks import BENCHMARKS

    assert all(name in out for name in BENCHMARKS) and "greedy, 256 tokens" in out
    assert fakes.calls == [] and not Path("runs").exists()


def test_a_published_test_is_run_as_it_was_published_beside_its_numbers(capsys):
    truths("superclevr_test200_counting_problems.jsonl", *[3] * 200)(Path("copy"))
    words = ("eval", "--model", "base", "--task", "superclevr_200", "--folder", "copy")
    out = well(capsys, *words, "--format", "answer_only", "max_tokens=64")
    assert "published, 2B GRPO 100 steps: 82.5%" in out.splitlines()
    stage = json.loads(Path("runs/eval/eval/stage.json").read_text())
    assert (stage["config"]["temperature"], stage["config"]["max_tokens"]) == (0.0, 64)
    assert stage["inputs"]["tasks"][0]["questions"] == 200
    assert stage["inputs"]["tasks"][0]["format"]["name"] == "answer_only"


# Drawn worlds -----------------------------------------------------------------------------------------------


def test_a_drawn_world_stands_in_for_a_file(capsys):
    data = ("--data", "drawn:counting:6", "--verifier", "same_number")
    assert "checkpoint: out/grpo/checkpoint" in well(
        capsys, "train", "grpo", "--model", "base", *data, "--out", "out", "steps=1"
    )
    assert "drawn:counting:6" in well(capsys, "eval", "--model", "base", *data)


def test_gallery_writes_a_page_and_a_sheet_for_each_world(capsys):
    from seethink.sources.drawn import WORLDS

    assert "the drawn worlds: sheets.md" in well(capsys, "gallery", "--out", "sheets.md")
    assert {file.name for file in Path("sheets").iterdir()} == {f"{name}.png" for name in WORLDS}
    assert all(f"(sheets/{name}.png)" in Path("sheets.md").read_text() for name in WORLDS)


# Looking ----------------------------------------------------------------------------------------------------


class Parrot:
    """An engine that always says the same."""

    said = "<think>One [b]and[/b] two.</think><answer>3</answer>"

    @classmethod
    def load(cls, name):
        return cls()

    def generate(self, conversations, sampling):
        assert [part["type"] for part in conversations[0][0]["content"]][:2] == ["image", "image"]
        assert sampling.temperature == 0 and sampling.max_tokens == 9
        return [[Completion(self.said)]]


@pytest.fixture
def parrot(monkeypatch):
    monkeypatch.setattr(sys.modules["seethink.engines.local"], "LocalEngine", Parrot)
    return Parrot


UNREAD = "(no answer could be read: <think> occurs 0 times, not once)"
TINY = "(sprout is a tiny model: it errs)"
ASKED = ("ask", "page.png", "page.png", "How many?", "--max-tokens", 9)


def test_ask_prints_the_thought_and_the_answer_as_they_were_said(capsys, parrot):
    assert well(capsys, *ASKED).splitlines() == ["One [b]and[/b] two.", "answer: 3", TINY]


def test_ask_prints_a_broken_answer_whole_and_says_what_is_wrong(capsys, parrot, monkeypatch):
    monkeypatch.setattr(parrot, "said", "three")
    assert well(capsys, *ASKED).splitlines() == ["three", UNREAD, TINY]


@pytest.mark.parametrize("path", ["runs/toy-tiny", "runs/toy-tiny/eval/base/attempts.jsonl", "my.jsonl"])
def test_look_writes_one_page_and_prints_its_path(capsys, path):
    if path.startswith("runs"):
        well(capsys, "run", "toy")
    out = well(capsys, "look", path, "--out", "page.html", "--limit", 3)
    assert out.splitlines()[-1].endswith("questions: page.html")
    assert "How many?" in Path("page.html").read_text()


# Bad input --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("run", "tooy"), "unknown recipe 'tooy'; did you mean toy"),
        (("show", "tooy"), "unknown recipe 'tooy'; did you mean toy"),
        (("run", "toy", "--scale", "tinny"), "unknown scale 'tinny'; did you mean tiny"),
        (("run", "toy", "--scale", "full"), "no scale full; it has tiny"),
        (("run", "toy", "gpro.steps=1"), "unknown stage 'gpro'; did you mean grpo"),
        (("run", "toy", "grpo.stepz=1"), "unknown field of grpo: 'stepz'; did you mean steps"),
        (("run", "toy", "--only", "grppo"), "unknown stage 'grppo'; did you mean grpo"),
        ((*TRAIN, "--verifier", "same_numbr"), "unknown verifier 'same_numbr'"),
        ((*TRAIN, "--format", "think"), "unknown format 'think'"),
        ((*TRAIN, "--mode", "sufix"), "unknown mode 'sufix'; the modes are suffix, before"),
        ((*TRAIN, "lr=1"), "unknown field of grpo: 'lr'"),
        ((*TRAIN, "--config", "bad.yaml"), "unknown field of bad.yaml: 'stepz'; did you mean steps"),
        ((*TRAIN, "--config", "broken.yaml"), "broken.yaml is not YAML"),
        ((*TRAIN, "--config", "list.yaml"), "list.yaml holds no fields"),
        (("train", "grpo", "--model", "./gone", "--data", "my.jsonl"), "no model at ./gone"),
        (("train", "sft", "--model", "base", "--data", "gone.jsonl"), "no data at gone.jsonl"),
        (("train", "sft", "--model", "base", "--data", "silent.jsonl"), "silent.jsonl, row 1: there is no"),
        ((*EVAL, "nopage.jsonl"), "nopage.jsonl, row 1: there is no picture"),
        ((*EVAL, "torn.jsonl"), "torn.jsonl, row 1: torn.png"),
        ((*EVAL, "extra.jsonl"), "extra.jsonl, row 1: unknown column 'anser'"),
        ((*EVAL, "nojson.jsonl"), "nojson.jsonl, line 1"),
        (("eval", *OWN, "max_token=3"), "unknown field of eval: 'max_token'; did you mean max_tokens"),
        (("eval", "--data", "my.jsonl"), "name a --model, and either your own --data or a published --task"),
        (("eval", *OWN, "--task", "cv_bench"), "either your own --data or a published --task"),
        (("eval", "--model", "base", "--task", "superclvr_200"), "unknown task 'superclvr_200'; did you"),
        (("eval", "--model", "base", "--task", "superclevr_200", "--folder", "gone"), "no folder gone; get"),
        (("ask", "gone.png", "How many?"), "no picture at gone.png"),
        (("ask", "torn.png", "How many?"), "torn.png"),
        (("ask", "page.png"), "the question last"),
        (("ask", "page.png", "How many?", "--format", "think"), "unknown format 'think'"),
        (("look", "gone"), "no data at gone"),
        ((*EVAL, "drawn:nothing:3"), "unknown drawn world 'nothing'"),
        ((*EVAL, "drawn:charts"), "drawn:charts cannot be read; write drawn:WORLD:N"),
    ],
)  # fmt: skip
def test_bad_input_is_one_clear_message_and_nothing_half_written(capsys, words, message):
    Path("bad.yaml").write_text("stepz: 3")
    Path("broken.yaml").write_text("a: [")
    Path("list.yaml").write_text("- 1")
    Path("torn.png").write_bytes(Path("page.png").read_bytes()[:40])
    Path("nojson.jsonl").write_text("nothing")
    asked = {"question": "How many?", "answer": "1"}
    write("silent.jsonl", {"question": "How many?"})
    write("nopage.jsonl", asked | {"image": "gone.png"})
    write("torn.jsonl", asked | {"image": "torn.png"})
    write("extra.jsonl", {"question": "How many?", "anser": "1"})
    before = sorted(Path().rglob("*"))
    code, out, err = call(capsys, *words)
    assert (code, out) == (2, "")
    assert err.startswith("error: ") and message in err and "Traceback" not in err
    assert [file for file in sorted(Path().rglob("*")) if "__pycache__" not in file.parts] == before
    assert fakes.calls == []


@pytest.mark.parametrize(
    "words", [("train", "dpo", *OWN), ("train", "grpo"), ("eval", "--modle", "x"), ("rum",)]
)
def test_words_that_no_command_has_are_refused(capsys, words):
    assert call(capsys, *words)[0] == 2


def test_an_input_error_in_the_middle_of_a_stage_is_a_message_too(capsys, monkeypatch):
    def torn(*_):
        raise InputError("page 7 is torn")

    monkeypatch.setattr(sys.modules["seethink.train.grpo"], "grpo", torn)
    code, _, err = call(capsys, "run", "toy")
    assert (code, err) == (2, "error: page 7 is torn\n")
