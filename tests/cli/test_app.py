from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from seethink import systems
from seethink.cli.app import COMMANDS, load_command, main
from seethink.cli.look import SPROUT
from seethink.types import Completion, InputError
from tests import fakes
from tests.fakes import evaluations
from tests.report.sample_run import Page, held
from tests.sources.published.vision_layouts import truths

ROOT = Path(__file__).parents[2]

TOY = '''"""Toy: two digits are distinguished.

source   nobody
claim    none
needs    nothing
differs  in every way
         that matters
"""
from seethink.train.configs import GRPOConfig
from seethink.types import GREEDY
from tests import fakes

def recipe(run):
    base = run.model(run.scale(tiny="{base}"))
    reinforced = run.grpo("grpo", base, fakes.task(), GRPOConfig.of(max_steps=2, seed=run.seed))
    run.compare("report", {{n: run.evaluate(f"eval/{{n}}", m, [fakes.task()], GREEDY)
                           for n, m in (("base", base), ("grpo", reinforced))}})
'''


@pytest.fixture(autouse=True)
def world(tmp_path, monkeypatch):
    """An empty working directory with a model, a recipe, a picture and some questions."""
    monkeypatch.chdir(tmp_path)
    base = fakes.model_folder(tmp_path / "base")
    toy = tmp_path / "systems" / "toy"
    toy.mkdir(parents=True)
    (toy / "__init__.py").touch()
    (toy / "recipe.py").write_text(TOY.format(base=base), encoding="utf-8")
    monkeypatch.setattr(systems, "__path__", [*systems.__path__, str(toy.parent)])
    Image.new("RGB", (8, 8)).save("page.png")
    write("my.jsonl", *({"question": "How many?", "answer": i, "image": "page.png"} for i in (1, 2, 3)))
    with fakes.installed():
        yield
    for name in ("seethink.systems.toy", "seethink.systems.toy.recipe"):
        sys.modules.pop(name, None)


def write(name, *rows):
    Path(name).write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def call(capsys, *words):
    """(exit code, stdout, stderr) of a command."""
    with pytest.raises(SystemExit) as exited:
        main([str(word) for word in words])
    printed = capsys.readouterr()
    return exited.value.code or 0, printed.out, printed.err


def well(capsys, *words):
    code, out, err = call(capsys, *words)
    assert (code, err) == (0, "")
    return out


def config_of(stage):
    """The settings of a stage by name, nested ones included."""
    config = json.loads((Path(stage) / "stage.json").read_text(encoding="utf-8"))["config"]
    nested = [value for value in config.values() if isinstance(value, dict)]
    return config | {name: value for part in nested for name, value in part.items()}


# Help -------------------------------------------------------------------------------------------------------


def test_help_comes_without_loading_torch():
    loading = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "seethink", "--help"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    loaded = {line.split("|")[-1].strip() for line in loading.stderr.splitlines()}
    assert not {name.split(".")[0] for name in loaded} & {
        "torch",
        "transformers",
        "datasets",
        "scipy",
        "numpy",
    }
    assert {name for name in loaded if name.startswith("seethink.")} == {
        "seethink.boxes", "seethink.cli", "seethink.cli.app", "seethink.types",
    }  # fmt: skip
    assert all(name in loading.stdout for name in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_its_line_in_the_list(capsys, command):
    printed = " ".join(well(capsys, command, "--help").split())
    assert f"Example: seethink {command}" in printed or command == "synth"
    assert load_command(command).help.startswith(COMMANDS[command].about)


def test_the_nine_core_types_are_exported():
    import seethink

    assert all(hasattr(seethink, word) for word in seethink.__all__) and len(seethink.__all__) == 9
    with pytest.raises(AttributeError, match="tensor"):
        _ = seethink.tensor


# Recipes ----------------------------------------------------------------------------------------------------


def test_a_recipe_runs_into_its_own_folder_and_is_recognised_the_second_time(capsys):
    first = well(capsys, "run", "toy", "grpo.max_steps=3")
    assert fakes.calls == ["grpo", "evaluate", "evaluate"]
    assert "report: runs/toy-tiny/report.html" in first.splitlines()
    second = well(capsys, "run", "toy", "grpo.max_steps=3", "--scale", "smoke", "--out", "runs/toy-tiny")
    assert "grpo: skipped" in second and "eval/grpo: skipped" in second
    assert config_of("runs/toy-tiny/grpo")["max_steps"] == 3


def test_out_seed_and_only_reach_the_run(capsys):
    well(capsys, "run", "toy", "--out", "here", "--seed", 3, "--only", "grpo")
    assert config_of("here/grpo")["seed"] == 3
    assert fakes.calls == ["grpo"]


def test_show_prints_the_plan_and_writes_nothing(capsys):
    out = well(capsys, "show", "toy", "grpo.max_steps=7")
    assert "differs in every way that matters" in out.splitlines()
    assert "grpo: pending" in out and "    grpo.max_steps=7" in out.splitlines()
    assert not Path("runs").exists() and fakes.calls == []


def test_an_interrupted_run_says_how_to_resume(capsys, monkeypatch):
    def stopped(self, recipe):
        raise KeyboardInterrupt

    monkeypatch.setattr("seethink.run.run.Run.execute", stopped)
    assert call(capsys, "run", "toy")[:2] == (130, "stopped; the same command continues\n")


# Your own data ----------------------------------------------------------------------------------------------

OWN = ("--model", "base", "--data", "my.jsonl")
EVAL = ("eval", "--model", "base", "--data")
BENCHMARK = ("eval", "--model", "base", "--benchmark")
TRAIN = ("train", "grpo", *OWN)


def test_grpo_on_own_data_leaves_a_checkpoint_and_is_recognised(capsys):
    words = ("train", "grpo", *OWN, "--verifier", "same_number", "--out", "out", "max_steps=2", "--seed", 5)
    assert "checkpoint: out/grpo/checkpoint" in well(capsys, *words).splitlines()
    config = config_of("out/grpo")
    assert (config["max_steps"], config["seed"]) == (2, 5)
    assert Path("out/grpo/checkpoint/config.json").is_file()
    assert "grpo: skipped" in well(capsys, *words)


def test_sft_on_own_data_takes_rows_without_steps(capsys):
    write("my.jsonl", {"question": "a", "answer": "1", "steps": ["one"]}, {"question": "b", "answer": "2"})
    well(capsys, "train", "sft", *OWN)
    assert Path("runs/train-sft/sft/checkpoint").is_dir()


def test_eval_prints_a_table_and_where_the_attempts_are(capsys):
    out = well(capsys, "eval", *OWN, "max_tokens=32")
    assert "my" in out and "50.0% (40.0% to 60.0%)" in out
    (folder,) = evaluations()
    assert config_of(folder)["max_tokens"] == 32
    assert (folder / "attempts.jsonl").is_file() and f"all attempts: {folder / 'attempts.jsonl'}" in out


def test_reward_weights_reach_the_verifier(capsys):
    well(capsys, *TRAIN, "--reward-weights", "correct=2, format=0")
    stage = json.loads(Path("runs/train-grpo/grpo/stage.json").read_text(encoding="utf-8"))
    parts = stage["inputs"]["task"]["verifier"]["fields"]["parts"]
    assert [(name, weight) for name, _, weight in parts] == [("correct", 2.0), ("format", 0.0)]


def test_another_mode_is_another_evaluation(capsys):
    well(capsys, "eval", *OWN, "--prompt-mode", "system")
    (first,) = evaluations()
    stage = json.loads((first / "stage.json").read_text(encoding="utf-8"))
    form = stage["inputs"]["tasks"][0]["format"]
    assert (form["name"], form["prompt_mode"]) == ("think_answer", "system")
    assert "eval: started" in well(capsys, "eval", *OWN, "--prompt-mode", "direct")
    assert evaluations()[0] == first and len(evaluations()) == 2
    assert json.loads((first / "stage.json").read_text(encoding="utf-8")) == stage


# Benchmarks -------------------------------------------------------------------------------------------------


def test_the_benchmarks_are_listed_without_a_model(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    out = well(capsys, "eval", "--list")
    from seethink.benchmarks import BENCHMARKS

    assert all(name in out for name in BENCHMARKS) and "greedy, 256 tokens" in out
    assert fakes.calls == [] and not Path("runs").exists()


def test_a_benchmark_is_run_as_published_and_its_numbers_are_printed(capsys):
    truths("superclevr_test200_counting_problems.jsonl", *[3] * 200)(Path("copy"))
    words = ("eval", "--model", "base", "--benchmark", "superclevr_200", "--benchmark-dir", "copy")
    out = well(capsys, *words, "--format", "answer_only", "max_tokens=64")
    assert "published, 2B GRPO 100 steps: 82.5%" in out.splitlines()
    stage = json.loads((evaluations()[0] / "stage.json").read_text(encoding="utf-8"))
    assert (stage["config"]["temperature"], stage["config"]["max_tokens"]) == (0.0, 64)
    assert stage["inputs"]["tasks"][0]["questions"] == 200
    assert stage["inputs"]["tasks"][0]["format"]["name"] == "answer_only"


# Drawn worlds -----------------------------------------------------------------------------------------------


def test_a_drawn_world_is_used_as_a_file(capsys):
    data = ("--data", "drawn:counting:6", "--verifier", "same_number")
    assert "checkpoint: out/grpo/checkpoint" in well(
        capsys, "train", "grpo", "--model", "base", *data, "--out", "out", "max_steps=1"
    )
    assert "drawn:counting:6" in well(capsys, "eval", "--model", "base", *data)


def test_gallery_writes_a_page_and_a_sheet_for_each_world(capsys):
    from seethink.sources.drawn import WORLDS

    assert "the drawn worlds: sheets.md" in well(capsys, "gallery", "--out", "sheets.md")
    assert {file.name for file in Path("sheets").iterdir()} == {f"{name}.png" for name in WORLDS}
    assert all(f"(sheets/{name}.png)" in Path("sheets.md").read_text(encoding="utf-8") for name in WORLDS)


# Looking ----------------------------------------------------------------------------------------------------


class Parrot:
    """An engine that always gives the same text."""

    text = "<think>One [b]and[/b] two.</think><answer>3</answer>"

    @classmethod
    def load(cls, name):
        return cls()

    def generate(self, conversations, sampling):
        assert [part["type"] for part in conversations[0][0]["content"]][:2] == ["image", "image"]
        assert sampling.temperature == 0 and sampling.max_tokens == 9
        return [[Completion(self.text)]]


@pytest.fixture
def parrot(monkeypatch):
    monkeypatch.setattr(sys.modules["seethink.engines.local"], "LocalEngine", Parrot)
    return Parrot


UNREAD = "(no answer could be read: <think> occurs 0 times, not once)"
ASKED = ("ask", "page.png", "page.png", "How many?", "--max-tokens", 9)


def test_ask_prints_the_thought_and_the_answer_as_they_are(capsys, parrot):
    assert well(capsys, *ASKED).splitlines() == ["One [b]and[/b] two.", "answer: 3", SPROUT]


def test_ask_prints_a_broken_answer_whole_with_the_reason(capsys, parrot, monkeypatch):
    monkeypatch.setattr(parrot, "text", "three")
    assert well(capsys, *ASKED).splitlines() == ["three", UNREAD, SPROUT]


ATTEMPTS = "runs/toy-tiny/eval/base/attempts.jsonl"
RUN_FOLDERS = ["runs", "runs/toy-tiny", "runs/toy-tiny/eval", "runs/toy-tiny/eval/base", ATTEMPTS]


@pytest.mark.parametrize("path", [*RUN_FOLDERS, "my.jsonl"])
def test_look_writes_one_page_and_prints_its_path(capsys, path):
    if path.startswith("runs"):
        well(capsys, "run", "toy")
    out = well(capsys, "look", path, "--out", "page.html", "--limit", 3)
    assert out.splitlines()[-1].endswith("questions: page.html")
    page = held(Page(Path("page.html").read_text(encoding="utf-8")))
    assert {question["question"] for question in page["questions"]} == {"How many?"}
    assert len(page["answers"]) <= 3


# Bad input --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("run", "tooy"), "unknown recipe 'tooy'; did you mean toy"),
        (("show", "tooy"), "unknown recipe 'tooy'; did you mean toy"),
        (("run", "toy", "--scale", "tinny"), "unknown scale 'tinny'; did you mean tiny"),
        (("run", "toy", "--scale", "full"), "no scale full; it has tiny"),
        (("run", "toy", "gpro.steps=1"), "unknown stage 'gpro'; did you mean grpo"),
        (("run", "toy", "grpo.max_stepz=1"), "unknown field of grpo: 'max_stepz'; did you mean max_steps"),
        (("run", "toy", "--only", "grppo"), "unknown stage 'grppo'; did you mean grpo"),
        ((*TRAIN, "--verifier", "same_numbr"), "unknown verifier 'same_numbr'"),
        ((*TRAIN, "--format", "think"), "unknown format 'think'"),
        ((*TRAIN, "--prompt-mode", "sufix"), "unknown prompt mode 'sufix'; the prompt modes are suffix"),
        ((*TRAIN, "lr=1"), "grpo has no field 'lr'; its name here is learning_rate (docs/names.md)"),
        ((*TRAIN, "--config", "bad.yaml"), "unknown field of bad.yaml: 'max_stepz'; did you mean max_steps"),
        ((*TRAIN, "--config", "broken.yaml"), "broken.yaml is not YAML"),
        ((*TRAIN, "--config", "list.yaml"), "list.yaml holds no settings"),
        (("train", "grpo", "--model", "./gone", "--data", "my.jsonl"), "no model at ./gone"),
        (("train", "sft", "--model", "base", "--data", "gone.jsonl"), "no data at gone.jsonl"),
        (("train", "sft", "--model", "base", "--data", "silent.jsonl"), "silent.jsonl, row 1: there is no"),
        ((*EVAL, "nopage.jsonl"), "nopage.jsonl, row 1: there is no picture"),
        ((*EVAL, "torn.jsonl"), "torn.jsonl, row 1: torn.png"),
        ((*EVAL, "extra.jsonl"), "extra.jsonl, row 1: unknown column 'anser'"),
        ((*EVAL, "nojson.jsonl"), "nojson.jsonl, line 1"),
        (("eval", *OWN, "max_token=3"), "unknown field of eval: 'max_token'; did you mean max_tokens"),
        (("eval", "--data", "my.jsonl"), "name a --model, and either your own --data or a published --bench"),
        (("eval", *OWN, "--benchmark", "cv_bench"), "either your own --data or a published --benchmark"),
        ((*BENCHMARK, "superclvr_200"), "unknown benchmark 'superclvr_200'; did you"),
        ((*BENCHMARK, "superclevr_200", "--benchmark-dir", "gone"), "no folder gone; download"),
        ((*BENCHMARK, "cv_bench", "--reward-weights", "correct=2"), "a benchmark has its published scoring"),
        ((*BENCHMARK, "cv_bench", "--verifier", "same_text"), "published scoring; leave out --verifier"),
        ((*BENCHMARK, "cv_bench", "--num-frames", "4"), "published media; leave out --num-frames"),
        ((*BENCHMARK, "cv_bench", "--media-root", "x"), "published media; leave out --media-root"),
        ((*EVAL, "my.jsonl", "--benchmark-dir", "x"), "names your own file; leave out --benchmark-dir"),
        ((*TRAIN, "--reward-weights", "corect=1"), "unknown part of the reward 'corect'; did you mean corr"),
        ((*TRAIN, "--reward-weights", "correct"), "'correct' is no reward weight; write PART=NUMBER"),
        ((*TRAIN, "--reward-weights", "correct=much"), "'correct=much' is no reward weight; write PART=NUM"),
        ((*TRAIN, "--reward-weights", "format=-1"), "the reward weight format=-1.0 is not a finite number"),
        ((*TRAIN, "--reward-weights", "format=0"), "no part has a positive reward weight; known parts: corr"),
        (("train", "grop", *OWN), "unknown training method 'grop'; did you mean grpo"),
        (("ask", "gone.png", "How many?"), "no picture at gone.png"),
        (("ask", "torn.png", "How many?"), "torn.png"),
        (("ask", "page.png"), "the question last"),
        (("ask", "page.png", "How many?", "--format", "think"), "unknown format 'think'"),
        (("look", "gone"), "no data at gone"),
        ((*EVAL, "drawn:nothing:3"), "unknown drawn world 'nothing'"),
        ((*EVAL, "drawn:charts"), "drawn:charts is not an address; write drawn:WORLD:N"),
    ],
)  # fmt: skip
def test_bad_input_is_one_clear_message_and_nothing_half_written(capsys, words, message):
    Path("bad.yaml").write_text("max_stepz: 3", encoding="utf-8")
    Path("broken.yaml").write_text("a: [", encoding="utf-8")
    Path("list.yaml").write_text("- 1", encoding="utf-8")
    Path("torn.png").write_bytes(Path("page.png").read_bytes()[:40])
    Path("nojson.jsonl").write_text("nothing", encoding="utf-8")
    row = {"question": "How many?", "answer": "1"}
    write("silent.jsonl", {"question": "How many?"})
    write("nopage.jsonl", row | {"image": "gone.png"})
    write("torn.jsonl", row | {"image": "torn.png"})
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


def test_an_input_error_inside_a_stage_is_a_message_too(capsys, monkeypatch):
    def torn(*_):
        raise InputError("page 7 is torn")

    monkeypatch.setattr(sys.modules["seethink.train.grpo"], "grpo", torn)
    code, _, err = call(capsys, "run", "toy")
    assert (code, err) == (2, "error: page 7 is torn\n")
