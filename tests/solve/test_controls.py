"""Controls sample as many tokens as what they are compared with; a question counts once."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from seethink.evaluate.evaluate import evaluate
from seethink.evaluate.statistics import compare, tokens_sampled
from seethink.formats import ANSWER_ONLY
from seethink.run.controls import controls
from seethink.run.run import Run, Scale
from seethink.solve import BestOfN, Stages, by_name
from seethink.solve.equal_tokens import EqualTokens
from seethink.types import Completion, Example, InputError, Messages, Sampling, Task
from seethink.verify import same_number
from tests import tiny

EXAMPLES = [Example(str(i), f"Question {i}?", answer="1") for i in range(3)]
TASK = Task("t", EXAMPLES, ANSWER_ONLY, same_number)


class Sayings:
    """Answers of several lengths, by the seed and the sample's number."""

    def __init__(self, counts: bool = True) -> None:
        self.counts, self.asked = counts, 0

    def generate(self, conversations: Sequence[Messages], sampling: Sampling) -> list[list[Completion]]:
        return [[self._one(sampling.seed + i) for i in range(sampling.n)] for _ in conversations]

    def _one(self, seed: int) -> Completion:
        self.asked += 1
        n = 3 + seed % 5
        text = f"<answer>{1 + seed % 3}</answer>"
        return Completion(text, n_tokens=n if self.counts else 0, logps=(-1.0,) * n)


def test_a_control_samples_until_it_has_the_tokens_and_no_longer() -> None:
    budgets = {("t", "0"): 0, ("t", "1"): 20, ("t", "2"): 90}
    for select in ("majority", "logprob_mean"):
        solver = EqualTokens(select).within(budgets)
        rollouts = solver(Sayings(), TASK, EXAMPLES)
        for (one,), example in zip(rollouts, EXAMPLES, strict=True):
            assert one.usage is not None and one.usage.tokens_sampled is not None
            extra = one.usage.tokens_sampled - budgets["t", example.id]
            assert -4 <= extra <= 7 and one.usage.calls >= 1, "within half an answer; at least one"
        alone = [solver(Sayings(), TASK, [example])[0] for example in EXAMPLES]
        assert [[one.response.text for one in group] for group in alone] == [
            [one.response.text for one in group] for group in rollouts
        ]


def test_a_control_in_turns_has_as_many_tokens_and_keeps_the_likeliest() -> None:
    budgets = {("t", str(i)): 60 for i in range(3)}
    solver = EqualTokens("logprob_mean", one=Stages(temperature=1.0)).within(budgets)
    for (one,) in solver(Sayings(), TASK, EXAMPLES):
        assert one.usage is not None and one.usage.calls > 4 and one.usage.calls % 4 == 0
        assert one.usage.tokens_sampled is not None and abs(one.usage.tokens_sampled - 60) <= 14
        assert len(one.parts) == 4 and len(one.response.logps) == one.response.n_tokens
    with pytest.raises(ValueError, match="beams are not sampled"):
        Stages(width=2, temperature=1.0)


def test_the_number_of_samples_has_an_end() -> None:
    engine = Sayings()
    EqualTokens(max_samples=5).within({("t", "0"): 10**9})(engine, TASK, EXAMPLES[:1])
    assert engine.asked == 5
    with pytest.raises(ValueError, match="temperature=0"):
        EqualTokens(one=Sampling(temperature=0.0))


def test_tokens_are_read_from_the_attempts_and_unknown_ones_refused(tmp_path: Path) -> None:
    evaluate(Sayings(), [TASK], by_name("best_of_n:n=4"), tmp_path / "a", tmp_path / "media")
    assert tokens_sampled(tmp_path / "a/attempts.jsonl") == {("t", str(i)): 3 + 4 + 5 + 6 for i in range(3)}
    evaluate(Sayings(counts=False), [TASK], BestOfN(), tmp_path / "b", tmp_path / "media")
    with pytest.raises(InputError, match="did not count the tokens"):
        tokens_sampled(tmp_path / "b/attempts.jsonl")


def test_several_attempts_at_a_question_count_once_with_pass_at_k_and_majority(tmp_path: Path) -> None:
    """Answers 1, 2, 3, 1, 2, 3 to each question; the reference is 1."""
    rows = evaluate(Sayings(), [TASK], by_name("direct:n=6,temperature=1"), tmp_path / "a", tmp_path / "m")[
        "t"
    ]
    assert rows["n"] == 3 and rows["attempts"] == 6 and rows["value"] == pytest.approx(1 / 3)
    assert rows["majority"]["value"] == 1.0, "of equally many votes the first wins"
    assert {k: v["value"] for k, v in rows["pass_at"].items()} == pytest.approx(
        {"1": 1 / 3, "2": 1 - 6 / 15, "4": 1 - 1 / 15, "6": 1.0}
    )
    assert rows["usage"]["calls"] == 6 and rows["usage"]["tokens_computed"] is None
    evaluate(Sayings(), [TASK], by_name("direct:seed=1"), tmp_path / "b", tmp_path / "m")
    (test,) = compare(tmp_path / "a/attempts.jsonl", tmp_path / "b/attempts.jsonl")
    assert test["n"] == 3 and test["difference"] == pytest.approx(0 - 1 / 3), "means, not first attempts"
    one = evaluate(Sayings(), [TASK], by_name("direct"), tmp_path / "c", tmp_path / "m")["t"]
    assert "pass_at" not in one and "majority" not in one


def test_a_solver_resumes_after_a_kill_with_the_same_rows(tmp_path: Path) -> None:
    solver = by_name("best_of_n:n=3,select=logprob_mean")
    evaluate(Sayings(), [TASK], solver, tmp_path / "whole", tmp_path / "media")
    lines = (tmp_path / "whole/attempts.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    (tmp_path / "cut").mkdir()
    (tmp_path / "cut/attempts.jsonl").write_text(lines[0] + lines[1][:50], encoding="utf-8")
    evaluate(Sayings(), [TASK], solver, tmp_path / "cut", tmp_path / "media")
    again = (tmp_path / "cut/attempts.jsonl").read_text(encoding="utf-8").splitlines()
    assert [_timeless(line) for line in again] == [_timeless(line) for line in lines]


def _timeless(line: str) -> dict[str, object]:
    row = json.loads(line)
    return row | {"usage": row["usage"] | {"seconds": 0}}


def test_a_run_measures_a_solver_beside_its_controls(tmp_path: Path) -> None:
    """Three stages, finished ones skipped; a changed scorer of your own starts anew."""
    base = tiny.saved(tmp_path / "base", tiny.qwen2_vl(max_position_embeddings=2048))
    solver = Stages(width=2, max_tokens=4, max_answer_tokens=2)
    found: dict[str, dict[str, dict[str, float]]] = {}

    def recipe(run: Run) -> None:
        model = run.model(base)
        measured = run.evaluate("eval", model, [TASK], solver)
        arms = {"stages": measured, **controls(run, "controls", model, [TASK], solver, measured)}
        found.update(
            {arm: {"usage": (one.rows or {}).get("t", {}).get("usage", {})} for arm, one in arms.items()}
        )

    run = Run("r", Scale("tiny"), tmp_path / "run")
    run.execute(recipe)
    assert list(found) == ["stages", "greedy", "majority, equal tokens", "likeliest, equal tokens"]
    tokens = {arm: one["usage"]["tokens_sampled"] for arm, one in found.items()}
    assert tokens["greedy"] <= 4
    for arm in ("majority, equal tokens", "likeliest, equal tokens"):
        assert abs(tokens[arm] - tokens["stages"]) <= 2, "half of an answer of four tokens"
    before = (tmp_path / "run/controls/majority/stage.json").stat().st_mtime_ns
    Run("r", Scale("tiny"), tmp_path / "run").execute(recipe)
    assert (tmp_path / "run/controls/majority/stage.json").stat().st_mtime_ns == before


def test_what_options_name_is_part_of_a_stages_identity(tmp_path: Path) -> None:
    code = tmp_path / "mine.py"
    solver = by_name(f"best_of_n:select={code}:last")
    keys = []
    for body in ("return 1.0", "return 2.0"):
        code.write_text(f"def last(example, steps):\n    {body}\n", encoding="utf-8")
        keys.append(solver.depends_on())
    assert keys[0] != keys[1]
    with pytest.raises(InputError, match="summary_adapter=gone: there is no such folder"):
        by_name("two_agents:summary_adapter=gone").depends_on()
    assert by_name("stages").depends_on() == {}
