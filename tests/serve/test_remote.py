"""Fetching by URL: which addresses are of the open internet, that the judged one is used, and the caps."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from seethink.serve import remote
from seethink.serve.errors import ApiError
from seethink.serve.limits import Limits
from seethink.serve.remote import fetch, public

LIMITS = replace(Limits(), max_media_bytes=1_000, remote=True)


@pytest.mark.parametrize(
    ("address", "is_public"),
    [
        ("93.184.215.14", True),
        ("2606:2800:21f:cb07:6820:80da:af6b:8b2c", True),
        *(
            (address, False)
            for address in (
                *("127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0"),
                *("100.64.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "192.0.2.1"),
                *("::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "ff02::1", "2001:db8::1"),
                *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::"),
            )
        ),
    ],
)
def test_addresses_of_the_open_internet(address: str, is_public: bool) -> None:
    assert public(address) is is_public


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.server.hosts.append(self.headers["Host"])  # type: ignore[attr-defined]
        location = {"/away": "http://inside.example/a", "/again": "/again", "/file": "file:///etc/passwd"}
        if self.path in location:
            self.send_response(302)
            self.send_header("Location", location[self.path])
            self.end_headers()
            return
        self.send_response(404 if self.path == "/absent" else 200)
        self.end_headers()
        self.wfile.write(b"x" * (5_000 if self.path == "/large" else 10))

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as running:
        running.hosts = []  # type: ignore[attr-defined]
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield running
        running.shutdown()


def _fetch(server: ThreadingHTTPServer, path: str, asked: list[str]) -> bytes:
    """From the host outside.example, which stands for the open internet; all other hosts are inside."""

    def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if host == "outside.example" else ["10.0.0.1"]

    port = server.server_address[1]
    url = f"http://outside.example:{port}{path}"
    return fetch(url, LIMITS, lambda address: address == "127.0.0.1", resolve, ports=(port, 80))


def test_the_judged_address_is_used_and_the_host_asked_for_once(server: ThreadingHTTPServer) -> None:
    asked: list[str] = []
    assert _fetch(server, "/a", asked) == b"x" * 10
    assert asked == ["outside.example"]
    assert server.hosts == [f"outside.example:{server.server_address[1]}"]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("path", "code", "asked"),
    [
        ("/away", "remote_url_refused", ["outside.example", "inside.example"]),
        ("/file", "remote_url_refused", ["outside.example"]),
        ("/again", "fetch_failed", ["outside.example"] * (remote.MAX_REDIRECTS + 1)),
        ("/absent", "fetch_failed", ["outside.example"]),
        ("/large", "file_too_large", ["outside.example"]),
    ],
)
def test_redirects_are_judged_anew_and_all_is_capped(
    server: ThreadingHTTPServer, path: str, code: str, asked: list[str]
) -> None:
    found: list[str] = []
    with pytest.raises(ApiError) as refused:
        _fetch(server, path, found)
    assert (refused.value.code, found) == (code, asked)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/a",
        "http://[::1]/a",
        "http://localhost/a",
        "http://2130706433/a",
        "http://0x7f.1/a",
        "http://user@93.184.215.14/a",
        "http://93.184.215.14:22/a",
        "http:///a",
        "http://[::1",
        "http://a.example:99999/",
    ],
)
def test_addresses_of_this_machine_are_refused_however_they_are_written(url: str) -> None:
    with pytest.raises(ApiError) as refused:
        fetch(url, LIMITS)
    assert refused.value.code in ("remote_url_refused", "fetch_failed")


def test_a_host_with_one_private_address_is_refused() -> None:
    with pytest.raises(ApiError, match="open internet"):
        fetch("http://a.example/", LIMITS, resolve=lambda host, port: ["93.184.215.14", "10.0.0.1"])


def test_a_server_that_stalls_is_given_up(
    server: ThreadingHTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    stalled = threading.Event()
    monkeypatch.setattr(_Handler, "do_GET", lambda self: stalled.wait(20))
    monkeypatch.setattr(remote, "TIMEOUT_S", 0.3)
    with pytest.raises(ApiError, match="could not be fetched"):
        _fetch(server, "/a", [])
    stalled.set()
