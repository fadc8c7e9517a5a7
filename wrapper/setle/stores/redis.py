"""Sharing a token among machines, through Redis or Valkey."""

import inspect
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Self
from urllib.parse import SplitResult, urlsplit

from .. import _time
from .._errors import ConfigurationError, without_locals
from .._token import AccessToken
from .record import read, written

_REST = 5.0


class RedisTokenStore:
    """
    Shares tokens among machines, through Redis (6.2 or newer) or Valkey.

    An entry lives as long as its token by the server's clock, so the machines' own clocks do
    not matter. It holds the token, in plain text, and neither the secret nor the client id:
    whoever may read the database may use the token until it ends.

    A server that does not answer is left alone for 5 seconds, so that a dead one does not
    delay every refresh.

    Args:
        client: A sync client of redis-py: ``redis.Redis``, also a sentinel's, or
            ``redis.RedisCluster``. Give it short timeouts and no retries, as ``from_url`` does.
        prefix: What the names of all keys begin with.
        lease: Seconds after which others may have the lock of a process that died.

    Attributes:
        place: Where the server is, if *client* says so; without a password.

    Raises:
        ConfigurationError: *client* is async or none, or redis-py is not installed.
    """

    @without_locals
    def __init__(self, client: Any, *, prefix: str = "setle", lease: float = 6.0) -> None:
        if not hasattr(client, "pipeline") or inspect.iscoroutinefunction(client.execute_command):
            problem = "RedisTokenStore needs a sync client, or else use RedisTokenStore.from_url()"
            raise ConfigurationError(problem)
        import redis.exceptions  # here, as a refresh is to import nothing

        self._errors = redis.exceptions
        self._client, self._prefix, self._lease = client, prefix, lease
        self._time = client.register_script("return redis.call('TIME')")
        settings = client.get_connection_kwargs()
        place = (str(settings[name]) for name in ("path", "host", "port") if name in settings)
        self.place: str | None = ":".join(place) or None
        self._problem, self._left_alone_until = "", float("-inf")

    @classmethod
    @without_locals
    def from_url(cls, url: str, *, prefix: str = "setle", lease: float = 6.0) -> Self:
        """
        Return a store for the server at *url*: ``redis://``, ``rediss://`` or ``unix://``.

        A ``?prefix=app1`` in the URL counts more than *prefix*. The client gives up on an
        unanswered command after half a second, and tries none again.

        Raises:
            ConfigurationError: The URL cannot be used. It is not shown, as it may hold a password.
        """
        try:
            import redis
        except ImportError:
            problem = "RedisTokenStore needs redis-py: pip install 'setle-client[redis]'"
            raise ConfigurationError(problem) from None
        # No retries: redis-py makes none for a URL that asks for none.
        times = {"socket_timeout": 0.5, "socket_connect_timeout": 0.5}
        try:
            if _splits_password(urlsplit(url)):
                raise ValueError
            client = redis.Redis.from_url(url, **times)
            pool = client.connection_pool
            prefix = pool.connection_kwargs.pop("prefix", prefix)
            # Connects to nothing, but says what the parameters of the URL are worth.
            pool.connection_class(**pool.connection_kwargs)
        except (AttributeError, TypeError, ValueError, redis.RedisError):
            problem = "the Redis URL cannot be used; it is redis://, rediss:// or unix://"
            raise ConfigurationError(problem) from None
        return cls(client, prefix=prefix, lease=lease)

    def load(self, key: str) -> AccessToken | None:
        """Return the token saved under *key*, or None; anything else there counts as none."""
        asked_at, name = _time.now(), self._name(key, "token")
        with self._server() as client, client.pipeline(transaction=True) as pipeline:
            entry, left = pipeline.get(name).pttl(name).execute(raise_on_error=False)
        # A wrong type is an exception in the list, no limit is -1, nothing at all -2.
        if not isinstance(entry, bytes | str) or not isinstance(left, int) or left <= 0:
            return None
        return read(entry, expires_at=asked_at.wall + left / 1000)

    def save(self, key: str, token: AccessToken) -> None:
        """Save *token* under *key* until it ends."""
        name = self._name(key, "token")
        with self._server() as client:
            # An end by the server's clock: it may freeze, and do later what it is asked now.
            seconds, microseconds = map(int, self._time(keys=[name]))
            left = token.end.monotonic - _time.monotonic()
            end = int(1000 * (seconds + left) + microseconds / 1000)
            client.set(name, written(token), pxat=end)

    @contextmanager
    def lock(self, key: str, timeout: float) -> Iterator[Callable[[], object]]:
        """
        Hold the lease of *key*, and yield what makes it last its whole time again.

        Raises:
            TimeoutError: Another process held it for longer than *timeout* seconds.
        """
        with self._server() as client:
            lease = client.lock(self._name(key, "lease"), self._lease)
            held = lease.acquire(blocking_timeout=timeout)
        if not held:
            raise TimeoutError

        def extend() -> None:
            with self._server():
                lease.reacquire()

        try:
            yield extend
        finally:
            # A lease that ran out meanwhile is somebody else's by now.
            with self._server(), suppress(self._errors.LockError):
                lease.release()

    def _name(self, key: str, what: str) -> str:
        # In braces: what a cluster hashes, so that both entries of a key share a slot.
        return f"{self._prefix}:{{{key}}}:{what}"

    @contextmanager
    def _server(self) -> Iterator[Any]:
        if _time.monotonic() < self._left_alone_until:
            raise OSError(None, self._problem, self.place)
        try:
            yield self._client
        except Exception as error:  # a cluster's client raises what is no RedisError
            # An answer, if not the one that was hoped for, has kept nobody waiting.
            if not isinstance(error, self._errors.ResponseError | self._errors.LockError):
                self._left_alone_until = _time.monotonic() + _REST
            self._problem = _word(error)
            raise OSError(None, self._problem, self.place) from error


def _splits_password(parts: SplitResult) -> bool:
    """Tell whether a bare /, # or ? in a password would make a part of it the host or the path."""
    if parts.scheme == "unix":
        return bool(parts.netloc) and "@" not in parts.netloc
    return "@" in parts.path + parts.fragment + parts.query.partition("=")[0]


def _word(error: Exception) -> str:
    """Return the first word of a server's answer, such as NOPERM, or else the error's name."""
    said = re.search(r"(?:^|: )([A-Z]{2,}) ", str(error))
    word: str = getattr(error, "status_code", None) or (said and said[1]) or type(error).__name__
    return word
