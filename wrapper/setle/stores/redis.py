"""Sharing a token among machines, through Redis or Valkey."""

import inspect
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from types import ModuleType
from typing import Any, Self

from .. import _time
from .._errors import ConfigurationError
from .._time import now
from .._token import AccessToken

_REST = 5.0
_POLL = 0.05


def _redis() -> ModuleType:
    try:
        import redis
    except ImportError:
        raise ConfigurationError(
            "RedisTokenStore needs redis-py: pip install 'setle-client[redis]'"
        ) from None
    return redis


class RedisTokenStore:
    """
    Shares tokens among machines, through Redis (6 or newer) or Valkey.

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

    Raises:
        ConfigurationError: *client* is async, or redis-py is not installed.
    """

    def __init__(self, client: Any, *, prefix: str = "setle", lease: float = 6.0) -> None:
        if inspect.iscoroutinefunction(client.execute_command):
            raise ConfigurationError("RedisTokenStore needs a sync client: refreshes are sync")
        self._errors = _redis().exceptions
        self._client = client
        self._prefix = prefix
        self._lease = lease
        self._left_alone_until = float("-inf")

    @classmethod
    def from_url(cls, url: str, *, prefix: str = "setle", lease: float = 6.0) -> Self:
        """
        Return a store for the server at *url*: ``redis://``, ``rediss://`` or ``unix://``.

        Its client gives up on an unanswered command after half a second, and tries none again.

        Raises:
            ConfigurationError: The URL cannot be used. It is not shown, as it may hold a password.
        """
        redis = _redis()
        no_retry = redis.retry.Retry(redis.backoff.NoBackoff(), 0)
        try:
            client = redis.Redis.from_url(
                url, socket_timeout=0.5, socket_connect_timeout=0.5, retry=no_retry
            )
            # Connects to nothing, but says what the parameters of the URL are worth.
            client.connection_pool.connection_class(**client.connection_pool.connection_kwargs)
        except (TypeError, ValueError, redis.RedisError):
            raise ConfigurationError(
                "the Redis URL cannot be used; it is redis://, rediss:// or unix://"
            ) from None
        return cls(client, prefix=prefix, lease=lease)

    def load(self, key: str) -> AccessToken | None:
        """Return the token saved under *key*, or None; anything else there counts as none."""
        asked_at = now()
        with self._server() as client, client.pipeline(transaction=True) as pipeline:
            pipeline.get(self._name(key, "token"))
            pipeline.pttl(self._name(key, "token"))
            entry, left = pipeline.execute(raise_on_error=False)
        # A wrong type is an exception in the list, no limit is -1, nothing at all -2.
        if not isinstance(entry, bytes | str) or not isinstance(left, int) or left <= 0:
            return None
        try:
            record = json.loads(entry)
            expires_at = datetime.fromtimestamp(asked_at.wall + left / 1000, UTC)
            return AccessToken(record["access_token"], expires_at, float(record["lifetime"]))
        except (ArithmeticError, LookupError, RecursionError, TypeError, ValueError):
            return None

    def save(self, key: str, token: AccessToken) -> None:
        """Save *token* under *key* until it ends."""
        left = int(1000 * (token.issued_at().monotonic + token.lifetime - _time.monotonic()))
        if left > 0:
            entry = json.dumps({"access_token": token.value, "lifetime": token.lifetime})
            with self._server() as client:
                client.set(self._name(key, "token"), entry, px=left)

    @contextmanager
    def lock(self, key: str, timeout: float) -> Iterator[Callable[[], object]]:
        """
        Hold the lease of *key*, and yield what makes it last its whole time again.

        Raises:
            TimeoutError: Another process held it for longer than *timeout* seconds.
        """
        with self._server() as client:
            lease = client.lock(
                self._name(key, "lease"), timeout=self._lease, sleep=_POLL, thread_local=False
            )
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
            with suppress(self._errors.LockError), self._server():
                lease.release()

    def _name(self, key: str, what: str) -> str:
        # In braces: what a cluster hashes, so that both entries of a key share a slot.
        return f"{self._prefix}:{{{key}}}:{what}"

    @contextmanager
    def _server(self) -> Iterator[Any]:
        if _time.monotonic() < self._left_alone_until:
            raise ConnectionError("left alone after a failure")
        try:
            yield self._client
        except (self._errors.LockError, self._errors.ResponseError):
            raise  # an answer, if not the one that was hoped for: nobody was kept waiting
        except Exception:  # a cluster's client raises what is no RedisError
            self._left_alone_until = _time.monotonic() + _REST
            raise
