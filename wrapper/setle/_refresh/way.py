"""The ways to credentials: fixed ones, the environment, or a callable of the user's."""

from functools import lru_cache

from .._credentials import ClientCredentials, CredentialsProvider, Environment, obtain
from .._failure import Failure
from ..stores.tolerant import TolerantStore
from .flight import Flight
from .registry import state_of
from .state import KeyState


class Way:
    """
    A way to credentials, and to the state of their key.

    Args:
        provider: The credentials, or foreign code that returns them; None for what the
            environment says now.
        store: Where their tokens are shared.
        base_url: Where they are for.

    Attributes:
        state: Of their key, as far as it is known.
        failure: Of the callable.

    Raises:
        ConfigurationError: They are of another type, or the environment does not hold any.
    """

    def __init__(
        self,
        provider: ClientCredentials | CredentialsProvider | None,
        store: TolerantStore,
        base_url: str,
    ) -> None:
        environment = Environment.read()  # which a callable may read, too
        self._provider = environment if provider is None else provider
        self._parts = (store, base_url, environment, self._provider)
        self.failure = Failure()
        if provider is None or not callable(provider):
            self.state = self._state_of(obtain(self._provider))
        else:
            self.state = KeyState(store, "")

    def credentials(self, flight: Flight) -> tuple[ClientCredentials, KeyState]:
        """Return the credentials of now and the state of their key, and remember that."""
        flight.calls = True
        try:
            credentials = obtain(self._provider)
        finally:
            flight.calls = False
        self.failure.clear()
        if Environment.read() != self._parts[2]:
            forget_ways()  # whoever comes with the environment of then is not led here
        state = self._state_of(credentials)
        if not flight.has_ended:  # else a later call may have answered meanwhile
            self.state = state
        return credentials, state

    def _state_of(self, credentials: ClientCredentials) -> KeyState:
        store, base_url, _, _ = self._parts
        return state_of(store, credentials.key(base_url))

    def __eq__(self, other: object) -> bool:
        try:
            return isinstance(other, Way) and self._parts == other._parts
        except Exception:  # noqa: BLE001 - a callable's own idea of equality is foreign code
            return False

    def __hash__(self) -> int:
        return hash(self._parts[:3])  # a callable may have no hash


@lru_cache(maxsize=64)
def _first(way: Way) -> Way:
    """Return the first of all equal ways; the most recent ones are kept without a source."""
    return way


def way_to(
    provider: ClientCredentials | CredentialsProvider | None, store: TolerantStore, base_url: str
) -> Way:
    """Return the way to *provider*: equal callables are one, as long as the environment is."""
    way = Way(provider, store, base_url)
    first = _first(way)
    if way.state.key:  # a secret's file may have changed
        first.state = way.state
    return first


forget_ways = _first.cache_clear
