"""R1-V: GRPO teaches a small model to count, tested on pictures of a renderer that it was not trained on.

source   R1-V repository (StarsfieldAI/R1-V), 2025-03; SuperCLEVR-200, greedy, before and after 100 steps
claim    SuperCLEVR-200, an unseen renderer: 48.0 % before, 82.5 % after GRPO; 42.5 % after SFT (its figure)
needs    full: 8 GPUs of 80 GB; one_gpu: one of 80 GB; tiny: two CPU cores and the bundled model
differs  One wording for training and all tests (the original has two). An answer counts only if its tag
         occurs once. The scale tiny has pages of handwritten digits instead of CLEVR; its unseen tests are
         denser pages and printed digits.
"""

from __future__ import annotations

from seethink import verify
from seethink.formats import THINK_ANSWER
from seethink.run.comparison import Claim, Finding
from seethink.run.run import Run
from seethink.sources import published
from seethink.sources.handwritten import Pages
from seethink.train.configs import GRPOConfig, SFTConfig
from seethink.types import Sampling, Task

REWARD = verify.weighted(
    correct=(verify.first_of(verify.same_number, verify.same_text), 1.0), format=(verify.well_formed, 1.0)
)
QUESTIONS = 1_600
"""Training questions of each arm, seen once."""


def recipe(run: Run) -> None:
    train, tests = _tasks(run)
    base = run.model(run.scale(tiny="sprout", full="Qwen/Qwen2-VL-2B-Instruct"))
    tuned = run.sft("sft", base, run.traces(train), _sft(run))
    reinforced = run.grpo("grpo", base, train, _grpo(run))
    greedy = Sampling(temperature=0.0, max_tokens=run.scale(tiny=176, full=256))
    results = {
        name: run.evaluate(f"eval/{name}", model, tests, greedy)
        for name, model in {"base": base, "sft": tuned, "grpo": reinforced}.items()
    }
    claim = Claim(tests[-1].name, {"base": 0.480, "sft": 0.425, "grpo": 0.825}, "R1-V: SuperCLEVR-200")
    generalises = Finding(
        "GRPO counts better than SFT in pictures of an unseen renderer", tests[-1].name, "grpo", "sft"
    )
    run.compare("report", results, claim, generalises)


def _tasks(run: Run) -> tuple[Task, list[Task]]:
    """The training task, and the tests: held-out questions of the same kind, then two distribution shifts."""
    if run.scale in ("smoke", "tiny"):
        n, held_out = run.scale(smoke=16, tiny=QUESTIONS), run.scale(smoke=8, tiny=400)
        worlds = {
            "seen": Pages(held_out, "test", run.seed),
            "unseen: denser pages": Pages(held_out, "test", run.seed, cells=(5, 5), digits=(13, 20)),
            "unseen: printed digits": Pages(held_out, "test", run.seed, glyphs="fonts"),
        }
        train = Task("practice", Pages(n, "train", run.seed), THINK_ANSWER, REWARD)
        return train, [Task(name, world, THINK_ANSWER, REWARD) for name, world in worlds.items()]
    clevr = published.clevr_counting(n=run.scale(one_gpu=1_600, full=None))
    unseen = published.superclevr_200("superclevr")
    return Task("clevr", clevr, THINK_ANSWER, REWARD), [Task("superclevr-200", unseen, THINK_ANSWER, REWARD)]


def _sft(run: Run) -> SFTConfig:
    return run.scale(
        smoke=SFTConfig.of(learning_rate=1e-4, train_batch_size=8, seed=run.seed),
        tiny=SFTConfig.of(learning_rate=1e-4, train_batch_size=32, max_tokens_per_batch=4_000, seed=run.seed),
        full=SFTConfig.of(
            learning_rate=2e-5, train_batch_size=128, gradient_checkpointing=True, seed=run.seed
        ),
    )


def _grpo(run: Run) -> GRPOConfig:
    return run.scale(
        smoke=GRPOConfig.of(
            learning_rate=5e-5,
            prompts_per_step=4,
            num_generations=4,
            max_steps=3,
            max_completion_length=48,
            seed=run.seed,
        ),
        tiny=GRPOConfig.of(
            learning_rate=2e-5,
            prompts_per_step=16,
            num_generations=8,
            max_steps=QUESTIONS // 16,
            max_completion_length=112,
            max_tokens_per_batch=4_000,
            save_steps=20,
            seed=run.seed,
        ),
        full=GRPOConfig.of(
            learning_rate=1e-6,
            prompts_per_step=16,
            num_generations=8,
            max_steps=100,
            max_completion_length=512,
            beta=0.04,
            gradient_checkpointing=True,
            save_steps=100,
            seed=run.seed,
        ),
    )
