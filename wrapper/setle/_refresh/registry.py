"""What this process shares: guards of stores, states of keys, ways to credentials."""

from functools import lru_cache
from itertools import islice
from weakref import WeakValueDictionary

from .. import _failure
from .._credentials import ClientCredentials, CredentialsProvider, Environment, obtain, told
from .._failure import Failure
from .._locks import alive, exclusive
from .._time import now
from ..stores import TokenStore
from ..stores.memory import OF_THE_PROCESS, MemoryTokenStore
from ..stores.tolerant import TolerantStore
from .flight import Flight
from .state import EVERY, KeyState

# By id, as a store need not be hashable. A state keeps its store, so no id recurs meanwhile.
_stores: WeakValueDictionary[int, TolerantStore] = WeakValueDictionary()
_states: WeakValueDictionary[tuple[int, str], KeyState] = WeakValueDictionary()
# Both are kept without a source, for a connect() per web request.
_recent: dict[KeyState, None] = {}
_needed: dict[KeyState, None] = {}
_MANY = 64


@exclusive
def tolerant(store: TokenStore) -> TolerantStore:
    """Return the guard that this process has for *store*."""
    return _stores.setdefault(id(store), TolerantStore(store))


@exclusive
def state_of(store: TolerantStore, key: str, client_id: str) -> KeyState:
    """Return the state that this process keeps for *key* of *store*."""
    state = _states.setdefault((id(store), key), KeyState(store, key, client_id))
    _recent.pop(state, None)
    _recent[state] = None
    looked_at = list(islice(_needed, 2))  # by turns, however many there are
    while len(_recent) > _MANY:
        looked_at.append(next(iter(_recent)))
        del _recent[looked_at[-1]]
    for old in looked_at:
        _needed.pop(old, None)
        if _is_needed(old):
            _needed[old] = None
    return state


def _is_needed(state: KeyState) -> bool:
    """Tell whether something would be lost with *state*, though no source refers to it."""
    rejected = any(not token.has_ended(now()) for token in state.rejected)
    return rejected or bool(state.failure.left) or bool(state.hold.left)


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
        """Return the credentials of now and the state of their key."""
        flight.calls = told(self._provider)
        try:
            credentials = obtain(self._provider)
        finally:
            flight.calls = ""
        self.failure.clear()
        if Environment.read() != self._parts[2]:
            _first.cache_clear()  # whoever comes with the environment of then is not led here
        return credentials, self._state_of(credentials)

    @exclusive
    def lead(self, flight: Flight, state: KeyState) -> bool:
        """Lead *flight*, and whoever comes later, to *state*; tell whether it is to go on."""
        if not flight.has_ended:  # else a later call may have answered meanwhile
            self._lead_to(state)
        return state.adopt(flight)

    @exclusive
    def follow(self, other: "Way") -> None:
        """Lead where *other* leads, which has just read the credentials, if that knows."""
        if other.state.key:
            self.failure.clear()
            self._lead_to(other.state)

    def _lead_to(self, state: KeyState) -> None:
        if state.client_id == self.state.client_id:
            state.inherit(self.state)
        self.state = state

    def _state_of(self, credentials: ClientCredentials) -> KeyState:
        store, base_url, _, _ = self._parts
        return state_of(store, credentials.key(base_url), credentials.client_id)

    def __eq__(self, other: object) -> bool:
        try:
            return isinstance(other, Way) and self._parts == other._parts
        except Exception:  # noqa: BLE001 - a callable's own idea of equality is foreign code
            return False

    def __hash__(self) -> int:
        # A callable may have no hash.
        provider = None if callable(self._provider) else self._provider
        return hash((*self._parts[:3], provider))


@lru_cache(maxsize=64)
def _first(way: Way) -> Way:
    """Return the first of all equal ways; the most recent ones are kept without a source."""
    return way


def way_to(
    provider: ClientCredentials | CredentialsProvider | None, store: TolerantStore, base_url: str
) -> Way:
    """Return the way to *provider*: equal callables are one, as long as the environment is."""
    way = Way(provider, store, base_url)
    first = _first(_first(way))  # two threads at once may each get their own from one look
    first.follow(way)  # a secret's file may have changed
    return first


def forget_everything() -> None:
    """Make every state as new, and empty every memory store."""
    for state in alive(EVERY):
        state.forget()
    for failure in alive(_failure.EVERY):
        failure.clear()
    _first.cache_clear()
    # The process's own store may hold tokens of sources that are gone, and have no guard then.
    guards = alive(_stores)
    for guard in guards:
        guard.problems.clear()
    for store in (OF_THE_PROCESS, *(guard.store for guard in guards)):
        if isinstance(store, MemoryTokenStore):
            store.clear()
