"""A token answer that is packed, or too big, is refused before anybody unpacks it."""

import gzip
import json
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from functools import cache

import httpx
import pytest

import setle
from setle.testing import Answer, Sandbox
from tests.support import join_refreshes, source_of
from tests.support.faults import asked, fault, named, saw, yes

TOKEN = json.dumps({"access_token": "a", "expires_in": 3600, "token_type": "Bearer"}).encode()
LIMIT = 32 << 20


@cache
def bomb(depth: int) -> bytes:
    """Return 100 MB of blanks around a token, packed *depth* times."""
    packer = zlib.compressobj(9, wbits=31)
    packed = b"".join(packer.compress(b" " * 1_000_000) for _ in range(100))
    packed += packer.compress(TOKEN) + packer.flush()
    for _ in range(depth - 1):
        packed = gzip.compress(packed)
    return packed


PACKED: dict[str, tuple[Callable[[], bytes], str]] = {
    "gzip": (lambda: bomb(1), "gzip"),
    "x-gzip": (lambda: bomb(1), "x-gzip"),
    "twice": (lambda: bomb(2), "gzip, gzip"),
    "deflate": (lambda: zlib.compress(TOKEN), "deflate"),
    "br": (lambda: b"\x0b\x02\x80ab\x03", "br"),
    "zstd": (lambda: b"\x28\xb5\x2f\xfd", "zstd"),
    "capitals": (lambda: gzip.compress(TOKEN), "GZIP"),
    "none at last": (lambda: gzip.compress(TOKEN), "gzip, identity"),
    "unknown": (lambda: TOKEN, "rot13"),
}


@pytest.fixture
def memory() -> Iterator[None]:
    """Fail the test if it takes as much memory as an unpacked answer would."""
    tracemalloc.start()
    yield
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < LIMIT


@fault(
    "Answers",
    "a compressed answer, some of which unpack to 100 MB",
    "refused unread: nobody asked for it",
)
@pytest.mark.parametrize("kind", PACKED)
def test_a_packed_token_is_refused_unread(sandbox: Sandbox, kind: str) -> None:
    """We asked for no such thing; a small answer may unpack to any size."""
    pack, encoding = PACKED[kind]
    sandbox.script_token(Answer(body=pack(), headers={"Content-Encoding": encoding}))
    source = source_of(sandbox)
    tracemalloc.start()
    with pytest.raises(setle.TokenResponseError, match="compressed") as caught:
        source.get_token()
    join_refreshes()
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert caught.value.status_code == 200
    assert most < LIMIT
    assert sandbox.token_requests == 1
    saw(named(caught.value), f"32 MiB used: {yes(most >= LIMIT)}", asked(sandbox))


@pytest.mark.parametrize("kind", ["gzip", "twice", "br", "unknown"])
@pytest.mark.parametrize(
    ("status", "error"),
    [
        (401, setle.TokenRejectedError),
        (404, setle.TokenResponseError),
        (503, setle.TokenUnavailableError),
        (599, setle.TokenUnavailableError),
    ],
)
@pytest.mark.usefixtures("memory")
def test_the_status_of_a_packed_failure_tells_enough(
    sandbox: Sandbox, status: int, error: type[setle.TokenError], kind: str
) -> None:
    """Its body is left alone, and its headers are heeded."""
    pack, encoding = PACKED[kind]
    headers = {"Content-Encoding": encoding, "Retry-After": "20"}
    sandbox.script_token(Answer(status, body=pack(), headers=headers))
    with pytest.raises(error) as caught:
        source_of(sandbox).get_token()
    join_refreshes()
    assert caught.value.status_code == status
    assert caught.value.messages == []
    assert caught.value.retry_after == 20
    assert sandbox.token_requests == 1


@pytest.mark.parametrize("encoding", ["identity", "Identity", "", None])
def test_an_answer_that_is_not_packed_is_read(sandbox: Sandbox, encoding: str | None) -> None:
    """Some servers say so."""
    headers = {} if encoding is None else {"Content-Encoding": encoding}
    sandbox.script_token(Answer(body=TOKEN, headers=headers))
    assert source_of(sandbox).get_token().value == "a"


@pytest.mark.parametrize("status", [200, 401, 503])
@pytest.mark.usefixtures("memory")
def test_a_big_answer_is_not_read_to_its_end(sandbox: Sandbox, status: int) -> None:
    """One MiB is more than any token or message has."""
    headers = {"Retry-After": "20"}
    sandbox.script_token(Answer(status, body=TOKEN + b" " * (8 << 20), headers=headers))
    with pytest.raises(setle.TokenError) as caught:
        source_of(sandbox).get_token()
    join_refreshes()
    assert caught.value.status_code == status


@pytest.mark.usefixtures("memory")
def test_a_transport_of_the_users_unpacks_nothing_either(sandbox: Sandbox) -> None:
    """Whatever it asks for, the answer is refused by its header."""
    sandbox.script_token(Answer(body=bomb(1), headers={"Content-Encoding": "gzip"}))
    with httpx.HTTPTransport() as transport:
        source = source_of(sandbox, transport=transport)
        with pytest.raises(setle.TokenResponseError, match="compressed"):
            source.get_token()
        join_refreshes()
