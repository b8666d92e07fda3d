"""Insight-V: one agent reasons, another judges the reasoning and answers; then rounds of DPO on the first.

source   arXiv 2411.14432 (CVPR 2025) and dongyh20/Insight-V at commit 5e9c6f9
claim    LLaVA-NeXT-LLaMA3-8B, mean of seven benchmarks: 40.2 % base, 44.5 % two agents, 47.2 % with three
         rounds of DPO; 7B, mean of four: 59.2, 62.1 and 63.3 %, and one model that reasons 60.6 %
needs    full: 8 GPUs of 80 GB and a teacher's server; one_gpu: one and the server; tiny: two CPU cores
differs  The questions, the cut-offs of grades and the rule for pairs are not published; those here are ours.
         The summary agent learns 5 general rows for each of its own and decodes greedily. `gamma` 1 of the
         DPO script is taken for the weight of the better response's likelihood. Below full, the agents are
         adapters of one base. single is the reasoning agent, which also answers; multi_turn one model in both
         roles; the arms of equal tokens are ours. At tiny the teacher is an oracle that errs.
"""

from __future__ import annotations

from seethink import verify
from seethink.formats import ANSWER_LINE, THOUGHTS_SUMMARY
from seethink.run.comparison import Claim, Finding
from seethink.run.controls import controls
from seethink.run.run import Run
from seethink.run.stage import Evaluation, Model
from seethink.run.synthesised import SynthConfig
from seethink.sequences import Concatenated
from seethink.solve import TwoAgents
from seethink.systems.insight_v.chain import insight_v
from seethink.systems.insight_v.questions import data
from seethink.systems.insight_v.training import dpo_config, rounds, sft_config
from seethink.types import Sampling, Task

REWARD = verify.weighted(correct=(verify.exam_answer, 1.0), format=(verify.well_formed, 0.0))
ABLATION = {"base": 0.592, "single": 0.606, "multi_turn": 0.610, "summary": 0.598, "two agents": 0.621}
CLAIMS = (
    Claim("held out", ABLATION | {"dpo": 0.627, "three rounds": 0.633}, "mean of four benchmarks, 7B"),
    Claim("mmmu_val", {"base": 0.369, "two agents": 0.408, "three rounds": 0.420}, "MMMU, LLaMA3-8B"),
    Claim("chartqa", {"base": 0.694, "two agents": 0.746, "three rounds": 0.774}, "ChartQA, LLaMA3-8B"),
    Claim("mathvista", {"base": 0.459, "two agents": 0.474, "three rounds": 0.498}, "MathVista, LLaMA3-8B"),
    Claim("mmstar", {"base": 0.431, "two agents": 0.526, "three rounds": 0.574}, "MMStar, LLaMA3-8B"),
)
NOTE = (
    "Two agents write more tokens than one model: the arms of equal tokens say what these buy. multi_turn "
    "learns the rows of both agents; dpo learns from the chain's pairs, the rounds from further questions "
    "(at full from 15,000 of the chain's own)."
)
SHORT = "A small summary agent sees the picture no better than the agent whose reasoning it reads"


def recipe(run: Run) -> None:
    run.notes = (*run.notes, NOTE)
    questions, practice, others, tests = data(run, REWARD)
    base = run.model(run.scale(tiny="sprout", full="llava-hf/llama3-llava-next-8b-hf"))
    teacher = run.scale(
        tiny=SynthConfig("oracle:wrong=0.3,step=0.2,leak=0.05"),
        full=SynthConfig("http://127.0.0.1:8000/v1#Qwen/Qwen2-VL-72B-Instruct"),
    )
    settings = run.scale(
        smoke=dict(paths=2, per_summary=1), tiny=dict(paths=3, per_summary=1), full=dict(tries=1)
    )
    made = run.synth("paths", insight_v(others=others, **settings), questions, teacher)
    reasons = run.traces(Task("reasons", made.rows(), THOUGHTS_SUMMARY, REWARD))
    summaries = run.traces(Task("summaries", made.rows("summary", "general"), ANSWER_LINE, REWARD))
    reasoning = sft_config(run, learning_rate=5e-6, num_train_epochs=2.0, train_batch_size=64)
    summarising = sft_config(run, learning_rate=1e-5, train_batch_size=16)
    reasoner = run.sft("reasoning", base, reasons, reasoning)
    summariser = run.sft("summary", base, summaries, summarising)
    both = run.sft("multi_turn", base, Concatenated((reasons, summaries)), summarising)

    def asked(name: str, reasoner: Model, summariser: Model) -> Evaluation:
        if run.scale == "full":  # two models; else two adapters of one
            two, model = agents.replace(summary_model=str(summariser.path)), reasoner
        else:
            folders = {"reasoning_adapter": str(reasoner.path), "summary_adapter": str(summariser.path)}
            two, model = agents.replace(**folders), base
        return run.evaluate(f"eval/{name}", model, tests, two)

    agents = run.scale(
        smoke=TwoAgents.of(temperature=0.0, max_tokens=12, max_summary_tokens=8),
        tiny=TwoAgents.of(temperature=0.0, max_tokens=176, max_summary_tokens=112),
        full=TwoAgents.of(temperature=0.2, top_p=0.95, max_tokens=1_024, max_summary_tokens=4_096),
    )
    greedy = Sampling(temperature=0.0, max_tokens=agents.sampling.max_tokens)
    two = asked("two_agents", reasoner, summariser)
    equal = controls(run, "controls", reasoner, tests, agents, two)
    results = {
        "base": run.evaluate("eval/base", base, tests, greedy),
        "single": equal.pop("greedy"),
        "multi_turn": asked("multi_turn", both, both),
        "summary": run.evaluate("eval/summary", summariser, tests, greedy),
        "two agents": two,
        **equal,
    }
    preferring = run.dpo("dpo", reasoner, made.pairs(THOUGHTS_SUMMARY), dpo_config(run))
    results["dpo"] = asked("dpo", preferring, summariser)
    results["three rounds"] = asked(
        "rounds", rounds(run, reasoner, practice, made, greedy.max_tokens), summariser
    )
    seen, names = tests[0].name, {task.name for task in tests}
    together = Finding(
        "Two agents answer better than one model that reasons", seen, "two agents", "single", SHORT
    )
    improved = Finding("Three rounds of DPO make the two agents better", seen, "three rounds", "two agents")
    run.compare("report", results, *(claim for claim in CLAIMS if claim.task in names), together, improved)
