"""One server that a simulated fleet shares, and what is counted there."""

from collections import Counter

import attrs

from setle._token import NO_TOKEN, AccessToken


@attrs.frozen
class Assumed:
    """
    What is assumed of the world; all in seconds but *rate*.

    Attributes:
        rate: Calls per second of one process, at random (Poisson).
        request: What a token request takes.
        trip: What a command takes to an idle store and back.
        service: What the store is busy with one command; the others queue meanwhile.
        patience: What the client waits for a reply, as ``RedisTokenStore.from_url`` sets it.
        lease: For which the lock is held unless it is released.
        lock_wait: What a refresh waits for the lock: until a third of its deadline is left.
    """

    rate: float = 1.0
    request: float = 0.2
    trip: float = 0.0005
    service: float = 0.00001
    patience: float = 0.5
    lease: float = 6.0
    lock_wait: float = 10.0


@attrs.define
class Seen:
    """
    What came of a run.

    Attributes:
        requests: Token requests.
        commands: What the store was sent: ``load``, ``lock``, ``extend``, ``save``, ``unlock``.
        seconds: Commands per second of virtual time.
        unanswered: Commands that the store did not answer in time.
        at_once: The most refreshes that were under way at the same moment.
        worst_wait: Seconds that the slowest call waited for a token.
        held_up: Calls that waited, the first of each process and refresh.
    """

    requests: int = 0
    commands: Counter[str] = attrs.Factory(Counter)
    seconds: Counter[int] = attrs.Factory(Counter)
    unanswered: int = 0
    at_once: int = 0
    worst_wait: float = 0.0
    held_up: int = 0


class Store:
    """One server: commands queue up, and each is done at once when its turn comes."""

    def __init__(self, assumed: Assumed, seen: Seen) -> None:
        self._assumed = assumed
        self._seen = seen
        self._idle_from = 0.0
        self._token = NO_TOKEN.token
        self._owner: int | None = None
        self._lease_ends = 0.0
        self._back = assumed.trip / 2

    # Each command returns when its reply arrives and what it found. All are equally long on
    # their way, so they are done in the order they are sent in, and what they find is known
    # when they are sent.

    def load(self, now: float) -> tuple[float, AccessToken]:
        return self._serve("load", now) + self._back, self._token

    def save(self, now: float, token: AccessToken) -> tuple[float, None]:
        self._token = token
        return self._serve("save", now) + self._back, None

    def lock(self, now: float, owner: int) -> tuple[float, bool]:
        done = self._serve("lock", now)
        free = self._owner is None or done >= self._lease_ends
        if free:
            self._owner, self._lease_ends = owner, done + self._assumed.lease
        return done + self._back, free

    def extend(self, now: float, owner: int) -> tuple[float, None]:
        done = self._serve("extend", now)
        if self._owner == owner:
            self._lease_ends = done + self._assumed.lease
        return done + self._back, None

    def unlock(self, now: float, owner: int) -> tuple[float, None]:
        if self._owner == owner:
            self._owner = None
        return self._serve("unlock", now) + self._back, None

    def _serve(self, what: str, now: float) -> float:
        """Return when the command *what* that is sent *now* is done."""
        self._seen.commands[what] += 1
        self._seen.seconds[int(now)] += 1
        arrives = now + self._assumed.trip / 2
        self._idle_from = max(arrives, self._idle_from) + self._assumed.service
        return self._idle_from
