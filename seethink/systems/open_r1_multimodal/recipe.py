"""open-r1-multimodal: a teacher makes questions verifiable, and GRPO learns from them; does a thought pay?

source   open-r1-multimodal repository (EvolvingLMMs-Lab), 2025-02; MMMU and MathVista with lmms-eval
claim    MMMU val, 2B: 39.7 % asked directly, 31.2 % asked to think, 35.22 % after GRPO; 7B: 50.8, 41.9, 49.4
needs    full: 8 GPUs of 80 GB; one_gpu: one of 80 GB, the 2B model; tiny: two CPU cores, the bundled model
differs  One wording for training and all tests. The reward reads the answer alone, and a thought may have
         several lines. At the scale full GRPO learns from the published rows, which a teacher had verified;
         one epoch is 7,680 of the "7.69k". Aria learns from the same rows; its authors' script names others.
         The scale tiny has exams of drawn pages, which the oracle rewrites with errors at known rates.
"""

from __future__ import annotations

from collections.abc import Sequence

from seethink import benchmarks, verify
from seethink.formats import THINK_ANSWER
from seethink.run.comparison import Claim, Finding
from seethink.run.run import Run
from seethink.run.stage import Model
from seethink.run.synthesised import SynthConfig
from seethink.sources import published
from seethink.sources.published import MediaView
from seethink.systems.open_r1_multimodal.chain import open_r1_multimodal
from seethink.systems.open_r1_multimodal.tiny_aria import write_tiny_aria
from seethink.train.configs import GRPOConfig
from seethink.types import Example, Sampling, Task

REWARD = verify.weighted(correct=(verify.exam_answer, 1.0), format=(verify.well_formed, 1.0))
MAX_IMAGE_PX = 2_359_296
TEACHER = "oracle:wrong=0.2,leak=0.1,json=0.05"
MMMU = {"direct": 0.397, "thinking": 0.312, "grpo": 0.3522}
MMMU |= {"direct-7b": 0.508, "thinking-7b": 0.419, "grpo-7b": 0.494}
MATHVISTA = {"direct": 0.516, "thinking": 0.486, "grpo": 0.494}
MATHVISTA |= {"direct-7b": 0.571, "thinking-7b": 0.609, "grpo-7b": 0.606}


def recipe(run: Run) -> None:
    run.notes = (*run.notes, "Who is asked directly may use as many tokens as the others, and samples fewer.")
    practice = Task("practice", _questions(run), THINK_ANSWER, REWARD)
    asked = {mode: _tests(run, mode) for mode in ("direct", "suffix")}
    greedy = Sampling(temperature=0.0, max_tokens=run.scale(smoke=24, tiny=176, full=1_024))
    results = {}
    for shape, base in _bases(run).items():
        reinforced = run.grpo(f"grpo{shape}", base, practice, _grpo(run))
        arms = {"direct": (base, "direct"), "thinking": (base, "suffix"), "grpo": (reinforced, "suffix")}
        for arm, (model, mode) in arms.items():
            results[f"{arm}{shape}"] = run.evaluate(f"eval/{arm}{shape}", model, asked[mode], greedy)
    exam, figures = (task.name for task in asked["direct"])
    claims = [
        Claim(task, {arm: value for arm, value in paper.items() if arm in results}, source)
        for task, paper, source in ((exam, MMMU, "MMMU val"), (figures, MATHVISTA, "MathVista testmini"))
    ]
    run.compare(
        "report",
        results,
        *claims,
        Finding("GRPO recovers some of what the request for a thought costs", exam, "grpo", "thinking"),
        Finding(
            "after GRPO a thought still costs accuracy: the base that answers directly is above",
            *(exam, "direct", "grpo"),
            otherwise="the bundled model has learned its worlds by steps, which Qwen2-VL had not",
        ),
    )


def _bases(run: Run) -> dict[str, Model]:
    """By the ending of their arms' names."""
    first = run.model(run.scale(tiny="sprout", full="Qwen/Qwen2-VL-2B-Instruct"))
    if run.scale == "smoke":
        return {"": first, "-aria": run.make("aria", write_tiny_aria)}
    others = {"-7b": "Qwen/Qwen2-VL-7B-Instruct", "-aria": "rhymes-ai/Aria"} if run.scale == "full" else {}
    return {"": first} | {shape: run.model(name) for shape, name in others.items()}


def _questions(run: Run) -> Sequence[Example]:
    """Those that a teacher made verifiable: here, or for the published rows."""
    if run.scale in ("smoke", "tiny"):
        raw = run.drawn("exams", run.scale(smoke=10, tiny=2_400))
        return run.synth("verified", open_r1_multimodal(), raw, SynthConfig(TEACHER)).rows()
    view = MediaView(max_image_px=MAX_IMAGE_PX)
    return published.load("open_r1_8k", n=run.scale(one_gpu=1_600, full=8 * 960), view=view)


def _tests(run: Run, mode: str) -> list[Task]:
    """The same questions for every mode. The benchmarks show pictures of at most `MAX_IMAGE_PX`."""
    form = THINK_ANSWER.with_prompt_mode(mode)
    if run.scale in ("smoke", "tiny"):
        n, worlds = run.scale(smoke=2, tiny=300), ("exams", "geometry")
        return [Task(name, run.drawn(name, n, "test"), form, REWARD) for name in worlds]
    return [benchmarks.by_name(name).task(prompt_mode=mode) for name in ("mmmu_val", "mathvista")]


def _grpo(run: Run) -> GRPOConfig:
    few = {"learning_rate": 5e-5, "prompts_per_step": 2, "num_generations": 2, "max_completion_length": 24}
    tiny = {"learning_rate": 2e-5, "max_completion_length": 128, "max_tokens_per_batch": 4_000}
    full = {"learning_rate": 1e-6, "max_prompt_length": 8_192, "max_completion_length": 256, "beta": 0.04}
    # "linear" is transformers' default, which the script keeps
    full |= {"lr_scheduler_type": "linear", "prompts_per_step": 8, "gradient_checkpointing": True}
    sizes = run.scale(smoke=few, tiny=tiny | {"save_steps": 20}, full=full)
    steps = run.scale(smoke=1, tiny=100, one_gpu=200, full=960)
    return GRPOConfig.of(**sizes, max_steps=steps, seed=run.seed)
