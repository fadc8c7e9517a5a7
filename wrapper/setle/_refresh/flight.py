"""
One refresh under way, which belongs to nobody.

Any number of threads, tasks and event loops wait for it; each may stop waiting without
the others noticing, and none of them has to be there when it ends.
"""

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import anyio
from anyio.lowlevel import current_token

from .._errors import SetleError, TokenUnavailableError
from .._locks import mutex
from .._time import Deadline


class Flight(Deadline):
    """
    One refresh under way.

    Args:
        timeout: Seconds until the waiting give up. They enforce it themselves, because the
            refresh may hang where no timeout reaches, in a DNS look-up for example.
        early: Whether the token at hand was still good when it began.

    Attributes:
        failure: Why nothing came of it, once it has ended. Never raised itself: those who
            waited raise copies.
    """

    def __init__(self, timeout: float, *, early: bool = False) -> None:
        super().__init__(timeout)
        self.early = early
        self.failure: SetleError | None = None
        self._pid = os.getpid()
        self._done = threading.Event()
        self._loops: dict[object, tuple[Callable[[Callable[[], Any]], Any], anyio.Event]] = {}

    @property
    def has_ended(self) -> bool:
        """Whether it has an outcome, or was left behind in the parent process by a fork."""
        return self._done.is_set() or self._pid != os.getpid()

    def end(self, failure: SetleError | None) -> None:
        """Publish the outcome and wake everybody. Call it once, with the mutex held."""
        self.failure = failure
        self._done.set()
        for call_soon, event in self._loops.values():
            with suppress(RuntimeError):  # that loop has ended, and its tasks with it
                call_soon(event.set)
        self._loops.clear()

    def wait(self, limit: float = float("inf")) -> None:
        """Block this thread until there is an outcome, or the deadline or *limit* passes."""
        self._done.wait(min(self.left, limit))

    async def wait_async(self) -> None:
        """Suspend this task until there is an outcome or the deadline passes."""
        token: Any = current_token()
        # Older versions of anyio return the loop, or trio's token, itself.
        loop = getattr(token, "native_token", token)
        with mutex:
            if self._done.is_set():
                return
            # Each loop is woken once, however many tasks wait in it.
            call_soon = getattr(loop, "call_soon_threadsafe", None) or loop.run_sync_soon
            _, event = self._loops.setdefault(loop, (call_soon, anyio.Event()))
        with anyio.move_on_after(self.left):
            await event.wait()

    def unanswered(self) -> TokenUnavailableError:
        """Return what those get who waited until the deadline."""
        return TokenUnavailableError(
            f"the token endpoint gave no answer within {self.timeout:g} s;"
            " check the network and the base URL"
        )
