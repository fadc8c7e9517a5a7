"""What is read of a 401 before its request is sent once more."""

import types
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import anyio
import httpx
import pytest
from anyio.lowlevel import checkpoint

import setle
from setle.testing import Sandbox
from tests.support import source_of
from tests.support.worlds import ESTATES

LIMIT = 64 * 1024


class Body(httpx.SyncByteStream, httpx.AsyncByteStream):
    """The body of an answer, in *chunks*; counts how many were taken."""

    def __init__(self, *chunks: bytes, between: Callable[[], object] = bool) -> None:
        self.taken, self._chunks, self._between = 0, chunks, between

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._chunks:
            self._between()
            self.taken += 1
            yield chunk

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self._chunks:
            await checkpoint()
            self._between()
            self.taken += 1
            yield chunk


class BrokenBody(Body):
    """One that cannot be closed."""

    def close(self) -> None:
        raise OSError("closed already")

    async def aclose(self) -> None:
        raise OSError("closed already")


@pytest.fixture(params=["sync", "asyncio", "trio"])
def answered(request: pytest.FixtureRequest, sandbox: Sandbox) -> Callable[..., httpx.Response]:
    """What sends a request, answers it with a 401, and returns that once the next one comes."""
    auth = setle.BearerAuth(source_of(sandbox))

    def in_threads(body: Body, sent: httpx.Request) -> httpx.Response:
        flow = auth.sync_auth_flow(sent)
        next(flow)
        answer = httpx.Response(401, request=sent, stream=body)
        flow.send(answer)
        return answer

    async def in_tasks(body: Body, sent: httpx.Request) -> httpx.Response:
        flow = auth.async_auth_flow(sent)
        await anext(flow)
        answer = httpx.Response(401, request=sent, stream=body)
        await flow.asend(answer)
        await flow.aclose()
        return answer

    def answer(body: Body, sent: httpx.Request | None = None) -> httpx.Response:
        sent = sent or httpx.Request("GET", sandbox.base_url + ESTATES)
        if request.param == "sync":
            return in_threads(body, sent)
        return anyio.run(in_tasks, body, sent, backend=request.param)

    return answer


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """However busy the machine is, the time of a copy is not over."""
    monkeypatch.setattr("setle._auth._LONGEST_COPYING", 60.0)


@pytest.mark.usefixtures("patient")
def test_a_small_one_is_copied_as_a_whole(answered: Callable[..., httpx.Response]) -> None:
    """Who gets it can read all of it."""
    assert answered(Body(b"not ", b"this ", b"estate")).read() == b"not this estate"


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize(("size", "taken"), [(LIMIT, 1), (LIMIT - 1, 2), (40_000, 2)])
def test_a_large_one_is_copied_in_part(
    size: int, taken: int, answered: Callable[..., httpx.Response]
) -> None:
    """Of each, 64 KiB are kept, and no chunk is read that is not needed for them."""
    body = Body(*[b"x" * size] * 4)
    assert len(answered(body).read()) == LIMIT
    assert body.taken == taken


@pytest.mark.usefixtures("patient")
def test_one_that_cannot_be_closed_is_replayed(answered: Callable[..., httpx.Response]) -> None:
    """A transport is foreign code, and the request can be sent again all the same."""
    assert answered(BrokenBody(b"no")).read() == b"no"


def test_a_jobs_time_limit_ends_the_copy_and_the_call(
    answered: Callable[..., httpx.Response],
) -> None:
    """What a signal handler raises meanwhile is not taken for a broken connection."""

    class TimeLimitError(Exception): ...

    def interrupt() -> None:
        raise TimeLimitError

    with pytest.raises(TimeLimitError):
        answered(Body(b"x", between=interrupt))


@pytest.mark.parametrize("answered", ["sync"], indirect=True)
def test_a_slow_one_is_copied_for_a_second(
    answered: Callable[..., httpx.Response], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What has come by then is kept."""
    body = Body(*[b"x"] * 9)
    clock = types.SimpleNamespace(monotonic=lambda: 100.0 + 0.5 * body.taken)
    monkeypatch.setattr("setle._auth.time", clock)
    assert answered(body).read() == b"xx"


@pytest.mark.parametrize("answered", ["sync"], indirect=True)
def test_no_read_takes_longer_than_a_second(
    answered: Callable[..., httpx.Response], sandbox: Sandbox
) -> None:
    """Of the copy alone: the other timeouts hold, and so do all of them in what comes next."""
    timeouts = {"connect": 5.0, "read": 30.0}
    sent = httpx.Request(
        "GET", sandbox.base_url + ESTATES, extensions={"timeout": timeouts, "trace": None}
    )
    seen: list[Any] = []
    answered(Body(b"x", between=lambda: seen.append(dict(sent.extensions))), sent)
    assert seen == [{"timeout": {"connect": 5.0, "read": 1.0}, "trace": None}]
    assert sent.extensions == {"timeout": timeouts, "trace": None}
