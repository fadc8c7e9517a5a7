"""
A store as a refresh sees it: what it raises, or returns of a wrong type, never reaches a call.

A store is foreign code. It may fail, hang, or return what nobody can use; that costs token
requests, never a call.
"""

import inspect
import logging
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from threading import get_ident, main_thread
from typing import Any
from weakref import WeakValueDictionary

from .._locks import alive, process
from .._log import say
from .._token import AccessToken
from . import TokenStore


def nothing() -> None:
    """Extend no lock."""


class TolerantStore:
    """
    A store, and what all refreshes of this process know of it.

    Args:
        store: The store.

    Attributes:
        problems: Of the methods that fail.
        visits: Of the refreshes that there are.
    """

    def __init__(self, store: TokenStore) -> None:
        self.store = store
        self.problems: dict[str, str] = {}
        self.visits: WeakValueDictionary[int, Visit] = WeakValueDictionary()  # by id


class Visit:
    """
    What one refresh does with a store. Begin it with the mutex held.

    Args:
        guard: Of the store. While another refresh hangs in there, this one leaves it alone.
        patience: Seconds after which it hangs.
    """

    def __init__(self, guard: TolerantStore, patience: float) -> None:
        self._guard, self._process = guard, process()
        self._name = type(guard.store).__name__
        self._what, self._spent = "", 0.0
        hanging = (visit._what for visit in alive(guard.visits) if visit.spent >= patience)
        self._left_alone = next(hanging, "")
        guard.visits[id(self)] = self

    @property
    def spent(self) -> float:
        """Seconds that it has spent in the store so far; 0 if it is elsewhere now."""
        inside = self._what and self._process == process()
        return time.monotonic() - self._since if inside else 0.0

    def load(self, key: str) -> AccessToken | None:
        """Return what the store holds under *key*, or None, as well if it fails."""
        found: AccessToken | None = self._call("load", self._guard.store.load, key)
        return found

    def save(self, key: str, token: AccessToken) -> None:
        """Save *token* under *key*, if the store can."""
        self._call("save", self._guard.store.save, key, token)

    def lock(self, key: str, releases: ExitStack) -> Callable[[], object] | None:
        """
        Take the lock of *key*, without waiting, and hold it until *releases* ends.

        Returns:
            What extends the lock, or None if somebody else has it. A store that cannot lock
            lets the refresh go on.
        """
        # Not entered into *releases* itself, whose end would raise what releasing raises.
        held = ExitStack()
        extend = self._call("lock", self._enter, key, held, failed=nothing)
        if extend is None:
            return None
        releases.callback(self._call, "unlock", held.close)
        return partial(self._call, "extend", extend)

    def _enter(self, key: str, held: ExitStack) -> object:
        try:
            lock = self._guard.store.lock(key, 0.0)
            if inspect.iscoroutine(lock):
                return lock
            entered: object = held.enter_context(lock)
        except TimeoutError as error:
            # Nobody has the lock if the system says so, or if loading fails in the same way.
            if error.errno is not None or self._guard.problems.get("load") == _words_of(error):
                raise
            return None
        # Most locks yield themselves, another lock or True, and some are decorators as well.
        return entered if callable(entered) and not hasattr(entered, "__enter__") else nothing

    def _call(
        self, what: str, call: Callable[..., object], *args: object, failed: object = None
    ) -> Any:
        """Return what *call* returns, or *failed*; tell of trouble once, and of its end."""
        if self._left_alone:
            self._fail(self._left_alone, "it does not return")
            return failed
        self._since = time.monotonic() - self._spent
        try:
            self._what = what
            result = call(*args)
            problem = _problem_with(what, result)
        except BaseException as error:
            # A store may raise anything. In the main thread, though, it may be an interrupt of
            # the caller's.
            if not isinstance(error, Exception) and get_ident() == main_thread().ident:
                raise
            problem = _words_of(error)
        finally:
            self._what = ""
            self._spent = time.monotonic() - self._since
        if problem:
            self._fail(what, problem)
            return failed
        if self._guard.problems.pop(what, None) and not self._guard.problems:
            say(logging.INFO, "store_works", "%(store)s works again", store=self._name)
        return result

    def _fail(self, what: str, problem: str) -> None:
        """Tell that the method *what* fails: loudly if no method has failed so before."""
        known = problem in list(self._guard.problems.values())  # another flight may add one
        self._guard.problems[what] = problem
        text = "%(store)s failed (%(problem)s); going on without it"
        level = logging.DEBUG if known else logging.WARNING
        say(level, "store_failed", text, store=f"{self._name}.{what}", problem=problem)


def _words_of(error: BaseException) -> str:
    """Return what may be told of *error*: words and file of the system, or else its name."""
    # Those of others, as a URL in place of a file, may hold a password.
    words, place = (getattr(error, name, None) for name in ("strerror", "filename"))
    if not isinstance(words, str):
        return type(error).__name__
    return f"{words}: {place}" if place and "://" not in str(place) else words


def _problem_with(what: str, result: object) -> str:
    """Return what is wrong with the *result* of a method of a store; nothing if it will do."""
    if inspect.iscoroutine(result):
        result.close()  # or Python warns that nobody awaited it
        return "it is async, and refreshes are not"
    if what == "load" and not (result is None or isinstance(result, AccessToken)):
        return f"it returned {type(result).__name__}, which is no AccessToken"
    return ""
