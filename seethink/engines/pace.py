"""Not faster than a provider allows."""

from __future__ import annotations

import asyncio
import time


class Pace:
    """Things evenly spaced, `per_minute` of them (requests, or tokens): no burst, whatever window a provider
    counts in."""

    def __init__(self, per_minute: float) -> None:
        self.each_s, self.next_s = 60 / per_minute, 0.0

    async def take(self, amount: float) -> None:
        """Waits until `amount` more may go."""
        now = time.monotonic()
        begin = max(now, self.next_s)
        self.next_s = begin + amount * self.each_s
        if begin > now:
            await asyncio.sleep(begin - now)

    def settle(self, more: float) -> None:
        """What was taken was an estimate: `more` than that went (or less, where negative)."""
        self.next_s += more * self.each_s
