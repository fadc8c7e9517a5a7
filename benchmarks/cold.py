"""What the start costs: imports, and everybody wanting the first token at once."""

import asyncio
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

import setle

from ._measure import Effort, Figure, Pairs, interleaved
from .sandbox import RemoteSandbox, remote_sandbox

_DELAY = 0.2
_THREADS = 64
_TASKS = 10_000
_CONNECT = "import setle; setle.connect(setle.ClientCredentials('id', 'secret'))"


def measure(effort: Effort) -> Iterator[Figure]:
    """Yield the figures."""
    yield Figure.of(
        interleaved(lambda: _run(_CONNECT), lambda: _run("import httpx"), rounds=effort.rounds(15)),
        "import setle + first connect()",
        "import httpx",
        "<= 1.35 x",
        lambda figure: figure.ratio <= 1.35,
    )
    with remote_sandbox(delay=_DELAY) as sandbox:
        yield _herd(sandbox, effort, f"{_THREADS} cold threads", _wait_in_threads)
        yield _herd(sandbox, effort, f"{_TASKS:,} cold tasks", _wait_in_tasks)


def _run(program: str) -> float:
    env = {name: value for name, value in os.environ.items() if not name.startswith("SETLE_")}
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", program], env=env, check=True)
    return time.perf_counter() - began


def _herd(
    sandbox: RemoteSandbox, effort: Effort, what: str, wait: Callable[[setle.TokenSource], float]
) -> Figure:
    requests: list[int] = []

    def last_waiter() -> float:
        before = sandbox.token_requests()
        seconds = wait(sandbox.source())
        requests.append(sandbox.token_requests() - before)
        return seconds

    pairs: Pairs = interleaved(last_waiter, lambda: _one(sandbox), rounds=effort.rounds(5))
    most = max(requests)
    return Figure.of(
        pairs,
        f"{what}, {most} token request" + "s" * (most > 1),
        "a single caller",
        "<= 1.3 x + 0.3 s",
        lambda figure: most == 1 and figure.ours <= 1.3 * figure.baseline + 0.3,
    )


def _one(sandbox: RemoteSandbox) -> float:
    source = sandbox.source()
    began = time.perf_counter()
    source.get_token()
    return time.perf_counter() - began


def _wait_in_threads(source: setle.TokenSource) -> float:
    barrier = threading.Barrier(_THREADS + 1)
    ended: list[float] = []

    def wait() -> None:
        barrier.wait()
        source.get_token()
        ended.append(time.perf_counter())

    threads = [threading.Thread(target=wait, daemon=True) for _ in range(_THREADS)]
    for thread in threads:
        thread.start()
    began = time.perf_counter()
    barrier.wait()
    for thread in threads:
        thread.join()
    if len(ended) < _THREADS:
        raise RuntimeError("a thread got no token")
    return max(ended) - began


def _wait_in_tasks(source: setle.TokenSource) -> float:
    async def wait() -> float:
        began = time.perf_counter()
        await asyncio.gather(*(source.aget_token() for _ in range(_TASKS)))
        return time.perf_counter() - began

    return asyncio.run(wait())
