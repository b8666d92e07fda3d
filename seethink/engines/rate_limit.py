"""Rate limiter."""

from __future__ import annotations

import asyncio
import time


class RateLimiter:
    """Spaces `per_minute` units (requests or tokens) evenly: no bursts, whatever window a provider counts
    in."""

    def __init__(self, per_minute: float) -> None:
        self.interval_s, self.next_s = 60 / per_minute, 0.0

    async def acquire(self, amount: float) -> None:
        """Wait until `amount` more units may be used."""
        now = time.monotonic()
        start = max(now, self.next_s)
        self.next_s = start + amount * self.interval_s
        if start > now:
            await asyncio.sleep(start - now)

    def refund(self, amount: float) -> None:
        """Return units that were acquired and not used; charge more where negative."""
        self.next_s -= amount * self.interval_s
