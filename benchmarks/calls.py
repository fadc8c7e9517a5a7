"""What API calls pay: throughput, and what they notice of a roll-over."""

import asyncio
import time
from _thread import start_new_thread
from collections.abc import Callable, Iterator
from functools import partial
from statistics import median
from threading import get_ident
from unittest.mock import patch

import attrs
import httpx
from httpx_aiohttp import AiohttpTransport

import setle

from ._measure import Effort, Figure, Pairs, in_threads, interleaved, rates
from .sandbox import RemoteSandbox, remote_sandbox

_PATH = "/v1/estate/list"
_THREADS = 16
_CALLS_OF_A_THREAD = 6
_TASKS = 64
_CALLS_OF_A_TASK = 2
_DELAY = 0.5
_REFRESH_IN = 0.6
_LOAD_LASTS = 1.4


def measure(effort: Effort) -> Iterator[Figure]:
    """Yield the figures."""
    with remote_sandbox() as sandbox:
        yield _of_one_thread(sandbox, effort)
        yield from _of_threads(sandbox, effort)
        yield from _of_tasks(sandbox, effort)
    with remote_sandbox(delay=_DELAY) as sandbox:
        yield from _roll_over(sandbox, effort)


def _rates(pairs: Pairs, what: str) -> Figure:
    return Figure.of(
        pairs,
        f"connect(), calls of {what}",
        "plain httpx with a fixed header",
        "What a token that is kept costs a program that does nothing but call.",
        target=">= 0.98 x",
        reached=lambda figure: figure.ratio >= 0.98,
        unit="calls/s",
    )


def _noise(pairs: Pairs, what: str) -> Figure:
    return Figure.of(
        pairs,
        f"plain httpx, {what}",
        "itself",
        "How far this machine lets equal things differ now: the noise in the others.",
        unit="calls/s",
    )


def _of_one_thread(sandbox: RemoteSandbox, effort: Effort) -> Figure:
    token = sandbox.source().get_token().value
    pairs = Pairs([], [])
    with sandbox.connect().get_httpx_client() as ours, sandbox.client(token=token) as plain:
        for _ in range(effort.rounds(41)):
            both = rates(partial(_call, ours), partial(_call, plain), lasts=0.3)
            pairs.ours.append(both[0])
            pairs.baseline.append(both[1])
    return _rates(pairs, "1 thread")


def _call(http: httpx.Client) -> None:
    http.get(_PATH).raise_for_status()


# How many connections a pool opens under such a load, and so what each call pays for looking
# through them, is luck that stays with a client. So each measurement draws anew, with a new one.


def _of_threads(sandbox: RemoteSandbox, effort: Effort) -> Iterator[Figure]:
    token = sandbox.source().get_token().value

    def rate(http: httpx.Client) -> float:
        def load() -> None:
            for _ in range(_CALLS_OF_A_THREAD):
                _call(http)

        began = time.perf_counter()
        in_threads(load, _THREADS)
        return _THREADS * _CALLS_OF_A_THREAD / (time.perf_counter() - began)

    def measured(make: Callable[[], httpx.Client]) -> float:
        with make() as http:
            rate(http)  # which connects
            return effort.fastest(lambda: rate(http))

    def ours() -> httpx.Client:
        return sandbox.connect().get_httpx_client()

    def plain() -> httpx.Client:
        return sandbox.client(token=token)

    def paired(make: Callable[[], httpx.Client]) -> Pairs:
        rounds = effort.rounds(41)
        return interleaved(lambda: measured(make), lambda: measured(plain), rounds=rounds)

    yield _rates(paired(ours), f"{_THREADS} threads")
    yield _noise(paired(plain), f"{_THREADS} threads")


def _of_tasks(sandbox: RemoteSandbox, effort: Effort) -> Iterator[Figure]:
    token = sandbox.source().get_token().value
    on_aiohttp = {"transport": AiohttpTransport, "trust_env": False}

    async def rate(http: httpx.AsyncClient) -> float:
        async def load() -> None:
            for _ in range(_CALLS_OF_A_TASK):
                (await http.get(_PATH)).raise_for_status()

        began = time.perf_counter()
        await asyncio.gather(*(load() for _ in range(_TASKS)))
        return _TASKS * _CALLS_OF_A_TASK / (time.perf_counter() - began)

    def ours() -> httpx.AsyncClient:
        return sandbox.connect().get_async_httpx_client()

    def plain() -> httpx.AsyncClient:
        return sandbox.async_client(token)

    def other() -> httpx.AsyncClient:
        client = sandbox.connect(httpx_args=on_aiohttp, token_httpx_args={})
        return client.get_async_httpx_client()

    with asyncio.Runner() as runner:

        def measured(make: Callable[[], httpx.AsyncClient]) -> float:
            http = make()
            try:
                runner.run(rate(http))  # which connects
                return effort.fastest(lambda: runner.run(rate(http)))
            finally:
                runner.run(http.aclose())

        def paired(make: Callable[[], httpx.AsyncClient], rounds: int) -> Pairs:
            return interleaved(
                lambda: measured(make), lambda: measured(plain), rounds=effort.rounds(rounds)
            )

        yield _rates(paired(ours, 21), f"{_TASKS} tasks")
        yield _noise(paired(plain, 21), f"{_TASKS} tasks")
        yield Figure.of(
            paired(other, 7),
            f"connect(), {_TASKS} tasks on aiohttp",
            "plain httpx with a fixed header",
            "What another transport gains (docs/recipes.md); there is no target.",
            unit="calls/s",
        )


@attrs.define
class Load:
    """
    What came of one load; all in seconds.

    Attributes:
        slowest: The slowest call.
        waits: What each call waited for a token.
        starting: What the call that started the refresh waited, None if there was none.
    """

    slowest: float = 0.0
    waits: list[float] = attrs.Factory(list[float])
    starting: float | None = None


def _roll_over(sandbox: RemoteSandbox, effort: Effort) -> Iterator[Figure]:
    starting = Pairs([], [])
    requests: list[int] = []

    def with_roll_over() -> float:
        before = sandbox.token_requests()
        source = sandbox.aged_source(setle.MemoryTokenStore(), refresh_in=_REFRESH_IN)
        # One for the old token, and one for the new.
        load = _load(sandbox, source)
        requests.append(sandbox.token_requests() - before - 1)
        if load.starting is not None:
            starting.ours.append(load.starting)
            starting.baseline.append(median(load.waits))
        return load.slowest

    def without() -> float:
        source = sandbox.source()
        source.get_token()
        return _load(sandbox, source).slowest

    pairs = interleaved(with_roll_over, without, rounds=effort.rounds(15))
    if {*requests} != {1} or len(starting.ours) != len(requests):
        raise RuntimeError(f"not one roll-over per load, but {requests}")
    load = f"load of {_THREADS} threads that call all the time"
    yield Figure.of(
        pairs,
        "slowest call at a roll-over",
        f"the same {load}, without one",
        "What users notice of a new token, which takes the endpoint half a second.",
        target="<= 1 x + 30 ms",
        reached=lambda figure: figure.ours <= figure.baseline + 0.03,
    )
    yield Figure.of(
        starting,
        "the call that starts a refresh",
        "the median wait for a token in that load",
        "What the call waits that happens to start one in the background.",
        target="<= 1 x + 1 ms",
        reached=lambda figure: figure.ours <= figure.baseline + 0.001,
    )


def _load(sandbox: RemoteSandbox, source: setle.TokenSource) -> Load:
    """Call from all threads, without a pause, for some time."""
    seen, end = Load(), time.perf_counter() + _LOAD_LASTS
    starters: set[int] = set()

    def start(run: Callable[..., object], args: tuple[object, ...]) -> int:
        starters.add(get_ident())
        return start_new_thread(run, args)

    with (
        sandbox.client(setle.BearerAuth(source)) as http,
        # Nobody else sees which call it is.
        patch("setle._refresh.state.start_new_thread", start),
    ):

        def load() -> None:
            while (began := time.perf_counter()) < end:
                source.get_token()
                waited = time.perf_counter() - began
                if get_ident() in starters:
                    starters.clear()
                    seen.starting = waited
                _call(http)
                seen.waits.append(waited)
                seen.slowest = max(seen.slowest, time.perf_counter() - began)

        in_threads(load, _THREADS)
    return seen
