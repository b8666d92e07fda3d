"""Writes `docs/systems.md`: what each recipe shows, from finished runs of several seeds.

    for seed in 0 1 2; do seethink run r1v --scale tiny --seed $seed --out runs/r1v-$seed; done
    python -m bench.systems_page runs/r1v-*

The runs of a recipe are taken together: the attempts of all seeds count, and every interval, test and finding
is measured again on them. Seeds differ in questions, order and sampling.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench.markdown import cell, table
from seethink import systems
from seethink.evaluate.attempts import append_rows, read_attempts
from seethink.evaluate.statistics import summarise
from seethink.report.score_figure import score_figure
from seethink.report.scores import conclusion
from seethink.run.comparison import Finding, measured_findings, paired_tests
from seethink.run.stage import Evaluation

ABOUT = """# The systems

Written by `python -m bench.systems_page` from finished runs. Each folder of
[`seethink/systems`](../seethink/systems) holds what is peculiar to one system: recipe, rewards as published,
data chain, and a README with its known defects. What the bundled model can do: [sprout.md](sprout.md).

Means in % with 95 % intervals over the questions of all seeds, answered greedily. A finding is a direction
that was stated before anything was measured; its p value is that of one paired test.
"""


def main() -> None:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("runs", type=Path, nargs="+", help="folders of finished runs")
    parser.add_argument("--docs", type=Path, default=Path("docs"), help="where to write systems.md")
    args = parser.parse_args()
    write(args.runs, args.docs)


def write(runs: Sequence[Path], docs: Path) -> None:
    """Write `systems.md` and a figure for each recipe under `docs`. Raises ValueError for two runs of one
    recipe and seed, and for runs of one recipe at several scales."""
    by_recipe: dict[str, dict[int, Path]] = defaultdict(dict)
    for run in runs:
        report = _report(run)
        (seed,) = report["seeds"]
        if seed in by_recipe[report["recipe"]]:
            raise ValueError(f"{run} is another run of {report['recipe']} with seed {seed}")
        by_recipe[report["recipe"]][seed] = run
    figures = docs / "systems"
    shutil.rmtree(figures, ignore_errors=True)
    figures.mkdir(parents=True)
    sections = [ABOUT]
    for recipe, of_seeds in sorted(by_recipe.items()):
        found = pooled(of_seeds)
        (figures / f"{recipe}.svg").write_bytes(score_figure(found)["scores.svg"])
        sections.append("\n".join(_section(recipe, found)))
    (docs / "systems.md").write_text("\n".join(sections), encoding="utf-8")


def pooled(runs: Mapping[int, Path]) -> dict[str, Any]:
    """One report of the runs of a recipe, {seed: folder}; in it the seeds' attempts count together."""
    reports = {seed: _report(run) for seed, run in runs.items()}
    first = next(iter(reports.values()))
    if len(scales := {report["scale"] for report in reports.values()}) > 1:
        raise ValueError(f"runs of {first['recipe']} at the scales {', '.join(sorted(scales))}")
    with TemporaryDirectory() as folder:
        results = {arm: _evaluation(arm, runs, Path(folder), first["headline"]) for arm in first["results"]}
        tests = paired_tests(results)
    findings = [Finding(**{name: row[name] for name in _FINDING}) for row in first["findings"]]
    return {
        "recipe": first["recipe"],
        "scale": first["scale"],
        "seeds": sorted(reports),
        "headline": first["headline"],
        "results": {arm: result.rows for arm, result in results.items()},
        "tests": tests,
        "claims": first["claims"],
        "findings": measured_findings(tests, findings),
        "matched": list(dict.fromkeys(task for result in results.values() for task in result.rows)),
        "trainings": {},
    }


_FINDING = ("text", "task", "better", "worse", "otherwise")


def _evaluation(arm: str, runs: Mapping[int, Path], folder: Path, headline: str) -> Evaluation:
    """The attempts of one arm in all runs, their ids marked with the seed."""
    file = folder / f"{arm.replace('/', '-')}.jsonl"
    for seed, run in runs.items():
        inputs = json.loads((run / "report" / "stage.json").read_text(encoding="utf-8"))["inputs"]
        stage, _, _ = inputs[f"arm {arm}"].rpartition(":")
        attempts = read_attempts(run / stage / "attempts.jsonl")
        append_rows(file, ({**row, "id": f"{seed}/{row['id']}"} for row in attempts))
    by_task = defaultdict(list)
    for row in read_attempts(file):
        by_task[row["task"]].append(row)
    return Evaluation(arm, file, headline, {task: summarise(rows) for task, rows in by_task.items()})


def _section(recipe: str, report: Mapping[str, Any]) -> Iterator[str]:
    """The section of a recipe, line by line."""
    header = systems.header(recipe)
    seeds = ", ".join(map(str, report["seeds"]))
    yield f"\n## {header.pop('title')}\n"
    yield (
        f"`seethink run {recipe} --scale {report['scale']}`, seeds {seeds}; "
        f"[README](../seethink/systems/{recipe}/README.md).\n"
    )
    yield from (f"- **{name}** {said}" for name, said in header.items())
    yield ""
    tasks = report["matched"]
    arms = report["results"].items()
    yield table(["arm", *tasks], [[arm, *(_cell(rows.get(task)) for task in tasks)] for arm, rows in arms])
    yield from (f"{sentence}\n" for sentence in conclusion(report)[: len(report["findings"])])
    for claim in report["claims"]:
        yield f"- Published: {claim['arm']} {100 * claim['paper']:.4g} % ({claim['source']})."
    yield f"\n![{recipe}](systems/{recipe}.svg)"


def _cell(row: Mapping[str, Any] | None) -> str:
    return f"{shown}, n = {row['n']:,}" if row and (shown := cell(row)) else ""


def _report(run: Path) -> dict[str, Any]:
    return json.loads((run / "report.json").read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
