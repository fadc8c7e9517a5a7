"""
A worker of the soak: one client, called from threads, asyncio, trio, handlers and children.

`python -m tests.soak.worker` forks off one for each line on stdin, as tests/chaos/zygote.py says.
Signals make it do what a test cannot do from outside:

    SIGUSR1  a handler asks for a token        SIGHUP   its wall clock is set, hours off and back
    SIGUSR2  it forks a child that calls       SIGTERM  it ends

No variable of this module holds a secret or a token: it stands for a user's program.
"""

import asyncio
import contextlib
import logging
import os
import random
import signal
import threading
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import anyio._backends._trio

import setle
from tests.chaos.zygote import serve, tell
from tests.soak.watched import Both, ToFile, WallClock, told_of
from tests.support.watching import with_locals
from tests.support.worlds import ESTATES

PACE = 0.5  # seconds between two calls of a caller, on average
TIMEOUT = 4.0
MOST_REPORTS = 5  # of one kind, from one process; each is some kilobytes
STEERING = (signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP, signal.SIGTERM)


class Worker:
    def __init__(self, results: int, asking: int, settings: dict[str, Any]) -> None:
        self._folder, store = Path(settings["folder"]), settings["store"]
        self._results, self._chance = results, random.Random(settings["seed"])
        options: dict[str, Any] = {
            "store": store,
            "httpx_args": {"transport": partial(Both, results, asking, settings["relay"])},
        }
        self._client = setle.connect(token_timeout=TIMEOUT, verify_ssl=False, **options)
        # Another handle on the same token, for what only a source tells.
        self._source = setle.TokenSource(timeout=TIMEOUT, verify_ssl=False, **options)
        # Another store in the same place, so that looking tells the client nothing.
        self._store: setle.TokenStore = setle.MemoryTokenStore()
        if store.startswith("file:"):
            self._store = setle.FileTokenStore(store.removeprefix("file:"))
        elif store != "memory":
            self._store = setle.RedisTokenStore.from_url(store)
        self._reported = Counter[str]()
        self._going_on, self._clock = True, WallClock()
        self._watch(httpcore=store == "memory")

    def _watch(self, *, httpcore: bool) -> None:
        logging.basicConfig(level=logging.DEBUG, handlers=[ToFile(self._folder / "log")])
        logging.getLogger("httpcore").setLevel(logging.DEBUG if httpcore else logging.INFO)
        flags = os.O_CREAT | os.O_WRONLY | os.O_APPEND
        self._reports = os.open(self._folder / "reports", flags, 0o600)

    @contextlib.contextmanager
    def _seen(self, kind: str) -> Iterator[list[str]]:
        """Tell what comes of one call; the block puts its status into the list."""
        began, held, said = time.monotonic(), self._held(), list[str]()
        try:
            yield said
        except Exception as error:  # noqa: BLE001 - each is a failed call, whatever it is
            name = type(error).__name__
            typed = "typed" if isinstance(error, setle.SetleError) else ""
            more = (kind, typed, name, *self._stored(), *held)
            tell(self._results, "failed", began, str(error), *more)
            self._reported[f"{kind} {name}"] += 1
            if self._reported[f"{kind} {name}"] <= MOST_REPORTS:
                os.write(self._reports, with_locals(error, "/setle/", __file__).encode())
        else:
            tell(self._results, "call", began, "".join(said), kind, *held)

    def _held(self) -> tuple[str, float]:
        return told_of(self._source.current_token())

    def _stored(self) -> tuple[str, float]:
        """Tell of what the store holds for the credentials of now, if it can be had."""
        with contextlib.suppress(Exception):
            key = setle.ClientCredentials.from_env().key(os.environ["SETLE_BASE_URL"])
            return told_of(self._store.load(key))
        return told_of(None)

    def _pause(self) -> float:
        return self._chance.uniform(0.5, 1.5) * PACE

    def _call(self, kind: str) -> None:
        with self._seen(kind) as said:
            said.append(str(self._client.get_httpx_client().get(ESTATES).status_code))

    async def _call_async(self, kind: str) -> None:
        with self._seen(kind) as said:
            http = self._client.get_async_httpx_client()
            said.append(str((await http.get(ESTATES)).status_code))

    def _thread(self) -> None:
        while self._going_on:
            self._call("thread")
            time.sleep(self._pause())

    async def _task(self, kind: str) -> None:
        while self._going_on:
            await self._call_async(kind)
            # One that stops waiting disturbs nobody.
            with anyio.move_on_after(0.001), contextlib.suppress(setle.SetleError):
                await self._source.aget_token()
            await anyio.sleep(self._pause())

    def _loop(self, kind: str) -> None:
        anyio.run(self._tasks, kind, backend=kind)

    async def _tasks(self, kind: str) -> None:
        async with self._client, anyio.create_task_group() as group:
            group.start_soon(self._task, kind)
            group.start_soon(self._task, kind)

    def _ask(self, *_: object) -> None:
        """Do what a user's signal handler does, wherever the main thread is."""
        with self._seen("handler") as said:
            self._source.get_token()
            said.append("200")

    def _fork(self, *_: object) -> None:
        if os.fork():
            return
        for number in STEERING:
            signal.signal(number, signal.SIG_IGN)
        signal.alarm(60)  # what hangs is told by how it ended
        try:
            self._reported.clear()
            tell(self._results, "forked", os.getppid())
            if self._clock.steps:  # what the parent got meanwhile has another end by this clock
                tell(self._results, "stepped", self._clock.steps)
            self._call("child")
            asyncio.run(self._call_async("child"))
            os._exit(0)
        finally:
            os._exit(1)

    def _set_clock(self, *_: object) -> None:
        tell(self._results, "stepped", self._clock.step())

    def _end(self, *_: object) -> None:
        self._going_on = False

    def _reap(self) -> None:
        with contextlib.suppress(ChildProcessError):  # there are none
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                tell(self._results, "child", ended[1])

    def run(self) -> None:
        """Call until SIGTERM."""
        signal.signal(signal.SIGUSR1, self._ask)
        signal.signal(signal.SIGUSR2, self._fork)
        signal.signal(signal.SIGHUP, self._set_clock)
        signal.signal(signal.SIGTERM, self._end)
        others = [threading.Thread(target=self._thread)]
        others += [
            threading.Thread(target=self._loop, args=(kind,)) for kind in ("asyncio", "trio")
        ]
        for other in others:
            other.start()
        while self._going_on:
            self._call("main thread")
            self._reap()
            time.sleep(self._pause())
        for other in others:
            other.join(30)


def work(results: int, asking: int, settings: dict[str, Any]) -> None:
    while True:
        with contextlib.suppress(setle.ConfigurationError):  # the secret's file is away
            worker = Worker(results, asking, settings)
            break
        time.sleep(PACE)
    worker.run()


if __name__ == "__main__":
    warnings.simplefilter("ignore", DeprecationWarning)  # of forking while there are threads
    for number in STEERING:  # a worker that has only just begun would end
        signal.signal(number, signal.SIG_IGN)
    serve(work)
