"""What one refresh does, in its own thread: look, lock, look again, ask, save."""

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from ._credentials import ClientCredentials, CredentialsProvider
from ._endpoint import TokenEndpoint
from ._errors import ConfigurationError, SetleError, TokenUnavailableError
from ._flight import Flight
from ._fork import mutex
from ._lifetime import stale_after
from ._shared import Shared, shared_state
from ._store import TokenStore
from ._token import AccessToken, now

_log = logging.getLogger("setle")


class Refresh:
    """
    Gets a token from the store, or else from the token endpoint.

    Args:
        credentials: Called anew for each refresh.
        endpoint: Where to ask.
        store: Where to look first.

    Attributes:
        shared: What this process shares for the credentials of the latest refresh.
    """

    def __init__(
        self, credentials: CredentialsProvider, endpoint: TokenEndpoint, store: TokenStore
    ) -> None:
        self._credentials = credentials
        self._endpoint = endpoint
        self._store = store
        self.shared: Shared = Shared()

    def __call__(self, flight: Flight, held: AccessToken) -> AccessToken:
        """
        Return a token to use in place of *held*.

        Raises:
            SetleError: There is none to be had.
        """
        credentials = self._ask_for_credentials()
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

    def _ask_for_credentials(self) -> ClientCredentials:
        try:
            credentials: object = self._credentials()
        except SetleError:
            raise
        except Exception as error:  # noqa: BLE001 - foreign code
            # Its text is left out: nobody knows what a vault's client puts there.
            raise TokenUnavailableError(
                f"the callable that returns the credentials raised {type(error).__name__}"
            ) from None
        if not isinstance(credentials, ClientCredentials):
            raise ConfigurationError(
                "the callable must return setle.ClientCredentials,"
                f" not {type(credentials).__name__}"
            )
        return credentials

    def _ask(
        self,
        key: str,
        credentials: ClientCredentials,
        flight: Flight,
        held: AccessToken,
    ) -> AccessToken:
        with self._lock(key, min(flight.left, flight.timeout / 2)) as extend:
            if token := self._look(key, held):
                return token
            try:
                token = self._endpoint.ask(credentials, flight, extend)
            except TokenUnavailableError:
                # Whoever was frozen meanwhile, or cut off, may find what others were given.
                if token := self._look(key, held):
                    return token
                raise
            _log.debug("new access token %s, good for %g s", token.fingerprint, token.lifetime)
            with self._tolerating("save"):
                self._store.save(key, token)
        return token

    def _look(self, key: str, held: AccessToken) -> AccessToken | None:
        """Return what the store holds, if it is better than *held*."""
        stored = None
        with self._tolerating("load"):
            stored = self._store.load(key)
        if stored is None or stored.value == held.value or self.shared.is_rejected(stored.value):
            return None
        stale = stored.issued_at().after(stale_after(stored.lifetime))
        better = stored.issued_at().monotonic > held.issued_at().monotonic
        return stored if better and not stale.has_come(now()) else None

    @contextmanager
    def _lock(self, key: str, timeout: float) -> Iterator[Callable[[], None]]:
        """Hold the store's lock if it can be had, and yield what extends it."""
        held = ExitStack()
        extend: Callable[[], object] | None = None
        with self._tolerating("lock"):
            extend = held.enter_context(self._store.lock(key, timeout))

        def extend_if_limited() -> None:
            if extend is not None:
                with self._tolerating("lock"):
                    extend()

        try:
            yield extend_if_limited
        finally:
            with self._tolerating("lock"):
                held.close()

    @contextmanager
    def _tolerating(self, what: str) -> Iterator[None]:
        """Log what the store raises, loudly once, and go on without it."""
        try:
            yield
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
        else:
            if what == "save":
                self.shared.store_fails = False
