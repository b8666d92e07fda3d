"""Teachers by their addresses: servers, and the oracle of drawn worlds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from seethink.engines.base import ROLES, AsyncEngine, Role

if TYPE_CHECKING:
    from seethink.engines.http import RequestPolicy

ORACLE = "oracle"


def addresses_by_role(options: Any) -> dict[Role, str]:
    """{role: address of its teacher}: that of `vision_teacher`, `text_teacher` or `judge_teacher`, else
    `teacher`."""
    return {role: getattr(options, f"{role}_teacher") or options.teacher for role in ROLES}


@dataclass(frozen=True)
class Teachers:
    """Opens one engine for each address. Picklable, so that every worker opens its own.

    addresses: (role, address of its teacher). key_env: environment variable with the servers' API key.
    """

    addresses: tuple[tuple[Role, str], ...]
    policy: RequestPolicy
    key_env: str = "OPENAI_API_KEY"

    async def __call__(self) -> dict[Role, AsyncEngine]:
        engines: dict[str, AsyncEngine] = {}
        for _, address in self.addresses:
            if address not in engines:
                engines[address] = await self._open(address)
        return {role: engines[address] for role, address in self.addresses}

    async def _open(self, address: str) -> AsyncEngine:
        if (oracle := oracle_of(address)) is not None:
            return oracle
        from seethink.engines.chat import ChatEngine

        return await ChatEngine.open(address, key_env=self.key_env, policy=self.policy)


def oracle_of(address: str) -> Any:
    """The oracle of an address, None for a server's address. Raises InputError for unknown errors of the
    oracle."""
    name, _, errors = address.partition(":")
    if name != ORACLE:
        return None
    from seethink.engines.oracle import Oracle

    return Oracle.from_text(errors)
