"""From one to ten thousand tasks of one event loop."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from statistics import median
from time import monotonic
from time import time as wall
from typing import Any

import httpx

import setle

from .._measure import Effort
from .._message import PATH
from ..sandbox import Address, RemoteSandbox, remote_sandbox
from .chart import Chart, measured, requests_told

_TASKS = (1, 10, 100, 1_000, 10_000)
_CALLING = (1, 10, 100, 1_000)  # in httpcore, each call looks at all that wait for a connection
_DELAY = 0.1
_LEAST = 10_000


def measure(effort: Effort) -> Iterator[Chart]:
    """Yield the charts."""
    with remote_sandbox(delay=_DELAY) as sandbox:
        yield cold(sandbox, effort)
        sandbox.set(delay=0.0)
        yield warm(sandbox, effort)
        yield calls(sandbox, effort)


def cold(sandbox: RemoteSandbox, effort: Effort) -> Chart:
    """Return how long tasks wait that want the first token together."""
    requests: dict[int, list[int]] = defaultdict(list)

    def ours(tasks: int) -> float:
        before, source = sandbox.token_requests(), sandbox.source()
        seconds = asyncio.run(_together(tasks, source.aget_token))
        requests[tasks].append(sandbox.token_requests() - before)
        return seconds

    def baseline(tasks: int) -> float:
        return asyncio.run(_by_hand(sandbox, tasks))

    return Chart(
        "tasks-cold",
        "Tasks that want the first token",
        "tasks",
        "milliseconds until the last one has it",
        1e3,
        "All tasks want the first token together; the token endpoint takes 100 ms. The baseline "
        "is one request by plain httpx, and all tasks awaiting that.",
        measured(effort, _TASKS, {"setle": ours, "one shared task": baseline}, rounds=5),
        requests_told({"setle": requests}),
    )


def warm(sandbox: RemoteSandbox, effort: Effort) -> Chart:
    """Return what it costs tasks to find a token."""
    source = sandbox.source()
    token = source.get_token()
    ends, ends_wall = monotonic() + 3600, wall() + 3600

    async def both_clocks() -> setle.AccessToken | None:
        if monotonic() < ends and wall() < ends_wall:
            return token
        return None

    def cost_of(call: Callable[[], Coroutine[Any, Any, object]]) -> Callable[[int], float]:
        async def again(tasks: int) -> float:
            times = max(1, _LEAST // tasks)
            return median([await _together(tasks, call) for _ in range(times)]) / tasks

        return lambda tasks: asyncio.run(again(tasks))

    runs = {"setle": cost_of(source.aget_token), "both clocks": cost_of(both_clocks)}
    return Chart(
        "tasks-warm",
        "Tasks that find a token",
        "tasks",
        "microseconds per task",
        1e6,
        "Each task awaits a token that is there, and ends. The baseline awaits a function that "
        "compares both clocks: most of it is the price of a task.",
        measured(effort, _TASKS, runs, rounds=7),
    )


def calls(sandbox: RemoteSandbox, effort: Effort) -> Chart:
    """Return what the calls of tasks take, beside plain httpx."""
    token = sandbox.source().get_token().value

    async def calling(http: httpx.AsyncClient, tasks: int) -> float:
        http.timeout = httpx.Timeout(60.0)  # many wait for a connection

        async def call() -> None:
            (await http.get(PATH)).raise_for_status()

        async with http:
            await call()
            return await _together(tasks, call) / tasks

    async def ours(tasks: int) -> float:
        return await calling(sandbox.connect().get_async_httpx_client(), tasks)

    async def plain(tasks: int) -> float:
        return await calling(sandbox.async_client(token), tasks)

    runs = {
        "setle": lambda tasks: asyncio.run(ours(tasks)),
        "plain httpx": lambda tasks: asyncio.run(plain(tasks)),
    }
    return Chart(
        "tasks-calls",
        "Tasks that call the API",
        "tasks",
        "milliseconds per call",
        1e3,
        "Each task makes one call; httpx opens up to 100 connections. The baseline is plain httpx "
        "with a fixed header.",
        measured(effort, _CALLING, runs, rounds=3),
    )


async def _by_hand(sandbox: Address, tasks: int) -> float:
    credentials = sandbox.credentials
    headers = {
        "x-setle-client-id": credentials.client_id,
        "x-setle-client-secret": credentials.client_secret,
    }
    async with sandbox.async_client("none yet") as http:
        began = time.perf_counter()
        asked = asyncio.create_task(http.post("/v1/oauth/token", headers=headers))

        async def wait() -> None:
            await asked

        await asyncio.gather(*(wait() for _ in range(tasks)))
        return time.perf_counter() - began


async def _together(tasks: int, call: Callable[[], Awaitable[object]]) -> float:
    """Return the seconds until all of so many tasks have made their *call*."""
    began = time.perf_counter()
    await asyncio.gather(*(call() for _ in range(tasks)))
    return time.perf_counter() - began
