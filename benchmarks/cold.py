"""What the start costs: imports, and everybody wanting the first token at once."""

import asyncio
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from tempfile import TemporaryDirectory

import setle
from setle._endpoint.base_url import DEFAULT_BASE_URL

from ._measure import Effort, Figure, Pairs, interleaved
from .sandbox import RemoteSandbox, remote_sandbox

_DELAY = 0.2
_THREADS = 64
_TASKS = 10_000
_OURS = """
import sys
import setle

url, client_id, secret = sys.argv[1:]
client = setle.connect(setle.ClientCredentials(client_id, secret), base_url=url)
client.get_httpx_client().get("/v1/estate/list").raise_for_status()
"""
_PLAIN = """
import sys
import httpx

url, client_id, secret = sys.argv[1:]
client = httpx.Client(base_url=url)
headers = {"x-setle-client-id": client_id, "x-setle-client-secret": secret}
answer = client.post("/v1/oauth/token", headers=headers).raise_for_status().json()
headers = {"Authorization": f"Bearer {answer['access_token']}"}
client.get("/v1/estate/list", headers=headers).raise_for_status()
"""
_COMMAND = "from setle.cli import main; main()"


def measure(effort: Effort) -> Iterator[Figure]:
    """Yield the figures."""
    rounds = effort.rounds(21)
    yield Figure.of(
        interleaved(lambda: _run("import setle"), lambda: _run("import httpx"), rounds=rounds),
        "import setle",
        "import httpx",
        "What a program pays that may never make a call; Python itself included.",
        target="<= 0.3 x",
        reached=lambda figure: figure.ratio <= 0.3,
    )
    yield from _commands(rounds)
    with remote_sandbox() as sandbox:
        yield _first_call(sandbox, rounds)
    with remote_sandbox(delay=_DELAY) as sandbox:
        yield _herd(sandbox, effort, f"{_THREADS} threads", _wait_in_threads)
        yield _herd(sandbox, effort, f"{_TASKS:,} tasks", _wait_in_tasks)


def _commands(rounds: int) -> Iterator[Figure]:
    credentials = setle.ClientCredentials("an-id", "a-secret")
    with TemporaryDirectory() as folder:
        end = datetime.now(UTC) + timedelta(hours=1)
        token = setle.AccessToken("a-token", end, 3600.0)
        setle.FileTokenStore(folder).save(credentials.key(DEFAULT_BASE_URL), token)
        settings = {
            "SETLE_CLIENT_ID": credentials.client_id,
            "SETLE_CLIENT_SECRET": credentials.client_secret,
            "SETLE_TOKEN_STORE": f"file:{folder}",
        }

        def command(*arguments: str) -> float:
            return _run(_COMMAND, *arguments, settings=settings)

        yield Figure.of(
            interleaved(lambda: command("token"), lambda: _run("import httpx"), rounds=rounds),
            "setle token, stored",
            "import httpx",
            "What a script pays for a token that is there; Python itself included.",
            target="<= 0.8 x",
            reached=lambda figure: figure.ratio <= 0.8,
        )
        yield Figure.of(
            interleaved(lambda: command("--help"), lambda: _run("import httpx"), rounds=rounds),
            "setle --help",
            "import httpx",
            "What somebody waits who looks it up; Python itself included.",
            target="<= 1.0 x",
            reached=lambda figure: figure.ratio <= 1.0,
        )


def _first_call(sandbox: RemoteSandbox, rounds: int) -> Figure:
    credentials = sandbox.credentials
    settings = (sandbox.base_url, credentials.client_id, credentials.client_secret)
    return Figure.of(
        interleaved(lambda: _run(_OURS, *settings), lambda: _run(_PLAIN, *settings), rounds=rounds),
        "start to first answered call",
        "a token and a call by plain httpx",
        "What a short job pays: import, connect(), the first token, one call.",
        target="<= 1.15 x",
        reached=lambda figure: figure.ratio <= 1.15,
    )


def _run(program: str, *arguments: str, settings: Mapping[str, str] | None = None) -> float:
    """Return how long a new interpreter takes for *program*, in seconds."""
    # Without bytecode, our own modules alone would be compiled each time.
    foreign = ("SETLE_", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "PYTHONDONTWRITEBYTECODE")
    env = {
        name: value for name, value in os.environ.items() if not name.upper().startswith(foreign)
    }
    env |= settings or {}
    command = [sys.executable, "-c", program, *arguments]
    began = time.perf_counter()
    subprocess.run(command, env=env, stdout=subprocess.DEVNULL, check=True)
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
        "What the last one waits of all who start together without a token.",
        target="<= 1.3 x + 0.3 s",
        reached=lambda figure: most == 1 and figure.ours <= 1.3 * figure.baseline + 0.3,
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
