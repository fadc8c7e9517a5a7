"""Sharing a token within the process: the store that every process has."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from .._locks import process
from .._time import Deadline, now
from .._token import AccessToken


class MemoryTokenStore:
    """
    Shares tokens within the process, and with the children it forks.

    Without a *store* argument, all sources of a process use one and the same.
    """

    def __init__(self) -> None:
        self._tokens: dict[str, AccessToken] = {}
        self._locked: dict[object, object] = {}

    def load(self, key: str) -> AccessToken | None:
        """Return the token saved under *key*, or None."""
        return self._tokens.get(key)

    def save(self, key: str, token: AccessToken) -> None:
        """Save *token* under *key*, and forget tokens that have ended."""
        moment = now()
        for other, old in list(self._tokens.items()):
            if old.has_ended(moment):
                self._tokens.pop(other, None)
        self._tokens[key] = token

    @contextmanager
    def lock(self, key: str, timeout: float) -> Iterator[None]:
        """
        Hold the lock of *key*, which a forked child does not inherit.

        Raises:
            TimeoutError: Another thread held it for longer than *timeout* seconds.
        """
        place, owner, deadline = (process(), key), object(), Deadline(timeout)
        try:
            while self._locked.setdefault(place, owner) is not owner:
                if not deadline.left:
                    raise TimeoutError
                time.sleep(0.01)
            yield
        finally:
            if self._locked.get(place) is owner:
                del self._locked[place]

    def clear(self) -> None:
        """Forget every token, and who holds a lock."""
        self._tokens.clear()
        self._locked.clear()


OF_THE_PROCESS = MemoryTokenStore()
