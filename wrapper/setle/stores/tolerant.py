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
from typing import Any

from .._locks import process
from .._log import say
from .._token import AccessToken
from . import TokenStore

_BUSY = object()


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
        self._problems: dict[str, str] = {}  # of the methods that fail
        # Which thread is in which method, and since when: on the real clock, less what it has
        # spent in the store before.
        self._inside: dict[tuple[object, int], tuple[float, str]] = {}
        self._mine = threading.local()

    def begin(self) -> None:
        """Count anew what this thread spends in the store."""
        self._mine.spent = 0.0

    def since(self, thread: int) -> float | None:
        """Return since when *thread* is in the store, if it is; earlier stays in there count."""
        return self._inside.get((process(), thread), (None, ""))[0]

    def hanging(self, patience: float) -> str:
        """Return the method that any thread has been in for *patience* seconds, if there is one."""
        for (where, _), (since, what) in list(self._inside.items()):
            if where == process() and time.monotonic() - since >= patience:
                return what
        return ""

    def load(self, key: str) -> AccessToken | None:
        """Return what the store holds under *key*, or None, as well if it fails."""
        found: AccessToken | None = self._call("load", self.store.load, key)
        return found

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
        extend = self._call("lock", self._enter, key, held)
        if extend is _BUSY:
            return None
        if extend is None:
            return nothing
        releases.callback(self._call, "unlock", held.close)
        return partial(self._call, "extend", extend)

    def _enter(self, key: str, held: ExitStack) -> object:
        try:
            lock = self.store.lock(key, 0.0)
            if inspect.iscoroutine(lock):
                return lock
            entered: object = held.enter_context(lock)
        except TimeoutError:
            return _BUSY
        # Most locks yield themselves or True, and some of them are decorators as well.
        return entered if entered is not lock and callable(entered) else nothing

    def _call(self, what: str, call: Callable[..., object], *args: object) -> Any:
        """Return what *call* returns, None if it fails; tell of trouble once, and of its end."""
        here = (process(), threading.get_ident())
        began = time.monotonic() - getattr(self._mine, "spent", 0.0)
        self._inside[here] = (began, what)
        try:
            result = call(*args)
            problem = _problem_with(what, result)
        except Exception as error:  # noqa: BLE001 - foreign code
            # The system's own words are safe; those of others may hold a password.
            words, place = (getattr(error, name, None) for name in ("strerror", "filename"))
            problem = (words or type(error).__name__) + (f": {place}" if place else "")
        finally:
            self._inside.pop(here, None)
            self._mine.spent = time.monotonic() - began
        if problem:
            return self.fail(what, problem)
        if self._problems.pop(what, None) and not self._problems:
            name = type(self.store).__name__
            say(logging.INFO, "store_works", f"{name} works again", store=name)
        return result

    def fail(self, what: str, problem: str) -> None:
        """Tell that the method *what* fails: loudly if no method has failed so before."""
        known = problem in self._problems.values()
        self._problems[what] = problem
        name = f"{type(self.store).__name__}.{what}"
        text = f"{name} failed ({problem}); going on without it"
        level = logging.DEBUG if known else logging.WARNING
        say(level, "store_failed", text, store=name, problem=problem)


def _problem_with(what: str, result: object) -> str:
    """Return what is wrong with the *result* of a method of a store; nothing if it will do."""
    if inspect.iscoroutine(result):
        result.close()  # or Python warns that nobody awaited it
        return "it is async, and refreshes are not"
    if what == "load" and not (result is None or isinstance(result, AccessToken)):
        return f"it returned {type(result).__name__}, which is no AccessToken"
    return ""
