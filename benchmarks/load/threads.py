"""From one to sixty-four threads."""

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import partial
from time import monotonic
from time import time as wall

import httpx

import setle

from .._measure import Effort, in_threads
from .._message import PATH
from ..sandbox import RemoteSandbox, remote_sandbox
from .chart import Chart, measured, requests_told

_THREADS = (1, 4, 16, 64)
_DELAY = 0.1
_WARM = 20_000
_CALLS = 128  # of all threads


def measure(effort: Effort) -> Iterator[Chart]:
    """Yield the charts."""
    with remote_sandbox(delay=_DELAY) as sandbox:
        yield cold(sandbox, effort)
        sandbox.set(delay=0.0)
        yield warm(sandbox.source(), effort)
        yield calls(sandbox, effort)


def cold(sandbox: RemoteSandbox, effort: Effort) -> Chart:
    """Return how long threads wait that want the first token together."""
    requests: dict[int, list[int]] = defaultdict(list)

    def ours(threads: int) -> float:
        before, source = sandbox.token_requests(), sandbox.source()
        seconds = _together(threads, source.get_token)
        requests[threads].append(sandbox.token_requests() - before)
        return seconds

    def baseline(threads: int) -> float:
        return _together(threads, _LockedCache(sandbox).get)

    return Chart(
        "threads-cold",
        "Threads that want the first token",
        "threads",
        "milliseconds until the last one has it",
        1e3,
        "All threads want the first token together; the token endpoint takes 100 ms. The baseline "
        "is a request by plain httpx under a lock, and the others waiting for the lock.",
        measured(effort, _THREADS, {"setle": ours, "lock by hand": baseline}, rounds=5),
        requests_told({"setle": requests}),
    )


def warm(source: setle.TokenSource, effort: Effort) -> Chart:
    """Return what it costs threads to find a token."""
    token = source.get_token()
    ends, ends_wall = monotonic() + 3600, wall() + 3600

    def both_clocks() -> setle.AccessToken | None:
        if monotonic() < ends and wall() < ends_wall:
            return token
        return None

    def cost(call: Callable[[], object], threads: int) -> float:
        each = _WARM // threads

        def calls() -> None:
            for _ in range(each):
                call()

        return _together(threads, calls) / (each * threads)

    runs = {"setle": partial(cost, source.get_token), "both clocks": partial(cost, both_clocks)}
    return Chart(
        "threads-warm",
        "Threads that find a token",
        "threads",
        "nanoseconds per call of all threads",
        1e9,
        "The threads share 20,000 calls of `get_token()`, and one lock of the interpreter. The "
        "baseline is a function that compares both clocks.",
        measured(effort, _THREADS, runs, rounds=15),
    )


def calls(sandbox: RemoteSandbox, effort: Effort) -> Chart:
    """Return what the calls of threads take, beside plain httpx."""
    token = sandbox.source().get_token().value

    def cost(http: httpx.Client, threads: int) -> float:
        each = max(1, _CALLS // threads)

        def calls() -> None:
            for _ in range(each):
                http.get(PATH).raise_for_status()

        return _together(threads, calls) / (each * threads)

    with sandbox.connect().get_httpx_client() as ours, sandbox.client(token=token) as plain:
        runs = {"setle": partial(cost, ours), "plain httpx": partial(cost, plain)}
        lines = measured(effort, _THREADS, runs, rounds=7)
    return Chart(
        "threads-calls",
        "Threads that call the API",
        "threads",
        "milliseconds per call of all threads",
        1e3,
        "The threads share 128 calls by one client, which keeps 20 connections open. The baseline "
        "is plain httpx with a fixed header.",
        lines,
    )


class _LockedCache:
    """What one writes by hand: whoever comes first asks, under a lock."""

    def __init__(self, sandbox: RemoteSandbox) -> None:
        self._sandbox, self._lock, self._token = sandbox, threading.Lock(), ""

    def get(self) -> str:
        with self._lock:
            if not self._token:
                credentials = self._sandbox.credentials
                headers = {
                    "x-setle-client-id": credentials.client_id,
                    "x-setle-client-secret": credentials.client_secret,
                }
                with self._sandbox.client() as http:
                    answer = http.post("/v1/oauth/token", headers=headers).raise_for_status()
                self._token = answer.json()["access_token"]
            return self._token


def _together(threads: int, run: Callable[[], object]) -> float:
    """Return the seconds from when so many threads set off until the last has *run*."""
    barrier = threading.Barrier(threads)
    times: list[tuple[float, float]] = []

    def timed() -> None:
        barrier.wait()
        began = time.perf_counter()
        run()
        times.append((began, time.perf_counter()))

    in_threads(timed, threads)
    return max(ended for _, ended in times) - min(began for began, _ in times)
