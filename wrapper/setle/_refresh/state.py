"""Everything there is to know of one key in this process, in one place, under one mutex."""

import sys
from _thread import get_ident, start_new_thread
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING
from weakref import WeakSet

from .._errors import SetleError, TokenUnavailableError, twin_of
from .._failure import Failure
from .._locks import ReenteredError, exclusive, process
from .._time import BackOff, Deadline, now, quiet_after
from .._token import NO_TOKEN, AccessToken, HeldToken
from ..stores.tolerant import TolerantStore
from .flight import Flight

if TYPE_CHECKING:
    from .refresher import Refresher

_REST = 1.0  # seconds between two early refreshes that came to nothing
_MOST_THREADS = 2  # of one key: one that hangs where nothing ends it, and one that goes on

EVERY: WeakSet["KeyState"] = WeakSet()


class KeyState:
    """
    The state of one key of one store in this process.

    Args:
        store: Where tokens are shared.
        key: What they are shared under; empty for a callable's that has not answered yet.

    Attributes:
        held: The token in use. Replaced as a whole, so that it is read without the mutex.
        flight: The refresh under way.
        rejected: The tokens that the API rejected, which the store may still hold.
    """

    def __init__(self, store: TolerantStore, key: str) -> None:
        self.store, self.key = store, key
        self.held: HeldToken = NO_TOKEN
        self.flight: Flight | None = None
        self.rejected = deque[AccessToken](maxlen=16)
        self.failure = Failure()
        self._hold = BackOff()
        self._threads: set[Flight] = set()
        self._process = process()
        EVERY.add(self)

    @exclusive
    def next_step(
        self, refresher: "Refresher", waited_for: Flight | None, mine: Deadline
    ) -> AccessToken | Flight:
        """
        Return the token to use, or the refresh to wait for; start one if it is time.

        Args:
            refresher: Of the source that asks; it does the refresh if there is none.
            waited_for: The refresh that the caller has waited for.
            mine: When the caller gives up.

        Raises:
            SetleError: There is no usable token, and none to be had now.
            ReenteredError: The caller would wait for itself.
        """
        if self._process != process():
            self.begin_in_child()
        self._pass_lost_flight(waited_for)
        moment, held, flight = now(), self.held, self.flight
        if held.is_fresh(moment):
            return held.token
        early, usable = not held.stale.has_come(moment), not held.token.has_ended(moment)
        if waited_for is not None:
            if usable:
                return held.token
            if waited_for.failure is not None and waited_for.blames in refresher.failures(self):
                raise twin_of(waited_for.failure)
            if not mine.left:
                raise waited_for.unanswered(mine.timeout)
        if flight is None:
            flight = self._start(refresher, early=early, usable=usable)
        if flight is None or early:
            return held.token
        if flight.thread == get_ident():
            raise ReenteredError
        return flight

    def _start(self, refresher: "Refresher", *, early: bool, usable: bool) -> Flight | None:
        """Start a refresh; none if there can be none now, and the token at hand will do."""
        reason = "early" if early else "stale"
        if self.held is NO_TOKEN:
            reason = "rejected" if self.rejected else "first"
        flight = Flight(self, refresher.route.timeout, refresher.route.host, reason)
        refusal = ""
        if len(self._threads) >= _MOST_THREADS:
            refusal = "two refreshes hang already, and no third one is started"
        elif sys.is_finalizing():  # where a thread would never run
            refusal = "the interpreter is ending, and no refresh is started any more"
        else:
            try:
                self._threads.add(flight)
                self.flight = flight
                # Unlike Thread.start(), this does not wait until the new thread gets its turn,
                # which takes up to 100 ms beside busy ones.
                start_new_thread(refresher.fly_in_thread, (flight,))
            except BaseException as error:
                self._threads.discard(flight)
                self.flight = None
                if not isinstance(error, RuntimeError):
                    raise
                flight.inline = True  # there is a limit of threads
            else:
                if early:
                    self.held = self.held.refreshing()
                return flight
        if usable:
            self.held = self.held.resting(_REST, until_end=True)
            return None
        if refusal:
            raise TokenUnavailableError(refusal)
        return flight

    @exclusive
    def adopt(self, flight: Flight) -> bool:
        """Take over *flight*, whose credentials lead here; tell whether it is to go on."""
        if self.flight is flight:
            return True
        before = flight.state
        before._threads.discard(flight)
        if before.flight is flight:
            before.flight = None
        flight.state = self
        self._threads.add(flight)
        if self.flight is None and not flight.has_ended and not self.held.is_fresh(now()):
            self.flight = flight
        return self.flight is flight

    @exclusive
    def end(self, flight: Flight, failure: SetleError | None) -> None:
        """Publish what came of *flight*: its token, and *failure* if it was meant to ask."""
        self._threads.discard(flight)
        token = flight.token
        if token is not None and flight.origin == "store" and self.is_rejected(token):
            token = None  # since it was looked up
        if token is not None:
            self._take(token, flight)
        if failure is None and token is not None:
            self.failure.clear()
            flight.blames.clear()
        if flight.has_ended:
            return
        if failure is not None:
            if flight.asked:
                flight.blames.count(failure)
            failure = flight.blames.again(held_back=not flight.asked)
        rest = max(_REST, self.failure.left)
        if self.flight is flight and (token is None or failure is not None):
            self.held = self.held.resting(rest, until_end=failure is not None)
        self._close(flight, failure)

    def is_rejected(self, token: AccessToken) -> bool:
        """Tell whether the API rejected *token*."""
        return any(token.value == old.value for old in list(self.rejected))

    def is_needed(self) -> bool:
        """Tell whether something would be lost with it, though no source refers to it."""
        moment = now()
        return (
            any(not token.has_ended(moment) for token in list(self.rejected))
            or bool(self.failure.left)
            or bool(self._hold.left)
        )

    @exclusive
    def report_rejection(
        self, value: str, *, always: bool = False
    ) -> tuple[bool, AccessToken | None]:
        """
        Drop the token of that *value* if it is in use.

        Each drop begins a hold, in which rejections of newer tokens pass through: another
        token would not help. It grows from 1 to 60 seconds.

        Args:
            value: What the API rejected.
            always: Whether to drop it during a hold, too.

        Returns:
            Whether another token is worth getting, and the token if it was dropped just now.
        """
        token = self.held.token
        if token.value != value:
            return True, None
        if self._hold.left and not always:
            return False, None
        self.rejected.append(token)
        self.held = NO_TOKEN
        self._hold.begin()
        return True, token

    def begin_in_child(self) -> None:
        """Leave behind, after a fork, what goes on in the parent."""
        self._process = process()
        self.flight = None
        self._threads.clear()
        held = self.held
        if held is not NO_TOKEN:
            quiet = quiet_after(held.token.lifetime)
            self.held = HeldToken.drawn(held.token, held.number, quiet=quiet)

    @exclusive
    def forget(self) -> None:
        """Be as new; who waits for a refresh under way asks anew."""
        if self.flight is not None:
            self._close(self.flight, None)
        for flight in self._threads:  # what comes of them is nobody's
            flight.state, flight.leaves_store = KeyState(self.store, ""), True
        self._threads.clear()
        self.held = NO_TOKEN
        self.rejected.clear()
        self._hold.clear()

    def _pass_lost_flight(self, waited_for: Flight | None) -> None:
        """End the flight under way if it is past its deadline, or hangs in the store."""
        flight = self.flight
        if flight is None:
            return
        if not flight.deadline.left:
            failure: SetleError = flight.unanswered(flight.deadline.timeout)
            # If nobody has waited, the process may have been stopped meanwhile. Whoever comes
            # now asks anew.
            if waited_for is flight:
                flight.blames.count(failure)
                failure = flight.blames.again(held_back=False)
            self._close(flight, failure)
            if flight.deadline.close is not None:
                with suppress(Exception):  # whatever it was in the middle of
                    flight.deadline.close()
        elif flight.time_in_store >= flight.patience:
            if flight.token is not None:  # it is only saving
                self._take(flight.token, flight)
            self._close(flight, None)

    def _take(self, token: AccessToken, flight: Flight) -> None:
        """Hold *token*, unless a younger flight has brought another one that is usable."""
        held = self.held
        if flight.number < held.number and not held.token.has_ended(now()):
            return
        quiet = quiet_after(token.lifetime) if flight.origin == "store" else 0.0
        self.held = HeldToken.drawn(token, flight.number, quiet=quiet)
        if token.value == held.token.value:
            # The server hands out the same token again: ask when that is stale.
            self.held = self.held.refreshing()
            if not self.held.is_fresh(now()):
                self.held = self.held.resting(_REST, until_end=True)

    def _close(self, flight: Flight, failure: SetleError | None) -> None:
        if self.flight is flight:
            self.flight = None
        flight.end(failure)
