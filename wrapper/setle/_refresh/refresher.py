"""The steps of a refresh, in a thread of its own: look, lock, look again, ask, save."""

import logging
import random
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial

from .._endpoint.ask import ask
from .._endpoint.route import Route
from .._errors import SetleError, TokenError, TokenRejectedError, TokenUnavailableError, twin_of
from .._failure import Failure
from .._log import logging_afterwards, say
from .._time import now, stale_after
from ..stores.tolerant import nothing
from .flight import Flight
from .registry import Way
from .state import KeyState
from .uwsgi import tell_if_threads_stand_still

# Seconds between two tries for the lock. They grow, as 100,000 processes that try 20 times a
# second are more than a store can answer.
PAUSE = 0.05
LONGEST_PAUSE = 1.0


class Refresher:
    """
    Gets tokens for one source, from the store or else from the token endpoint.

    Args:
        way: To the credentials.
        route: To the token endpoint.
    """

    def __init__(self, way: Way, route: Route) -> None:
        self.way, self.route = way, route

    def failures(self, state: KeyState) -> tuple[Failure, ...]:
        """Return what may keep this source from asking for the key of *state*."""
        return state.failure, self.way.failure, self.route.failure

    def fly_in_thread(self, flight: Flight) -> None:
        """Do *flight* in a thread that it was started in."""
        # What threading does for debuggers and coverage.
        sys.settrace(threading.gettrace())
        self.fly(flight)

    @logging_afterwards()
    def fly(self, flight: Flight) -> None:
        """Do *flight*, publish what came of it, and then log it."""
        flight.thread = threading.get_ident()
        tell_if_threads_stand_still()
        began = time.monotonic()
        failure: SetleError | None = None
        try:
            with ExitStack() as releases:
                failure = self._outcome(flight, releases)
        except BaseException as error:
            # An interrupt of the caller's own thread is nobody else's failure.
            if isinstance(error, Exception) or not flight.inline:
                name = type(error).__name__
                failure = TokenUnavailableError(f"the refresh was broken off by {name}")
            raise
        finally:
            flight.thread = None  # first, as an interrupt may break off the rest
            flight.state.end(flight, failure)
        self._tell(flight, failure, time.monotonic() - began)

    def _outcome(self, flight: Flight, releases: ExitStack) -> SetleError | None:
        """Get a token for *flight*, or return why there is none; a stale one comes with both."""
        try:
            self._refresh(flight, releases)
        except SetleError as error:
            answered = isinstance(error, TokenError) and error.status_code is not None
            if answered and flight.blames is self.route.failure:
                flight.blames = flight.state.failure  # an answer, whatever way it came
            # A usable token is always served, be it stale.
            self._look(flight, stale=True)
            return twin_of(error)
        return None

    def _refresh(self, flight: Flight, releases: ExitStack) -> None:
        """Get another token, unless somebody else gets one, or has got one, meanwhile."""
        if not self.way.lead(flight, flight.state) or self._look(flight):
            return
        # A refusal holds for the credentials of then; a callable may have others by now.
        self._heed_failures(flight, but=TokenRejectedError)
        flight.blames = self.way.failure
        credentials, state = self.way.credentials(flight)
        moves = state is not flight.state
        if not self.way.lead(flight, state) or (moves and self._look(flight)):
            return
        self._heed_failures(flight)
        extend = self._lock(flight, releases)
        if extend is None or self._look(flight) or flight.has_ended:
            return
        flight.blames = self.route.failure
        extend()
        token = ask(self.route, credentials, flight.deadline, partial(self._pause, flight, extend))
        if token is not None:
            flight.token, flight.origin = token, "endpoint"
            flight.store.save(flight.state.key, token)

    def _heed_failures(self, flight: Flight, but: type[SetleError] | tuple[()] = ()) -> None:
        """Raise what failed of late that asking would take, *but* not errors of that type."""
        for failure in self.failures(flight.state):
            if failure.left and not isinstance(failure.error, but):
                flight.blames, flight.held_back = failure, True
                raise failure.again(held_back=True)

    def _look(self, flight: Flight, *, stale: bool = False) -> bool:
        """Take what the store holds, if it is better than the token in use; tell whether it is."""
        state, held, moment = flight.state, flight.state.held.token, now()
        stored = flight.store.load(state.key) if state.key else None
        if stored is None or stored.value == held.value or stored.is_from_the_future():
            return False
        end = stored.end if stale else stored.issued_at().after(stale_after(stored.lifetime))
        if end.has_come(moment) or state.is_rejected(stored):
            return False
        if not held.has_ended(moment) and not stored.issued_at() > held.issued_at():
            return False
        flight.token, flight.origin = stored, "store"
        return True

    def _lock(self, flight: Flight, releases: ExitStack) -> Callable[[], object] | None:
        """Hold the lock until *releases* ends; return what extends it, None if no need is left."""
        key, pause = flight.state.key, PAUSE
        while True:
            extend = flight.store.lock(key, releases)
            if extend is not None or flight.early or flight.has_ended:
                return extend
            time_left = flight.deadline.left - flight.deadline.timeout / 3
            if time_left <= 0:
                name = type(flight.state.store.store).__name__
                held = "%(store)s.lock has been held by another process all the while"
                say(logging.WARNING, "lock_held", f"{held}; asking without", store=name)
                return nothing
            time.sleep(min(time_left, pause * random.uniform(0.5, 1.0)))  # noqa: S311 - spreads load
            pause = min(2 * pause, LONGEST_PAUSE)
            # Whoever waits looks meanwhile, or all of them would queue up only to look.
            if self._look(flight):
                return None

    def _pause(self, flight: Flight, extend: Callable[[], object], seconds: float) -> bool:
        """Wait between two attempts, and extend the lock; tell whether there is no need left."""
        while seconds > 0:  # by no clock, which a test may have frozen
            time.sleep(min(seconds, LONGEST_PAUSE))
            seconds -= LONGEST_PAUSE
            extend()
        return self._look(flight) or flight.has_ended

    def _tell(self, flight: Flight, failure: SetleError | None, seconds: float) -> None:
        """Log what came of *flight*."""
        token, reason = flight.token, flight.reason
        if failure is not None:
            failure = flight.failure or failure  # which knows when it is tried again
            lasts = max(0.0, flight.state.held.token.end.seconds_after(now()))
            text = "no new access token (%(reason)s): %(message)s"
            say(
                logging.WARNING if lasts else logging.DEBUG if flight.held_back else logging.INFO,
                "refresh_failed",
                text + ("; the token in use lasts another %(lasts).0f s" if lasts else ""),
                reason=reason,
                error=type(failure).__name__,
                message=str(failure),
                lasts=lasts,
                retry_in=failure.retry_in,
            )
        if token is not None:
            took = " in %(seconds).2f s" if flight.origin == "endpoint" else ""
            say(
                logging.INFO,
                "token_new",
                f"access token %(fingerprint)s from the %(origin)s{took}, good for %(lasts).0f s"
                " (%(reason)s)",
                fingerprint=token.fingerprint,
                lifetime=token.lifetime,
                lasts=token.end.seconds_after(now()),
                origin=flight.origin,
                reason=reason,
                seconds=seconds,
            )
