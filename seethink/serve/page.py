"""The playground: a page at `/` that asks the server's own API. It holds no data, so it needs no key; what it
sends does."""

from __future__ import annotations

import base64
import io
import json
from importlib.resources import files
from typing import Any

from fastapi import FastAPI
from fastapi.responses import Response

from seethink.serve.service import Service
from seethink.solve import SOLVERS
from seethink.sources.drawn import by_name

PLAYGROUND_ROUTES = {"/": "page.html", "/playground/page.css": "page.css", "/playground/page.js": "page.js"}
EXAMPLES = ("counting", "grounding", "spatial", "charts")
"""Drawn worlds of which a question can be clicked."""
_KINDS = {"html": "text/html", "css": "text/css", "js": "text/javascript"}
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


def add_page(app: FastAPI, service: Service, keyed: bool) -> None:
    """The routes of the page. keyed: whether it asks for an API key."""
    settings = {
        "model": service.names[0],
        "solver": service.solver.partition(":")[0],
        "solvers": list(SOLVERS),
        "max_tokens": service.limits.max_tokens,
        "keyed": keyed,
        "examples": [_example(world) for world in EXAMPLES],
    }
    for route, name in PLAYGROUND_ROUTES.items():
        text = (files("seethink.serve") / "playground" / name).read_text(encoding="utf-8")
        text = text.replace("SETTINGS", json.dumps(settings).replace("<", "\\u003c"))
        app.add_api_route(route, _sender(text, _KINDS[name.rpartition(".")[2]]), include_in_schema=False)


def _sender(text: str, kind: str) -> Any:
    async def send() -> Response:
        return Response(text, media_type=kind, headers=_HEADERS)

    return send


def _example(world: str) -> dict[str, str]:
    """The first held-out question of a drawn world, its picture as a data URI."""
    (example,) = by_name(world, 1, "test")
    file = io.BytesIO()
    example.media[0].load().save(file, "PNG")
    picture = f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
    return {"question": example.question, "picture": picture}
