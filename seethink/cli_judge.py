"""A model that judges: its options, for commands that judge answers, and what is told of it at the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from seethink import verify
from seethink.run import Run
from seethink.terminal import say
from seethink.types import InputError, Task
from seethink.verify.combine import Weighted
from seethink.verify.judge import ATTRIBUTES, Agreement, Asking, Judge, StepsJudge

PANEL = "A model that judges"
MEMORY = "judge.sqlite"
"""In the run's folder: every verdict that was ever given there."""


@dataclass(frozen=True, kw_only=True)
class Judging:
    judge: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Its server, as http://host:port/v1.", rich_help_panel=PANEL),
    ] = None
    judge_model: Annotated[
        str | None, typer.Option(help="Its name, where the server has several.", rich_help_panel=PANEL)
    ] = None
    judge_key_env: Annotated[
        str, typer.Option(help="The environment variable that holds the key.", rich_help_panel=PANEL)
    ] = "OPENAI_API_KEY"
    judge_for: Annotated[
        Literal["unjudged", "all"],
        typer.Option(help="Decides what the verifier cannot judge, or everything.", rich_help_panel=PANEL),
    ] = "unjudged"
    judge_tokens: Annotated[
        int, typer.Option(min=1, help="Its longest reply; one that thinks needs more.", rich_help_panel=PANEL)
    ] = 512
    steps_judge: Annotated[
        bool,
        typer.Option("--steps-judge", help="Grades thoughts beside gold steps, too.", rich_help_panel=PANEL),
    ] = False

    @contextmanager
    def judged(self, task: Any, run: Run, stage: str) -> Iterator[Any]:
        """The task as the judge's options have it, for as long as the judge is there; afterwards its counts
        are told. Without --judge the task is what it was. Raises InputError where nobody can be asked."""
        if not self.judge:
            return (yield self._alone(task))
        if not isinstance(task, Task) or stage == "sft":
            raise InputError(f"{stage} judges no answers; leave out --judge")
        from seethink.engines.asked import AskedEngine
        from seethink.engines.chat import ChatTeacher
        from seethink.engines.memory import Memory

        with Memory(run.out / MEMORY) as memory:
            opening = ChatTeacher.open(self.judge, self.judge_model, self.judge_key_env)
            with AskedEngine(opening) as engine:
                shared = (engine.teacher.name, engine, memory, self.judge_tokens)
                judges = [Judge(*shared), *([StepsJudge(*shared)] if self.steps_judge else [])]
                yield self._with(task, *judges)
        if not run.helps:
            for line in self._told(judges, task, run.out, stage):
                say(run.console, line)

    def _alone(self, task: Any) -> Any:
        for field in fields(Judging):
            if getattr(self, field.name) != field.default:
                raise InputError(f"--{field.name.replace('_', '-')} needs --judge URL, the judge's server")
        return task

    def _with(self, task: Task, judge: Asking, *more: Asking) -> Task:
        """The task whose headline part the judge decides. What the rules alone say stands beside it unpaid,
        and so do grades of steps."""
        whole = task.verifier
        parts = whole.parts if isinstance(whole, Weighted) else ((task.headline, whole, 1.0),)
        (rules,) = (part for name, part, _ in parts if name == task.headline)
        decides = judge if self.judge_for == "all" else verify.first_of(rules, judge)
        judged = [(n, decides if n == task.headline else part, weight) for n, part, weight in parts]
        beside = [("rules", rules, 0.0), *(("steps", grades, 0.0) for grades in more)]
        return replace(task, verifier=Weighted((*judged, *beside)))

    def _told(self, judges: Sequence[Asking], task: Task, out: Path, stage: str) -> Iterator[str]:
        """How many verdicts were asked, known and missed, and how they compare with the rules'."""
        asked, found = (sum(len(getattr(j.tally, name)) for j in judges) for name in ("asked", "found"))
        yield f"judge {judges[0].model}: {asked:,} verdicts asked, {found:,} found in {out / MEMORY}"
        if failed := Counter(why for judge in judges for why in judge.tally.failed.values()):
            why, _ = failed.most_common(1)[0]
            again = f"; to ask again, move {out / stage} away" if stage == "eval" else ""
            yield f"no answer to {failed.total():,} of them, most often for {why}{again}"
        yield from self._verdicts(out / stage / "attempts.jsonl", task.headline)

    def _verdicts(self, attempts: Path, headline: str) -> Iterator[str]:
        """How the rules compare with the judge over all attempts, and the mean grade of steps."""
        from seethink.report.rows import read_attempts

        parts = [
            {name: part["value"] for name, part in row["parts"].items()} for row in read_attempts(attempts)
        ]
        both = [(part.get("rules"), part.get(headline)) for part in parts]
        if self.judge_for == "all":
            found = Agreement.of(both)
            kappa = "-" if found.kappa is None else f"{found.kappa:.2f}"
            share = "-" if found.share is None else f"{found.share:.1%}"
            yield (
                f"rules and judge agree on {share} of {found.n:,} attempts (Cohen's kappa {kappa}); "
                f"{found.unjudged:,} more were not judged by both"
            )
        else:
            open_ = [decided for rules, decided in both if rules is None]
            judged = sum(decided is not None for decided in open_)
            yield (
                f"the rules judged {len(both) - len(open_):,} of {len(both):,} attempts, "
                f"the judge {judged:,} of the other {len(open_):,}"
            )
        if self.steps_judge:
            grades = [part["steps"] for part in parts if part.get("steps") is not None]
            mean = f"{sum(grades) / len(grades):.3f}" if grades else "-"
            yield f"steps by {len(ATTRIBUTES)} attributes: {mean} in the mean over {len(grades):,} attempts"
