"""What every call pays while the token is fresh: nanoseconds."""

import asyncio
import time
import timeit
from collections.abc import Callable, Iterator
from time import monotonic
from time import time as wall
from typing import Any

import httpx

import setle

from ._measure import Effort, Figure, best, interleaved
from .sandbox import remote_sandbox

_LOOPS = 10_000
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
    get = source.get_token
    yield Figure.of(
        interleaved(lambda: _time("get()", get=get), _compare_both_clocks(token), rounds=rounds),
        "warm get_token()",
        "a function that compares both clocks",
        "What a fresh token costs each call, beside the least that Python can do.",
        target="<= 1.20 x",
        reached=lambda figure: figure.ratio <= 1.20,
    )
    yield Figure.of(
        interleaved(
            lambda: _time("get()", get=get),
            lambda: _time("monotonic() < x", monotonic=monotonic, x=monotonic() + 3600),
            rounds=rounds,
        ),
        "warm get_token()",
        "time.monotonic() < x",
        "The same, beside one look at one clock.",
        target="<= 2.7 x",
        reached=lambda figure: figure.ratio <= 2.7,
    )
    yield Figure.of(
        interleaved(lambda: asyncio.run(_await(source)), lambda: _call(source), rounds=rounds),
        "warm await aget_token()",
        "get_token() in the same loop",
        "What async adds to it.",
        target="<= 1.5 x",
        reached=lambda figure: figure.ratio <= 1.5,
    )
    request = httpx.Request("GET", f"{source.base_url}/v1/estate/list")
    ours, static = setle.BearerAuth(source), StaticHeader(f"Bearer {token.value}")
    yield Figure.of(
        interleaved(lambda: _drive(ours, request), lambda: _drive(static, request), rounds=rounds),
        "BearerAuth flow",
        "httpx.Auth with a fixed header",
        "What each call pays for the token, the check of host and the look at 401.",
        target="<= 1.20 x",
        reached=lambda figure: figure.ratio <= 1.20,
    )


def _time(statement: str, **names: Any) -> float:
    return min(timeit.repeat(statement, number=_LOOPS, globals=names)) / _LOOPS


def _compare_both_clocks(token: setle.AccessToken) -> Callable[[], float]:
    ends, ends_wall = monotonic() + 3600, wall() + 3600

    def get() -> setle.AccessToken | None:
        if monotonic() < ends and wall() < ends_wall:
            return token
        return None

    return lambda: _time("get()", get=get)


async def _await(source: setle.TokenSource) -> float:
    get, least = source.aget_token, float("inf")
    for _ in range(5):  # as best() does it, which is not async
        began = time.perf_counter()
        for _ in range(_LOOPS):
            await get()
        least = min(least, time.perf_counter() - began)
    return least / _LOOPS


def _call(source: setle.TokenSource) -> float:
    get = source.get_token

    def loop() -> float:
        began = time.perf_counter()
        for _ in range(_LOOPS):
            get()
        return (time.perf_counter() - began) / _LOOPS

    return best(loop)


def _drive(auth: httpx.Auth, request: httpx.Request) -> float:
    """Go through the flow as httpx does, without the network."""
    response = httpx.Response(200, request=request)
    loops = _LOOPS // 5

    def loop() -> float:
        began = time.perf_counter()
        for _ in range(loops):
            flow = auth.sync_auth_flow(request)
            next(flow)
            try:
                flow.send(response)
            except StopIteration:
                continue
        return (time.perf_counter() - began) / loops

    return best(loop)
