# %% [markdown]
# # A first hour in Python
#
# Own pictures, an own verifier, a check, answers, a training, and the same questions before and after. The
# cells run in order, in any editor that knows `# %%`, or as a script: `python docs/first_hour.py`. With
# `--tiny` everything is so small that it shows only that it works. All files go to `first_hour/` in the
# working directory.

# %%
from __future__ import annotations

import json
import random
import sys
from pathlib import Path

import PIL.Image
import PIL.ImageDraw

from seethink import Run
from seethink.attempt import attempt
from seethink.check import Preflight, check
from seethink.engines.local import LocalEngine
from seethink.evaluate.attempts import read_attempts
from seethink.evaluate.statistics import compare
from seethink.formats import THINK_ANSWER
from seethink.report import write_gallery_page
from seethink.run.run import Scale
from seethink.tasks import load_task
from seethink.train.configs import GRPOConfig
from seethink.types import GREEDY, Sampling

TINY = "--tiny" in sys.argv
FOLDER = Path("first_hour")
N_TRAIN, N_HELD_OUT, STEPS = (8, 4, 1) if TINY else (400, 200, 25)

# %% [markdown]
# ## Pictures and questions
#
# A row is a picture, a question and an answer. Here the pictures are drawn: shapes in cells of 28 pixels,
# which the bundled model `sprout` was taught to read. Yours may be any files.

# %%
COLOURS = {"red": (214, 40, 40), "blue": (44, 82, 222), "green": (38, 160, 70)}


def draw_row(rng: random.Random, file: Path) -> dict[str, str]:
    """A picture of coloured circles and squares, and how many there are of one kind."""
    picture = PIL.Image.new("RGB", (4 * 28, 4 * 28), "white")
    pen = PIL.ImageDraw.Draw(picture)
    shapes = [(rng.choice([*COLOURS]), rng.choice(["circle", "square"])) for _ in range(rng.randint(2, 8))]
    for (colour, shape), cell in zip(shapes, sorted(rng.sample(range(16), len(shapes))), strict=True):
        x, y = 28 * (cell % 4) + 4, 28 * (cell // 4) + 4
        stamp = pen.ellipse if shape == "circle" else pen.rectangle
        stamp((x, y, x + 19, y + 19), fill=COLOURS[colour])
    picture.save(file)
    colour, shape = rng.choice(shapes)
    answer = shapes.count((colour, shape))
    return {"image": file.name, "question": f"How many {colour} {shape}s are there?", "answer": str(answer)}


def write_rows(name: str, count: int) -> Path:
    """`first_hour/NAME.jsonl` and its pictures."""
    FOLDER.mkdir(exist_ok=True)
    rng = random.Random(name)
    rows = [draw_row(rng, FOLDER / f"{name}-{i}.png") for i in range(count)]
    file = FOLDER / f"{name}.jsonl"
    file.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return file


train_file, held_out_file = write_rows("train", N_TRAIN), write_rows("held_out", N_HELD_OUT)
print(train_file.read_text(encoding="utf-8").splitlines()[0])

# %% [markdown]
# ## A verifier
#
# It says what an answer is worth, from 0 to 1, and why; `Score(None, why)` is for what it cannot judge. It
# lives in a file, whose text is part of a training's identity: with a changed verifier, a training starts
# anew.

# %%
VERIFIER = '''
from seethink.types import Example, Response, Score


def near(example: Example, response: Response) -> Score:
    """1 for the reference's number, 0.25 for one beside it, else 0."""
    if not (response.answer or "").isdecimal():
        return Score(0.0, f"{response.answer!r} is no whole number", unread=True)
    distance = abs(int(response.answer) - int(example.answer))
    return Score({0: 1.0, 1: 0.25}.get(distance, 0.0), f"{distance} away from {example.answer}")
'''
(FOLDER / "mine.py").write_text(VERIFIER, encoding="utf-8")
near = f"{FOLDER}/mine.py:near"

# %% [markdown]
# ## Check
#
# Every row, every fault, before anything runs: missing pictures, answers that the verifier cannot judge or
# does not reward, pictures of the held-out rows among those of the training.

# %%
found = check(
    Preflight(train_file, THINK_ANSWER, verifier=near, decode=True, decontaminate_against=held_out_file)
)
for fault in found.faults:
    print(fault)
print(f"{found.rows} rows; none at fault: {found.clean}")

# %% [markdown]
# ## Attempt
#
# A task is examples, a format and a verifier. An attempt is the one act that everything else repeats: ask,
# answer, parse, verify. Several answers to one question show whether there is something to learn: rewards
# that differ.

# %%
train_task, held_out = load_task(train_file, verifier=near), load_task(held_out_file, verifier=near)
(rollouts,) = attempt(
    LocalEngine.load("sprout"),
    train_task,
    [train_task.examples[0]],
    Sampling(temperature=1.0, max_tokens=128, n=4),
)
for rollout in rollouts:
    print(f"{rollout.score.value:.2f}  {rollout.response.text}")

# %% [markdown]
# ## Train, and ask the same questions before and after
#
# A run keeps every finished stage in its folder: run these lines again and they are skipped; a killed
# training goes on from its last checkpoint. The settings have the names of TRL (`docs/names.md`).

# %%
run = Run("first-hour", Scale("tiny"), FOLDER / "run")
base = run.model("sprout")
before = run.evaluate("before", base, [held_out], GREEDY)
settings = GRPOConfig.of(
    learning_rate=5e-5,
    max_steps=STEPS,
    prompts_per_step=2 if TINY else 16,
    num_generations=2 if TINY else 8,
    max_completion_length=16 if TINY else 160,
)
trained = run.grpo("grpo", base, train_task, settings)
after = run.evaluate("after", trained, [held_out], GREEDY)
(test,) = compare(before.path, after.path)
print(f"mean score {test['difference']:+.3f} on {test['n']} held-out questions, p = {test['p']}")

# %% [markdown]
# ## Look
#
# `report.html` has scores, the paired test, curves and rollouts; the second page has every answer to the
# held-out questions. The checkpoint is an ordinary folder for
# `AutoModelForImageTextToText.from_pretrained`.

# %%
run.compare("report", {"before": before, "after": after})
page = FOLDER / "look.html"
write_gallery_page(list(read_attempts(after.path)), run.out, page, "Held-out questions, after training")
print(f"{run.out / 'report.html'}, {page}; the checkpoint is {trained.path}")
