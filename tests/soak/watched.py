"""What the workers send and log with."""

import logging
import os
import time
from itertools import cycle
from pathlib import Path
from typing import Any

import httpx
import time_machine

import setle
from tests.chaos.zygote import Telling, tell, tell_rejection
from tests.soak.ledger import TOKENS


class ByRelay(Telling):
    """
    Sends token requests by the relay, where the network fails, and calls directly.

    Tells when its pool chooses a connection to close that it has given to a request.
    """

    def __init__(self, results: int, asking: int, relay: int) -> None:
        super().__init__(results, asking)
        self._relay = relay
        # Not close(), by which setle would close one under a request.
        self._choose = self._pool._assign_requests_to_connections
        self._pool._assign_requests_to_connections = self._choose_and_tell  # type: ignore[method-assign] # delegates

    def _choose_and_tell(self) -> Any:
        chosen = self._choose()
        if any(given.connection in chosen for given in self._pool._requests):
            tell(self._results, "taken")
        return chosen

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == TOKENS:
            request.url = request.url.copy_with(port=self._relay)
        return super().handle_request(request)


class TellingAsync(httpx.AsyncHTTPTransport):
    """Tells who gets a 401, as Telling does."""

    def __init__(self, results: int) -> None:
        super().__init__(verify=False)
        self._results = results

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        sent_at = time.monotonic()
        response = await super().handle_async_request(request)
        tell_rejection(self._results, sent_at, request, response)
        return response


class Both(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """One for the sync and one for the async httpx client, as `connect()` is given one for both."""

    def __init__(self, results: int, asking: int, relay: int) -> None:
        sync, tasks = ByRelay(results, asking, relay), TellingAsync(results)
        self.handle_request = sync.handle_request  # type: ignore[method-assign] # delegates
        self.handle_async_request = tasks.handle_async_request  # type: ignore[method-assign] # same
        self.close = sync.close  # type: ignore[method-assign] # delegates
        self.aclose = tasks.aclose  # type: ignore[method-assign] # delegates


class ToFile(logging.Handler):
    """Writes each record at once: a handler may run within a handler, where buffers fail."""

    def __init__(self, path: Path) -> None:
        super().__init__(logging.DEBUG)
        self._file = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)

    def emit(self, record: logging.LogRecord) -> None:
        os.write(self._file, (self.format(record) + "\n").encode())


class WallClock:
    """
    The wall clock of this process, which is set hours ahead or back and right again.

    Attributes:
        steps: How often it was set.
    """

    def __init__(self) -> None:
        self._hours = cycle([1.0, 0.0, -2.0, 0.0, 24.0, 0.0])
        self._set: time_machine.travel | None = None
        self.steps = 0

    def step(self) -> float:
        """Set it; return how many hours it is ahead now."""
        if self._set is not None:
            self._set.stop()
            self._set = None
        hours = next(self._hours)
        self.steps += 1
        if hours:
            self._set = time_machine.travel(time.time() + 3600 * hours, tick=True)
            self._set.start()
        return hours


def told_of(token: setle.AccessToken | None) -> tuple[str, float]:
    """Return the fingerprint of *token*, and the monotonic instant of its end by our wall clock."""
    if token is None:
        return "", 0.0
    return token.fingerprint, time.monotonic() + token.expires_at.timestamp() - time.time()
