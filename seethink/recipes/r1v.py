"""R1-V: reinforcement teaches a small model to count, on pages drawn in a way it did not practise on.

source   R1-V repository (StarsfieldAI/R1-V), 2025-03; SuperCLEVR-200, greedy, before and after 100 steps
claim    SuperCLEVR-200, an unseen renderer: 48.0 % before, 82.5 % after GRPO; 42.5 % after SFT (its figure)
needs    full: 8 GPUs of 80 GB; one_gpu: one of 80 GB; tiny: two CPU cores and the bundled model
differs  One wording for training and all tests (the original has two). An answer counts only if its tag
         occurs once. tiny asks about pages of handwritten digits instead of CLEVR; unseen are denser pages,
         and printed digits.
"""

from __future__ import annotations

from seethink import verify
from seethink.formats import THINK_ANSWER
from seethink.run import Claim, Run
from seethink.sources import published
from seethink.sources.handwritten import Pages
from seethink.train.configs import GRPO, SFT
from seethink.types import Sampling, Task

PAID = verify.weighted(
    correct=(verify.first_of(verify.same_number, verify.same_text), 1.0), format=(verify.well_formed, 1.0)
)
QUESTIONS = 1_600
"""Questions that each trained arm sees, once."""


def recipe(run: Run) -> None:
    practice, tests = _tasks(run)
    base = run.model(run.scale(tiny="sprout", full="Qwen/Qwen2-VL-2B-Instruct"))
    taught = run.sft("sft", base, run.traces(practice), _sft(run))
    reinforced = run.grpo("grpo", base, practice, _grpo(run))
    greedy = Sampling(temperature=0.0, max_tokens=run.scale(tiny=176, full=256))
    results = {
        name: run.evaluate(f"eval/{name}", model, tests, greedy)
        for name, model in {"base": base, "sft": taught, "grpo": reinforced}.items()
    }
    claim = Claim(tests[-1].name, {"base": 0.480, "sft": 0.425, "grpo": 0.825}, "R1-V: SuperCLEVR-200")
    run.compare("report", results, claim)


def _tasks(run: Run) -> tuple[Task, list[Task]]:
    """What is practised, and what is tested: held-out questions like it, then two shifts away from it."""
    if run.scale in ("smoke", "tiny"):
        n, held_out = run.scale(smoke=16, tiny=QUESTIONS), run.scale(smoke=8, tiny=400)
        worlds = {
            "seen": Pages(held_out, "test", run.seed),
            "unseen: denser pages": Pages(held_out, "test", run.seed, cells=(5, 5), digits=(13, 20)),
            "unseen: printed digits": Pages(held_out, "test", run.seed, glyphs="fonts"),
        }
        practice = Task("practice", Pages(n, "train", run.seed), THINK_ANSWER, PAID)
        return practice, [Task(name, world, THINK_ANSWER, PAID) for name, world in worlds.items()]
    clevr = published.clevr_counting(n=run.scale(one_gpu=1_600, full=None))
    unseen = published.superclevr_200("superclevr")
    return Task("clevr", clevr, THINK_ANSWER, PAID), [Task("superclevr-200", unseen, THINK_ANSWER, PAID)]


def _sft(run: Run) -> SFT:
    return run.scale(
        smoke=SFT(learning_rate=1e-4, lessons_per_step=8, seed=run.seed),
        tiny=SFT(learning_rate=1e-4, lessons_per_step=32, tokens_per_pack=4_000, seed=run.seed),
        full=SFT(learning_rate=2e-5, lessons_per_step=128, gradient_checkpointing=True, seed=run.seed),
    )


def _grpo(run: Run) -> GRPO:
    return run.scale(
        smoke=GRPO(
            learning_rate=5e-5,
            questions_per_step=4,
            responses_per_question=4,
            steps=3,
            max_tokens=48,
            seed=run.seed,
        ),
        tiny=GRPO(
            learning_rate=2e-5,
            questions_per_step=16,
            responses_per_question=8,
            steps=QUESTIONS // 16,
            max_tokens=112,
            tokens_per_pack=4_000,
            save_every=20,
            seed=run.seed,
        ),
        full=GRPO(
            learning_rate=1e-6,
            questions_per_step=16,
            responses_per_question=8,
            steps=100,
            max_tokens=512,
            kl_weight=0.04,
            gradient_checkpointing=True,
            save_every=100,
            seed=run.seed,
        ),
    )
