"""The ways to credentials: fixed ones, the environment, or a callable of the user's."""

import hashlib

import attrs

from .._credentials import ClientCredentials, CredentialsProvider, Environment, obtain
from .._locks import exclusive
from ..stores.tolerant import TolerantStore
from .flight import Flight
from .registry import state_of
from .state import KeyState


class Way:
    """
    A way to credentials, and to the state of their key.

    Args:
        provider: The credentials, or foreign code that returns them.
        store: Where their tokens are shared.
        base_url: Where they are for.
        state: Of their key, as far as it is known.
    """

    def __init__(
        self,
        provider: ClientCredentials | CredentialsProvider,
        store: TolerantStore,
        base_url: str,
        state: KeyState,
    ) -> None:
        self.state = state
        self._provider, self._store, self._base_url = provider, store, base_url
        # A callable may read the environment. A digest of it will do, as it holds the secret.
        environment = repr(attrs.astuple(Environment.read()))
        self._environment = hashlib.sha256(environment.encode()).digest()

    def credentials(self, flight: Flight) -> ClientCredentials:
        """Return the credentials of now, and remember whose key they lead to."""
        flight.calls = True
        try:
            credentials = obtain(self._provider)
        finally:
            flight.calls = False
        state = state_of(self._store, credentials.key(self._base_url))
        if not flight.has_ended:  # else a later call may have answered meanwhile
            self.state = state
        return credentials

    def is_same(self, other: "Way") -> bool:
        """Tell whether *other* leads to the same credentials, as far as one can tell."""
        mine = (self._store, self._base_url, self._environment)
        if mine != (other._store, other._base_url, other._environment):
            return False
        try:
            return bool(self._provider == other._provider)
        except Exception:  # noqa: BLE001 - foreign code
            return False


_recent: list[Way] = []  # those with callables, kept without a source; the latest last
_MANY = 64


@exclusive
def _keep(way: Way) -> None:
    _recent[:] = [*(old for old in _recent if old is not way), way][-_MANY:]


def way_to(
    credentials: ClientCredentials | CredentialsProvider | None, store: TolerantStore, base_url: str
) -> Way:
    """
    Return the way to *credentials*; None stands for what the environment says now.

    Equal callables are one way, unless the environment has changed between.

    Raises:
        ConfigurationError: They are of another type, or the environment does not hold any.
    """
    if credentials is None:
        credentials = Environment.read()
    if isinstance(credentials, Environment) or not callable(credentials):
        # Obtained now, to tell at once what is missing.
        return Way(credentials, store, base_url, state_of(store, obtain(credentials).key(base_url)))
    way = Way(credentials, store, base_url, KeyState(store, ""))
    way = next((old for old in list(_recent) if old.is_same(way)), way)
    _keep(way)
    return way


def forget_ways() -> None:
    """Forget what callables have returned."""
    _recent.clear()
