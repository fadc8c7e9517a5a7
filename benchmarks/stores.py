"""What API calls pay for sharing through a server that fails in the middle of a roll-over."""

import logging
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import httpx

import setle
from tests.valkey import Valkey

from ._measure import Effort, Figure, interleaved
from .sandbox import RemoteSandbox, remote_sandbox

_PATH = "/v1/estate/list"
_LOAD_LASTS = 1.0
# As in calls.py: the early refresh begins within the first 0.2 s of the load, and the half
# second that the store waits for a frozen server has passed before anybody waits for a token.
_LIFETIME = 20.0
_LEFT = 2.2

_TROUBLES: dict[str, Callable[[Valkey], None]] = {
    "flushed": Valkey.flush,
    "frozen": Valkey.freeze,
    "killed": Valkey.kill,
}


def measure(effort: Effort) -> Iterator[Figure]:
    """Yield the figures."""
    logging.getLogger("setle").addHandler(logging.NullHandler())  # that a store fails is no news
    with remote_sandbox() as sandbox:
        for what, trouble in _TROUBLES.items():
            yield _in_trouble(sandbox, effort, what, trouble)


def _in_trouble(
    sandbox: RemoteSandbox, effort: Effort, what: str, trouble: Callable[[Valkey], None]
) -> Figure:
    token = sandbox.source().get_token()
    key = sandbox.credentials.key(sandbox.base_url)

    def rate(store: setle.TokenStore, valkey: Valkey | None = None) -> float:
        ends = datetime.now(UTC) + timedelta(seconds=_LEFT)
        store.save(key, setle.AccessToken(token.value, ends, _LIFETIME))
        source = sandbox.source(store)
        source.get_token()
        if valkey is not None:
            trouble(valkey)
        before = sandbox.token_requests()
        with sandbox.client(setle.BearerAuth(source)) as http:
            calls_per_second = _rate(http)
        if (requests := sandbox.token_requests() - before) != 1:
            raise RuntimeError(f"not one roll-over per load, but {requests}")
        return calls_per_second

    def shared() -> float:
        with Valkey() as valkey:
            return rate(setle.RedisTokenStore.from_url(valkey.url), valkey)

    pairs = interleaved(shared, lambda: rate(setle.MemoryTokenStore()), rounds=effort.rounds(9))
    return Figure.of(
        pairs,
        f"calls at a roll-over, Valkey {what}",
        "no store shared",
        ">= 0.97 x",
        lambda figure: figure.ratio >= 0.97,
        unit="calls/s",
    )


def _rate(http: httpx.Client) -> float:
    calls, began = 0, time.perf_counter()
    while time.perf_counter() < began + _LOAD_LASTS:
        http.get(_PATH).raise_for_status()
        calls += 1
    return calls / (time.perf_counter() - began)
