"""Everything there is to know of one key in this process, in one place, under one mutex."""

import sys
from _thread import get_ident, start_new_thread
from contextlib import suppress
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from .._errors import SetleError, TokenUnavailableError, twin_of
from .._failure import Failure
from .._locks import REENTERED, ReenteredError, exclusive, process
from .._time import Deadline, now
from .._token import NO_TOKEN, AccessToken
from ..stores.memory import MemoryTokenStore
from ..stores.tolerant import TolerantStore, Visit
from .flight import Flight
from .in_use import TokenInUse
from .uwsgi import threads_stand_still

if TYPE_CHECKING:
    from .refresher import Refresher

_MOST_THREADS = 2  # of one key and way: one that hangs where nothing ends it, and another one

EVERY: WeakValueDictionary[int, "KeyState"] = WeakValueDictionary()  # by id


class KeyState(TokenInUse):
    """
    The state of one key of one store in this process.

    Args:
        store: Where tokens are shared.
        key: What they are shared under; empty for a callable's that has not answered yet.
        client_id: Whose they are.

    Attributes:
        flight: The refresh under way.
        failure: Of the token endpoint to give one, the last time.
    """

    def __init__(self, store: TolerantStore, key: str, client_id: str = "") -> None:
        super().__init__()
        self.store, self.key, self.client_id = store, key, client_id
        self.flight: Flight | None = None
        self.failure = Failure()
        self._threads: set[Flight] = set()
        self._process = process()
        EVERY[id(self)] = self

    def next_step(
        self, refresher: "Refresher", waited_for: Flight | None, mine: Deadline
    ) -> AccessToken | Flight:
        """
        Return, with the mutex held, the token to use or the refresh to wait for.

        Starts one if it is time.

        Args:
            refresher: Of the source that asks; it does the refresh if there is none.
            waited_for: The refresh that the caller has waited for.
            mine: When the caller gives up.

        Raises:
            SetleError: There is no usable token, and none to be had now.
            ReenteredError: The caller would wait for itself.
        """
        self._begin_in_child()
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
        if flight is None or sys.is_finalizing():  # then its thread never goes on
            flight = self._start(refresher, early=early, usable=usable)
        if flight is None or early:
            return held.token
        if flight.thread == get_ident():
            raise ReenteredError(REENTERED)
        return flight

    def _start(self, refresher: "Refresher", *, early: bool, usable: bool) -> Flight | None:
        """Start a refresh; none if there can be none now, and the token at hand will do."""
        if early and threads_stand_still():  # it would, holding the lock
            self.held = self.held.until_stale()
            return None
        reason = "early" if early else "stale"
        if self.held.token is NO_TOKEN.token:
            reason = "rejected" if self.rejected else "first"
        flight = Flight(self, refresher.route.timeout, refresher.route.host, reason)
        # While the interpreter ends, a thread would never run.
        hanging = sum(other.blames in refresher.failures(self) for other in self._threads)
        refused = hanging >= _MOST_THREADS or sys.is_finalizing()
        # Without a thread to be had, the caller flies it.
        with suppress(RuntimeError):
            if not refused:
                # Thread.start() would wait until the new thread gets its turn, which takes up to
                # 100 ms beside busy ones. Published only now: an interrupt before would leave
                # behind what nobody flies, or threads that count though nobody waits for them.
                start_new_thread(refresher.fly_in_thread, (flight,))
                self.flight = flight
                self._threads.add(flight)
                # No longer than it may take: it may hang, and a forked child lacks it.
                self.held = self.held.resting(flight.deadline.timeout, until_end=False)
                return flight
        if usable:
            self.held = self.held.resting(until_end=True)
            return None
        if refused:
            raise TokenUnavailableError("two refreshes hang already, or the interpreter is ending")
        flight.inline = True
        return flight

    def adopt(self, flight: Flight) -> bool:
        """Take over *flight*, with the mutex held; tell whether it is to go on."""
        self._begin_in_child()  # as a callable may lead here before anybody else does
        if self.flight is flight:
            return True
        before = flight.state
        before._threads.discard(flight)
        if before.flight is flight:
            before.flight = None
        flight.state = self
        if not flight.inline:
            self._threads.add(flight)
        if self.flight is None and not flight.has_ended and not self.held.is_fresh(now()):
            self.flight = flight
        return self.flight is flight

    @exclusive
    def end(self, flight: Flight, failure: SetleError | None) -> None:
        """Publish what came of *flight*: its token, and *failure* if it was meant to ask."""
        self._threads.discard(flight)
        token = flight.token
        if token is not None and flight.has_ended and self.is_rejected(token):
            token = None  # since it was taken over
        if token is not None:
            self.take(token, flight.number, loaded=flight.origin == "store")
        if failure is None and token is not None:
            self.failure.clear()
            flight.blames.clear()
        if flight.has_ended:
            return
        if flight.has_outlived(self.held.token):
            failure = None
        awaited = self.flight is flight
        self._close(flight, failure)
        if awaited and (token is None or failure is not None):
            self.held = self.held.resting(flight.blames.left, until_end=failure is not None)

    @exclusive
    def forget(self) -> None:
        """Be as new; who waits for a refresh under way asks anew."""
        if self.flight is not None:
            self._close(self.flight, None)
        for flight in self._threads:  # what comes of them is nobody's
            flight.state = KeyState(TolerantStore(MemoryTokenStore()), "")
            flight.store = Visit(flight.state.store, flight.patience)
        self._threads.clear()
        TokenInUse.__init__(self)

    def _begin_in_child(self) -> None:
        """Leave behind, if this is another process by now, what goes on in the parent."""
        if self._process != process():
            self._process = process()
            self.flight = None
            self._threads.clear()
            self.redraw()

    def _pass_lost_flight(self, waited_for: Flight | None) -> None:
        """End the flight under way if it is past its deadline, or hangs in the store."""
        flight = self.flight
        if flight is None or (flight.deadline.left and not flight.is_stuck):
            return
        failure: SetleError | None = None
        if flight.token is not None:  # it is only saving, or unlocking
            self.take(flight.token, flight.number, loaded=False)
        # If nobody has waited, the process may have been stopped meanwhile: ask anew.
        elif waited_for is flight and not (flight.is_stuck or flight.has_outlived(self.held.token)):
            failure = flight.unanswered(flight.deadline.timeout)
        self._close(flight, failure)
        flight.break_off()

    def _close(self, flight: Flight, failure: SetleError | None) -> None:
        """Publish the outcome of *flight*, and note its *failure*."""
        if failure is not None:
            if not flight.held_back:
                flight.blames.count(failure)
            failure = flight.blames.again(held_back=flight.held_back)
        if self.flight is flight:
            self.flight = None
        flight.end(failure)
