"""The tables and figures of `docs/scale.md`: what one card's figures foretell for more of them.

    python -m bench.scale            # writes docs/scale/*.svg and the tables between the page's marks
    python -m bench.scale --check    # exit code 1 where the page does not hold what is computed

Nothing is measured here: `seethink/run/cost/` simulates, and its figures say where each comes from.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import matplotlib

matplotlib.use("svg")
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from seethink.run.cost.estimate import CARDS, million_questions, scaling
from seethink.run.cost.figures import Figures
from seethink.run.cost.known_models import CALIBRATION_MODEL
from seethink.run.cost.schedules import KINDS, Simulated, TrainingJob, scaled, stops_scaling, synchronous
from seethink.run.cost.step import CardCost
from seethink.run.cost.workload import Question, assumed_question
from seethink.train.configs import GRPOConfig, TrainingConfig

PAGE = Path(__file__).parent.parent / "docs" / "scale.md"
FOLDER = PAGE.parent / "scale"
CALLS = {"r1v_distill": 1.954, "r1_vision": 2.895, "insight_v": 22.563}
"""Requests of a chain for an example, from the table of `bench/RESULTS.md` (synth.py)."""


def job(prompts: int) -> TrainingJob:
    """GRPO of a 3B model: a prompt of 1,300 tokens, 8 completions of up to 512."""
    config = GRPOConfig.of(prompts_per_step=prompts, num_generations=8, max_completion_length=512)
    prompt = assumed_question(CALIBRATION_MODEL, 1300, 8, 512)
    return TrainingJob(CALIBRATION_MODEL, prompt, config, Figures())


@cache
def rows(prompts: int) -> list[Simulated]:
    return scaling(job(prompts), CARDS[-1])


def parts_table() -> list[list[str]]:
    """Seconds of what a step consists of, on one card."""
    cost = CardCost(CALIBRATION_MODEL, Figures())
    training, prompt = TrainingConfig(), Question(1300, 5040, 8, 512)
    parts = {
        "rollout of 4 questions, 32 completions of 512 tokens": cost.rollout_s(prompt, [[512] * 8] * 4, 512),
        "update on 4 questions": 4 * cost.update_s(prompt, training),
        "optimiser step": cost.optimiser_s(training, reference=False),
    }
    spread = CardCost(CALIBRATION_MODEL, Figures(), 8), CardCost(CALIBRATION_MODEL, Figures(), 16)
    for one in spread:
        parts[f"adding gradients, {one.cards} cards"] = one.gradients_s(training, False, 4)
    parts["weights to sampling cards, 16 cards"] = spread[1].weights_s
    return [["part", "seconds"], *([name, f"{seconds:.2f}"] for name, seconds in parts.items())]


def schedules_table(prompts: int) -> list[list[str]]:
    """Both schedules by number of cards."""
    head = ["cards", "schedule", "cards that learn", "s a step", "prompts a second", "largest shares of time"]
    return [head, *(_cells(row) for row in rows(prompts))]


def _cells(row: Simulated) -> list[str]:
    largest = sorted(row.shares.items(), key=lambda pair: -pair[1])[:3]
    shares = ", ".join(f"{kind} {share:.0%}" for kind, share in largest if share >= 0.01)
    numbers = [f"{row.seconds:.1f}", f"{row.prompts / row.seconds:.2f}"]
    return [f"{row.cards}", row.schedule, str(row.learners or "all"), *numbers, shares]


def limits_table() -> list[list[str]]:
    """Where synchronous steps stop scaling, by prompts of a step and for a batch that grows."""
    table = [["prompts a step", "cards", "why"]]
    for prompts in (16, 128, 512):
        cards, why = stops_scaling(job(prompts))
        table.append([f"{prompts}", f"{cards}", why])
    cards, why = stops_scaling(job(16), larger_batch=True)
    return [*table, ["16 for each card", f"{cards}", why]]


def million_table() -> list[list[str]]:
    """What a million questions cost, by chain."""
    head = ["chain", "calls", "hours of one core", "hours of a teacher's card (assumed)", "GPU hours of GRPO"]
    table = [head]
    for chain, calls in CALLS.items():
        told = million_questions(job(16), calls)
        hours = [f"{told.cpu_hours:.1f}", f"{told.teacher_hours:,.0f}", f"{told.training_hours:,.0f}"]
        table.append([chain, f"{told.calls:,.0f}", *hours])
    return table


def batch_table() -> list[list[str]]:
    """Card seconds of a prompt where the batch grows with the cards."""
    table = [["cards", "prompts a step", "card seconds a prompt"]]
    for cards in CARDS:
        row = synchronous(scaled(job(16), cards, larger_batch=True))
        table.append([f"{cards}", f"{row.prompts:,}", f"{row.card_seconds:.1f}"])
    return table


TABLES = {
    "parts": parts_table,
    "schedules-16": lambda: schedules_table(16),
    "schedules-512": lambda: schedules_table(512),
    "limits": limits_table,
    "batch": batch_table,
    "million": million_table,
}


def markdown(table: Sequence[Sequence[str]]) -> str:
    head, *body = (f"| {' | '.join(cells)} |" for cells in table)
    return "\n".join([head, f"|{'---|' * len(table[0])}", *body])


def filled(page: str) -> str:
    """The page with every table between its marks."""
    for name, table in TABLES.items():
        mark = rf"(<!-- {name} -->\n).*?(<!-- end -->)"
        text = markdown(table())
        page, found = re.subn(mark, lambda m, t=text: f"{m[1]}{t}\n{m[2]}", page, count=1, flags=re.DOTALL)
        assert found, f"{PAGE.name} has no mark {name}"
    return page


# Figures ----------------------------------------------------------------------------------------------------


def draw() -> None:
    """docs/scale/rate.svg: prompts a second over cards; docs/scale/shares.svg: what the cards' time is."""
    matplotlib.rcParams |= {"svg.fonttype": "none", "svg.hashsalt": "scale", "font.size": 10}
    FOLDER.mkdir(exist_ok=True)
    _rates()
    _shares()


def _rates() -> None:
    figure, axes = plt.subplots(figsize=(7, 4))
    for prompts in (16, 512):
        found: Mapping[str, list[Simulated]] = {
            kind: [row for row in rows(prompts) if row.schedule == kind]
            for kind in ("synchronous", "one step off-policy")
        }
        for kind, some in found.items():
            rates = [row.prompts / row.seconds for row in some]
            style = "o-" if kind == "synchronous" else "s--"
            axes.plot([row.cards for row in some], rates, style, label=f"{kind}, {prompts} prompts a step")
            axes.annotate(f"{rates[-1]:.2f}", (some[-1].cards, rates[-1]), (4, 3), textcoords="offset points")
    axes.set(xscale="log", yscale="log", xlabel="cards", ylabel="prompts a second", xticks=CARDS)
    axes.set_xticks(CARDS, [str(n) for n in CARDS])
    axes.minorticks_off()
    axes.legend(fontsize=8)
    _save(figure, "rate")


def _shares() -> None:
    figure, axes = plt.subplots(figsize=(7, 4))
    some = [row for row in rows(512) if row.schedule == "synchronous"]
    under = [0.0] * len(some)
    for kind in (kind for kind in KINDS if any(row.shares[kind] >= 0.005 for row in some)):
        parts = [row.shares[kind] for row in some]
        axes.bar(range(len(some)), parts, bottom=under, label=kind)
        under = [below + part for below, part in zip(under, parts, strict=True)]
    axes.set_xticks(range(len(some)), [str(row.cards) for row in some])
    axes.set(xlabel="cards, synchronous, 512 prompts a step", ylabel="share of the cards' time")
    axes.legend(fontsize=8, ncols=3, loc="lower left")
    _save(figure, "shares")


def _save(figure: Figure, name: str) -> None:
    figure.tight_layout()
    figure.savefig(FOLDER / f"{name}.svg", metadata={"Date": None})
    plt.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="compare the page, write nothing")
    args = parser.parse_args()
    page = PAGE.read_text(encoding="utf-8")
    if args.check:
        if filled(page) != page:
            print(f"{PAGE} does not hold what is computed; run python -m bench.scale", file=sys.stderr)
            raise SystemExit(1)
        return
    PAGE.write_text(filled(page), encoding="utf-8")
    draw()


if __name__ == "__main__":
    main()
