"""`seethink synth`: one command for each chain that generates reasoning data, and the status of a
synthesis."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import Console

from seethink import settings, systems
from seethink.cli.options import MediaRoot, takes
from seethink.cli.synth_tables import show_status
from seethink.cli.tables import say, show_measured
from seethink.engines.base import ROLES, Role
from seethink.synth.chain import Chain
from seethink.synth.dispatch import Budget, Price
from seethink.synth.teachers import ORACLE, Teachers, addresses_by_role, oracle_of
from seethink.train.progress_bar import ProgressBar
from seethink.types import Example, InputError

if TYPE_CHECKING:
    from seethink.synth.cluster import RayCluster

TEACHERS, LIMITS, EXECUTION = "Teachers", "Limits", "Execution"

synth = typer.Typer(no_args_is_help=True, help="Generate reasoning data: one command for each chain.")
app = typer.Typer()
app.add_typer(synth, name="synth")


def _option(panel: str, text: str, **settings: Any) -> Any:
    return typer.Option(help=text, rich_help_panel=panel, **settings)


def _teacher(requests: str) -> Any:
    return _option(TEACHERS, f"Another teacher for {requests}.", show_default=False)


def _limit(text: str, **checks: Any) -> Any:
    return _option(LIMITS, text, show_default=False, **checks)


@dataclass(frozen=True, kw_only=True)
class TeacherOptions:
    """The models that generate, and how their servers are called."""

    teacher: Annotated[
        str,
        _option(
            TEACHERS,
            "Server as http://host:port/v1#MODEL, or oracle, or with errors oracle:wrong=0.3,leak=0.1.",
        ),
    ] = ORACLE
    vision_teacher: Annotated[str, _teacher("requests with pictures")] = ""
    text_teacher: Annotated[str, _teacher("requests of text alone")] = ""
    judge_teacher: Annotated[str, _teacher("verdicts")] = ""
    key_env: Annotated[str, _option(TEACHERS, "Environment variable that holds the API key.")] = (
        "OPENAI_API_KEY"
    )
    max_concurrency: Annotated[int, _option(TEACHERS, "Concurrent requests.", min=1)] = 64
    request_timeout: Annotated[
        float, _option(TEACHERS, "Seconds until a request without a reply is retried.", min=0.1)
    ] = 600.0
    startup_timeout: Annotated[
        float, _option(TEACHERS, "Seconds to wait for a server that is starting.", min=0)
    ] = 10.0
    requests_per_minute: Annotated[float | None, _limit("Rate limit of the provider.", min=0.1)] = None
    tokens_per_minute: Annotated[
        float | None, _limit("Rate limit of the provider, prompts included.", min=1)
    ] = None

    def addresses(self) -> dict[Role, str]:
        """{role: address of its teacher}"""
        return addresses_by_role(self)

    def teachers(self) -> Teachers:
        from seethink.engines.http import RequestPolicy

        policy = RequestPolicy(
            max_concurrency=self.max_concurrency,
            requests_per_minute=self.requests_per_minute,
            tokens_per_minute=self.tokens_per_minute,
            request_timeout_s=self.request_timeout,
            startup_timeout_s=self.startup_timeout,
        )
        return Teachers(tuple(self.addresses().items()), policy, self.key_env)


@dataclass(frozen=True, kw_only=True)
class BudgetOptions:
    """What a synthesis may use in all, earlier runs included."""

    max_calls: Annotated[int | None, _limit("Completed requests, earlier runs included.", min=1)] = None
    max_tokens: Annotated[int | None, _limit("Tokens of prompts and completions together.", min=1)] = None
    max_cost: Annotated[float | None, _limit("Cost, in the currency of --price.", min=0)] = None
    price: Annotated[str, _limit("Price of a million tokens, of prompts and of completions: 0.5,1.5")] = ""

    def budget(self) -> Budget:
        return Budget(self.max_calls, self.max_tokens, self.max_cost)

    def prices(self) -> Mapping[Role, Price]:
        """Raises InputError for --max-cost without --price, and for a --price that is not two numbers."""
        if not self.price:
            if self.max_cost is not None:
                raise InputError("--max-cost needs --price, the price of a million tokens: --price 0.5,1.5")
            return {}
        try:
            prompt, completion = map(float, self.price.split(","))
        except ValueError:
            raise InputError(f"--price {self.price} is not two numbers, such as 0.5,1.5") from None
        return dict.fromkeys(ROLES, Price(prompt, completion))


@dataclass(frozen=True, kw_only=True)
class ExecutorOptions:
    """Where the work is done."""

    executor: Annotated[Literal["asyncio", "ray"], _option(EXECUTION, "Work in this process, or on Ray.")] = (
        "asyncio"
    )
    workers: Annotated[int, _option(EXECUTION, "Processes on Ray.", min=1)] = 2
    ray_address: Annotated[
        str | None, _option(EXECUTION, "Address of a running cluster; by default one is started here.")
    ] = None

    def cluster(self) -> RayCluster | None:
        """None for this process."""
        from seethink.synth.cluster import RayCluster

        return None if self.executor == "asyncio" else RayCluster(self.ray_address, self.workers)


@dataclass(frozen=True, kw_only=True)
class SynthesisOptions:
    """Options of every chain."""

    data: Annotated[str, typer.Option(help="File of questions, drawn:N or drawn:WORLD:N.")]
    out: Annotated[Path, typer.Option(help="Output folder; an interrupted synthesis in it is resumed.")]
    media_root: MediaRoot = None
    decontaminate_against: Annotated[
        list[Path] | None, typer.Option(help="Test data; examples that share a picture with it are dropped.")
    ] = None
    export_format: Annotated[
        list[str] | None, typer.Option(help="Also write the rows in this dialect: llava, rl, trl, dpo, ...")
    ] = None
    measure: Annotated[
        bool, typer.Option("--measure", help="Precision and recall of every filter; needs an oracle.")
    ] = False
    settings: Annotated[
        list[str] | None, typer.Argument(metavar="[SETTING=VALUE]...", help="Settings of the chain: paths=8")
    ] = None
    teachers: TeacherOptions
    limits: BudgetOptions
    execution: ExecutorOptions


# Synthesis ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SynthesisInputs:
    """The data of a synthesis, from its options."""

    chain: Chain
    options: SynthesisOptions

    @cached_property
    def examples(self) -> Sequence[Example]:
        from seethink.synth.data_address import load_examples

        return load_examples(self.options.data, self.chain.world, self.options.media_root)

    def check(self) -> None:
        """Raises InputError for any option that cannot be used, before any request."""
        from seethink.sources import writing

        for dialect in self.options.export_format or ():
            writing.by_name(dialect)
        for address in self.options.teachers.addresses().values():
            oracle_of(address)
        if self.options.measure and oracle_of(self.options.teachers.teacher) is None:
            raise InputError("--measure needs an oracle, which knows the errors it made: --teacher oracle")
        _ = self.options.limits.prices(), self.examples[0]

    def test_fingerprints(self) -> frozenset[str]:
        """Fingerprints of the pictures of --decontaminate-against."""
        from seethink.media import fingerprint
        from seethink.synth.data_address import load_examples

        tests = (
            load_examples(str(path), self.chain.world, self.options.media_root)
            for path in self.options.decontaminate_against or ()
        )
        return frozenset(
            fingerprint(medium) for test in tests for example in test for medium in example.media
        )


def _synthesise(name: str, job: SynthesisOptions) -> None:
    from seethink.synth.data_address import absolute_address, load_examples
    from seethink.synth.execute import examples_in_flight

    chain = systems.chain(
        name,
        dict(map(settings.parse, job.settings or ())),
        lambda data: load_examples(data, systems.chain(name).world),
    )
    inputs, console = SynthesisInputs(chain, job), Console()
    inputs.check()
    from seethink.synth.synthesis import Synthesis, progress_row, synthesise

    synthesis = Synthesis(
        chain=chain,
        examples=inputs.examples,
        data=job.data,
        open_teachers=job.teachers.teachers(),
        out=job.out,
        decontaminate=inputs.test_fingerprints(),
        max_concurrency=examples_in_flight(job.teachers.max_concurrency),
        budget=job.limits.budget(),
        prices=job.limits.prices(),
        cluster=job.execution.cluster(),
        export_formats=tuple(job.export_format or ()),
        address=absolute_address(job.data),
        media_root=job.media_root,
    )
    try:
        with ProgressBar(console, chain.name) as bar:
            status, written = synthesise(synthesis, lambda counts: bar(progress_row(counts)))
    except KeyboardInterrupt:
        say(console, "stopped; the same command continues")
        raise typer.Exit(130) from None
    show_status(console, status)
    if job.measure:
        from seethink.synth.measure import measure

        show_measured(console, asyncio.run(measure(chain, inputs.examples, oracle_of(job.teachers.teacher))))
    for part, rows in written.rows.items():
        say(console, f"{rows:,} rows: {written.folder / part}.jsonl, .parquet")
    say(console, f"to browse them: seethink look {job.out}")
    if status.failed:
        say(console, f"{sum(status.failed.values()):,} examples failed; the same command tries them again")
        raise typer.Exit(1)


def _command(name: str) -> Callable[..., None]:
    @takes(SynthesisOptions)
    def command(job: SynthesisOptions) -> None:
        _synthesise(name, job)

    return command


for _name in systems.chains():
    _settings = ", ".join(systems.chain_settings(_name)) or "none"
    synth.command(
        _name,
        help=f"{systems.chain(_name).about}\n\nSettings: {_settings}",
        epilog=f"Example: seethink synth {_name} --data drawn:100 --teacher oracle --out runs/{_name}",
    )(_command(_name))


@synth.command(epilog="Example: seethink synth status runs/r1_onevision")
def status(
    out: Annotated[Path, typer.Argument(help="Folder of a synthesis.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Print the status of a synthesis: examples kept, dropped, failed and pending; requests and cost."""
    from seethink.synth.status import open_ledger, read_status

    with open_ledger(out) as ledger:
        synthesis = read_status(ledger)
    if as_json:
        typer.echo(json.dumps(synthesis.as_json()))
    else:
        show_status(Console(), synthesis)
