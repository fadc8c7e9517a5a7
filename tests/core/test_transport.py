"""What stands between httpx and the network on the way to the token endpoint."""

import time
from collections.abc import Iterator

import httpx
import pytest

import setle
from setle._endpoint.transport import Borrowed, LimitedStream

MEBIBYTE = 1 << 20


class Stream(httpx.SyncByteStream):
    """A body in chunks."""

    def __init__(self, *chunks: bytes) -> None:
        self.chunks = chunks
        self.read = 0
        self.is_closed = False

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self.chunks:
            self.read += 1
            yield chunk

    def close(self) -> None:
        self.is_closed = True


class Transport(httpx.BaseTransport):
    def __init__(self) -> None:
        self.closed = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, text=f"for {request.url}")

    def close(self) -> None:
        self.closed += 1


def limited(*chunks: bytes, seconds: float = 60.0) -> tuple[Stream, LimitedStream]:
    stream = Stream(*chunks)
    return stream, LimitedStream(stream, time.monotonic() + seconds)


@pytest.mark.parametrize("chunks", [(), (b"a", b"b"), (b"x" * MEBIBYTE,), (b"x",) * 1000])
def test_body_within_the_limits(chunks: tuple[bytes, ...]) -> None:
    """A body of up to 1 MiB comes through as it is."""
    assert tuple(limited(*chunks)[1]) == chunks


@pytest.mark.parametrize("chunks", [(b"x" * (MEBIBYTE + 1),), (b"x" * MEBIBYTE, b"y", b"z")])
def test_body_that_is_too_large(chunks: tuple[bytes, ...]) -> None:
    """A larger body is not read any further."""
    stream, body = limited(*chunks)
    with pytest.raises(setle.TokenResponseError, match="1 MiB") as caught:
        list(body)
    assert caught.value.status_code == 200
    assert stream.read == len(chunks[:2])


def test_body_that_comes_too_slowly() -> None:
    """After the deadline no chunk is taken any more."""
    stream, body = limited(b"a", b"b", seconds=-1.0)
    with pytest.raises(httpx.ReadTimeout):
        list(body)
    assert stream.read == 1


def test_body_is_closed() -> None:
    """Closing it gives the connection back."""
    stream, body = limited(b"a")
    body.close()
    assert stream.is_closed


def test_borrowed_transport_is_used_and_not_closed() -> None:
    """A client made with a borrowed transport uses it, and leaves it open at its end."""
    transport = Transport()
    for _ in range(2):
        with httpx.Client(transport=Borrowed(transport)) as client:
            assert client.get("https://one.example/").text == "for https://one.example/"
    assert transport.closed == 0


def test_transport_for_both_worlds() -> None:
    """A transport that serves async as well can be borrowed."""
    transport = httpx.MockTransport(lambda request: httpx.Response(204))
    with httpx.Client(transport=Borrowed(transport)) as client:
        assert client.get("https://one.example/").status_code == 204


@pytest.mark.parametrize("transport", [httpx.AsyncHTTPTransport(), object(), "https://"])
def test_transport_that_is_not_sync(transport: object) -> None:
    """Whatever cannot carry a sync request is refused by the name of its type."""
    with pytest.raises(setle.ConfigurationError, match=rf"\({type(transport).__name__}\)"):
        Borrowed(transport)
