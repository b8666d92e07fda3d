"""Insight-V's two agents as two adapters of one base, trained on what its chain makes, end to end."""

from __future__ import annotations

from pathlib import Path

from seethink.evaluate.attempts import read_attempts
from seethink.formats import ANSWER_LINE, THINK_ANSWER
from seethink.run.run import Run
from seethink.run.scale import Scale
from seethink.solve import TwoAgents
from seethink.sources.drawn import by_name
from seethink.systems.insight_v.chain import insight_v
from seethink.train.configs import SFTConfig
from seethink.types import Sampling, SFTExample, Task
from seethink.verify import same_number
from tests import tiny
from tests.systems.chain_runs import kept_rows, run_chain

CHAIN = insight_v(paths=3)
KEPT = SFTConfig.of(
    lora_rank=4,
    keep_adapter=True,
    learning_rate=2e-2,
    lr_scheduler_type="constant",
    max_steps=3,
    train_batch_size=4,
)
SHORT = TwoAgents(sampling=Sampling(temperature=0.0, max_tokens=12), max_summary_tokens=12)


def agents(base: str, questions: Task, rows: list):
    """A stage of SFT for each agent, and both agents together beside the base in their place."""
    reasons = [row for part, _, row in rows if part == "data"]
    summaries = [
        SFTExample(row, ANSWER_LINE, row.meta["final"]) for part, _, row in rows if part == "summary"
    ]

    def recipe(run: Run) -> None:
        model = run.model(base)
        traces = run.traces(Task("reasons", reasons, THINK_ANSWER, same_number))
        reasoner = run.sft("reasoning", model, traces, KEPT)
        summariser = run.sft("summary", model, summaries, KEPT)
        both = SHORT.replace(reasoning_adapter=str(reasoner.path), summary_adapter=str(summariser.path))
        results = {
            "base": run.evaluate("eval/base", model, [questions], SHORT),
            "two agents": run.evaluate("eval/agents", model, [questions], both),
        }
        run.compare("report", results)

    return recipe


def test_two_adapters_of_one_base_are_trained_on_the_chain_and_answer_together(tmp_path: Path) -> None:
    base, out = tiny.saved(tmp_path / "base"), tmp_path / "run"
    questions = Task("counting", [*by_name("counting", 3, "test")], THINK_ANSWER, same_number)
    rows = kept_rows(CHAIN, run_chain(CHAIN, "counting", 6, "wrong=0.4"))
    recipe = agents(base, questions, rows)
    planned = Run("agents", Scale("smoke"), out).dry_run(recipe)
    run = Run("agents", Scale("smoke"), out)
    run.execute(recipe)
    assert {n: stage.key for n, stage in run.stages.items()} == {n: s.key for n, s in planned.items()}
    for name in ("reasoning", "summary"):
        assert (out / name / "checkpoint" / "adapter_config.json").is_file()
    alone, both = ([*read_attempts(out / "eval" / n / "attempts.jsonl")] for n in ("base", "agents"))
    assert len(alone) == len(both) == 3
    assert all([part["name"] for part in row["way"]] == ["chain", "summary"] for row in both)
    for before, after in zip(alone, both, strict=True):
        texts = [(a["text"], b["text"]) for a, b in zip(before["way"], after["way"], strict=True)]
        assert all(a != b for a, b in texts), "each agent speaks with its own adapter"
    needs = [need.key.partition(":")[0] for need in run.stages["eval/agents"].needs]
    assert needs == ["base", "reasoning", "summary"]
    other = Run("agents", Scale("smoke"), out, overrides=["summary.seed=1"]).dry_run(recipe)
    assert other["eval/agents"].key != planned["eval/agents"].key
    assert other["eval/base"].key == planned["eval/base"].key
