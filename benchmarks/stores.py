"""What API calls pay for sharing through a server that fails in the middle of a roll-over."""

import logging
from collections.abc import Callable, Iterator
from functools import partial

import httpx

import setle
from tests.support.valkey import Valkey

from ._measure import Effort, Figure, Pairs, rates
from .sandbox import RemoteSandbox, remote_sandbox

_PATH = "/v1/estate/list"
_REFRESH_IN = 0.6
# The early refresh takes the half second that the store waits for a frozen server, and ends
# before anybody waits for a token.
_LOAD_LASTS = 1.4

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
    for _ in range(effort.rounds(11)):
        with Valkey() as valkey:
            shared = _client(sandbox, setle.RedisTokenStore.from_url(valkey.url))
            alone = _client(sandbox, setle.MemoryTokenStore())
            before = sandbox.token_requests()
            trouble(valkey)
            with shared, alone:
                ours, baseline = rates(
                    partial(_call, shared), partial(_call, alone), lasts=_LOAD_LASTS
                )
        if (requests := sandbox.token_requests() - before) != 2:
            raise RuntimeError(f"not one roll-over each, but {requests} token requests")
        pairs.ours.append(ours)
        pairs.baseline.append(baseline)
    return Figure.of(
        pairs,
        f"calls, Valkey {what}",
        "no store shared, at a roll-over as well",
        "What calls pay if a store fails just when their token is refreshed.",
        target=">= 0.97 x",
        reached=lambda figure: figure.ratio >= 0.97,
        unit="calls/s",
    )


def _client(sandbox: RemoteSandbox, store: setle.TokenStore) -> httpx.Client:
    """Return what has a token out of *store* that is soon to be refreshed."""
    return sandbox.client(setle.BearerAuth(sandbox.aged_source(store, refresh_in=_REFRESH_IN)))


def _call(http: httpx.Client) -> None:
    http.get(_PATH).raise_for_status()
