"""Who shares a token: the protocol, and the store that every process has."""

import os
import weakref
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache
from typing import Protocol, runtime_checkable

from .._errors import ConfigurationError
from .._time import now
from .._token import AccessToken


@runtime_checkable
class TokenStore(Protocol):
    """
    Where tokens are shared: an object with these three methods, of whatever class.

    All three methods are called from the thread of a refresh only, never on the way of a
    call that has a fresh token, so they may block. *key* is 64 hex digits that stand for
    base URL, client id and client secret together. Whatever they raise is logged, and the
    refresh goes on without the store: a broken store costs token requests, never a call.
    They should give up after some seconds, though, as callers without a token wait for them.

    What makes up a token is ``value``, ``expires_at`` and ``lifetime``: a store keeps these,
    protected as a password is, and returns ``AccessToken(value, expires_at, lifetime)``.

    A store must be weakly referenceable, as instances of ordinary classes are.
    """

    def load(self, key: str) -> AccessToken | None:
        """Return the token saved under *key*, or None; one that has ended may be returned."""
        ...

    def save(self, key: str, token: AccessToken) -> None:
        """Save *token* under *key* in place of what was there."""
        ...

    def lock(self, key: str, timeout: float) -> AbstractContextManager[object]:
        """
        Return a context manager that keeps all others out who share this store and *key*.

        It is held around a second ``load``, the token request and ``save``. Entering waits
        up to *timeout* seconds and raises ``TimeoutError`` after that; a refresh gives 0, and
        looks into the store between its tries. A lock with a time limit of its own yields a
        callable that extends it, which is called without arguments before each attempt to get
        a token; anything else that is yielded, such as a lock's own object, is ignored.
        """
        ...


class MemoryTokenStore:
    """
    Shares tokens within the process, and with the children it forks.

    Without a *store* argument, all sources of a process use one and the same.
    """

    def __init__(self) -> None:
        self._tokens: dict[str, AccessToken] = {}

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

    def lock(self, key: str, timeout: float) -> AbstractContextManager[None]:
        """Return a context manager that does nothing: a process has one refresh per key."""
        return nullcontext()


_OF_THE_PROCESS = MemoryTokenStore()


@lru_cache(maxsize=8)  # one and the same for all who name it, so that they share in memory too
def _store_named(name: str) -> TokenStore:
    if name == "memory":
        return _OF_THE_PROCESS
    if name == "file" or (name.startswith("file:") and name != "file:"):
        from .file import FileTokenStore

        return FileTokenStore(name.removeprefix("file").removeprefix(":") or None)
    if name.startswith(("redis://", "rediss://", "unix://")):
        from .redis import RedisTokenStore

        try:
            return RedisTokenStore.from_url(name)
        except ConfigurationError as error:
            raise ConfigurationError(f"SETLE_TOKEN_STORE: {error}") from None
    raise ConfigurationError(
        "SETLE_TOKEN_STORE names no known store; use memory, file, file:DIRECTORY, or a URL"
        " with redis://, rediss:// or unix://"
    )


def resolve_store(store: TokenStore | None) -> TokenStore:
    """
    Return *store*, or the one that ``SETLE_TOKEN_STORE`` names if it is None.

    Raises:
        ConfigurationError: It is not a store, or the environment names none.
    """
    if store is None:
        return _store_named(os.environ.get("SETLE_TOKEN_STORE") or "memory")
    if isinstance(store, type) or not isinstance(store, TokenStore):
        raise ConfigurationError(
            "store must be an object with the methods load, save and lock of setle.TokenStore,"
            f" not {type(store).__name__}"
        )
    try:
        weakref.ref(store)
    except TypeError:
        raise ConfigurationError(
            f"store must be weakly referenceable: add __weakref__ to {type(store).__name__}"
        ) from None
    return store
