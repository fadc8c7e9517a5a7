"""What one refresh does, in its own thread: look, lock, look again, ask, save."""

import logging
import random
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import TypeVar

import attrs

from .._credentials import ClientCredentials, CredentialsProvider, obtain
from .._endpoint.ask import TokenEndpoint
from .._errors import TokenUnavailableError
from .._locks import mutex
from .._refresh.flight import Flight
from .._refresh.state import Shared, shared_state
from .._time import now, stale_after
from .._token import AccessToken
from ..stores import TokenStore

Returned = TypeVar("Returned")
Default = TypeVar("Default")

_log = logging.getLogger("setle")

# Seconds between two tries for the lock. They grow, as 100,000 processes that try 20 times a
# second are more than a store can answer.
_PAUSE = 0.05
_LONGEST_PAUSE = 1.0


def _nothing() -> None:
    """Extend no lock."""


@attrs.define(eq=False)
class Refresher:
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

    _credentials: ClientCredentials | CredentialsProvider | None
    _endpoint: TokenEndpoint
    _store: TokenStore
    shared: Shared = attrs.field(factory=Shared, init=False)

    def __attrs_post_init__(self) -> None:
        if not callable(self._credentials):
            obtain(self._credentials)  # tells what is missing now, not at the first call

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
        look = partial(self._look, key, held)
        pause = _PAUSE
        with ExitStack() as releases:
            lock = partial(self._lock, flight, key, releases)
            # Whoever waits looks meanwhile, or all of them would queue up only to look.
            while True:
                if token := look():
                    return token
                with mutex:
                    holder = shared.claim(flight)
                if holder is not flight:
                    if not flight.left:
                        raise flight.unanswered()
                    holder.wait(limit=flight.left)
                elif extend := self._tolerantly("lock", _nothing, lock):
                    break
                elif flight.early:
                    return None
                else:
                    # Spreads load, guards nothing.
                    time.sleep(min(flight.left, pause * random.uniform(0.5, 1.0)))  # noqa: S311
                    pause = min(2 * pause, _LONGEST_PAUSE)
            if token := look():
                return token
            try:
                token = self._endpoint.ask(credentials, flight, extend)
            except TokenUnavailableError:
                # Whoever was frozen meanwhile, or cut off, may find what others were given.
                if token := look():
                    return token
                raise
            _log.debug("new access token %s, good for %g s", token.fingerprint, token.lifetime)
            self._tolerantly("save", None, self._store.save, key, token)
            return token

    def _lock(self, flight: Flight, key: str, releases: ExitStack) -> Callable[[], object] | None:
        """Hold the store's lock until *releases* ends; return what extends it, None to wait."""
        # Not entered into *releases* itself, whose end would raise what releasing raises.
        held = ExitStack()
        try:
            lock = self._store.lock(key, 0.0)
            entered: object = held.enter_context(lock)
        except TimeoutError:
            # Half the deadline is left to ask without it.
            if flight.early or flight.left > flight.timeout / 2:
                return None
            raise
        releases.callback(self._tolerantly, "lock", None, held.close)
        # Most locks yield themselves or True, and some of them are decorators as well.
        if entered is lock or not callable(entered):
            return _nothing
        return partial(self._tolerantly, "lock", None, entered)

    def _look(self, key: str, held: AccessToken) -> AccessToken | None:
        """Return what the store holds, if it is better than *held*."""
        stored = self._tolerantly("load", None, self._store.load, key)
        if stored is None or stored.value == held.value or stored.value in self.shared.rejected:
            return None
        stale = stored.issued_at().after(stale_after(stored.lifetime))
        better = stored.issued_at().monotonic > held.issued_at().monotonic
        return stored if better and not stale.has_come(now()) else None

    def _tolerantly(
        self, what: str, default: Default, call: Callable[..., Returned], *args: object
    ) -> Returned | Default:
        """Return what *call* returns, or *default*: log what the store raises, loudly once."""
        try:
            result = call(*args)
        except Exception as error:  # noqa: BLE001 - foreign code
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
            return default
        if what == "save":
            self.shared.store_fails = False
        return result
