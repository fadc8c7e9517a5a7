"""
A fleet in virtual time: many processes, one store, one token endpoint.

What decides when a token is refreshed is the package's own: ``HeldToken``, ``refresh_after``,
``stale_after`` and the pauses, with its clocks put to the virtual time. What a refresh does
step by step is written down here once more, because the package does it in threads and in
real time.
"""

import heapq
import random
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from itertools import count
from typing import TypeVar

from setle import _time
from setle._refresh.refresher import LONGEST_PAUSE, PAUSE
from setle._time import Instant, quiet_after, refresh_after, stale_after
from setle._token import NO_TOKEN, AccessToken, HeldToken
from setle._token import REST as _PAUSE_EARLY
from setle.stores.redis import _REST as _LEFT_ALONE

from ._fleet_store import Assumed, Seen, Store

Spread = Callable[[AccessToken, float], HeldToken]
Steps = Iterator[float]
T = TypeVar("T")


def jittered(token: AccessToken, quiet: float) -> HeldToken:
    """Hold *token* as the package does: each process draws its own refresh instant."""
    return HeldToken.drawn(token, 0, quiet=quiet)


def together(token: AccessToken, _: float) -> HeldToken:
    """Hold *token* with the same refresh instant in every process."""
    issued, lifetime = token.issued_at(), token.lifetime
    refresh = issued.after(refresh_after(lifetime, 0.5))
    return HeldToken(token, 0, refresh, issued.after(stale_after(lifetime)))


def late(token: AccessToken, _: float) -> HeldToken:
    """Hold *token* without an early refresh: all wait once it is stale."""
    stale = token.issued_at().after(stale_after(token.lifetime))
    return HeldToken(token, 0, stale, stale)


class Fleet:
    """
    Processes that share one store.

    Args:
        size: How many.
        lifetime: Of every token, in seconds.
        spread: How a process holds a token, and how long no early refresh of it begins.
        assumed: Of the world.
    """

    def __init__(self, size: int, lifetime: float, spread: Spread, assumed: Assumed) -> None:
        self.seen = Seen()
        self._lifetime = lifetime
        self._spread = spread
        self._assumed = assumed
        self._store = Store(assumed, self.seen)
        self._held = [NO_TOKEN] * size
        self._left_alone_until = [0.0] * size
        self._under_way = 0
        self._now = 0.0
        self._number = count()
        self._queue: list[tuple[float, int, int | Steps]] = []

    def warm_up(self) -> None:
        """Give every process the same token, new at this moment, without counting that."""
        with self._virtual_time():
            token = self._issue()
            self._store.save(self._now, token)
            self._held = [self._spread(token, 0.0) for _ in self._held]
        self.seen.commands.clear()
        self.seen.seconds.clear()

    def run(self, until: float) -> None:
        """Let all of them call at random until then, and finish what is under way."""
        with self._virtual_time():
            self._run(until)

    @contextmanager
    def _virtual_time(self) -> Iterator[None]:
        clocks = _time.monotonic, _time.wall
        _time.monotonic = _time.wall = lambda: self._now
        try:
            yield
        finally:
            _time.monotonic, _time.wall = clocks

    def _run(self, until: float) -> None:
        for process in range(len(self._held)):
            self._call_later(process)
        while self._queue:
            self._now, _, what = heapq.heappop(self._queue)
            if isinstance(what, int):
                if self._now >= until:
                    continue
                what = self._refresh(what)
            if (then := next(what, None)) is not None:
                heapq.heappush(self._queue, (then, next(self._number), what))

    def _call_later(self, process: int) -> None:
        """Queue the first call of *process* that does not find a fresh token: exact, if Poisson."""
        fresh_until = max(self._now, self._held[process].refresh_monotonic)
        at = fresh_until + random.expovariate(self._assumed.rate)
        heapq.heappush(self._queue, (at, next(self._number), process))

    def _issue(self) -> AccessToken:
        return AccessToken.issued("x", self._lifetime, at=self._instant())

    def _instant(self) -> Instant:
        return Instant(self._now, self._now)

    def _refresh(self, process: int) -> Steps:
        """Do what ``TokenSource`` does when a call finds no fresh token."""
        began, stale = self._now, self._held[process].stale.monotonic
        self._under_way += 1
        self.seen.at_once = max(self.seen.at_once, self._under_way)
        token = yield from self._look(process)
        quiet = quiet_after(self._lifetime)
        if token is None:
            token, quiet = yield from self._lock_and_ask(process, early=began < stale)
        self._under_way -= 1
        if token is None:
            self._held[process] = self._held[process].resting(_PAUSE_EARLY, until_end=False)
            self._call_later(process)
            return
        # Early, nobody waits, until the old token goes stale before the new one is there.
        first = began
        if began < stale:
            first = stale + random.expovariate(self._assumed.rate)
        if first < self._now:
            self.seen.held_up += 1
            self.seen.worst_wait = max(self.seen.worst_wait, self._now - first)
        self._held[process] = self._spread(token, quiet)
        self._call_later(process)

    def _lock_and_ask(
        self, process: int, *, early: bool
    ) -> Generator[float, None, tuple[AccessToken | None, float]]:
        """
        Take the lock, look again, ask, save.

        Returns:
            The token, None if the lock is taken and nobody waits, and how long no early refresh
            of it begins.
        """
        quiet = quiet_after(self._lifetime)
        give_up, pause = self._now + self._assumed.lock_wait, PAUSE
        while (locked := (yield from self._send(process, self._store.lock, process))) is False:
            if early:
                return None, quiet
            if self._now > give_up:
                break
            yield self._now + pause * random.uniform(0.5, 1.0)
            if token := (yield from self._look(process)):
                return token, quiet
            pause = min(2 * pause, LONGEST_PAUSE)
        token = yield from self._look(process)
        if token is None:
            if locked:
                yield from self._send(process, self._store.extend, process)
            token, quiet = self._issue(), 0.0
            self.seen.requests += 1
            yield self._now + self._assumed.request
            yield from self._send(process, self._store.save, token)
        if locked:
            yield from self._send(process, self._store.unlock, process)
        return token, quiet

    def _look(self, process: int) -> Generator[float, None, AccessToken | None]:
        """Return what the store holds, if it is better than what *process* holds."""
        stored = yield from self._send(process, self._store.load)
        if stored is None or stored.issued_at() <= self._held[process].token.issued_at():
            return None
        stale = stored.issued_at().after(stale_after(stored.lifetime))
        return None if stale.has_come(self._instant()) else stored

    def _send(
        self, process: int, command: Callable[..., tuple[float, T]], *arguments: object
    ) -> Generator[float, None, T | None]:
        """Return what *command* gives, or None if the store is left alone or does not answer."""
        if self._now < self._left_alone_until[process]:
            return None
        sent = self._now
        back, found = command(sent, *arguments)
        if back - sent <= self._assumed.patience:
            yield back
            return found
        self.seen.unanswered += 1
        yield sent + self._assumed.patience
        self._left_alone_until[process] = self._now + _LEFT_ALONE
        return None
