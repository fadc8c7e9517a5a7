"""Who shares a token: the protocol, and the store that a name stands for."""

import os
from contextlib import AbstractContextManager
from typing import Protocol, runtime_checkable
from weakref import WeakValueDictionary

from .._errors import ConfigurationError
from .._token import AccessToken


@runtime_checkable
class TokenStore(Protocol):
    """
    Where tokens are shared: an object with these three methods, of whatever class.

    All three methods are called from the thread of a refresh only, never on the way of a
    call that has a fresh token, so they may block. *key* is 64 hex digits that stand for
    base URL, client id and client secret together. Whatever they raise is logged, and so is what
    they return of another type, and the refresh goes on without the store: a broken store
    costs token requests, never a call. They should give up after some seconds, though, as
    callers without a token wait for them: a third of the deadline, then without the store.

    What makes up a token is ``value``, ``expires_at`` and ``lifetime``: a store keeps these,
    protected as a password is, and returns ``AccessToken(value, expires_at, lifetime)``.
    """

    def load(self, key: str) -> AccessToken | None:
        """Return the token saved under *key*, or None; one that has ended may be returned."""

    def save(self, key: str, token: AccessToken) -> None:
        """Save *token* under *key* in place of what was there."""

    def lock(self, key: str, timeout: float) -> AbstractContextManager[object]:
        """
        Return a context manager that keeps all others out who share this store and *key*.

        It is held around a second ``load``, the token request and ``save``. Entering waits
        up to *timeout* seconds and raises ``TimeoutError`` after that; a refresh gives 0, and
        looks into the store between its tries. A lock with a time limit of its own yields a
        callable that extends it, which is called without arguments before each attempt to get
        a token; anything else that is yielded, such as a lock's own object, is ignored.
        """


# One and the same for all who name it, so that they share in memory too.
_known: WeakValueDictionary[object, TokenStore] = WeakValueDictionary()


def store_named(name: str) -> TokenStore:
    """
    Return the store that *name* stands for.

    Raises:
        ConfigurationError: It stands for none. The message does not show it, as a URL may hold
            a password.
    """
    if name == "memory":
        from .memory import OF_THE_PROCESS

        return OF_THE_PROCESS
    if name == "file" or (name.startswith("file:") and name != "file:"):
        from .file import FileTokenStore

        # By its folder: HOME or the working folder may be another one by now.
        store = FileTokenStore(name.removeprefix("file").removeprefix(":") or None)
        return _known.setdefault(store.place, store)
    if name.startswith(("redis://", "rediss://", "unix://")):
        from .redis import RedisTokenStore

        return _known.get(name) or _known.setdefault(name, RedisTokenStore.from_url(name))
    known = "memory, file, file:DIRECTORY, or a URL with redis://, rediss:// or unix://"
    raise ConfigurationError(f"it names no known store; use {known}")


def resolve_store(store: TokenStore | str | None) -> TokenStore:
    """
    Return *store*, or the one that it names, or else the one that ``SETLE_TOKEN_STORE`` names.

    Raises:
        ConfigurationError: It is no store and names none.
    """
    setting = "SETLE_TOKEN_STORE" if store is None else "store"
    if store is None:
        store = os.environ.get(setting, "").rstrip("\r\n") or "memory"
    if isinstance(store, str):
        try:
            return store_named(store)
        except ConfigurationError as error:
            raise ConfigurationError(f"{setting}: {error}") from None
    if isinstance(store, type) or not isinstance(store, TokenStore):
        kind = type(store).__name__
        raise ConfigurationError(f"store must be a setle.TokenStore or the name of one, not {kind}")
    return store
