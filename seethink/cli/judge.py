"""Options of a model that judges answers, and the summary that is printed at the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from seethink.cli.tables import say
from seethink.evaluate.agreement import JudgeSummary
from seethink.tasks import with_judge
from seethink.types import InputError, Task
from seethink.verify.judge import ATTRIBUTES, Audited, BaseJudge, Judge, StepsJudge

PANEL = "Judge model"
CACHE = "judge.sqlite"
"""Every reply that a judge gave, by its server, its name and all that it was asked: in the run's folder, or
in that of all evaluations, so that two models' equal answers to a question get one verdict."""


@dataclass(frozen=True, kw_only=True)
class JudgeOptions:
    """A model on a server that judges answers beside the verifier."""

    judge_base_url: Annotated[
        str | None,
        typer.Option(
            metavar="URL", help="The judge's server, as http://host:port/v1.", rich_help_panel=PANEL
        ),
    ] = None
    judge_model: Annotated[
        str | None, typer.Option(help="Its name, where the server has several.", rich_help_panel=PANEL)
    ] = None
    judge_key_env: Annotated[
        str, typer.Option(help="Environment variable that holds the API key.", rich_help_panel=PANEL)
    ] = "OPENAI_API_KEY"
    judge_for: Annotated[
        Literal["unjudged", "all"],
        typer.Option(help="Judge what the verifier cannot, or every answer.", rich_help_panel=PANEL),
    ] = "unjudged"
    judge_max_tokens: Annotated[
        int,
        typer.Option(min=1, help="Longest reply; reasoning models need more.", rich_help_panel=PANEL),
    ] = 512
    judge_audit: Annotated[
        float,
        typer.Option(
            min=0,
            max=1,
            help="Share of the answers that the judge scores beside the rules, to see how far they agree.",
            rich_help_panel=PANEL,
        ),
    ] = 0.0
    judge_cache: Annotated[
        Path | None,
        typer.Option(
            help="File that keeps its replies; judge.sqlite in --out or, for all evaluations, in runs/eval.",
            rich_help_panel=PANEL,
        ),
    ] = None
    steps_judge: Annotated[
        bool,
        typer.Option("--steps-judge", help="Also grade thoughts against gold steps.", rich_help_panel=PANEL),
    ] = False

    @contextmanager
    def judged(
        self, run: Path, stages: Sequence[Path], console: Console, *tasks: Task
    ) -> Iterator[tuple[Task, ...]]:
        """The tasks with the judge in their verifiers, while the judge's server is connected; then print the
        summary.

        run: the folder that keeps its replies, unless --judge-cache names a file. stages: the folders whose
        attempts the summary is about. Without --judge-base-url the tasks stay as they are. Raises InputError
        where the server cannot be used.
        """
        if not self.judge_base_url:
            self.refuse_given("needs --judge-base-url URL, the judge's server")
            yield tasks
            return
        from seethink.engines.chat import ChatEngine
        from seethink.engines.response_cache import ResponseCache
        from seethink.engines.sync import SyncEngine

        with ResponseCache(self.judge_cache or run / CACHE) as cache:
            opening = ChatEngine.open(self.judge_base_url, self.judge_model, self.judge_key_env)
            with SyncEngine(opening) as engine:
                shared = (engine.name, engine, cache, self.judge_max_tokens)
                served = self.judge_base_url.partition("#")[0].rstrip("/")
                judge = Judge(*shared, served=served)
                steps = StepsJudge(*shared, served=served) if self.steps_judge else None
                audit = Audited(judge, self.judge_audit) if self.judge_audit else None
                yield tuple(with_judge(task, judge, self.judge_for, steps, audit) for task in tasks)
        if not console.quiet:
            judges = [judge, *([steps] if steps else [])]
            for line in self._summary(judges, cache.path, stages, tasks[0].headline):
                say(console, line)

    def refuse_given(self, why: str) -> None:
        """Raises InputError for the first option that was given."""
        for field in fields(JudgeOptions):
            if getattr(self, field.name) != field.default:
                raise InputError(f"--{field.name.replace('_', '-')} {why}")

    def _summary(
        self, judges: Sequence[BaseJudge], cache: Path, stages: Sequence[Path], headline: str
    ) -> Iterator[str]:
        """Calls of the judge, then how its verdicts compare with the rules'."""
        sent, cached = (sum(len(getattr(j.statistics, name)) for j in judges) for name in ("sent", "cached"))
        yield f"judge {judges[0].model}: {sent:,} calls, {cached:,} replies from {cache}"
        if failed := Counter(why for judge in judges for why in judge.statistics.failed.values()):
            why, _ = failed.most_common(1)[0]
            again = "; to try again, add --retry" if stages[0].name == "eval" else ""
            yield f"{failed.total():,} calls failed, most often with {why}{again}"
        from seethink.evaluate.attempts import read_attempts

        rows = (row for stage in stages for row in read_attempts(stage / "attempts.jsonl"))
        summary = JudgeSummary.of(rows, headline)
        if self.judge_for == "all" or self.judge_audit:
            found = summary.agreement
            kappa = "-" if found.kappa is None else f"{found.kappa:.2f}"
            share = "-" if found.share is None else f"{found.share:.1%}"
            yield (
                f"rules and judge agree on {share} of {found.n:,} attempts (Cohen's kappa {kappa}); "
                f"{found.unjudged:,} more were not judged by both"
            )
        if self.judge_for == "unjudged":
            yield (
                f"the rules judged {summary.by_rules:,} of {summary.attempts:,} attempts, "
                f"the judge {summary.by_judge:,} of the other {summary.attempts - summary.by_rules:,}"
            )
        if self.steps_judge:
            grades = summary.step_grades
            mean = f"{sum(grades) / len(grades):.3f}" if grades else "-"
            yield f"steps by {len(ATTRIBUTES)} attributes: mean {mean} over {len(grades):,} attempts"
