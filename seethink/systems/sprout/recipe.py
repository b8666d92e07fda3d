"""sprout: the tiny bundled model, trained from random weights on every drawn world and on pages of digits.

source   ours; the architecture is Qwen2-VL's (arXiv 2409.12191), with about seven million parameters
claim    none: it exists so that everything here runs at once, offline, on two CPU cores
needs    one_gpu: a GPU and sixteen cores that draw; tiny: two cores, for the easiest level of each
         world alone; one_gpu was not run
differs  Perception comes first: the tower names what each square of a picture holds. What follows from a
         picture is learned in words. Then the language model reads small pages cell by cell, says
         what each ninth of a picture holds, reads numbered lines, and pictures of every world; then
         it learns stepwise answers about pictures. Only then come the many response
         styles that pretrained models have read: directly or by steps, in tags, boxes or prose,
         following the instruction only sometimes. So the model mostly answers directly even where
         its steps would be right, and reinforcement learning has something to find.
"""

from __future__ import annotations

from functools import partial

from seethink import verify
from seethink.formats import PREFILLED_THINK, THINK_ANSWER, VERBATIM, BaseFormat
from seethink.run.run import Run
from seethink.sources.drawn import WORLDS, by_name
from seethink.sources.handwritten import Pages
from seethink.systems.sprout.courses import COURSES, SEE
from seethink.systems.sprout.curriculum import SHARES, HeldOutReadings
from seethink.systems.sprout.initial_model import ModelSize, write_initial_model
from seethink.systems.sprout.readings import words_read
from seethink.types import Sampling, Task


def recipe(run: Run) -> None:
    from seethink.systems.sprout.growth import grow
    from seethink.systems.sprout.perception import pretrain_vision_tower

    texts = run.scale(smoke=400, tiny=16_000, one_gpu=16_000)
    model = run.make("initial", write_initial_model, seed=run.seed, size=ModelSize(), texts=texts)
    greedy = Sampling(temperature=0.0, max_tokens=run.scale(smoke=16, tiny=384, one_gpu=384))
    level = _level(run)
    see = SEE.examples("see", run.seed, level)
    shared = partial(run.make, on_all_processes=True)
    model = shared("see", pretrain_vision_tower, model=model, course=see, config=SEE.config(run, False))
    for name, course in COURSES.items():
        examples = course.examples(name, run.seed, level)
        model = shared(name, grow, model=model, course=examples, config=course.config(run))
        run.evaluate(f"readings/{name}", model, _readings(run), greedy)
    model = run.export("sprout", model)
    results = {
        arm: run.evaluate(f"eval/{arm}", model, _tests(run, form), greedy)
        for arm, form in {"asked": THINK_ANSWER, "begun": PREFILLED_THINK}.items()
    }
    run.compare("report", results)


def _readings(run: Run) -> list[Task]:
    """What each world's pictures show, read aloud: after every course, which shows what it forgot."""
    n = run.scale(smoke=1, tiny=12, one_gpu=50)
    worlds = run.scale(smoke=("pages", "clips"), tiny=tuple(SHARES), one_gpu=tuple(SHARES))
    return [
        Task(world, HeldOutReadings(world, n, run.seed, _level(run)), VERBATIM, words_read)
        for world in worlds
    ]


def _level(run: Run) -> int | None:
    """The level of drawn worlds that is learned; None is all of them. Two cores learn the easiest one."""
    return run.scale(smoke=1, tiny=1, one_gpu=None)


def _tests(run: Run, form: BaseFormat) -> list[Task]:
    """Held-out questions of every world, and fewer of its shifted variant, and of all levels where one is
    learned."""
    (n, fewer), level = run.scale(smoke=(1, 1), tiny=(300, 100), one_gpu=(300, 300)), _level(run)
    variants = {"": (False, level), ", shifted": (True, level)}
    if level:
        variants[", all levels"] = (False, None)
    tasks = [Task("pages", Pages(n, "test", run.seed), form, verify.by_name("same_answer"))]
    for name in run.scale(smoke=("counting", "clips"), tiny=tuple(WORLDS), one_gpu=tuple(WORLDS)):
        verifier = verify.by_name(WORLDS[name].verifier)
        tasks += [
            Task(
                f"{name}{label}",
                by_name(name, fewer if label else n, "test", run.seed, shifted, of),
                form,
                verifier,
            )
            for label, (shifted, of) in variants.items()
        ]
    return tasks
