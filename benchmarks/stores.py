"""What API calls pay for sharing through a server that fails in the middle of a roll-over."""

import logging
import time
from collections.abc import Callable, Iterator

import httpx

import setle
from tests.support.valkey import Valkey

from ._measure import Effort, Figure, Pairs
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
    pairs = Pairs([], [])
    for _ in range(effort.rounds(21)):
        with Valkey() as valkey:
            shared = _about_to_roll_over(sandbox, setle.RedisTokenStore.from_url(valkey.url))
            alone = _about_to_roll_over(sandbox, setle.MemoryTokenStore())
            before = sandbox.token_requests()
            trouble(valkey)
            ours, baseline = _rates(sandbox.client(shared), sandbox.client(alone))
        if (requests := sandbox.token_requests() - before) != 2:
            raise RuntimeError(f"not one roll-over each, but {requests} token requests")
        pairs.ours.append(ours)
        pairs.baseline.append(baseline)
    return Figure.of(
        pairs,
        f"calls at a roll-over, Valkey {what}",
        "no store shared",
        ">= 0.97 x",
        lambda figure: figure.ratio >= 0.97,
        unit="calls/s",
    )


def _about_to_roll_over(sandbox: RemoteSandbox, store: setle.TokenStore) -> setle.BearerAuth:
    """Return what has a token out of *store* that is soon to be refreshed."""
    value = sandbox.source().get_token().value
    source = sandbox.aged_source(value, store, left=_LEFT, lifetime=_LIFETIME)
    source.get_token()
    return setle.BearerAuth(source)


def _rates(*clients: httpx.Client) -> tuple[float, ...]:
    """Return the calls per second of each client, of which each calls in turn."""
    took = [0.0] * len(clients)
    order = list(range(len(clients)))
    calls, end = 0, time.perf_counter() + _LOAD_LASTS
    while time.perf_counter() < end:
        # Back and forth: in one place of every turn, a client came out 3 % slower than itself.
        for number in order:
            began = time.perf_counter()
            clients[number].get(_PATH).raise_for_status()
            took[number] += time.perf_counter() - began
        calls += 1
        order.reverse()
    for http in clients:
        http.close()
    return tuple(calls / seconds for seconds in took)
