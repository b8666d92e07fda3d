"""R1-Vision: a cold start on thoughts that begin with a caption and on rendered twins, then the planned RL.

source   R1-Vision repository, 2025-02: README and one trainer file; its pipeline was never published
claim    in words: thoughts of a text-only reasoner, begun by a caption, teach a model that sees; no numbers
needs    full: 8 GPUs of 80 GB, both teachers; one_gpu: one of 80 GB; tiny: two CPU cores, the bundled model
differs  All rows are made by the chain, also those about text, for which R1-Vision took the thoughts of
         Bespoke-Stratos. AI2D's training part and the Chinese half of PixMo are left out: no data set that we
         can read holds their questions. No setting of a training was published: SFT has those of R1-Onevision
         for the same model, RL the beta and learning rate of TRL's defaults. Twins are tested on drawn word
         problems at every scale.
"""

from __future__ import annotations

from seethink import benchmarks, verify
from seethink.formats import THINK_ANSWER
from seethink.run.comparison import Finding
from seethink.run.run import Run
from seethink.run.synthesised import SynthConfig
from seethink.sequences import Concatenated
from seethink.sources import published
from seethink.sources.drawn.charts import CHARTS
from seethink.sources.drawn.geometry import GEOMETRY
from seethink.sources.drawn.rendered_text import TEXT, WORD_PROBLEMS
from seethink.sources.drawn.world import MixedWorld
from seethink.sources.published import MediaView
from seethink.systems.r1_onevision.recipe import UNEQUAL, sft_config
from seethink.systems.r1_vision.chain import InBothForms, r1_vision
from seethink.train.configs import GRPOConfig
from seethink.train.held_out import HeldOut
from seethink.types import Example, Sampling, Task

REWARD = verify.weighted(correct=(verify.exam_answer, 1.0), format=(verify.well_formed, 1.0))
ORACLE = SynthConfig("oracle:wrong=0.2,step=0.1,leak=0.1,json=0.05,refusal=0.05")
PUBLISHED_TEACHERS = SynthConfig(
    "https://api.openai.com/v1#gpt-4o-mini",
    text_teacher="http://localhost:8000/v1#deepseek-ai/DeepSeek-R1-Distill-Qwen-32B",
)
SHEETS = MixedWorld("sheets", "Figures, charts and pages of text.", (GEOMETRY, CHARTS, TEXT), "same_answer")


def recipe(run: Run) -> None:
    run.notes = (*run.notes, UNEQUAL)
    qwen = "Qwen/Qwen2.5-VL-{}B-Instruct"
    base = run.model(run.scale(tiny="sprout", one_gpu=qwen.format(3), full=qwen.format(7)))
    chain = run.scale(tiny=r1_vision(tex="mathtext"), full=r1_vision())
    made = run.synth("thoughts", chain, _questions(run), run.scale(tiny=ORACLE, full=PUBLISHED_TEACHERS))
    practice, tests = Task("practice", made.rows(), THINK_ANSWER, REWARD), _tests(run)
    tuned = run.sft("sft", base, run.traces(practice), sft_config(run))
    arms = {"base": base, "sft": tuned}
    for name, start in {"sft-rl": tuned, "rl": base}.items():
        arms[name] = run.train(name, "grpo", start, practice, _grpo(run), _held_out(run))
    greedy = Sampling(temperature=0.0, max_tokens=run.scale(smoke=24, tiny=384, full=4_096))
    results = {name: run.evaluate(f"eval/{name}", model, tests, greedy) for name, model in arms.items()}
    learned = Finding(
        "thoughts of a text-only reasoner, begun by a caption, teach a model to answer about pictures",
        *(tests[0].name, "sft", "base"),
        "its authors published no score, neither of this model nor of another",
    )
    run.compare("report", results, learned)


def _questions(run: Run) -> Concatenated[Example]:
    """Questions in words, which get twins, and questions about pictures."""
    if run.scale in ("smoke", "tiny"):
        words = run.drawn(WORD_PROBLEMS, run.scale(smoke=4, tiny=400))
        return Concatenated((words, run.drawn(SHEETS, run.scale(smoke=6, tiny=800))))
    share, view = run.scale(one_gpu=0.1, full=1.0), MediaView(max_image_px=12_845_056)
    stratos = published.load("stratos", n=int(share * 16_700))
    science = published.load("scienceqa", "train", n=int(share * 9_950), view=view)
    pixmo = published.load("pixmo_cap_qa", source="pixmo_cap_qa", n=int(share * 9_710), view=view)
    return Concatenated((stratos, science, pixmo))


def _tests(run: Run) -> list[Task]:
    """Questions about pictures; and word problems, each in words and as a picture of them."""
    if run.scale in ("smoke", "tiny"):
        return _drawn_tests(run, run.scale(smoke=6, tiny=300))
    others = [benchmarks.by_name(name).task() for name in ("ai2d", "mathvista")]
    return [*others, _drawn_tests(run, 1_000)[1]]


def _drawn_tests(run: Run, n: int) -> list[Task]:
    pictures = run.drawn(SHEETS, n, "test")
    twins = InBothForms(run.drawn(WORD_PROBLEMS, n // 2, "test"), "mathtext")
    named = {"pictures": pictures, "twins": twins}
    return [Task(name, examples, THINK_ANSWER, REWARD) for name, examples in named.items()]


def _held_out(run: Run) -> HeldOut | None:
    """Questions of both tests that are answered while RL trains."""
    if not (n := run.scale(smoke=2, tiny=60, full=0)):
        return None
    pictures, twins = _drawn_tests(run, n)
    return HeldOut(pictures, others=(twins,))


def _grpo(run: Run) -> GRPOConfig:
    tiny = GRPOConfig.of(learning_rate=2e-5, max_steps=40, max_completion_length=352, seed=run.seed)
    tiny = tiny.replace(max_tokens_per_batch=4_000, eval_steps=20)
    full = GRPOConfig.of(learning_rate=1e-6, beta=0.04, max_steps=1_000, seed=run.seed)
    full = full.replace(max_completion_length=2_048, save_steps=100, lr_scheduler_type="linear")
    few = {"prompts_per_step": 4, "num_generations": 4, "max_steps": 2, "eval_steps": 2}
    smoke = tiny.replace(**few, max_completion_length=24)
    return run.scale(smoke=smoke, tiny=tiny, one_gpu=full.replace(max_steps=100), full=full)
