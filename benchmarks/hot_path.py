"""What every call pays while the token is fresh: nanoseconds."""

import asyncio
import time
import timeit
from collections.abc import Iterator

import httpx

import setle

from ._measure import Effort, Figure, interleaved
from .sandbox import remote_sandbox

_LOOPS = 50_000
_ROUNDS = 41


class StaticHeader(httpx.Auth):
    """What one writes by hand where a token never ends, the way httpx documents it."""

    def __init__(self, header: str) -> None:
        self._header = header

    def auth_flow(self, request: httpx.Request) -> Iterator[httpx.Request]:  # type: ignore[override] # never sent to
        request.headers["Authorization"] = self._header
        yield request


def measure(effort: Effort) -> Iterator[Figure]:
    """Yield the figures."""
    rounds = effort.rounds(_ROUNDS)
    with remote_sandbox() as sandbox:
        source = sandbox.source()
        token = source.get_token()
    yield Figure.of(
        interleaved(lambda: _get(source), _look_at_the_clock, rounds=rounds),
        "warm get_token()",
        "time.monotonic() < x",
        "<= 2.5 x",
        lambda figure: figure.ratio <= 2.5,
    )
    yield Figure.of(
        interleaved(lambda: asyncio.run(_await(source)), lambda: _call(source), rounds=rounds),
        "warm await aget_token()",
        "get_token() in a loop",
        "<= 1.6 x",
        lambda figure: figure.ratio <= 1.6,
    )
    request = httpx.Request("GET", f"{source.base_url}/v1/estate/list")
    ours, static = setle.BearerAuth(source), StaticHeader(f"Bearer {token.value}")
    yield Figure.of(
        interleaved(lambda: _drive(ours, request), lambda: _drive(static, request), rounds=rounds),
        "BearerAuth flow",
        "httpx.Auth, fixed header",
        "<= 1.25 x",
        lambda figure: figure.ratio <= 1.25,
    )


def _get(source: setle.TokenSource) -> float:
    names = {"source": source}
    return timeit.timeit("get()", "get = source.get_token", number=_LOOPS, globals=names) / _LOOPS


def _look_at_the_clock() -> float:
    setup = "from time import monotonic; x = monotonic() + 3600"
    return timeit.timeit("monotonic() < x", setup, number=_LOOPS) / _LOOPS


async def _await(source: setle.TokenSource) -> float:
    get = source.aget_token
    began = time.perf_counter()
    for _ in range(_LOOPS):
        await get()
    return (time.perf_counter() - began) / _LOOPS


def _call(source: setle.TokenSource) -> float:
    get = source.get_token
    began = time.perf_counter()
    for _ in range(_LOOPS):
        get()
    return (time.perf_counter() - began) / _LOOPS


def _drive(auth: httpx.Auth, request: httpx.Request) -> float:
    """Go through the flow as httpx does, without the network."""
    response = httpx.Response(200, request=request)
    loops = _LOOPS // 5
    began = time.perf_counter()
    for _ in range(loops):
        flow = auth.sync_auth_flow(request)
        next(flow)
        try:
            flow.send(response)
        except StopIteration:
            continue
    return (time.perf_counter() - began) / loops
