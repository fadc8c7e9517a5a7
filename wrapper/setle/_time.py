"""
Both clocks, and the arithmetic of a token's life: numbers only.

Everything scales with the lifetime. Setle's tokens are short-lived, and a fixed margin
of a minute or more would turn reuse off.
"""

import time
from collections.abc import Callable
from typing import NamedTuple

# Looked up here at every use, so that a test can stop, step or suspend them.
monotonic = time.monotonic
wall = time.time

LONGEST_DELAY = 60.0
"""Seconds; no back-off and no ``Retry-After`` holds a token request up for longer."""


class Instant(NamedTuple):
    """
    One moment on both clocks.

    The monotonic clock stands still while the machine is suspended, and the wall clock is
    stepped by people and NTP: a moment has come when either of them says so.

    Attributes:
        monotonic: Seconds; means nothing outside this process.
        wall: Unix seconds, UTC.
    """

    monotonic: float
    wall: float

    def after(self, seconds: float) -> "Instant":
        """Return the moment *seconds* later."""
        return Instant(self.monotonic + seconds, self.wall + seconds)

    def has_come(self, now: "Instant") -> bool:
        """Tell whether *now* is at or past this moment, by either clock."""
        return now.monotonic >= self.monotonic or now.wall >= self.wall

    def seconds_after(self, other: "Instant") -> float:
        """Return how many seconds are left at the moment *other*, by the clock that says less."""
        return min(self.monotonic - other.monotonic, self.wall - other.wall)

    def or_earlier(self, other: "Instant") -> "Instant":
        """Return the earlier of both, clock by clock."""
        return Instant(min(self.monotonic, other.monotonic), min(self.wall, other.wall))


def now() -> Instant:
    """Return the present moment."""
    return Instant(monotonic(), wall())


def margin(lifetime: float) -> float:
    """Return how many seconds before its end a token is no longer handed out unrefreshed."""
    return min(30.0, lifetime / 20)


def window(lifetime: float) -> float:
    """Return over how many seconds the early refreshes of a fleet are spread."""
    return min(150.0, lifetime / 20)


def stale_after(lifetime: float) -> float:
    """Return how many seconds after its issue a token is stale: callers wait for another."""
    return lifetime - margin(lifetime)


def refresh_after(lifetime: float, chance: float) -> float:
    """
    Return how many seconds after its issue a token is refreshed early.

    Args:
        lifetime: Seconds, as issued.
        chance: From 0 to 1; spreads the processes of a fleet over the window.
    """
    return stale_after(lifetime) - window(lifetime) * (1 + chance)


def quiet_after(lifetime: float) -> float:
    """
    Return how many seconds after loading a token, or after a fork, no early refresh begins.

    A job that ends sooner than that would only leave its refresh behind, unfinished.
    """
    return min(5.0, window(lifetime) / 2)


class Deadline:
    """
    The end of a wait, on the real clock.

    Args:
        timeout: Seconds until then.
        clock: Bound here, so that a test that freezes the time does not freeze the wait.

    Attributes:
        close: Called by whoever notices that the time is over, to end what still goes on.
    """

    def __init__(self, timeout: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.timeout = timeout
        self.close: Callable[[], object] | None = None
        self._clock = clock
        self._at = clock() + timeout

    @property
    def left(self) -> float:
        """Seconds left, at least 0."""
        return max(0.0, self._at - self._clock())

    @property
    def left_to_ask(self) -> float:
        """Seconds left for the token endpoint: a little less, for a last look elsewhere."""
        return max(0.0, self.left - min(0.5, self.timeout / 10))


class BackOff:
    """
    A delay that doubles from 1 to 60 seconds each time it is begun.

    Forgets how often that was once it has been over for another 60 seconds.

    Attributes:
        since: When it was begun last, on the monotonic clock.
    """

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """End it, and forget how often it was begun."""
        self._count = 0
        self.since = self._until = float("-inf")

    def begin(self, *, share: float = 1.0, at_least: float = 0.0) -> None:
        """
        Begin the next delay.

        Args:
            share: Share of the delay to wait, from 0 to 1; callers draw it at random, so
                that a fleet does not come back all at once.
            at_least: Seconds that the delay lasts in any case, up to 60.
        """
        now = monotonic()
        if not self.since <= now <= self._until + LONGEST_DELAY:
            self._count = 0
        delay = min(LONGEST_DELAY, 2.0**self._count) * share
        self._count = min(self._count + 1, 6)
        self.since, self._until = now, now + max(delay, min(at_least, LONGEST_DELAY))

    @property
    def left(self) -> float:
        """Seconds left, at least 0; 0 as well if the clock has gone back, after a frozen test."""
        now = monotonic()
        return max(0.0, self._until - now) if now >= self.since else 0.0
