"""The command that serves a model over HTTP."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console

from seethink import formats
from seethink.cli.options import FORMATS, MODELS, PROMPT_MODES, takes, trained
from seethink.cli.tables import say
from seethink.types import InputError

app = typer.Typer()

NEEDED = ("fastapi", "uvicorn", "prometheus_client", "jsonschema")
KEY_VARIABLE = "SEETHINK_API_KEY"


@dataclass(frozen=True, kw_only=True)
class ServeOptions:
    """Options of `seethink serve`."""

    model: Annotated[str, typer.Argument(help=MODELS)] = "sprout"
    solver: Annotated[
        str, typer.Option(help="NAME or NAME:OPTION=VALUE,...; a request may choose another.")
    ] = "direct"
    engine: Annotated[Literal["local", "vllm"], typer.Option(help="vllm needs its package.")] = "local"
    format: Annotated[
        str,
        typer.Option(
            help=f"{FORMATS.rstrip('.')}; none: messages as they are; raw: and answers with their tags."
        ),
    ] = "think_answer"
    prompt_mode: Annotated[str, typer.Option(help=PROMPT_MODES)] = "suffix"
    host: Annotated[
        str, typer.Option(help="Address to listen on; others than this machine's need a key.")
    ] = "127.0.0.1"
    port: Annotated[int, typer.Option(min=0, max=65_535, help="0: any free one.")] = 8000
    api_key: Annotated[
        list[str] | None,
        typer.Option(
            help=f"Key that clients send, repeatable; or the variable {KEY_VARIABLE}.", show_default=False
        ),
    ] = None
    served_model_name: Annotated[
        list[str] | None, typer.Option(help="Names for clients, repeatable; the model's by default.")
    ] = None
    allowed_local_media_path: Annotated[
        list[Path] | None,
        typer.Option(help="Folder whose files requests may name, repeatable; none by default."),
    ] = None
    remote_media: Annotated[
        bool, typer.Option("--remote-media", help="Fetch pictures from http(s) URLs of the open internet.")
    ] = False
    docs: Annotated[bool, typer.Option("--docs", help="Serve /docs and /openapi.json, behind the key.")] = (
        False
    )
    ui: Annotated[bool, typer.Option("--ui", help="A page at / to ask questions in a browser.")] = False
    max_tokens: Annotated[int, typer.Option(min=1, help="Longest answer, in tokens.")] = 1_024
    max_concurrency: Annotated[int, typer.Option(min=1, help="Requests at work; more get status 429.")] = 256
    timeout: Annotated[float, typer.Option(min=1, help="Seconds that an answer may take.")] = 300.0


@app.command("serve", epilog="Example: seethink serve sprout --port 8000")
@takes(ServeOptions)
def serve(job: ServeOptions) -> None:
    """Serve a model, with any solver, behind OpenAI's API.

    Requests share the model's decode steps; docs/serving.md has the fields and the limits.
    """
    require_extra()
    from seethink.serve.startup import bound, refuse_open

    console, keys = Console(), _keys(job)
    refuse_open(job.host, keys)
    with bound(job.host, job.port) as sock:  # before the model is loaded, which takes a while
        _serve(job, keys, sock, console)


def _serve(job: ServeOptions, keys: list[str], sock: Any, console: Console) -> None:
    from seethink.serve.startup import http_server

    service = _service(job, console)
    host = f"[{job.host}]" if ":" in job.host else job.host
    say(console, f"serving {', '.join(service.names)} at http://{host}:{sock.getsockname()[1]}/v1")
    if not keys:
        say(console, "no API key: only this machine is answered")
    if job.ui:
        say(console, f"the page is at http://{host}:{sock.getsockname()[1]}/")
    http_server(service, keys, job.docs, job.ui).run(sockets=[sock])


def require_extra(needed: Sequence[str] = NEEDED) -> None:
    """Raises InputError where packages of the extra `serve` are missing."""
    if missing := [name for name in needed if find_spec(name) is None]:
        raise InputError(f"serving needs {', '.join(missing)}; run pip install 'seethink[serve]'")


def _keys(job: ServeOptions) -> list[str]:
    keys = [*(job.api_key or ()), *filter(None, [os.environ.get(KEY_VARIABLE, "")])]
    if any(not key.strip() or not key.isascii() or key != key.strip() for key in keys):
        raise InputError("an API key is ASCII without blanks at its ends")
    return keys


def _service(job: ServeOptions, console: Console) -> Any:
    """The model, loaded, with its limits."""
    from seethink.formats.any_form import ANY_FORM
    from seethink.serve.conversation import UNCHANGED
    from seethink.serve.limits import Limits
    from seethink.serve.service import Service
    from seethink.serve.startup import load_engine, scheduler_of

    for root in job.allowed_local_media_path or ():
        if not root.is_dir():
            raise InputError(f"--allowed-local-media-path {root} is no folder")
    limits = Limits(
        max_tokens=job.max_tokens,
        max_sampled=max(Limits.max_sampled, job.max_tokens),
        max_concurrency=job.max_concurrency,
        timeout_s=job.timeout,
        roots=tuple(root.resolve() for root in job.allowed_local_media_path or ()),
        remote=job.remote_media,
    )
    as_they_are = {"none": UNCHANGED, "raw": ANY_FORM}
    form = as_they_are.get(job.format) or formats.by_name(job.format, job.prompt_mode)
    name = trained(job.model, console)
    names = tuple(job.served_model_name or dict.fromkeys([job.model, name]))
    return Service(scheduler_of(load_engine(name, job.engine)), form, names, job.solver, limits)
