"""What a store raises, returns or never returns costs token requests, never a call."""

import asyncio
import errno
import logging
import os
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, ContextDecorator, asynccontextmanager, nullcontext
from datetime import UTC, datetime
from decimal import Decimal
from email.message import Message
from typing import Any, NoReturn
from urllib.error import HTTPError

import pytest

import setle
from setle.testing import Answer, Sandbox, forget_everything
from tests.support import join_refreshes, source_of
from tests.support.faults import asked, fault, named, saw, times, yes

METHODS = ["load", "save", "lock"]


class Store:
    """A store that works, but for the methods that a test replaces."""

    def __init__(self, **instead: Callable[..., Any]) -> None:
        self.saved: setle.AccessToken | None = None
        for name, method in instead.items():
            setattr(self, name, method)

    def load(self, key: str) -> setle.AccessToken | None:
        return self.saved

    def save(self, key: str, token: setle.AccessToken) -> None:
        self.saved = token

    def lock(self, key: str, timeout: float) -> AbstractContextManager[object]:
        return nullcontext()


def said(caplog: pytest.LogCaptureFixture, level: int = logging.WARNING) -> list[str]:
    """Return what was logged of the store at that *level*."""
    join_refreshes()  # which tell what came of them at their end
    return [
        record.getMessage()
        for record in caplog.records
        if record.levelno == level and "store_" in getattr(record, "setle_event", "")
    ]


def roll_over(source: setle.TokenSource) -> None:
    """Make *source* get another token."""
    source.invalidate(source.get_token())
    source.get_token()


async def _coroutine(*_: object) -> None: ...


@asynccontextmanager
async def _async_lock(*_: object) -> AsyncIterator[None]:
    yield


def _decimal(_: object) -> setle.AccessToken:
    lifetime: Any = Decimal(60)
    return setle.AccessToken("t0ken", datetime.now(UTC), lifetime)


def _raising(error: BaseException) -> Callable[..., Any]:
    def method(*_: object) -> Any:
        raise error

    return method


WRONG: dict[str, tuple[str, Callable[..., Any], str]] = {
    "load returns False": ("load", lambda _: False, "it returned bool, which is no AccessToken"),
    "load returns bytes": ("load", lambda _: b"", "it returned bytes, which is no AccessToken"),
    "load returns a dict": (
        "load",
        lambda _: {"access_token": "t0ken"},
        "it returned dict, which is no AccessToken",
    ),
    "load returns a string": ("load", lambda _: "t0ken", "it returned str, which is no"),
    "load returns a class": ("load", lambda _: setle.AccessToken, "it returned type, which is no"),
    "load makes a token of a Decimal": ("load", _decimal, "ValueError"),
    "load is async": ("load", _coroutine, "it is async, and refreshes are not"),
    "save is async": ("save", _coroutine, "it is async, and refreshes are not"),
    "lock is async": ("lock", _coroutine, "it is async, and refreshes are not"),
    "lock is an async context manager": ("lock", _async_lock, "TypeError"),
    "lock returns None": ("lock", lambda *_: None, "TypeError"),
    "lock returns True": ("lock", lambda *_: True, "TypeError"),
    "extend is async": ("lock", lambda *_: nullcontext(_coroutine), "it is async"),
    "extend takes arguments": ("lock", lambda *_: nullcontext(lambda seconds: None), "TypeError"),
    "extend raises": ("lock", lambda *_: nullcontext(_raising(KeyError("s3cret"))), "KeyError"),
    "load raises an error with a URL": (
        "load",
        _raising(HTTPError("https://kv/?k=s3cret", 503, "down", Message(), None)),
        "HTTPError)",
    ),
    "load raises words about a URL": (
        "load",
        _raising(OSError(errno.EIO, "down", "https://kv/?k=s3cret")),
        "down)",
    ),
    "load raises an OSError of no words": ("load", _raising(OSError(5, {"s3cret": 1})), "OSError)"),
    "lock raises the system's timeout": (
        "lock",
        _raising(OSError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))),
        os.strerror(errno.ETIMEDOUT),
    ),
    **{
        f"{method} raises {type(error).__name__}": (method, _raising(error), type(error).__name__)
        for method in METHODS
        for error in (
            LookupError("s3cret"),
            RecursionError("s3cret"),
            NotImplementedError(),
            asyncio.CancelledError("s3cret"),
            SystemExit("s3cret"),
        )
    },
}


@fault(
    "Stores of your own",
    "a store raises, is async, or returns what is no token or lock",
    "one warning that says what is wrong; calls go on",
)
@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_wrong(
    sandbox: Sandbox,
    caplog: pytest.LogCaptureFixture,
    request: pytest.FixtureRequest,
    wrong: tuple[str, Callable[..., Any], str],
) -> None:
    """It costs one warning that says what is wrong, and no more requests than there are tokens."""
    method, does, problem = wrong
    fails = request.node.callspec.id.partition(" ")[0]
    source = source_of(sandbox, store=Store(**{method: does}))
    for _ in range(3):
        roll_over(source)
    assert sandbox.token_requests == 4
    assert len(said(caplog)) == 1
    assert said(caplog)[0].startswith(f"Store.{fails} failed ({problem}")
    assert "s3cret" not in caplog.text
    saw(times(len(said(caplog)), "warning"), f"{asked(sandbox)} for 4 tokens")


class Decorator(ContextDecorator):
    """A lock that may be called, but not to extend it."""

    def __enter__(self) -> None: ...

    def __exit__(self, *exc_info: object) -> None: ...


@pytest.mark.parametrize(
    "yielded",
    [None, True, b"", threading.Lock(), {}, "a lock", Decorator()],
    ids=lambda value: type(value).__name__,
)
def test_what_a_lock_may_yield(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture, yielded: object
) -> None:
    """What cannot be called is no way to extend the lock, and is ignored."""
    source_of(sandbox, store=Store(lock=lambda *_: nullcontext(yielded))).get_token()
    assert sandbox.token_requests == 1
    assert said(caplog) == []


def test_a_lock_that_yields_itself(sandbox: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    """It is not called, though it can be, as a decorator."""

    class Lock:
        def __enter__(self) -> "Lock":
            return self

        def __exit__(self, *exc_info: object) -> None: ...

        def __call__(self) -> None:
            raise AssertionError

    source_of(sandbox, store=Store(lock=lambda *_: Lock())).get_token()
    assert said(caplog) == []


@pytest.mark.parametrize("error", [LookupError, KeyboardInterrupt])
def test_where_no_thread_can_be_had(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    """The caller itself is in the store then, and what interrupts it there is not the store's."""

    def no_thread(*_: object) -> NoReturn:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("setle._refresh.state.start_new_thread", no_thread)
    source = source_of(sandbox, store=Store(load=_raising(error("s3cret"))))
    if error is KeyboardInterrupt:
        with pytest.raises(KeyboardInterrupt):
            source.get_token()
    else:
        source.get_token()
    assert sandbox.token_requests == (error is LookupError)


def test_a_dead_store_is_not_taken_for_a_lock_that_others_have(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    """Where nothing answers, locking times out as if somebody else had the lock."""
    silent = _raising(TimeoutError("timed out"))
    source_of(sandbox, store=Store(load=silent, lock=silent)).get_token()
    assert said(caplog) == ["Store.load failed (TimeoutError); going on without it"]
    assert "has been held" not in caplog.text


def test_the_lock_is_extended(sandbox: Sandbox) -> None:
    """What a lock yields is called before the first attempt, and in the pause before the next."""
    extended: list[int] = []
    lock = nullcontext(lambda: extended.append(sandbox.token_requests))
    sandbox.script_token(Answer(503))
    source_of(sandbox, store=Store(lock=lambda *_: lock)).get_token()
    assert extended[0] == 0
    assert set(extended) == {0, 1}


def test_a_lock_that_cannot_be_released(sandbox: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    """It costs one warning, and not the token."""

    class Lock:
        def __enter__(self) -> None: ...

        def __exit__(self, *exc_info: object) -> None:
            raise OSError(5, "Input/output error", "/mnt/lock")

    source_of(sandbox, store=Store(lock=lambda *_: Lock())).get_token()
    assert said(caplog) == [
        "Store.unlock failed (Input/output error: /mnt/lock); going on without it"
    ]


@fault(
    "Stores of your own", "a lock that swallows errors, and 401", "the refusal reaches the caller"
)
def test_a_lock_that_swallows_errors(sandbox: Sandbox) -> None:
    """A refusal reaches the caller whatever the lock's end says of it."""

    class Lock:
        def __enter__(self) -> None: ...

        def __exit__(self, *exc_info: object) -> bool:
            return True

    sandbox.rotate_secret()
    source = source_of(
        sandbox,
        credentials=setle.ClientCredentials("id", "secret"),
        store=Store(lock=lambda *_: Lock()),
    )
    with pytest.raises(setle.TokenRejectedError) as caught:
        source.get_token()
    saw(named(caught.value))


@fault(
    "Stores of your own",
    "a store that is down, twice, with refreshes in between",
    "told of once each time, and that it works again",
)
def test_one_trouble_is_told_once(sandbox: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    """A store that is down fails in all its methods, and is told of once, until it works again."""
    down = True

    def method(usual: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: object) -> Any:
            if down:
                raise OSError(111, "Connection refused")
            return usual(*args)

        return call

    store = Store()
    for name in METHODS:
        setattr(store, name, method(getattr(store, name)))
    source = source_of(sandbox, store=store)
    caplog.set_level(logging.DEBUG)
    for count in (1, 2):
        down = True
        for _ in range(2):
            roll_over(source)
        assert len(said(caplog)) == count
        assert said(caplog)[-1] == "Store.load failed (Connection refused); going on without it"
        assert len(said(caplog, logging.INFO)) == count - 1
        down = False
        for _ in range(2):
            roll_over(source)
        assert said(caplog, logging.INFO) == ["Store works again"] * count
    assert len(said(caplog, logging.DEBUG)) > 2
    clear = len(said(caplog, logging.INFO))
    saw(f"{len(said(caplog))} warnings and {clear} all-clears for 2 times")


def test_a_trouble_is_told_anew_when_everything_was_forgotten(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    """A test sees it whatever those before have seen."""
    source = source_of(sandbox, store=Store(save=_raising(OSError(28, "is full"))))
    for _ in range(2):
        roll_over(source)
    forget_everything()
    source.get_token()
    assert said(caplog) == ["Store.save failed (is full); going on without it"] * 2


def test_each_trouble_is_told(sandbox: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    """Two methods that fail for different reasons are two things to mend."""
    store = Store(load=_raising(OSError(13, "may not read")), save=_raising(OSError(28, "is full")))
    source = source_of(sandbox, store=store)
    for _ in range(2):
        roll_over(source)
    assert said(caplog) == [
        "Store.load failed (may not read); going on without it",
        "Store.save failed (is full); going on without it",
    ]


def test_fields(sandbox: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    """A record has its event, the method and the problem as attributes."""
    source_of(sandbox, store=Store(save=_raising(OSError(28, "is full", "/tokens")))).get_token()
    join_refreshes()
    (record,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    fields = {name: value for name, value in vars(record).items() if name.startswith("setle_")}
    assert fields == {
        "setle_event": "store_failed",
        "setle_store": "Store.save",
        "setle_problem": "is full: /tokens",
    }


# Stores that do not return.


class Hanging(Store):
    """
    Hangs in one method, from the first call on until it is let go.

    Attributes:
        inside: How many calls hang.
    """

    def __init__(self, method: str) -> None:
        super().__init__()
        self.go = threading.Event()
        self.inside = 0
        setattr(self, method, self._hang(getattr(self, method)))

    def _hang(self, usual: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: object) -> Any:
            if not self.go.is_set():
                self.inside += 1
                assert self.go.wait(60)
                self.inside -= 1
            return usual(*args)

        return call


@fault(
    "Stores of your own",
    "a store hangs in `load`, `save` or `lock`, and comes back",
    "one call in it meanwhile; it is used again",
)
@pytest.mark.parametrize("method", METHODS)
def test_hanging(sandbox: Sandbox, caplog: pytest.LogCaptureFixture, method: str) -> None:
    """It costs a third of the deadline once; then it is left alone until it comes back."""
    store = Hanging(method)
    source = source_of(sandbox, store=store, timeout=3.0)
    try:
        before = time.monotonic()
        source.get_token()
        assert 1.0 <= time.monotonic() - before < 2.0
        before = time.monotonic()
        for _ in range(3):
            roll_over(source)
        assert time.monotonic() - before < 1.0
        hung = store.inside
        assert hung == 1
    finally:
        store.go.set()
    warning = f"Hanging.{method} failed (it does not return); going on without it"
    assert said(caplog) == [warning]
    requests = sandbox.token_requests
    source.invalidate(source.get_token())
    token = source.get_token()
    join_refreshes()
    assert sandbox.token_requests == requests + 1
    assert store.saved == token
    saw(f"{times(hung, 'call')} hung in it", f"used again: {yes(store.saved == token)}")


def test_a_store_that_hangs_for_many(sandbox: Sandbox) -> None:
    """Keys that come later than the hanging begins do not add a thread each."""
    store = Hanging("load")
    try:
        source_of(sandbox, store=store, timeout=1.5).get_token()
        for _ in range(5):
            sandbox.rotate_secret()
            source_of(sandbox, store=store, timeout=1.5).get_token()
        assert store.inside == 1
        assert sandbox.token_requests == 6
    finally:
        store.go.set()
        join_refreshes()


def test_a_store_that_is_merely_busy(sandbox: Sandbox) -> None:
    """While it has another key's refresh for less than a third of a deadline, it is used."""
    entered, go = threading.Event(), threading.Event()

    def load(_: str) -> None:
        if not entered.is_set():
            entered.set()
            assert go.wait(60)

    store = Store(load=load)
    first = threading.Thread(target=source_of(sandbox, store=store).get_token)
    first.start()
    assert entered.wait(60)
    other = setle.ClientCredentials(sandbox.client_id, f"{sandbox.client_secret}0")
    sandbox.script_token(
        Answer(json={"access_token": "t", "expires_in": 60, "token_type": "Bearer"})
    )
    token = source_of(sandbox, credentials=other, store=store, timeout=2.9).get_token()
    assert store.saved == token
    go.set()
    first.join(60)
    join_refreshes()


def test_a_slow_store(sandbox: Sandbox) -> None:
    """A store that fails slowly costs a third of the deadline in all, not in each method."""
    method = _raising_after(0.9)
    source = source_of(sandbox, store=Store(load=method, save=method, lock=method), timeout=3.0)
    before = time.monotonic()
    source.get_token()
    assert 1.0 <= time.monotonic() - before < 1.7
    join_refreshes()


def _raising_after(seconds: float) -> Callable[..., Any]:
    def method(*_: object) -> Any:
        time.sleep(seconds)  # what a client does until its own timeout
        raise OSError(110, "Connection timed out")

    return method
