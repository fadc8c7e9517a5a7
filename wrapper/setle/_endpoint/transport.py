"""What stands between httpx and the network on the way to the token endpoint."""

import time
from collections.abc import Iterator
from contextlib import suppress
from typing import cast

import httpx

from .._endpoint.answer import failure_of
from .._errors import ConfigurationError, TokenError, TokenResponseError

_LARGEST_BODY = 1 << 20


class Borrowed(httpx.BaseTransport):
    """
    A transport of the caller's, which is used but never closed.

    Raises:
        ConfigurationError: It serves async only.
    """

    def __init__(self, transport: object) -> None:
        if not isinstance(transport, httpx.BaseTransport):
            raise ConfigurationError(
                f"a transport in httpx_args ({type(transport).__name__}) serves async only, and the"
                " token request is sync; pass one that is an httpx.BaseTransport too"
            )
        self.handle_request = transport.handle_request  # type: ignore[method-assign] # delegates


class LimitedStream(httpx.SyncByteStream):
    """A body that may neither drip on for ever nor fill the memory: httpx bounds neither."""

    def __init__(self, stream: httpx.SyncByteStream, deadline: float) -> None:
        self._stream, self._deadline = stream, deadline

    def __iter__(self) -> Iterator[bytes]:
        size = 0
        for chunk in self._stream:
            size += len(chunk)
            if size > _LARGEST_BODY:
                # Only ever seen of a 200: of all others, the status tells enough.
                raise TokenResponseError(
                    "the token endpoint's answer is larger than 1 MiB", status_code=200
                )
            if time.monotonic() > self._deadline:
                raise httpx.ReadTimeout("the answer came too slowly")
            yield chunk

    def close(self) -> None:
        self._stream.close()


class Gate:
    """
    Lets a JSON object with status 200 through, and raises for everything else.

    The generated parser loses ``Retry-After``, fails on 599 and HTML, and takes a list.

    Attributes:
        has_passed: Whether all of an answer 200 has come.
    """

    def __init__(self, secret: str, *, deadline: float) -> None:
        self.has_passed = False
        self._secret, self._deadline = secret, deadline

    def __call__(self, response: httpx.Response) -> None:
        body = cast("httpx.SyncByteStream", response.stream)
        response.stream = LimitedStream(body, self._deadline)
        if response.status_code != 200:
            # The status tells enough if the body cannot be read.
            with suppress(httpx.HTTPError, TokenError):
                response.read()
            raise failure_of(response, self._secret)
        response.read()
        self.has_passed = True
        if not isinstance(response.json(), dict):
            raise ValueError("not an object")
