"""
A store as a refresh sees it: what it raises, or returns of a wrong type, never reaches a call.

A store is foreign code. It may fail, hang, or return what nobody can use; that costs token
requests, never a call.
"""

import inspect
import logging
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial

from .._locks import process
from .._log import say
from .._token import AccessToken
from . import TokenStore

_BUSY = object()
_FAILED = object()


def nothing() -> None:
    """Extend no lock."""


class TolerantStore:
    """
    Guards one store for all refreshes of this process.

    Args:
        store: The store.
    """

    def __init__(self, store: TokenStore) -> None:
        self.store = store
        self._failing: set[str] = set()
        # When which thread entered the store, on the real clock.
        self._entered: dict[tuple[object, int], float] = {}

    def since(self, thread: int) -> float | None:
        """Return when *thread* entered the store, on the real clock, if it is in there now."""
        return self._entered.get((process(), thread))

    def hangs(self, patience: float) -> bool:
        """Tell whether any thread has been in the store for *patience* seconds."""
        now, here = time.monotonic(), process()
        return any(
            where == here and now - since >= patience
            for (where, _), since in list(self._entered.items())
        )

    def load(self, key: str) -> AccessToken | None:
        """Return what the store holds under *key*, or None, as well if it fails."""
        found = self._call("load", self.store.load, key)
        return found if isinstance(found, AccessToken) else None

    def save(self, key: str, token: AccessToken) -> None:
        """Save *token* under *key*, if the store can."""
        self._call("save", self.store.save, key, token)

    def lock(self, key: str, releases: ExitStack) -> Callable[[], object] | None:
        """
        Take the lock of *key*, without waiting, and hold it until *releases* ends.

        Returns:
            What extends the lock, or None if somebody else has it. A store that cannot lock
            lets the refresh go on.
        """
        # Not entered into *releases* itself, whose end would raise what releasing raises.
        held = ExitStack()
        entered = self._call("lock", self._enter, key, held)
        if entered is _BUSY:
            return None
        if entered is not _FAILED:
            releases.callback(self._call, "lock", held.close)
        return partial(self._call, "lock", entered) if callable(entered) else nothing

    def _enter(self, key: str, held: ExitStack) -> object:
        try:
            lock = self.store.lock(key, 0.0)
            if inspect.iscoroutine(lock):
                return lock
            entered: object = held.enter_context(lock)
        except TimeoutError:
            return _BUSY
        # Most locks yield themselves or True, and some of them are decorators as well.
        return None if entered is lock else entered

    def _call(self, what: str, call: Callable[..., object], *args: object) -> object:
        """Return what *call* returns, or ``_FAILED``; tell of trouble once, and of its end."""
        place = (process(), threading.get_ident())
        self._entered[place] = time.monotonic()
        try:
            result = call(*args)
            problem = _problem_with(what, result)
        except Exception as error:  # noqa: BLE001 - foreign code
            # The system's own words are safe; those of others may hold a password.
            said = isinstance(error, OSError) and error.strerror
            where = isinstance(error, OSError) and error.filename
            problem = type(error).__name__
            problem += (f": {said}" if said else "") + (f" ({where})" if where else "")
        finally:
            self._entered.pop(place, None)
        name = f"{type(self.store).__name__}.{what}"
        if problem:
            level = logging.DEBUG if what in self._failing else logging.WARNING
            self._failing.add(what)
            text = f"{name} failed ({problem}); going on without it"
            say(level, "store_failed", text, store=name, problem=problem)
            return _FAILED
        if what in self._failing:
            self._failing.discard(what)
            say(logging.INFO, "store_works", f"{name} works again", store=name)
        return result


def _problem_with(what: str, result: object) -> str:
    """Return what is wrong with the *result* of a method of a store; nothing if it will do."""
    if inspect.iscoroutine(result):
        result.close()  # or Python warns that nobody awaited it
        return "it is async, and refreshes are not"
    if what == "load" and not (result is None or isinstance(result, AccessToken)):
        return f"it returned {type(result).__name__}, which is no AccessToken"
    return ""
