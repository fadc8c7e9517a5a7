"""One client in threads, under asyncio and under trio, behind one face."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import anyio
import httpx

import setle
import setle_api
from setle.testing import Sandbox
from tests.support import all_at_once, credentials_of

T = TypeVar("T")

ESTATES = "/v1/estate/list"
ECHO = "/sandbox/echo"


def connect_to(sandbox: Sandbox, **more: Any) -> setle_api.AuthenticatedClient:
    """Return a client for *sandbox* that shares its token with nobody, unless told to."""
    options = {"base_url": sandbox.base_url, "store": setle.MemoryTokenStore(), **more}
    return setle.connect(options.pop("credentials", credentials_of(sandbox)), **options)


class World:
    """
    Where calls are made: threads (*sync*), *asyncio* or *trio*.

    Each use of an async world is an event loop of its own.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind

    @property
    def is_sync(self) -> bool:
        return self.kind == "sync"

    def run(self, main: Callable[[], Awaitable[T]]) -> T:
        """Return what *main* returns in an event loop."""
        return anyio.run(main, backend=self.kind)

    def call(
        self,
        client: setle_api.AuthenticatedClient,
        url: str = ESTATES,
        *,
        method: str = "GET",
        **more: Any,
    ) -> httpx.Response:
        """Return the answer to one call."""
        return self.calls(client, 1, url, method=method, **more)[0]

    def calls(
        self,
        client: setle_api.AuthenticatedClient,
        count: int,
        url: str = ESTATES,
        *,
        method: str = "GET",
        **more: Any,
    ) -> list[httpx.Response]:
        """Return the answers to *count* calls in turn."""
        if self.is_sync:
            return [client.get_httpx_client().request(method, url, **more) for _ in range(count)]

        async def main() -> list[httpx.Response]:
            async with client:
                http = client.get_async_httpx_client()
                return [await http.request(method, url, **more) for _ in range(count)]

        return self.run(main)

    def calls_at_once(
        self, client: setle_api.AuthenticatedClient, count: int
    ) -> list[httpx.Response]:
        """Return the answers to *count* calls that set off together."""
        if self.is_sync:
            futures = all_at_once(count, lambda: client.get_httpx_client().get(ESTATES))
            return [future.result() for future in futures]
        answers: list[httpx.Response] = []

        async def call() -> None:
            answers.append(await client.get_async_httpx_client().get(ESTATES))

        async def main() -> None:
            async with client, anyio.create_task_group() as group:
                for _ in range(count):
                    group.start_soon(call)

        self.run(main)
        return answers
