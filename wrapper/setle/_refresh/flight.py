"""
One refresh under way, which belongs to nobody.

Any number of threads, tasks and event loops wait for it; each may stop waiting without
the others noticing, and none of them has to be there when it ends.
"""

import threading
from _thread import start_new_thread
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from itertools import count
from typing import TYPE_CHECKING

import anyio

from .._errors import SetleError, TokenUnavailableError
from .._loops import call_in, running_loop
from .._time import Deadline, now
from .._token import NO_TOKEN, AccessToken
from ..stores.tolerant import Visit
from .uwsgi import threads_stand_still

if TYPE_CHECKING:
    from .state import KeyState

_numbers = count(1)


class Flight:
    """
    One refresh under way.

    Args:
        state: Of the key that the token is for.
        timeout: Seconds until those who wait give up. They see to it themselves, because the
            refresh may hang where no timeout reaches.
        host: Where the token endpoint is, for messages.
        reason: Why there is one: *first*, *early*, *stale* or *rejected*.

    Attributes:
        number: The younger, the higher.
        patience: Seconds that it may spend in the store before it is passed by another one.
        store: Where it looks and saves.
        thread: That does it, while it does.
        blames: What a failure would be one of now.
        inline: Whether the caller has to do it, as there is no thread to be had.
        held_back: Whether an earlier failure kept it from asking.
        calls: What is being called that returns the credentials.
        token: What it has got, though it has not ended yet.
        origin: Where the token came from: *endpoint* or *store*.
        has_ended: Whether there is an outcome.
        failure: Why nothing came of it, once it has ended. Never raised itself: those who
            waited raise copies.
    """

    def __init__(self, state: "KeyState", timeout: float, host: str, reason: str) -> None:
        self.state, self.host, self.reason = state, host, reason
        self.early = reason == "early"  # the token at hand was still good, so nobody waits
        self.number = next(_numbers)
        self.deadline, self.patience = Deadline(timeout), timeout / 3
        self.store = Visit(state.store, self.patience)
        self.thread: int | None = None
        self.blames = state.failure
        self.inline = self.held_back = self.has_ended = False
        self.calls = ""
        self.token: AccessToken | None = None
        self.origin = "endpoint"
        self.failure: SetleError | None = None
        # One for each thread that waits, and one for each event loop with all of its tasks.
        self._wakes: list[Callable[[], object]] = []
        self._events: dict[object, anyio.Event] = {}

    def has_outlived(self, token: AccessToken) -> bool:
        """Tell whether *token* ended during an early refresh: the process has been stopped."""
        return self.early and token is not NO_TOKEN.token and token.has_ended(now())

    @property
    def is_stuck(self) -> bool:
        """Whether it hangs in the store, or was interrupted by what its caller did meanwhile."""
        return (self.inline and self.thread is None) or self.store.spent >= self.patience

    def end(self, failure: SetleError | None) -> None:
        """Publish the outcome and wake everybody. Call it once, with the mutex held."""
        self.failure = failure
        self.has_ended = True
        for wake in self._wakes:  # and those who begin to wait meanwhile
            wake()

    def break_off(self) -> None:
        """Close its connections, in another thread: a transport of the user's may hang in there."""
        if self.deadline.close is not None:
            with suppress(RuntimeError):  # no thread to be had: it ends by its own timeouts
                start_new_thread(_call_quietly, (self.deadline.close,))

    def wait(self, limit: float) -> None:
        """Block this thread until there is an outcome or a reason to look, at most *limit*."""
        # A lock of its own: an Event has one inside that a signal handler would find taken.
        lock = threading.Lock()
        lock.acquire()
        if self._will_wake(lock.release):
            lock.acquire(timeout=self._until_look(limit))

    async def wait_async(self, limit: float) -> None:
        """Suspend this task until there is an outcome or a reason to look, at most *limit*."""
        loop = running_loop()
        event = self._events.get(loop)
        if event is None:
            event = anyio.Event()
            if not self._will_wake(partial(call_in, loop, event.set)):
                return
            self._events[loop] = event
        with anyio.move_on_after(self._until_look(limit)):
            await event.wait()

    def _will_wake(self, wake: Callable[[], object]) -> bool:
        self._wakes.append(wake)  # first, so that an end meanwhile is seen here or there
        return not self.has_ended

    def _until_look(self, limit: float) -> float:
        looks = [limit, self.deadline.left, self.patience - self.store.spent]
        usable = self.state.held.token.end.seconds_after(now())
        # Rather used than waited to death for another one. Where threads stand still, whoever went
        # on would leave the refresh behind, with the lock in hand.
        if usable > 0 and not threads_stand_still():
            looks.append(usable / 2)
        # Another 10 ms, so that what is looked for has come to pass by then.
        return max(0.0, min(looks)) + 0.01

    def unanswered(self, timeout: float) -> TokenUnavailableError:
        """Return what those get who have waited for *timeout* seconds."""
        hangs = self.calls or (type(self.state.store.store).__name__ if self.store.spent else "")
        text = f"the token endpoint at {self.host} gave no answer within {timeout:g} s"
        if hangs:
            text = f"{hangs} has not returned within {timeout:g} s; see what that waits for"
        else:
            text += "; check the network and the base URL"
        return TokenUnavailableError(text)


def _call_quietly(close: Callable[[], object]) -> None:  # pragma: no cover - not traced
    with suppress(Exception):  # whatever it was in the middle of
        close()
