"""`--solver`, `--samples` and `--controls`: how a model answers, what that took, and what is refused."""

from __future__ import annotations

import json
import re
from pathlib import Path

import PIL.Image
import pytest

from seethink.cli.app import main
from seethink.settings import leaves
from seethink.solve import SOLVERS, by_name
from seethink.solve.scorers import SCORERS
from tests import tiny

PAGE = (Path(__file__).parents[2] / "docs" / "solving.md").read_text(encoding="utf-8")


@pytest.fixture
def base(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    PIL.Image.linear_gradient("L").resize((84, 56)).save("page.png")
    return tiny.saved(tmp_path / "base", tiny.qwen2_vl(max_position_embeddings=2048))


def run(capsys, *words) -> str:
    try:
        main([*words])
    except SystemExit as exit_:
        assert not exit_.code, capsys.readouterr().err
    return capsys.readouterr().out


def stopped(capsys, *words) -> str:
    with pytest.raises(SystemExit) as exit_:
        main([*words])
    assert exit_.value.code == 2
    return " ".join(capsys.readouterr().err.split())


def test_ask_samples_and_solves(base, capsys):
    ask = ("ask", "page.png", "How many?", "--model", base)
    several = run(capsys, *ask, "--samples", "3", "--max-tokens", "12")
    assert several.count("no answer could be read") == 3
    again = run(capsys, *ask, "--samples", "3", "--max-tokens", "12")
    other = run(capsys, *ask, "--samples", "3", "--max-tokens", "12", "--seed", "1")
    assert again == several != other
    staged = run(capsys, *ask, "--solver", "stages:width=2,max_tokens=3,max_answer_tokens=2")
    assert re.findall(r"^(\w+): ", staged, re.MULTILINE)[:4] == ["plan", "caption", "reasoning", "conclusion"]
    assert "(4 calls, 22 tokens sampled" in staged and "1 pictures encoded" in staged


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("--solver", "stages", "--samples", "2"),
            "stages has options of its own; leave out --samples",
        ),
        (("--solver", "stages:width=9"), "solver stages: width=9: it must be at most 8"),
        (("--solver", "step_beam:search=mcts"), "search=mcts is not one of beam, best_first"),
        (("--solver", "magic"), "unknown solver 'magic'; known: direct, best_of_n, stages, step_beam"),
        (("--solver", "two_agents:summary_adapter=gone"), "gone holds no adapter_config.json"),
    ],
)
def test_a_solver_that_cannot_be_is_one_sentence(base, capsys, words, message):
    assert message in stopped(capsys, "ask", "page.png", "How many?", "--model", base, *words)


def test_eval_prints_pass_at_k_usage_and_controls(base, capsys, tmp_path):
    evaluate = ("eval", "--model", base, "--data", "drawn:counting:2")
    sampled = run(capsys, *evaluate, "--solver", "direct:n=4,temperature=1,max_tokens=2")
    assert "pass@1 0.0%, pass@2 0.0%, pass@4 0.0%, majority 0.0%" in sampled
    assert "a question takes 4 calls, 8 tokens sampled" in sampled
    out = tmp_path / "out"
    spec = "best_of_n:n=3,max_tokens=2"
    compared = run(capsys, *evaluate, "--solver", spec, "--controls", "--out", str(out))
    arms = json.loads((out / "report.json").read_text(encoding="utf-8"))["results"]
    assert list(arms) == ["greedy", "majority, equal tokens", "likeliest, equal tokens", spec]
    tokens = {arm: next(iter(row.values()))["usage"]["tokens_sampled"] for arm, row in arms.items()}
    assert tokens["greedy"] == 2 and len({value for arm, value in tokens.items() if arm != "greedy"}) == 1
    assert all(f"{arm}, " in compared for arm in arms)
    assert "skipped" in run(capsys, *evaluate, "--solver", spec, "--controls", "--out", str(out))
    assert "--controls are those of a --solver" in stopped(capsys, *evaluate, "--controls")


# docs/solving.md ----------------------------------------------------------------------------------------


def test_the_page_names_every_solver_scorer_and_option_that_it_uses() -> None:
    assert re.findall(r"^\| `(\w+)` \|.*\|.*\|$", PAGE, re.MULTILINE)[: len(SOLVERS)] == [*SOLVERS]
    for spec in re.findall(r"--solver (\S+)", PAGE):
        assert by_name(spec)
    options = {name for cls in SOLVERS.values() for name in leaves(cls())}
    named = set(re.findall(r"`(\w+)=", PAGE))
    assert len(named) > 6 and named <= options
    assert all(f"`{name}`" in PAGE or f"select={name}" in PAGE for name in SCORERS)
