"""SFT on the rows that a chain keeps, compared with SFT on all of its responses.

    python -m bench.synth_training --chain r1_onevision --questions 1600 --steps 100 --held-out 1600

The questions are pages of handwritten digits; the teacher is the oracle at its default error rates. `kept`:
the rows of the chain. `unfiltered`: every thought that the same steps write from the same replies, with its
own final answer; only unreadable replies are dropped. Both train `sprout` for the same number of steps of 32
examples. The held-out pages have scans that are in no training example; answers are greedy, and the test is
McNemar's. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench.shape import versions
from seethink import systems
from seethink.attempt import sft_example
from seethink.engines.local import LocalEngine
from seethink.engines.oracle import Oracle
from seethink.evaluate.evaluate import evaluate
from seethink.evaluate.statistics import compare
from seethink.formats import ANSWER_LINE, THINK_ANSWER
from seethink.formats.base_format import steps_of
from seethink.solve import Direct
from seethink.sources.handwritten import Pages
from seethink.sources.records import read
from seethink.synth.chain import BuildRows, Chain
from seethink.synth.draft import Draft
from seethink.synth.synthesis import Synthesis, synthesise
from seethink.systems.r1v.recipe import REWARD
from seethink.train.configs import SFTConfig
from seethink.train.sft import sft
from seethink.types import Example, Sampling, Task

WRITING_STEPS = {"r1_onevision": ("describe", "reason", "rewrite"), "insight_v": ("steps",)}
"""The steps of a chain that write thoughts; all others judge them."""


def unfiltered_rows(draft: Draft) -> Iterator[tuple[str, Example]]:
    """Every thought of a draft, with its own final answer."""
    if draft.thought:
        answer = ANSWER_LINE.parse(draft.final or "").answer
        yield "data", replace(draft.example, answer=answer, steps=tuple(steps_of(draft.thought)))
    for number, path in enumerate(draft.paths):
        example = draft.example
        yield "data", replace(example, id=f"{example.id}/{number}", answer=path.answer, steps=path.steps)


def without_meta(build_rows: BuildRows) -> BuildRows:
    """The rows of the part "data" that have an answer, without meta, which is not JSON for pages of
    digits."""
    return lambda draft: [
        (part, replace(row, meta={})) for part, row in build_rows(draft) if part == "data" and row.answer
    ]


def arms(name: str) -> dict[str, Chain]:
    """The chain, and its variant without filters."""
    whole = systems.chain(name)
    writing = tuple(step for step in whole.steps if step.name in WRITING_STEPS[name])
    return {
        "kept": replace(whole, build_rows=without_meta(whole.build_rows)),
        "unfiltered": replace(
            whole, name="unfiltered", steps=writing, build_rows=without_meta(unfiltered_rows)
        ),
    }


def untitled(row: Example) -> Example:
    """The row without the titles of its steps, whose words `sprout` must spell letter by letter."""
    return replace(row, steps=tuple(step.partition(": ")[2] or step for step in row.steps))


def synthesised(chain: Chain, questions: Sequence[Example], errors: str, out: Path) -> list[Example]:
    """The rows of a chain over the questions."""

    async def open_oracle() -> Any:
        return dict.fromkeys(("vision", "text", "judge"), Oracle.from_text(errors))

    synthesise(Synthesis(chain, questions, "pages", open_oracle, out))
    rows = read(out / "rows" / "data.jsonl")
    return [untitled(row) if "steps" in {step.name for step in chain.steps} else row for row in rows]


def trained(rows: Sequence[Example], config: SFTConfig, out: Path) -> Path:
    """The folder of the model after SFT on the rows."""
    task = Task("practice", rows, THINK_ANSWER, REWARD)
    return sft("sprout", [sft_example(task, row) for row in rows], config, out)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--chain", choices=[*WRITING_STEPS], default="r1_onevision")
    parser.add_argument("--questions", type=int, default=1_600)
    parser.add_argument("--errors", default="wrong=0.3,leak=0.1,json=0.05,refusal=0.05")
    parser.add_argument("--learning-rate", type=float, default=1e-4)
    parser.add_argument("--steps", type=int, default=100, help="training steps of 32 examples, in both arms")
    parser.add_argument("--held-out", type=int, default=1_600)
    parser.add_argument("--max-tokens", type=int, default=320)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()

    questions = Pages(options.questions, "train", options.seed)
    task = Task("held out", Pages(options.held_out, "test", options.seed), THINK_ANSWER, REWARD)
    config = SFTConfig.of(
        learning_rate=options.learning_rate,
        train_batch_size=32,
        max_tokens_per_batch=4_000,
        max_steps=options.steps,
        seed=options.seed,
    )
    solver = Direct(Sampling(temperature=0.0, max_tokens=options.max_tokens))
    line: dict[str, Any] = {"name": f"synth training {options.chain}", "versions": versions()}
    with TemporaryDirectory() as folder:
        for name, chain in arms(options.chain).items():
            out, start_s = Path(folder) / name, time.perf_counter()
            rows = synthesised(chain, questions, options.errors, out / "synthesis")
            model = trained(rows, config, out / "sft")
            engine = LocalEngine.load(str(model))
            row = evaluate(engine, [task], solver, out / "eval", Path(folder) / "media")[task.name]
            seconds = time.perf_counter() - start_s
            right = row["value"]
            print(f"{name:10} {len(rows):,} rows, {right:.1%} correct, {seconds:.0f} s", flush=True)
            line[name] = {"rows": len(rows), "right": right, "seconds": seconds}
        attempts = [Path(folder) / name / "eval" / "attempts.jsonl" for name in ("unfiltered", "kept")]
        (line["test"],) = compare(*attempts)
    test = line["test"]
    print(f"kept - unfiltered: {test['difference']:+.1%}, p {test['p']:.2g}, n {test['n']}")
    print(json.dumps(line))


if __name__ == "__main__":
    main()
