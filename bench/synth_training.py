"""Whether what a chain drops was worth dropping: SFT on what it keeps, beside SFT on all that was said.

    python -m bench.synth_training --chain r1_onevision --questions 1600 --steps 100 --held-out 1600

The questions are pages of handwritten digits, the teacher is the oracle at its planted error rates. `kept`:
rows of the chain. `unfiltered`: every thought that the same steps make of the same replies, with the answer
that it ends in; nothing is dropped but what cannot be read. Both teach `sprout` for as many steps of 32
lessons. The held-out pages have scans that no lesson has; answers are greedy, the test is McNemar's.
Its last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))  # started by its file's name, it finds itself

from bench.shape import versions
from seethink.attempt import lesson
from seethink.engines.local import LocalEngine
from seethink.engines.scripted import Oracle
from seethink.evaluate import compare, evaluate
from seethink.formats import ANSWER_LINE, THINK_ANSWER
from seethink.formats.asking import steps_of
from seethink.recipes.r1v import PAID
from seethink.solve import direct
from seethink.sources.handwritten import Pages
from seethink.sources.records import read
from seethink.synth.chain import Chain
from seethink.synth.chains import by_name
from seethink.synth.draft import Draft
from seethink.synth.run import Synthesis, synthesise
from seethink.train.configs import SFT
from seethink.train.sft import sft
from seethink.types import Example, Sampling, Task

MAKES = {"r1_onevision": ("describe", "reason", "rewrite"), "insight_v": ("steps",)}
"""The steps of a chain that make thoughts; all others judge them."""


def said(draft: Draft) -> Iterator[tuple[str, Example]]:
    """Every thought of a draft, with the answer that it ends in."""
    if draft.thought:
        answer = ANSWER_LINE.parse(draft.final or "").answer
        yield "data", replace(draft.example, answer=answer, steps=tuple(steps_of(draft.thought)))
    for number, path in enumerate(draft.paths):
        example = draft.example
        yield "data", replace(example, id=f"{example.id}/{number}", answer=path.answer, steps=path.steps)


def plain(emit: Callable[[Draft], Iterable[tuple[str, Example]]]) -> Callable[[Draft], Any]:
    """The thoughts alone, without their meta: a page of digits is no JSON."""
    return lambda draft: [
        (part, replace(row, meta={})) for part, row in emit(draft) if part == "data" and row.answer
    ]


def arms(name: str) -> dict[str, Chain]:
    whole = by_name(name)
    makes = tuple(step for step in whole.steps if step.name in MAKES[name])
    return {
        "kept": replace(whole, emit=plain(whole.emit)),
        "unfiltered": replace(whole, name="unfiltered", steps=makes, emit=plain(said)),
    }


def untitled(row: Example) -> Example:
    """A path without the titles of its steps, for whose words `sprout` has but letters."""
    return replace(row, steps=tuple(step.partition(": ")[2] or step for step in row.steps))


def made(chain: Chain, questions: Sequence[Example], errors: str, out: Path) -> list[Example]:
    async def teachers() -> Any:
        return dict.fromkeys(("see", "reason", "judge"), Oracle.from_text(errors))

    synthesise(Synthesis(chain, questions, "pages", teachers, out))
    rows = read(out / "rows" / "data.jsonl")
    return [untitled(row) if "steps" in {step.name for step in chain.steps} else row for row in rows]


def taught(rows: Sequence[Example], config: SFT, out: Path) -> Path:
    task = Task("practice", rows, THINK_ANSWER, PAID)
    return sft("sprout", [lesson(task, row) for row in rows], config, out)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument("--chain", choices=[*MAKES], default="r1_onevision")
    options.add_argument("--questions", type=int, default=1_600)
    options.add_argument("--errors", default="wrong=0.3,leak=0.1,json=0.05,refusal=0.05")
    options.add_argument("--learning-rate", type=float, default=1e-4)
    options.add_argument("--steps", type=int, default=100, help="of 32 lessons each, in both arms")
    options.add_argument("--held-out", type=int, default=1_600)
    options.add_argument("--max-tokens", type=int, default=320)
    options.add_argument("--seed", type=int, default=0)
    asked = options.parse_args()

    questions = Pages(asked.questions, "train", asked.seed)
    task = Task("held out", Pages(asked.held_out, "test", asked.seed), THINK_ANSWER, PAID)
    config = SFT(
        asked.learning_rate, lessons_per_step=32, tokens_per_pack=4_000, steps=asked.steps, seed=asked.seed
    )
    solver = direct(Sampling(temperature=0.0, max_tokens=asked.max_tokens))
    line: dict[str, Any] = {"name": f"synth training {asked.chain}", "versions": versions()}
    with TemporaryDirectory() as folder:
        for name, chain in arms(asked.chain).items():
            out, began = Path(folder) / name, time.perf_counter()
            rows = made(chain, questions, asked.errors, out / "made")
            model = taught(rows, config, out / "sft")
            engine = LocalEngine.load(str(model))
            row = evaluate(engine, [task], solver, out / "eval", Path(folder) / "media")[task.name]
            seconds = time.perf_counter() - began
            right = row["value"]
            print(f"{name:10} {len(rows):,} rows, {right:.1%} right, {seconds:.0f} s", flush=True)
            line[name] = {"rows": len(rows), "right": right, "seconds": seconds}
        attempts = [Path(folder) / name / "eval" / "attempts.jsonl" for name in ("unfiltered", "kept")]
        (line["test"],) = compare(*attempts)
    test = line["test"]
    print(f"kept - unfiltered: {test['difference']:+.1%}, p {test['p']:.2g}, n {test['n']}")
    print(json.dumps(line))


if __name__ == "__main__":
    main()
