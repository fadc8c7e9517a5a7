"""Read files from the disk and from the web, within limits of time and size."""

import asyncio
import sys
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urljoin

import httpx

from pipeline import PipelineError

__all__ = ["Reader", "is_url", "places", "resolve"]

DEADLINE = 30.0
"""Of one answer as a whole, in seconds."""
LIMIT = 10_000_000
"""Of one answer or file, in bytes."""
AT_ONCE = 4
REDIRECTS = 5
USER_AGENT = "setle-client (make vendor)"


def is_url(address: str) -> bool:
    """Tell a URL from a path."""
    return "://" in address


def resolve(base: str, link: str) -> str:
    """
    Return the address of *link* as found in the file at *base*.

    Below a path, a link from the root of the site starts at the folder of *base*.
    """
    if is_url(link) or is_url(base):
        return urljoin(base, link)
    return str(Path(base).parent / link.lstrip("/"))


def places(index: str, page: str, name: str) -> list[str]:
    """
    Return where a file may be that *page* calls *name*, the likeliest first.

    At the root of the documentation, which is the folder of *index*, at the root
    of the host, and beside the page.
    """
    if is_url(name):
        return [name]
    bare = name.lstrip("/")
    found = [resolve(index, bare), resolve(index, name), resolve(page, bare)]
    return list(dict.fromkeys(found))


class Reader:
    """Reads what it is told to, a few answers at a time, between ``async with`` and its end."""

    async def __aenter__(self) -> Self:
        """Open the connections."""
        self._gate = asyncio.Semaphore(AT_ONCE)
        self._client = httpx.AsyncClient(headers={"user-agent": USER_AGENT}, timeout=DEADLINE)
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close them."""
        await self._client.aclose()

    async def read_all(self, addresses: Iterable[str]) -> dict[str, str]:
        """
        Return the text at each of *addresses*, counting aloud on a terminal.

        Raises:
            PipelineError: One of them cannot be had.
        """
        tasks = {address: asyncio.ensure_future(self.read(address)) for address in addresses}
        counts = len(tasks) > 1 and sys.stderr.isatty()
        try:
            for done, task in enumerate(asyncio.as_completed(tasks.values()), 1):
                await task
                if counts:
                    print(f"\r{done} of {len(tasks)} files", end="", file=sys.stderr, flush=True)
        finally:
            if counts:
                print(file=sys.stderr)
            for left in tasks.values():
                left.cancel()
            await asyncio.gather(*tasks.values(), return_exceptions=True)
        return {address: task.result() for address, task in tasks.items()}

    async def read(self, address: str) -> str:
        """
        Return the text at *address*, a URL or a path.

        Raises:
            PipelineError: It cannot be had, is too large or too slow, is HTML
                or is not UTF-8.
        """
        try:
            content = await self._fetch(address) if is_url(address) else _content(Path(address))
            text = content.decode()
        except UnicodeDecodeError as error:
            raise PipelineError(f"{address} is not UTF-8: {error}; vendor a file that is") from None
        if text[:1000].lstrip("\ufeff \r\n\t")[:9].lower().startswith(("<!doctype", "<html")):
            raise PipelineError(
                f"{address} is HTML; vendor the page as markdown (its address with .md), "
                "the index llms.txt or an OpenAPI file"
            )
        return text

    async def _fetch(self, address: str) -> bytes:
        try:
            async with self._gate, asyncio.timeout(DEADLINE):
                return await self._answer(address)
        except (TimeoutError, httpx.TimeoutException):
            raise PipelineError(
                f"{address} took longer than {DEADLINE:g} s; try again later"
            ) from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            reason = str(error) or type(error).__name__
            raise PipelineError(
                f"{address} cannot be had: {reason}; check the address and the network"
            ) from error

    async def _answer(self, address: str) -> bytes:
        url = httpx.URL(address)
        for _ in range(REDIRECTS + 1):
            loopback = url.host in {"127.0.0.1", "::1", "localhost"}
            if url.scheme != "https" and not (url.scheme == "http" and loopback):
                raise PipelineError(f"{url} is not https://; use that, or a path")
            async with self._client.stream("GET", url) as response:
                if response.next_request is None:
                    return await _body(response, address)
                target = response.next_request.url
            if (url.scheme, url.netloc) != (target.scheme, target.netloc):
                raise PipelineError(
                    f"{address} redirects to another host, {target}; vendor that if it is right"
                )
            url = target
        raise PipelineError(f"{address} redirects more than {REDIRECTS} times; check the address")


async def _body(response: httpx.Response, address: str) -> bytes:
    if response.status_code != 200:
        raise PipelineError(
            f"{address} answers {response.status_code} instead of 200; "
            "check the address, or try again later"
        )
    content = bytearray()
    async for chunk in response.aiter_bytes():
        content += chunk
        _check_size(len(content), address)
    return bytes(content)


def _content(path: Path) -> bytes:
    try:
        _check_size(path.stat().st_size, str(path))
        return path.read_bytes()
    except OSError as error:
        raise PipelineError(f"cannot read {path}: {error.strerror}; check the path") from error


def _check_size(size: int, address: str) -> None:
    if size > LIMIT:
        raise PipelineError(
            f"{address} has more than {LIMIT // 1_000_000} MB, too much for a description; "
            "check the address"
        )
