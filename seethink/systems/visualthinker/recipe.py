"""VisualThinker-R1-Zero: GRPO from a base model that was never instruction-tuned, its thought begun for it.

source   arXiv 2503.05132 and the repository turningpoint-ai/VisualThinker-R1-Zero, March 2025
claim    CV-Bench: 31.38 % before, 59.47 % after GRPO on SAT from the base model, 57.84 % after SFT; answers
         grow and reflect; an instruct model learns trivial thoughts; a reward for length buys length alone
needs    full: 4 GPUs of 80 GB; one_gpu: one of 80 GB; tiny: two CPU cores and the bundled model
differs  The prompt names the tags. SFT learns answers alone and is asked for them alone, in the base's plain
         text. At tiny one model is both: base in plain text without roles, which it has never read, and
         instruct in its chat form. SAT's rows with several pictures are kept, and a frozen part stands
         still. The reward for length ends at 1, at 1,000 tokens.
"""

from __future__ import annotations

from dataclasses import replace

from seethink import verify
from seethink.formats import ANSWER_ONLY, PREFILLED_THINK, THINK_ANSWER, BaseFormat
from seethink.run.comparison import Claim, Finding
from seethink.run.run import Run
from seethink.run.stage import Model
from seethink.sources import published
from seethink.sources.published import MediaView
from seethink.train.configs import GRPOConfig, SFTConfig
from seethink.train.held_out import HeldOut
from seethink.types import Sampling, Task, Verifier
from seethink.verify.shape import PerToken

BEGUN, DIRECT = PREFILLED_THINK.with_prompt_mode("base"), ANSWER_ONLY.with_prompt_mode("base")
UNREWARDED = "in plain text a tiny model gives few answers that can be rewarded, and learns from those alone"
FROZEN = {"grpo-frozen-llm": ("language",), "grpo-frozen-vision": ("vision", "projector")}


def recipe(run: Run) -> None:
    train, watched, tests = _tasks(run)
    base = run.model(run.scale(tiny="sprout", full="Qwen/Qwen2-VL-2B"))
    instruct = run.model(run.scale(tiny="sprout", full="Qwen/Qwen2-VL-2B-Instruct"))
    greedy = Sampling(temperature=0.0, max_tokens=run.scale(smoke=16, tiny=192, full=1_024))
    sft = run.sft("sft", base, run.traces(replace(train, format=DIRECT)), _sft(run))
    arms: dict[str, tuple[Model, BaseFormat]] = {"base": (base, BEGUN), "base-direct": (base, DIRECT)}
    arms |= {"sft": (sft, DIRECT), "instruct": (instruct, THINK_ANSWER)}
    for arm in ("grpo", *FROZEN, "grpo-length", "instruct-grpo"):
        model, form = arms["instruct" if arm == "instruct-grpo" else "base"]
        verifier = _reward(verify.by_name("same_text"), 1.0, length=float(arm == "grpo-length"))
        task = replace(train, format=form, verifier=verifier)
        rates = {f"{part}_learning_rate": 0.0 for part in FROZEN.get(arm, ())}
        held_out = HeldOut(replace(watched, format=form), greedy)
        arms[arm] = run.train(arm, "grpo", model, task, _grpo(run, **rates), held_out), form
    results = {
        arm: run.evaluate(f"eval/{arm}", model, [replace(test, format=form) for test in tests], greedy)
        for arm, (model, form) in arms.items()
    }
    test = tests[0].name
    claim = Claim(test, {"base": 0.3138, "sft": 0.5784, "grpo": 0.5947}, "arXiv 2503.05132: CV-Bench, total")
    lifts = Finding("GRPO lifts a base model that was never instructed", test, "grpo", "base", UNREWARDED)
    above = Finding("GRPO from the base is above SFT on the same questions", test, "grpo", "sft", UNREWARDED)
    run.compare("report", results, claim, lifts, above)


def _reward(correct: Verifier, of_format: float, length: float = 0.0) -> Verifier:
    """length: weight of 0.001 for each token, a metric at 0."""
    return verify.weighted(
        correct=(correct, 1.0), format=(verify.well_formed, of_format), length=(PerToken(0.001), length)
    )


def _tasks(run: Run) -> tuple[Task, Task, list[Task]]:
    """The training task, what is asked on the way, and the tests, the first of which is the paper's."""
    if run.scale in ("smoke", "tiny"):
        n, few, tested = run.scale(smoke=(4, 1, 2), tiny=(800, 60, 200))
        practised = run.drawn("spatial", n)
        watched, seen = (run.drawn("spatial", k, "test") for k in (few, tested))
        tests = {"spatial": seen, "spatial, shifted": run.drawn("spatial", tested, "test", shifted=True)}
        correct = verify.by_name("same_text")
    else:
        practised = published.load("sat", n=15_000, view=MediaView(max_image_px=401_408))
        watched, tests = published.load("cv_bench", n=500), {"cv_bench": published.load("cv_bench")}
        correct = verify.by_name("same_choice")
    train, *asked = (
        Task(name, examples, BEGUN, _reward(correct, 0.0))
        for name, examples in {"practice": practised, "watched": watched, **tests}.items()
    )
    return train, asked[0], asked[1:]


def _sft(run: Run) -> SFTConfig:
    full = {"train_batch_size": 8, "num_train_epochs": 2.0, "save_steps": 300, "max_prompt_length": 1_024}
    tiny = {"learning_rate": 1e-4, "max_tokens_per_batch": 4_000}
    return SFTConfig.of(**run.scale(smoke={"train_batch_size": 2}, tiny=tiny, full=full), seed=run.seed)


def _grpo(run: Run, **rates: float) -> GRPOConfig:
    smoke = {"prompts_per_step": 2, "num_generations": 2, "max_steps": 2, "max_completion_length": 16}
    tiny = {"learning_rate": 2e-5, "max_steps": 50, "max_completion_length": 192}
    full = {"prompts_per_step": 8, "max_steps": 3_750, "max_completion_length": 700, "beta": 0.04}
    full |= {"max_prompt_length": 1_024, "gradient_checkpointing": True}
    full["lr_scheduler_type"] = "linear"  # transformers' default, which the script keeps
    sizes = run.scale(smoke=smoke, tiny=tiny, one_gpu=full | {"max_steps": 100}, full=full)
    steps, tokens = run.scale(smoke=(2, None), tiny=(10, 4_000), full=(100, None))
    sizes |= {"eval_steps": steps, "save_steps": steps, "max_tokens_per_batch": tokens, "seed": run.seed}
    return GRPOConfig.of(**(sizes | rates))
