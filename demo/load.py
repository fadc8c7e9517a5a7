"""The load: one client, called from threads and from asyncio tasks at once."""

import asyncio
import threading
import time
from types import TracebackType
from typing import NamedTuple, Self

import httpx

from setle_api import AuthenticatedClient

THREADS = 4
TASKS = 8
PAUSE = 0.035
"""Seconds between two calls of one thread or task; leaves air on two cores."""

_PATH = "/v1/estate/list"


class Call(NamedTuple):
    """
    One finished API call.

    Attributes:
        began: Monotonic instant, in seconds.

        ended: Monotonic instant, in seconds.

        failure: None if it was answered 200, else what came instead.
    """

    began: float
    ended: float
    failure: str | None

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.ended - self.began


class Load:
    """
    Calls through *client* from entering to leaving its ``with`` block.

    Attributes:
        calls: The calls that have finished.
    """

    def __init__(self, client: AuthenticatedClient) -> None:
        self.calls: list[Call] = []
        self._client = client
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._call_in_turn, daemon=True) for _ in range(THREADS)
        ]
        self._threads.append(threading.Thread(target=self._run_tasks, daemon=True))

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: object, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        if kind is KeyboardInterrupt:  # who waits for a token may do so for seconds yet
            return
        for thread in self._threads:
            thread.join()
        self._client.get_httpx_client().close()

    def _call_in_turn(self) -> None:
        while not self._stop.is_set():
            began = time.monotonic()
            try:
                failure = _failure_of(self._client.get_httpx_client().get(_PATH))
            except Exception as error:  # noqa: BLE001 - whatever it is, the demo reports it
                failure = f"{type(error).__name__}: {error}"
            self.calls.append(Call(began, time.monotonic(), failure))
            self._stop.wait(PAUSE)

    def _run_tasks(self) -> None:
        asyncio.run(self._call_in_tasks())

    async def _call_in_tasks(self) -> None:
        async with self._client.get_async_httpx_client() as http:
            await asyncio.gather(*(self._call_in_task(http) for _ in range(TASKS)))

    async def _call_in_task(self, http: httpx.AsyncClient) -> None:
        while not self._stop.is_set():
            began = time.monotonic()
            try:
                failure = _failure_of(await http.get(_PATH))
            except Exception as error:  # noqa: BLE001 - whatever it is, the demo reports it
                failure = f"{type(error).__name__}: {error}"
            self.calls.append(Call(began, time.monotonic(), failure))
            await asyncio.sleep(PAUSE)


def _failure_of(response: httpx.Response) -> str | None:
    return None if response.status_code == 200 else f"status {response.status_code}"
