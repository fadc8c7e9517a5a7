"""The steps of a refresh, in a thread of its own: look, lock, look again, ask, save."""

import logging
import random
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack

from .._credentials import ClientCredentials, CredentialsProvider
from .._endpoint.ask import ask
from .._endpoint.route import Route
from .._errors import SetleError, TokenError, TokenUnavailableError, twin_of
from .._log import say
from .._time import now, stale_after
from .._token import AccessToken
from ..stores.tolerant import TolerantStore, nothing
from .flight import Flight
from .way import way_to

# Seconds between two tries for the lock. They grow, as 100,000 processes that try 20 times a
# second are more than a store can answer.
PAUSE = 0.05
LONGEST_PAUSE = 1.0


class Refresher:
    """
    Gets tokens for one source, from the store or else from the token endpoint.

    Args:
        credentials: As a source takes them.
        route: The way to the token endpoint.
        base_url: Of the API, checked.
        store: Where to look first.
        timeout: Seconds that one refresh may take.

    Attributes:
        scopes: What a failure has to speak of to concern this source.

    Raises:
        ConfigurationError: There are no credentials, or they cannot be used.
    """

    def __init__(
        self,
        credentials: ClientCredentials | CredentialsProvider | None,
        route: Route,
        base_url: str,
        store: TolerantStore,
        timeout: float,
    ) -> None:
        self.way = way_to(credentials, store, base_url)
        self.timeout = timeout
        self.host = route.host
        # What fails for lack of time does not fail for who has more of it.
        self._calling, self._asking = (self.way, timeout), (route.scope, timeout)
        self.scopes = (None, self._calling, self._asking)
        self._route = route

    def fly_in_thread(self, flight: Flight) -> None:
        """Do *flight* in a thread that it was started in."""
        # What threading does for debuggers and coverage.
        sys.settrace(threading.gettrace())
        self.fly(flight)

    def fly(self, flight: Flight) -> None:
        """Do *flight*, and publish what came of it."""
        flight.thread = threading.get_ident()
        began = time.monotonic()
        failure: SetleError | None = None
        try:
            with ExitStack() as releases:
                try:
                    flight.token = self._token(flight, releases)
                except SetleError as error:
                    failure = twin_of(error)
                    if isinstance(error, TokenError) and error.status_code is not None:
                        flight.scope = None  # an answer, whatever way it came
                    # A usable token is always served, be it stale.
                    flight.token = self._look(flight, stale=True)
                except BaseException as error:
                    # An interrupt of the caller's own thread is nobody else's failure.
                    if isinstance(error, Exception) or not flight.inline:
                        name = type(error).__name__
                        failure = TokenUnavailableError(f"the refresh was broken off by {name}")
                    raise
        finally:
            flight.state.end(flight, failure)
        self._tell(flight, failure, time.monotonic() - began)

    def _token(self, flight: Flight, releases: ExitStack) -> AccessToken | None:
        """Return another token; None if somebody else gets one, or has got one, meanwhile."""
        if flight.state.key and (token := self._before_asking(flight)):
            return token
        flight.scope, flight.asked = self._calling, True
        credentials = self.way.credentials(flight)
        before, flight.asked = flight.state, False
        if not self.way.state.adopt(flight):
            return None
        if flight.state is not before and (token := self._before_asking(flight)):
            return token
        pause = PAUSE
        # Whoever waits looks meanwhile, or all of them would queue up only to look.
        while (extend := self._lock(flight, releases)) is None:
            time_left = flight.deadline.left - flight.deadline.timeout / 3
            if flight.early or flight.has_ended:
                return None
            if time_left <= 0:
                extend = nothing  # time to ask without it
                break
            # Spreads load, guards nothing.
            time.sleep(min(time_left, pause * random.uniform(0.5, 1.0)))  # noqa: S311
            pause = min(2 * pause, LONGEST_PAUSE)
            if token := self._look(flight):
                return token
        if token := self._look(flight):
            return token
        if flight.has_ended:  # another one has passed it while it hung in the store
            return None
        flight.scope, flight.asked = self._asking, True
        token = ask(self._route, credentials, flight.deadline, self._pausing(flight, extend))
        flight.token = token
        if flight.origin == "endpoint" and not flight.leaves_store:
            flight.state.store.save(flight.state.key, token)
        return token

    def _before_asking(self, flight: Flight) -> AccessToken | None:
        """Return what the store holds, or else raise what keeps this source from asking."""
        if token := self._look(flight):
            return token
        failure = flight.state.failures.of(self.scopes)
        if failure is not None:
            flight.scope = failure.scope
            raise failure.again(held_back=True)
        return None

    def _look(self, flight: Flight, *, stale: bool = False) -> AccessToken | None:
        """Return what the store holds, if it is better than the token in use."""
        state, held, moment = flight.state, flight.state.held.token, now()
        if flight.leaves_store or not state.key:
            return None
        stored = state.store.load(state.key)
        if stored is None or stored.value == held.value or stored.is_from_the_future():
            return None
        end = stored.end if stale else stored.issued_at().after(stale_after(stored.lifetime))
        if end.has_come(moment) or state.is_rejected(stored):
            return None
        if not held.has_ended(moment) and not stored.issued_at() > held.issued_at():
            return None
        flight.origin = "store"
        return stored

    def _lock(self, flight: Flight, releases: ExitStack) -> Callable[[], object] | None:
        """Hold the store's lock until *releases* ends; return what extends it, None to wait."""
        if flight.leaves_store:
            return nothing
        return flight.state.store.lock(flight.state.key, releases)

    def _pausing(
        self, flight: Flight, extend: Callable[[], object]
    ) -> Callable[[float], AccessToken | None]:
        """Return what waits between two attempts: extend the lock all the while, then look."""

        def pause(seconds: float) -> AccessToken | None:
            end = time.monotonic() + seconds
            while (left := end - time.monotonic()) > 0:
                time.sleep(min(left, LONGEST_PAUSE))
                extend()
            return self._look(flight)

        extend()
        return pause

    def _tell(self, flight: Flight, failure: SetleError | None, seconds: float) -> None:
        """Log what came of *flight*."""
        token, held = flight.token, flight.state.held.token
        if failure is not None:
            lasts = max(0.0, held.end.monotonic - now().monotonic)
            fields = {"reason": flight.reason, "error": type(failure).__name__, "lasts": lasts}
            text = f"no new access token ({flight.reason}): {failure}"
            if lasts:
                text += f"; the token in use lasts another {lasts:.0f} s"
            say(logging.WARNING if lasts else logging.DEBUG, "refresh_failed", text, **fields)
        if token is not None:
            came = "from the store" if flight.origin == "store" else f"in {seconds:.2f} s"
            text = f"access token {token.fingerprint} {came}, good for {token.lifetime:g} s"
            say(
                logging.INFO,
                "token_new",
                f"{text} ({flight.reason})",
                fingerprint=token.fingerprint,
                lifetime=token.lifetime,
                origin=flight.origin,
                reason=flight.reason,
                seconds=seconds,
            )
