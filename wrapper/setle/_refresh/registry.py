"""Which states this process has: one for each key of each store."""

from weakref import WeakValueDictionary

from .. import _failure
from .._locks import exclusive
from .._time import now
from ..stores import TokenStore
from ..stores.memory import OF_THE_PROCESS, MemoryTokenStore
from ..stores.tolerant import TolerantStore
from .state import EVERY, KeyState

# By id, as a store need not be hashable. A state keeps its store, so no id recurs meanwhile.
_stores: WeakValueDictionary[int, TolerantStore] = WeakValueDictionary()
_states: WeakValueDictionary[tuple[int, str], KeyState] = WeakValueDictionary()
_recent: dict[KeyState, None] = {}  # kept without a source, for a connect() per web request
_MANY = 64


@exclusive
def tolerant(store: TokenStore) -> TolerantStore:
    """Return the guard that this process has for *store*."""
    return _stores.setdefault(id(store), TolerantStore(store))


@exclusive
def state_of(store: TolerantStore, key: str) -> KeyState:
    """Return the state that this process keeps for *key* of *store*."""
    state = _states.setdefault((id(store), key), KeyState(store, key))
    _recent.pop(state, None)
    _recent[state] = None
    if len(_recent) > _MANY:
        for old in [old for old in _recent if not _is_needed(old)][:-_MANY]:
            del _recent[old]
    return state


def _is_needed(state: KeyState) -> bool:
    """Tell whether something would be lost with *state*, though no source refers to it."""
    rejected = any(not token.has_ended(now()) for token in state.rejected)
    return rejected or bool(state.failure.left) or bool(state.hold.left)


def forget_everything() -> None:
    """Make every state as new, and empty every memory store."""
    for state in list(EVERY):
        state.forget()
    for failure in list(_failure.EVERY):
        failure.clear()
    # The process's own store may hold tokens of sources that are gone, and have no guard then.
    for store in (OF_THE_PROCESS, *(guard.store for guard in list(_stores.values()))):
        if isinstance(store, MemoryTokenStore):
            store.clear()
