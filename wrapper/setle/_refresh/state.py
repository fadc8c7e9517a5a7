"""What all sources of a process share that use the same store and the same key."""

import copy
import random
import weakref
from collections import deque

from .. import _time
from .._errors import SetleError, TokenError, TokenRejectedError
from .._locks import mutex
from .._refresh.flight import Flight
from .._time import BackOff
from ..stores import TokenStore

_REFUSAL_DELAY = 30.0


class Shared:
    """
    The state of one key of one store in this process.

    Call its methods with the mutex held.

    Attributes:
        back_off: Holds token requests up after one failed.
        rejected: The tokens that the API rejected, which the store may still hold.
        store_fails: Whether trouble with the store has been reported.
    """

    def __init__(self) -> None:
        self._flight: Flight | None = None
        self._failure: TokenError | None = None
        self._hold = BackOff()
        # More than one: a source that comes late still rejects a token of long ago.
        self.rejected = deque[str](maxlen=16)
        self.back_off = BackOff()
        self.store_fails = False

    def claim(self, flight: Flight) -> Flight:
        """
        Return *flight* if it may ask the token endpoint, else the one that does so now.

        Raises:
            TokenError: The last request failed, and the next one has to wait.
        """
        if self._failure is not None and _time.monotonic() < self.back_off.until:
            raise copy.copy(self._failure)
        if self._flight is None or self._flight.has_ended or not self._flight.left:
            self._flight = flight
        return self._flight

    def succeed(self, flight: Flight) -> None:
        """End the back-off, if *flight* is the one that asked the token endpoint."""
        if self._flight is flight:
            self._failure = None
            self.back_off.clear()

    def fail(self, flight: Flight, failure: SetleError | None) -> None:
        """Begin a back-off, if *flight* is the one that asked the token endpoint."""
        if self._flight is not flight or not isinstance(failure, TokenError):
            return
        self._failure = failure
        least = _REFUSAL_DELAY if isinstance(failure, TokenRejectedError) else 0.0
        # Spreads load, guards nothing.
        share = random.uniform(0.5, 1.0)  # noqa: S311
        self.back_off.extend(
            _time.monotonic(), share=share, at_least=max(least, failure.retry_after or 0.0)
        )

    def lets_pass(self, *, first_use: bool) -> bool:
        """
        Tell whether the API's rejection of the current token is to be left alone.

        It is when the token came in place of a rejected one and is rejected on its *first
        use*, and for a growing while after that: another token would not help either.
        """
        now = _time.monotonic()
        if now < self._hold.until:
            return True
        if not first_use or not self.rejected:
            return False
        self._hold.extend(now)
        return True

    def is_idle(self) -> bool:
        """Tell whether it can be forgotten."""
        now = _time.monotonic()
        busy = self._flight is not None and not self._flight.has_ended
        return not busy and now >= self.back_off.until and now >= self._hold.until


# By id, as a store need not be hashable.
_states: dict[int, dict[str, Shared]] = {}
_MANY = 64


def shared_state(store: TokenStore, key: str) -> Shared:
    """Return the state that this process keeps for *key* of *store*."""
    with mutex:
        keys = _states.get(id(store))
        if keys is None:
            keys = _states[id(store)] = {}
            weakref.finalize(store, _states.pop, id(store), None)
        if key not in keys:
            if len(keys) >= _MANY:  # credentials that rotate must not add up for ever
                for old in [name for name, state in keys.items() if state.is_idle()]:
                    del keys[old]
            keys[key] = Shared()
        return keys[key]
