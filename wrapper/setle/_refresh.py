"""What one refresh does, in its own thread: look, lock, look again, ask, save."""

import logging
import random
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import Any

from ._credentials import ClientCredentials, CredentialsProvider, obtain
from ._endpoint import TokenEndpoint
from ._errors import TokenUnavailableError
from ._flight import Flight
from ._fork import mutex
from ._lifetime import stale_after
from ._shared import Shared, shared_state
from ._store import TokenStore
from ._token import AccessToken, now

_log = logging.getLogger("setle")

# Seconds between two tries for the lock. They grow, as 100,000 processes that try 20 times a
# second are more than a store can answer.
_PAUSE = 0.05
_LONGEST_PAUSE = 1.0


def _nothing() -> None:
    """Extend no lock."""


class Refresh:
    """
    Gets a token from the store, or else from the token endpoint.

    Args:
        credentials: Obtained anew for each refresh.
        endpoint: Where to ask.
        store: Where to look first.

    Attributes:
        shared: What this process shares for the credentials of the latest refresh.

    Raises:
        ConfigurationError: There are no credentials, or they cannot be used.
    """

    def __init__(
        self,
        credentials: ClientCredentials | CredentialsProvider | None,
        endpoint: TokenEndpoint,
        store: TokenStore,
    ) -> None:
        if not callable(credentials):
            obtain(credentials)  # tells what is missing now, not at the first call
        self._credentials = credentials
        self._endpoint = endpoint
        self._store = store
        self.shared: Shared = Shared()

    def __call__(self, flight: Flight, held: AccessToken) -> AccessToken | None:
        """
        Return a token to use in place of *held*.

        None if *flight* is an early one and another process is getting a token right now:
        nobody waits for it, so it does not wait either.

        Raises:
            SetleError: There is none to be had.
        """
        credentials = obtain(self._credentials)
        key = credentials.key(self._endpoint.base_url)
        shared = self.shared = shared_state(self._store, key)
        while not (token := self._look(key, held)):
            with mutex:
                holder = shared.claim(flight)
            if holder is flight:
                return self._ask(key, credentials, flight, held)
            if not flight.left:
                raise flight.unanswered()
            holder.wait(limit=flight.left)
        return token

    def _ask(
        self, key: str, credentials: ClientCredentials, flight: Flight, held: AccessToken
    ) -> AccessToken | None:
        with ExitStack() as releases:
            give_up_at = flight.left - min(flight.left, flight.timeout / 2)
            pause = _PAUSE
            while (extend := self._lock(key, releases)) is None and flight.left > give_up_at:
                if flight.early:
                    return None
                # Spreads load, guards nothing.
                time.sleep(min(flight.left, pause * random.uniform(0.5, 1.0)))  # noqa: S311
                # Without the lock: those who waited must not queue up only to look.
                if token := self._look(key, held):
                    return token
                pause = min(2 * pause, _LONGEST_PAUSE)
            if token := self._look(key, held):
                return token
            if extend is None:
                extend = _nothing
                self._report("lock", TimeoutError())
            try:
                token = self._endpoint.ask(credentials, flight, extend)
            except TokenUnavailableError:
                # Whoever was frozen meanwhile, or cut off, may find what others were given.
                if token := self._look(key, held):
                    return token
                raise
            _log.debug("new access token %s, good for %g s", token.fingerprint, token.lifetime)
            self._try("save", self._store.save, key, token)
        return token

    def _look(self, key: str, held: AccessToken) -> AccessToken | None:
        """Return what the store holds, if it is better than *held*."""
        stored: AccessToken | None = self._try("load", self._store.load, key)
        if stored is None or stored.value == held.value or self.shared.is_rejected(stored.value):
            return None
        stale = stored.issued_at().after(stale_after(stored.lifetime))
        better = stored.issued_at().monotonic > held.issued_at().monotonic
        return stored if better and not stale.has_come(now()) else None

    def _lock(self, key: str, releases: ExitStack) -> Callable[[], object] | None:
        """Hold the store's lock until *releases* ends; return what extends it, None if taken."""
        # Not entered into *releases* itself, whose end would raise what releasing raises.
        held = ExitStack()
        try:
            lock = self._store.lock(key, 0.0)
            entered: object = held.enter_context(lock)
        except TimeoutError:
            return None
        except Exception as error:  # noqa: BLE001 - foreign code
            self._report("lock", error)
            return _nothing
        releases.callback(self._try, "lock", held.close)
        # Most locks yield themselves or True, and some of them are decorators as well.
        if entered is lock or not callable(entered):
            return _nothing
        return partial(self._try, "lock", entered)

    def _try(self, what: str, method: Callable[..., Any], *args: object) -> Any:
        """Return what *method* of the store returns, or None, and go on without, if it fails."""
        try:
            result = method(*args)
        except Exception as error:  # noqa: BLE001 - foreign code
            self._report(what, error)
            return None
        if what == "save":
            self.shared.store_fails = False
        return result

    def _report(self, what: str, error: Exception) -> None:
        """Log what the store raised, loudly once."""
        # The system's own words are safe; those of others may hold a password.
        said = isinstance(error, OSError) and error.strerror
        _log.log(
            logging.DEBUG if self.shared.store_fails else logging.WARNING,
            "%s.%s failed (%s); going on without it",
            type(self._store).__name__,
            what,
            f"{type(error).__name__}: {said}" if said else type(error).__name__,
        )
        self.shared.store_fails = True
