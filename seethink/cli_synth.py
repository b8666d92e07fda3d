"""`seethink synth`: reasoning data of a chain, and how far it is; one command for each chain."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

import typer
from rich.console import Console

from seethink import settings
from seethink.engines.teacher import Role, Teacher
from seethink.options import takes
from seethink.synth.asker import Budget, Price
from seethink.synth.chain import Chain
from seethink.synth.chains import CHAINS, by_name, settings_of
from seethink.terminal import Progress, say, show_measured
from seethink.terminal_synth import show_status
from seethink.types import Example, InputError

if TYPE_CHECKING:
    from seethink.synth.cluster import Cluster

ORACLE = "oracle"
ASKING, LIMITS, WORK = "Who is asked", "What it may take", "How it is done"
ROLES: tuple[Role, ...] = get_args(Role)

app = typer.Typer(no_args_is_help=True, help="Make reasoning data: pictures and questions become thoughts.")


def _teacher(role: str) -> Any:
    return typer.Option(help=f"Another teacher, to {role}.", rich_help_panel=ASKING, show_default=False)


def _limit(told: str, **checks: Any) -> Any:
    return typer.Option(help=told, rich_help_panel=LIMITS, show_default=False, **checks)


@dataclass(frozen=True, kw_only=True)
class Asking:
    """The options that say who is asked, and how."""

    teacher: Annotated[
        str,
        typer.Option(
            help="A server as http://host:port/v1#MODEL, or oracle, perhaps oracle:wrong=0.3,leak=0.1.",
            rich_help_panel=ASKING,
        ),
    ] = ORACLE
    see: Annotated[str, _teacher("look at pictures")] = ""
    reason: Annotated[str, _teacher("think about texts")] = ""
    judge: Annotated[str, _teacher("judge")] = ""
    key_env: Annotated[
        str, typer.Option(help="The environment variable that holds the key.", rich_help_panel=ASKING)
    ] = "OPENAI_API_KEY"
    at_once: Annotated[
        int, typer.Option(min=1, help="Calls on their way at one time.", rich_help_panel=ASKING)
    ] = 64
    per_minute: Annotated[float | None, _limit("Calls a minute, as the provider allows.", min=0.1)] = None
    tokens_per_minute: Annotated[float | None, _limit("Tokens a minute.", min=1)] = None
    timeout_s: Annotated[
        float, typer.Option(min=0.1, help="A call without an answer is tried anew.", rich_help_panel=ASKING)
    ] = 600.0
    wait_s: Annotated[
        float, typer.Option(min=0, help="How long a server may still be loading.", rich_help_panel=ASKING)
    ] = 10.0

    def addresses(self) -> dict[Role, str]:
        return {role: getattr(self, role) or self.teacher for role in ROLES}

    def open_teachers(self) -> Opening:
        return Opening(tuple(self.addresses().items()), self)


@dataclass(frozen=True, kw_only=True)
class Making(Asking):
    """The options of every chain."""

    data: Annotated[str, typer.Option(help="drawn:N, drawn:WORLD:N, or a file of questions.")]
    out: Annotated[Path, typer.Option(help="A folder; one that was begun is continued.")]
    images: Annotated[Path | None, typer.Option(help="The folder that paths of media begin at.")] = None
    against: Annotated[
        list[Path] | None, typer.Option(help="Test data: examples with its pictures are dropped.")
    ] = None
    view: Annotated[
        list[str] | None, typer.Option(help="The rows in another dialect, too: llava, rl, trl, dpo, ...")
    ] = None
    max_calls: Annotated[int | None, _limit("Answered calls, those of earlier runs included.", min=1)] = None
    max_tokens: Annotated[int | None, _limit("Tokens of prompts and replies together.", min=1)] = None
    max_cost: Annotated[float | None, _limit("Cost, in the currency of --price.", min=0)] = None
    price: Annotated[str, _limit("Of a million tokens, of prompts and of replies: 0.5,1.5")] = ""
    measure: Annotated[
        bool, typer.Option("--measure", help="With an oracle: precision and recall of every filter.")
    ] = False
    executor: Annotated[
        Literal["asyncio", "ray"], typer.Option(help="This process, or Ray.", rich_help_panel=WORK)
    ] = "asyncio"
    workers: Annotated[
        int, typer.Option(min=1, help="Processes that walk under Ray.", rich_help_panel=WORK)
    ] = 2
    ray_address: Annotated[
        str | None,
        typer.Option(help="A running cluster; none starts one here.", rich_help_panel=WORK),
    ] = None
    settings: Annotated[
        list[str] | None, typer.Argument(metavar="[SETTING=VALUE]...", help="Of the chain: paths=8")
    ] = None

    def cluster(self) -> Cluster | None:
        from seethink.synth.cluster import Cluster

        return None if self.executor == "asyncio" else Cluster(self.ray_address, self.workers)

    def prices(self) -> Mapping[Role, Price]:
        if not self.price:
            if self.max_cost is not None:
                raise InputError("--max-cost needs --price, what a million tokens cost: --price 0.5,1.5")
            return {}
        try:
            prompt, written = map(float, self.price.split(","))
        except ValueError:
            raise InputError(f"--price {self.price} is not two numbers, such as 0.5,1.5") from None
        return dict.fromkeys(ROLES, Price(prompt, written))


@dataclass(frozen=True)
class Opening:
    """Opens the teachers, one for each address; it goes to workers as it is."""

    addresses: tuple[tuple[Role, str], ...]
    asking: Asking

    async def __call__(self) -> dict[Role, Teacher]:
        opened: dict[str, Teacher] = {}
        for _, address in self.addresses:
            if address not in opened:
                opened[address] = await self._open(address)
        return {role: opened[address] for role, address in self.addresses}

    async def _open(self, address: str) -> Teacher:
        if (oracle := oracle_of(address)) is not None:
            return oracle
        from seethink.engines.chat import ChatTeacher, Terms

        asking = self.asking
        terms = Terms(
            at_once=asking.at_once,
            requests_per_minute=asking.per_minute,
            tokens_per_minute=asking.tokens_per_minute,
            answer_s=asking.timeout_s,
            wait_s=asking.wait_s,
        )
        return await ChatTeacher.open(address, key_env=asking.key_env, terms=terms)


def oracle_of(address: str) -> Any:
    """The oracle that an address names, None where it names a server. Raises InputError for its errors."""
    name, _, errors = address.partition(":")
    if name != ORACLE:
        return None
    from seethink.engines.scripted import Oracle

    return Oracle.from_text(errors)


# Making ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Order:
    """A command as it was given: everything that can be wrong with it is found before any work."""

    chain: Chain
    job: Making

    @cached_property
    def examples(self) -> Sequence[Example]:
        from seethink.synth.data import examples_of

        return examples_of(self.job.data, self.chain.world, self.job.images)

    def check(self) -> None:
        from seethink.sources import writing

        for view in self.job.view or ():
            writing.by_name(view)
        for address in self.job.addresses().values():
            oracle_of(address)
        if self.job.measure and oracle_of(self.job.teacher) is None:
            raise InputError("--measure needs an oracle, which knows what it planted: --teacher oracle")
        _ = self.job.prices(), self.examples[0]

    def against(self) -> frozenset[str]:
        from seethink.media import fingerprint
        from seethink.synth.data import examples_of

        tests = (examples_of(str(path), self.chain.world, self.job.images) for path in self.job.against or ())
        return frozenset(fingerprint(shown) for test in tests for example in test for shown in example.media)


def _make(name: str, job: Making) -> None:
    from seethink.synth.data import absolute, examples_of
    from seethink.synth.execute import ahead

    chain = by_name(
        name,
        dict(map(settings.parse, job.settings or ())),
        lambda data: examples_of(data, CHAINS[name]().world),
    )
    order, console = Order(chain, job), Console()
    order.check()
    from seethink.synth.run import Synthesis, synthesise

    synthesis = Synthesis(
        chain=chain,
        examples=order.examples,
        data=job.data,
        teachers=job.open_teachers(),
        out=job.out,
        against=order.against(),
        at_once=ahead(job.at_once),
        budget=Budget(job.max_calls, job.max_tokens, job.max_cost),
        prices=job.prices(),
        cluster=job.cluster(),
        views=tuple(job.view or ()),
        address=absolute(job.data),
        images=job.images,
    )
    try:
        with Progress(console, chain.name) as bar:
            status, written = synthesise(synthesis, lambda counts: bar(_progress(counts)))
    except KeyboardInterrupt:
        say(console, "stopped; the same command continues")
        raise typer.Exit(130) from None
    show_status(console, status)
    if job.measure:
        from seethink.synth.measure import measure

        show_measured(console, asyncio.run(measure(chain, order.examples, oracle_of(job.teacher))))
    for part, rows in written.rows.items():
        say(console, f"{rows:,} rows: {written.folder / part}.jsonl, .parquet")
    say(console, f"to leaf through them: seethink look {job.out}")
    if status.failed:
        say(console, f"{sum(status.failed.values()):,} examples failed; the same command asks for them again")
        raise typer.Exit(1)


def _progress(counts: Mapping[str, int]) -> dict[str, Any]:
    ended = [f"{counts[state]:,} {state}" for state in ("kept", "dropped", "failed")]
    done = sum(counts.values()) - counts["pending"]
    return {"step": done, "steps": sum(counts.values()), "told": ", ".join(ended)}


def _command(name: str) -> Callable[..., None]:
    @takes(Making)
    def command(job: Making) -> None:
        _make(name, job)

    return command


for _name in CHAINS:
    app.command(
        _name,
        help=f"{by_name(_name).about}\n\nSettings: {', '.join(settings_of(_name)) or 'none'}",
        epilog=f"Example: seethink synth {_name} --data drawn:100 --teacher oracle --out runs/{_name}",
    )(_command(_name))


@app.command(epilog="Example: seethink synth status runs/r1_onevision")
def status(
    out: Annotated[Path, typer.Argument(help="The folder of a synthesis.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """How far a synthesis is: kept, dropped and why, failed, pending, calls and cost."""
    from seethink.synth.status import opened, read_status

    with opened(out) as ledger:
        found = read_status(ledger)
    if as_json:
        typer.echo(json.dumps(found.as_json()))
    else:
        show_status(Console(), found)
