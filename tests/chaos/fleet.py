"""Many processes that share one store, who are killed, frozen and replaced while they call."""

import os
import random
import signal
import time
from typing import Any, Self

import attrs

from setle.testing import Sandbox
from tests.chaos.workers import Workers


@attrs.frozen
class Report:
    """
    What came of one run.

    Args:
        calls: Finished calls.
        failures: What those said that failed.
        slowest: Seconds that the slowest call took.
        lifetimes: How many lives of a token the run took, from the first token on.
        renewals: Token requests after the first.
        lost: Token requests whose answer died with the process that asked.
        rejections: 401s of the API.
        late: Those whose token had ended before the process sent it. The others spent the rest
            of its life, L/20 at least, on their way or in the queue of a busy sandbox.
        killed: Processes killed.
    """

    calls: int
    failures: list[str]
    slowest: float
    lifetimes: float
    renewals: int
    lost: int
    rejections: int
    late: int
    killed: int

    @property
    def per_lifetime(self) -> float:
        """
        Token requests per life of a token.

        Without the first: the run begins with it, and so does its first life.
        """
        return self.renewals / self.lifetimes

    @property
    def most_renewals(self) -> int:
        """
        The most that the design allows.

        A token of life L is refreshed when 0.85 L of it have passed, at the earliest (margin
        of L/20, window of up to twice L/20), so N lives hold at most N / 0.85 requests; a
        hundredth more is for the ways to the store. One whose answer is lost has to be asked
        for again, as has one that the API rejected. There is nothing random in this bound.
        """
        return int(self.lifetimes / 0.84) + self.lost + self.rejections

    def __str__(self) -> str:
        return (
            f"{self.calls:>7} {len(self.failures):>7} {self.rejections:>5} {self.late:>5}"
            f" {self.killed:>7}"
            f" {self.lifetimes:>9.1f} {self.renewals:>9} {self.lost:>5} {self.per_lifetime:>9.2f}"
            f" {self.slowest:>9.2f}"
        )


HEADLINE = (
    f"{'':44}   calls  failed   401  late  killed lifetimes  requests  lost per life. slowest s"
)


class Fleet:
    """
    Processes that call the API of *sandbox*, running between ``with`` and the end of its block.

    Args:
        sandbox: Whose API.
        store: As ``SETLE_TOKEN_STORE`` names it.
        size: How many processes.
        pace: Seconds between two calls of a process, on average.
        lease: Of a Redis store, in seconds; None for the default.
        seed: Decides who is killed and when, as far as a test decides that.
    """

    def __init__(
        self,
        sandbox: Sandbox,
        store: str,
        size: int,
        *,
        pace: float = 0.1,
        lease: float | None = None,
        seed: int = 20_261_123,
    ) -> None:
        self.chance = random.Random(seed)
        self.pids: list[int] = []
        self._sandbox = sandbox
        self._store = store
        self._size = size
        self._pace = pace
        self._lease = lease
        self._killed: dict[int, float] = {}

    def __enter__(self) -> Self:
        settings = {
            "SETLE_BASE_URL": self._sandbox.base_url,
            "SETLE_CLIENT_ID": self._sandbox.client_id,
            "SETLE_CLIENT_SECRET": self._sandbox.client_secret,
            "SETLE_TOKEN_STORE": self._store,
        }
        self._workers = Workers("tests.chaos.zygote", settings)
        try:
            for _ in range(self._size):
                self.add()
            # Each is past its start, which is not what the tests are about.
            self._sandbox.wait_for(api_requests=3 * self._size, timeout=30)
        except BaseException:
            self._workers.end()
            raise
        self._began = self._first_token()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._ended = time.monotonic()
        self._events = self._workers.end(self.pids if exc_info[0] is None else None)

    def add(self, *, steps: list[tuple[int, float]] | None = None) -> int:
        """
        Start one more process, and return its id.

        Args:
            steps: After how many calls its wall clock is set how many hours ahead.
        """
        settings: dict[str, Any] = {
            "seed": self.chance.random(),
            "pace": self._pace,
            "lease": self._lease,
            "steps": steps or [],
        }
        pid = self._workers.fork(settings)
        self.pids.append(pid)
        return pid

    def kill(self, pid: int) -> None:
        """End *pid* as the kernel does when memory is short, and start another one."""
        self._killed[pid] = time.monotonic()
        os.kill(pid, signal.SIGKILL)
        self.pids.remove(pid)
        self.add()

    def kill_at_random(self, every: float, until: float) -> None:
        """Kill somebody, on average *every* so many seconds, until that monotonic instant."""
        while time.monotonic() < until:
            time.sleep(self.chance.uniform(0.5, 1.5) * every)
            self.kill(self.chance.choice(self.pids))

    def next_to_ask(self) -> int:
        """Wait for the next token request; return whose it is. The sandbox is to hold it."""
        self._sandbox.wait_for(token_requests=self._sandbox.token_requests + 1, timeout=30)
        # Told before it was sent, and by one at a time, as the others wait for the lock.
        return int.from_bytes(os.read(self._workers.asking, 1 << 16)[-4:], "big")

    def report(self) -> Report:
        """Return what came of it, once it has ended."""
        calls = [event for event in self._events if event[0] == "call"]
        return Report(
            calls=len(calls),
            failures=[failure for *_, failure in calls if failure],
            slowest=max(took for *_, took, _ in calls),
            lifetimes=(self._ended - self._began) / self._sandbox.lifetime,
            renewals=self._sandbox.token_requests - 1,
            lost=self._lost(),
            rejections=self._sandbox.api_rejections,
            late=self._late(),
            killed=len(self._killed),
        )

    def _first_token(self) -> float:
        answered = [record for record in self._sandbox.log if record.path == "/v1/oauth/token"]
        return answered[0].at - self._sandbox.delay

    def _late(self) -> int:
        """Count the rejected tokens that were sent past their end, or never issued."""
        ends = {
            record.token: record.at + self._sandbox.lifetime
            for record in self._sandbox.log
            if record.path == "/v1/oauth/token"
        }
        return sum(
            sent_at > ends.get(token, 0.0)
            for event, _, _, sent_at, token in self._events
            if event == "rejected"
        )

    def _lost(self) -> int:
        """Count the token requests of those who were killed before they can have saved it."""
        asked, answered = dict[int, float](), dict[int, float]()
        for event, pid, at, *_ in self._events:
            if event == "asks":
                asked[pid] = at
            elif event == "answered":
                answered[pid] = at
        return sum(
            answered.get(pid, 0.0) < at or self._killed[pid] < answered[pid] + 0.1
            for pid, at in asked.items()
            if pid in self._killed
        )
