"""LlamaV-o1: a curriculum of two stages, answers in four turns, and token-level beams in each turn.

source   arXiv 2501.06186 (Findings of ACL 2025) and mbzuai-oryx/LlamaV-o1 at commit 4dbd692
claim    Llama-3.2-11B-Vision, mean of six benchmarks: 56.9 % before, 66.1 % after the curriculum, 67.3 % with
         4 beams; MMVet 63.6 % with one beam, 65.4 % with four, in 2.3 times the time
needs    full: 8 GPUs of 80 GB; one_gpu: one, with adapters; tiny: two CPU cores and the bundled model
differs  Learning rate, epochs and batch size are ours: none is published. The wording of the four requests is
         ours, beams decode without sampling, and the plans of the first stage, which its sources lack, are
         taught at smoke and tiny only. The arms together (all rows in one stage), easy_to_hard (dialogues in
         the order of the base's pass rate), stage beams and the controls are ours. Steps are graded by rules
         in four of VRC-Bench's attributes; for all ten, `seethink rescore --steps-judge` asks a judge.
"""

from __future__ import annotations

from seethink import verify
from seethink.formats import STAGED, VERBATIM
from seethink.run.comparison import Claim, Finding
from seethink.run.controls import controls
from seethink.run.measured import EasyToHard
from seethink.run.run import Run
from seethink.sequences import Concatenated
from seethink.solve import Stages, StepBeam
from seethink.systems.llamav_o1.curriculum import data
from seethink.systems.llamav_o1.dialogues import FirstQuestions
from seethink.systems.llamav_o1.step_grades import graded_by_rules
from seethink.train.configs import SFTConfig
from seethink.types import Sampling, Task

REWARD = verify.weighted(
    correct=(verify.exam_answer, 1.0),
    format=(verify.well_formed, 0.0),
    steps=(graded_by_rules, 0.0),
)
CLAIMS = (
    Claim("held out", {"base": 0.569, "curriculum": 0.6608, "4 beams": 0.6733}, "mean of six benchmarks"),
    Claim("vrc_bench", {"base": 0.4840, "4 beams": 0.5649}, "VRC-Bench, final answers"),
    Claim("mmstar", {"base": 0.498, "curriculum": 0.5813, "4 beams": 0.5953}, "MMStar"),
    Claim("mathvista", {"base": 0.486, "curriculum": 0.5320, "4 beams": 0.5440}, "MathVista"),
    Claim("ai2d", {"base": 0.773, "curriculum": 0.8018, "4 beams": 0.8124}, "AI2D"),
)
SHORT = "Replies of the small model are short and nearly certain, which leaves beams little to find"
NOTE = (
    "together, curriculum and easy_to_hard see the same rows in as many steps; easy_to_hard also took the "
    "base's answers, which tell how hard a dialogue is."
)


def recipe(run: Run) -> None:
    run.notes = (*run.notes, NOTE)
    openings, dialogues, tests = data(run, REWARD)
    base = run.model(run.scale(tiny="sprout", full="meta-llama/Llama-3.2-11B-Vision-Instruct"))
    config = _sft(run)
    stages = run.scale(
        smoke=Stages(max_tokens=6, max_answer_tokens=4),
        tiny=Stages(max_tokens=112, max_answer_tokens=16),
        full=Stages(max_tokens=1_024, max_answer_tokens=50),
    )
    whole = 3 * stages.max_tokens + stages.max_answer_tokens  # all four turns as one text
    first, second, both = (
        Task("curriculum", rows, VERBATIM, REWARD)
        for rows in (openings, dialogues, Concatenated((openings, dialogues)))
    )
    opened = run.sft("stage1", base, run.traces(first), config)
    questions = Task("practice", FirstQuestions(dialogues), STAGED, REWARD)
    rates = run.evaluate("pass_rate", base, [questions], Sampling(n=4, max_tokens=whole))
    ordered = EasyToHard(run.traces(second), questions, rates)
    models = {
        "together": run.sft("together", base, run.traces(both), config),
        "curriculum": run.sft("stage2", opened, run.traces(second), config),
        "easy_to_hard": run.sft("easy_to_hard", opened, ordered, config.replace(shuffle=False)),
    }
    results = {"base": run.evaluate("eval/base", base, tests, Sampling(temperature=0.0, max_tokens=whole))}
    for name, model in models.items():
        results[name] = run.evaluate(f"eval/{name}", model, tests, stages)
    model = models["curriculum"]
    for width in (2, 4):
        beams = stages.replace(width=width)
        results[f"{width} beams"] = run.evaluate(f"eval/beams{width}", model, tests, beams)
    candidates = StepBeam.of(max_tokens=stages.max_tokens)
    results["stage beams"] = run.evaluate("eval/stage_beams", model, tests, candidates)
    results |= controls(run, "controls", model, tests, stages.replace(temperature=1.0), results["4 beams"])

    seen, names = tests[0].name, {task.name for task in tests}
    learned = Finding("The curriculum answers better than its base", seen, "curriculum", "base")
    wider = Finding("Four token-level beams answer better than one", seen, "4 beams", "curriculum", SHORT)
    run.compare("report", results, *(claim for claim in CLAIMS if claim.task in names), learned, wider)


def _sft(run: Run) -> SFTConfig:
    full = SFTConfig.of(learning_rate=1e-5, train_batch_size=128, seed=run.seed)
    return run.scale(
        smoke=full.replace(learning_rate=1e-4, train_batch_size=8),
        tiny=full.replace(learning_rate=1e-4, train_batch_size=24, max_tokens_per_batch=4_000),
        one_gpu=full.replace(learning_rate=1e-4, lora_rank=16),
        full=full,
    )
