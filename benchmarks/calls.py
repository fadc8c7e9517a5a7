"""What API calls pay: throughput, and the slowest call at a roll-over."""

import time
from collections.abc import Iterator

import httpx

import setle

from ._measure import Effort, Figure, interleaved, slowest_call
from .sandbox import RemoteSandbox, remote_sandbox

_PATH = "/v1/estate/list"
_CALLS = 100
_THREADS = 4
_LOAD_LASTS = 1.2
_DELAY = 0.5
# The early refresh of a token that lives 20 s is due between 3 and 2 s before its end, and
# callers wait from 1 s before it: with 2.2 s left it begins within the first 0.2 s of the
# load, and the 0.5 s that it takes fit in.
_LIFETIME = 20.0
_LEFT = 2.2


def measure(effort: Effort) -> Iterator[Figure]:
    """Yield the figures."""
    with remote_sandbox() as sandbox:
        yield _throughput(sandbox, effort)
    with remote_sandbox(delay=_DELAY) as sandbox:
        yield _roll_over(sandbox, effort)


def _throughput(sandbox: RemoteSandbox, effort: Effort) -> Figure:
    client = setle.connect(
        sandbox.credentials,
        base_url=sandbox.base_url,
        store=setle.MemoryTokenStore(),
        verify_ssl=sandbox.tls,
        httpx_args={"trust_env": False},
    )
    token = sandbox.source().get_token().value
    with client.get_httpx_client() as ours, sandbox.client(token=token) as plain:
        pairs = interleaved(lambda: _rate(ours), lambda: _rate(plain), rounds=effort.rounds(31))
    return Figure.of(
        pairs,
        "calls through connect()",
        "httpx, fixed header",
        ">= 0.97 x",
        lambda figure: figure.ratio >= 0.97,
        unit="calls/s",
    )


def _rate(http: httpx.Client) -> float:
    began = time.perf_counter()
    for _ in range(_CALLS):
        http.get(_PATH).raise_for_status()
    return _CALLS / (time.perf_counter() - began)


def _roll_over(sandbox: RemoteSandbox, effort: Effort) -> Figure:
    token = sandbox.source().get_token()
    requests: list[int] = []

    def slowest(*, left: float) -> float:
        store = setle.MemoryTokenStore()
        source = sandbox.aged_source(token.value, store, left=left, lifetime=_LIFETIME)
        source.get_token()
        with sandbox.client(setle.BearerAuth(source)) as http:
            return slowest_call(
                lambda: http.get(_PATH).raise_for_status(), threads=_THREADS, lasts=_LOAD_LASTS
            )

    def with_roll_over() -> float:
        before = sandbox.token_requests()
        seconds = slowest(left=_LEFT)
        requests.append(sandbox.token_requests() - before)
        return seconds

    pairs = interleaved(with_roll_over, lambda: slowest(left=_LIFETIME), rounds=effort.rounds(9))
    if set(requests) != {1}:
        raise RuntimeError(f"not one roll-over per load, but {requests}")
    return Figure.of(
        pairs,
        f"slowest call, {_DELAY * 1000:g} ms roll-over",
        "without a roll-over",
        "<= 1 x + 50 ms",
        lambda figure: figure.ours <= figure.baseline + 0.05,
    )
