"""Fetching of pictures by URL, off by default: the address is resolved once, judged and pinned; redirects are
judged anew; bytes and time are capped."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urljoin, urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from seethink.serve.errors import ApiError, bad_request
from seethink.serve.limits import Limits

MAX_REDIRECTS = 3
TIMEOUT_S = 15.0
PORTS = (80, 443)
_NAT64 = ipaddress.ip_network("64:ff9b::/96")

Resolve = Callable[[str, int], Sequence[str]]
"""Addresses of a host name."""


def public(address: str) -> bool:
    """Whether an address is one of the open internet: not of this machine, a private network, a link, or one
    of those behind a translation to IPv6."""
    ip = ipaddress.ip_address(address.split("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        translated = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF) if ip in _NAT64 else None
        if (inner := ip.ipv4_mapped or ip.sixtofour or translated) is not None:
            return public(str(inner))
    return ip.is_global and not (ip.is_multicast or ip.is_reserved)


def resolved(host: str, port: int) -> list[str]:
    """The addresses of a host name or literal, by the system's resolver."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise bad_request(f"the host {host[:100]!r} has no address: {error}", code="fetch_failed") from error
    return [str(entry[4][0]) for entry in found]


class _Pinned(AbstractResolver):
    """Answers with one address, whatever is asked."""

    def __init__(self, address: str) -> None:
        self._address = address

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        v6 = socket.AF_INET6 if ":" in self._address else socket.AF_INET
        return [ResolveResult(hostname=host, host=self._address, port=port, family=v6, proto=0, flags=0)]

    async def close(self) -> None:
        """Nothing to close."""


def fetch(
    url: str,
    limits: Limits,
    allowed: Callable[[str], bool] = public,
    resolve: Resolve = resolved,
    ports: Sequence[int] = PORTS,
) -> bytes:
    """The body behind an http(s) URL. Called in a worker thread. allowed: judges each address; resolve: gives
    those of a host; ports: that may be asked. Raises ApiError."""
    return asyncio.run(_fetch(url, limits, allowed, resolve, ports))


async def _fetch(
    url: str, limits: Limits, allowed: Callable[[str], bool], resolve: Resolve, ports: Sequence[int]
) -> bytes:
    try:
        async with asyncio.timeout(TIMEOUT_S):
            for _ in range(MAX_REDIRECTS + 1):
                target = await asyncio.to_thread(_pinned, url, allowed, resolve, ports)
                body, location = await _get(url, target, limits)
                if location is None:
                    return body
                url = urljoin(url, location)
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
        name = type(error).__name__
        raise bad_request(f"the URL could not be fetched ({name})", code="fetch_failed") from error
    raise bad_request(f"the URL redirects more than {MAX_REDIRECTS} times", code="fetch_failed")


def _pinned(url: str, allowed: Callable[[str], bool], resolve: Resolve, ports: Sequence[int]) -> str:
    """The address to connect to. Every address of the host must be allowed, or none is used."""
    parts = urlsplit(url)
    if parts.scheme.lower() not in ("http", "https") or not parts.hostname or parts.username is not None:
        raise bad_request("only http(s) URLs without a user name are fetched", code="remote_url_refused")
    port = parts.port or (443 if parts.scheme.lower() == "https" else 80)
    if port not in ports:
        raise bad_request(f"port {port} is not fetched from", code="remote_url_refused")
    addresses = resolve(parts.hostname, port)
    if not addresses or not all(map(allowed, addresses)):
        raise bad_request(
            f"the host {parts.hostname[:100]!r} is not on the open internet", code="remote_url_refused"
        )
    return addresses[0]


async def _get(url: str, address: str, limits: Limits) -> tuple[bytes, str | None]:
    """(body, None), or (empty, the address that a redirect leads to)."""
    connector: Any = aiohttp.TCPConnector(resolver=_Pinned(address), use_dns_cache=False)
    async with (
        aiohttp.ClientSession(connector=connector, trust_env=False, auto_decompress=False) as session,
        session.get(url, allow_redirects=False, headers={"Accept-Encoding": "identity"}) as response,
    ):
        if response.status in (301, 302, 303, 307, 308) and (location := response.headers.get("Location")):
            return b"", location
        if response.status != 200:
            raise bad_request(f"the URL answers with status {response.status}", code="fetch_failed")
        data = bytearray()
        async for chunk in response.content.iter_chunked(65_536):
            data += chunk
            if len(data) > limits.max_media_bytes:
                raise ApiError(413, "the file behind the URL is too large", "file_too_large")
        return bytes(data), None
