"""The Bearer token on its way: put on, taken back after a 401, never sent elsewhere."""

import time
from collections.abc import AsyncGenerator, Generator, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import anyio
import httpx

from ._source import TokenSource
from ._token import AccessToken

_BEARER = "Bearer "
_LARGEST_COPY = 1 << 16
_LONGEST_COPYING = 1.0  # seconds


class BearerAuth(httpx.Auth):
    """
    Authenticates the requests of any httpx client, sync or async.

    Requests to the origin of the source's base URL carry the token; all others carry no
    ``Authorization`` header at all. After a 401 the token is dropped, and the request is
    sent once more with another one, if its body can be sent again: bytes, a form, a
    multipart body of bytes or of files that can be rewound.

    Args:
        source: Where tokens come from.

    Raises:
        TokenError: From the request, if no token can be had.
    """

    def __init__(self, source: TokenSource) -> None:
        url = httpx.URL(source.base_url)._uri_reference
        self._source = source
        self._scheme, self._host, self._port = url.scheme, url.host, url.port

    def sync_auth_flow(
        self, request: httpx.Request
    ) -> Generator[httpx.Request, httpx.Response, None]:
        """Authenticate one request of an ``httpx.Client``."""
        if not self._is_ours(request):
            request.headers.pop("Authorization", None)
            yield request
            return
        request.headers["Authorization"] = _BEARER + self._source.get_token().value
        response = yield request
        if response.status_code == 401 and self.heed(response) and _can_be_sent_again(request):
            _free(response)
            if _takes(request, self._source.get_token()):
                self.heed((yield request))

    async def async_auth_flow(
        self, request: httpx.Request
    ) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Authenticate one request of an ``httpx.AsyncClient``."""
        if not self._is_ours(request):
            request.headers.pop("Authorization", None)
            yield request
            return
        request.headers["Authorization"] = _BEARER + (await self._source.aget_token()).value
        response = yield request
        if response.status_code == 401 and self.heed(response) and _can_be_sent_again(request):
            await _free_async(response)
            if _takes(request, await self._source.aget_token()):
                self.heed((yield request))

    def heed(self, response: httpx.Response) -> bool:
        """
        Drop the token if *response* is a 401 to it.

        The authentication does so itself. As the first response hook of a client it does so
        too if a later hook raises: ``event_hooks={"response": [auth.heed, …]}``.

        Returns:
            Whether it is a 401 that another token may mend.
        """
        if response.status_code != 401:
            return False
        # Redirects have been followed by now, and a 401 from elsewhere says nothing.
        sent = response.request
        rejected = sent.headers.get("Authorization", "")
        if not self._is_ours(sent) or not rejected.startswith(_BEARER):
            return False
        return self._source.report_rejection(rejected.removeprefix(_BEARER))

    async def aheed(self, response: httpx.Response) -> bool:
        """Do the same as a hook of an ``httpx.AsyncClient``."""
        return self.heed(response)

    def _is_ours(self, request: httpx.Request) -> bool:
        # Every call comes by here. httpx's public properties take three times as long.
        url = request.url._uri_reference
        return url.host == self._host and url.port == self._port and url.scheme == self._scheme


def _takes(request: httpx.Request, token: AccessToken) -> bool:
    """Put *token* on the *request*, in place of another one; false if it is the same."""
    rejected = request.headers["Authorization"]
    request.headers["Authorization"] = _BEARER + token.value
    return request.headers["Authorization"] != rejected


def _can_be_sent_again(request: httpx.Request) -> bool:
    stream: Any = request.stream
    if isinstance(stream, httpx.ByteStream):
        return True
    fields = getattr(stream, "fields", None)  # of a multipart body, which rewinds its files
    return isinstance(fields, list) and all(
        isinstance(file, str | bytes) or (hasattr(file, "seekable") and file.seekable())
        for file in (getattr(field, "file", b"") for field in fields)
    )


# A 401 that nobody has read holds its connection, which the token request may need. So some of
# its body is copied, and the rest is let go. Closed only, it could not be read by who gets it.
# A job's time limit, which any line may raise, is none of these but for a bare TimeoutError.
_BROKEN = (httpx.HTTPError, OSError, RuntimeError)


def _free(response: httpx.Response) -> None:
    stream, copied = response.stream, bytearray()
    if response.is_closed or not isinstance(stream, httpx.SyncByteStream):
        return
    end = time.monotonic() + _LONGEST_COPYING
    with suppress(*_BROKEN), _short_reads(response.request):  # good enough so far
        for chunk in stream:
            copied += chunk
            if len(copied) >= _LARGEST_COPY or time.monotonic() >= end:
                break
    with suppress(*_BROKEN):
        stream.close()
    response.stream = httpx.ByteStream(bytes(copied[:_LARGEST_COPY]))


async def _free_async(response: httpx.Response) -> None:
    stream, copied = response.stream, bytearray()
    if response.is_closed or not isinstance(stream, httpx.AsyncByteStream):
        return
    with suppress(*_BROKEN), anyio.move_on_after(_LONGEST_COPYING) as scope:
        async for chunk in stream:
            copied += chunk
            if len(copied) >= _LARGEST_COPY:
                scope.cancel()  # unlike a break, it leaves no generator half done
    with suppress(*_BROKEN):
        await stream.aclose()
    response.stream = httpx.ByteStream(bytes(copied[:_LARGEST_COPY]))


@contextmanager
def _short_reads(request: httpx.Request) -> Iterator[None]:
    """Let no read of the answer to *request* take longer than a copy may."""
    timeouts = request.extensions.get("timeout", {})
    request.extensions["timeout"] = {**timeouts, "read": _LONGEST_COPYING}
    try:
        yield
    finally:
        request.extensions["timeout"] = timeouts
