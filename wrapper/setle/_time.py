"""
Both clocks, and the arithmetic of a token's life: numbers only.

Everything scales with the lifetime. Setle's tokens are short-lived, and a fixed margin
of a minute or more would turn reuse off.
"""

# The clocks are looked up here at every use, so that a test can stop, step or suspend them.
import time
from time import monotonic
from time import time as wall
from typing import NamedTuple

__all__ = [
    "LONGEST_DELAY",
    "BackOff",
    "Deadline",
    "Instant",
    "monotonic",
    "now",
    "refresh_after",
    "stale_after",
    "wall",
]

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

    def or_earlier(self, other: "Instant") -> "Instant":
        """Return the earlier of both, clock by clock."""
        return Instant(min(self.monotonic, other.monotonic), min(self.wall, other.wall))


def now() -> Instant:
    """Return the present moment."""
    return Instant(monotonic(), wall())


def stale_after(lifetime: float) -> float:
    """Return how many seconds after its issue a token is no longer handed out unrefreshed."""
    return lifetime - min(30.0, lifetime / 20)


def refresh_after(lifetime: float, chance: float) -> float:
    """
    Return how many seconds after its issue a token is refreshed early.

    Args:
        lifetime: Seconds, as issued.
        chance: From 0 to 1; spreads the processes of a fleet over the window.
    """
    window = min(150.0, lifetime / 20)
    return stale_after(lifetime) - window * (1 + chance)


class Deadline:
    """
    The end of a wait, on the real clock.

    Args:
        timeout: Seconds until then.
    """

    def __init__(self, timeout: float) -> None:
        self.timeout = timeout
        self._at = time.monotonic() + timeout

    @property
    def left(self) -> float:
        """Seconds left, at least 0."""
        return max(0.0, self._at - time.monotonic())


class BackOff:
    """
    A delay that doubles from 1 to 60 seconds with every failure.

    Forgets the failures once it has been over for another 60 seconds.

    Attributes:
        until: Monotonic instant at which it ends; in the past when there is none.
    """

    __slots__ = ("_failures", "until")

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """End it and forget all failures."""
        self._failures = 0
        self.until = float("-inf")

    def extend(self, now: float, *, share: float = 1.0, at_least: float = 0.0) -> None:
        """
        Count a failure and begin the next delay.

        Args:
            now: Monotonic instant.
            share: Share of the delay to wait, from 0 to 1; callers draw it at random, so
                that a fleet does not come back all at once.
            at_least: Seconds that the delay lasts in any case, up to 60.
        """
        if now > self.until + LONGEST_DELAY:
            self._failures = 0
        delay = min(LONGEST_DELAY, 2.0**self._failures) * share
        self._failures = min(self._failures + 1, 6)
        self.until = now + max(delay, min(at_least, LONGEST_DELAY))
