"""
The one mutex of the package, and how a process is told from those it was forked from.

A plain lock will do, as nothing waits in it: no I/O and no foreign code. But a signal
handler, a finalizer or a fork hook may interrupt the very thread that holds it, and would
wait for itself. So a thread is marked before it takes the mutex, and who is marked is turned
away. A forked child has a mutex and marks of its own, whoever held the parent's.
"""

import os
import sys
import threading
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar
from weakref import WeakValueDictionary

from ._errors import TokenUnavailableError

P = ParamSpec("P")
R = TypeVar("R")


class ReenteredError(TokenUnavailableError):
    """This thread would wait for itself: what it interrupted has to go on first."""


REENTERED = (
    "there is no token yet, and its refresh waits for the very code that asks for it:"
    " a callable, a store, a log handler, a signal handler, a finalizer or a fork hook"
)
_forks: list[None] = []
_mutexes: dict[object, threading.Lock] = {}
_inside: set[object] = set()  # threads that hold the mutex, or are about to take it
# Threads that fork. A hook that was registered early runs while others, logging's among them,
# hold locks in that thread which a refresh needs.
_forking: set[int] = set()


def _begin_in_child() -> None:  # pragma: no cover - before a child is measured
    _forks.append(None)
    _forking.clear()


if hasattr(os, "register_at_fork"):  # pragma: no branch - Windows has no fork
    os.register_at_fork(
        before=lambda: _forking.add(threading.get_ident()),
        after_in_parent=lambda: _forking.discard(threading.get_ident()),
        after_in_child=_begin_in_child,
    )


def process() -> tuple[int, int]:
    """Return what tells this process from those it was forked from."""
    # The process id alone recurs. The number of forks alone is not enough either: uWSGI forks
    # without a word to Python.
    return len(_forks), os.getpid()


def exclusive(change: Callable[P, R]) -> Callable[P, R]:
    """
    Let only one thread of the process at a time run any of the functions decorated so.

    Raises:
        ReenteredError: From the call, if this thread is in such a function already.
    """

    @wraps(change)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        here = process()
        mark = (here, threading.get_ident())
        # While the interpreter ends, no other thread ever comes out.
        ends = bool(_inside) and sys.is_finalizing()
        if ends or mark in _inside or threading.get_ident() in _forking:
            raise ReenteredError(REENTERED)
        # An interrupt may come between any two lines. The mark is there before the mutex is
        # taken and gone after it is released, and no interrupt leaves one of them behind.
        try:
            _inside.add(mark)
            with _mutexes.setdefault(here, threading.Lock()):
                return change(*args, **kwargs)
        finally:
            _inside.discard(mark)

    return run


def alive(every: WeakValueDictionary[int, R]) -> list[R]:
    """Return what is left of *every*, which other threads may add to meanwhile."""
    # To iterate over weak references themselves takes many steps, and fails if there are more.
    return [one for reference in every.valuerefs() if (one := reference()) is not None]
