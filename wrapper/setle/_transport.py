"""What stands between httpx and the network on the way to the token endpoint."""

import time
from collections.abc import Iterator

import httpx

from ._errors import ConfigurationError, TokenResponseError

__all__ = ["LimitedStream", "borrowed"]

_LARGEST_BODY = 1 << 20


class _Borrowed(httpx.BaseTransport):
    """A transport of the caller's, which is used but never closed."""

    def __init__(self, transport: httpx.BaseTransport) -> None:
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


def borrowed(transport: object) -> httpx.BaseTransport:
    """
    Return *transport* as one that can be used but not closed.

    Raises:
        ConfigurationError: It serves async only.
    """
    if not isinstance(transport, httpx.BaseTransport):
        raise ConfigurationError(
            f"a transport in httpx_args ({type(transport).__name__}) serves async only, and the"
            " token request is sync; pass one that is an httpx.BaseTransport too"
        )
    return _Borrowed(transport)
