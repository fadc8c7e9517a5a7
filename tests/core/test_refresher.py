"""One refresh: look, lock, look again, ask, save; and a store that fails costs no call."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ContextDecorator, contextmanager
from datetime import timedelta
from typing import NoReturn, Self

import pytest

import setle
from setle.testing import Answer, Sandbox
from tests.support import Clock, credentials_of, join_refreshes, source_of


class Recording(setle.MemoryTokenStore):
    """A store that writes down what is done to it, and fails where told."""

    def __init__(self, fails: str = "", error: Exception | None = None) -> None:
        super().__init__()
        self.fails, self.error = fails, error or OSError("disk full of s3cret")
        self.done: list[str] = []

    def _do(self, what: str) -> None:
        self.done.append(what)
        if what == self.fails:
            raise self.error

    def load(self, key: str) -> setle.AccessToken | None:
        self._do("load")
        return super().load(key)

    def save(self, key: str, token: setle.AccessToken) -> None:
        self._do("save")
        super().save(key, token)

    @contextmanager
    def lock(  # type: ignore[override] # narrower than a null context
        self, key: str, timeout: float
    ) -> Iterator[Callable[[], None] | None]:
        self.timeout = timeout
        self._do("lock")
        yield lambda: self._do("extend")
        self._do("unlock")


def test_a_refresh_looks_locks_looks_again_asks_and_saves(sandbox: Sandbox) -> None:
    """The lock is held around the second look, the request and the save."""
    store = Recording()
    source_of(sandbox, store=store).get_token()
    assert store.done == ["load", "lock", "load", "extend", "save", "unlock"]


def test_what_the_store_holds_is_used_without_lock_or_request(sandbox: Sandbox) -> None:
    """A second process pays with one look."""
    store = Recording()
    token = source_of(sandbox, store=store).get_token()
    store.done.clear()
    assert source_of(sandbox, store=store).get_token() == token
    assert store.done == ["load"]
    assert sandbox.token_requests == 1


def test_a_fresh_token_needs_no_store(sandbox: Sandbox) -> None:
    """A thousand calls touch it no more than the first one did."""
    store = Recording()
    source = source_of(sandbox, store=store)
    source.get_token()
    store.done.clear()
    for _ in range(1_000):
        source.get_token()
    assert store.done == []


def test_what_came_while_waiting_for_the_lock_is_used(sandbox: Sandbox) -> None:
    """The second look saves the request that another process has made meanwhile."""
    theirs = source_of(sandbox).get_token()

    class Busy(Recording):
        @contextmanager
        def lock(self, key: str, timeout: float) -> Iterator[None]:
            self.save(key, theirs)
            yield None

    assert source_of(sandbox, store=Busy()).get_token() == theirs
    assert sandbox.token_requests == 1


def test_the_lock_is_waited_for_half_the_deadline(sandbox: Sandbox) -> None:
    """Time is left to ask without it."""
    store = Recording("lock", TimeoutError())
    began = time.monotonic()
    source_of(sandbox, store=store, timeout=4).get_token()
    assert time.monotonic() - began >= 2
    assert sandbox.token_requests == 1


def test_who_waits_for_the_lock_looks_meanwhile(sandbox: Sandbox) -> None:
    """Not only with the lock, or all who waited would queue up for it only to look."""
    other = setle.MemoryTokenStore()
    token = source_of(sandbox, store=other).get_token()

    class Taken(setle.MemoryTokenStore):
        def lock(self, key: str, timeout: float) -> NoReturn:
            saved = other.load(key)
            assert saved is not None
            self.save(key, saved)
            raise TimeoutError

    assert source_of(sandbox, store=Taken()).get_token() == token
    assert sandbox.token_requests == 1


def test_an_early_refresh_does_not_wait_for_the_lock(sandbox: Sandbox, clock: Clock) -> None:
    """Another process is at it; this one looks again a second later, and has not failed."""
    store = Recording()
    source = source_of(sandbox, store=store)
    old = source.get_token()
    store.fails, store.error = "lock", TimeoutError()
    store.done.clear()
    clock.go_on(3600 - 31)
    assert source.get_token() == old
    join_refreshes()
    assert source.get_token() == old
    join_refreshes()
    assert store.done == ["load", "lock"]
    store.fails = ""
    clock.go_on(1)
    assert source.get_token() != old
    assert sandbox.token_requests == 2


def test_the_lock_is_extended_before_each_attempt(sandbox: Sandbox) -> None:
    """A lock with a time limit outlives the pauses between attempts."""
    down = Answer(503)
    sandbox.script_token(down, down)
    store = Recording()
    source_of(sandbox, store=store).get_token()
    assert store.done.count("extend") == 3


class Decorator(ContextDecorator):
    """A context manager that yields itself, and can be called."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        pass


@pytest.mark.parametrize("lock", [threading.Semaphore(), Decorator()])
def test_a_lock_may_yield_itself(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture, lock: AbstractContextManager[object]
) -> None:
    """As most locks do, or True; that extends nothing, and is no trouble."""

    class Plain(setle.MemoryTokenStore):
        def lock(  # type: ignore[override] # wider than a null context
            self, key: str, timeout: float
        ) -> AbstractContextManager[object]:
            return lock

    with caplog.at_level(logging.WARNING, "setle"):
        source_of(sandbox, store=Plain()).get_token()
    assert caplog.text == ""


@pytest.mark.parametrize("fails", ["load", "save", "lock", "extend", "unlock"])
@pytest.mark.parametrize("error", [OSError("s3cret"), TimeoutError("s3cret")])
def test_a_store_that_fails_costs_no_call(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture, fails: str, error: Exception
) -> None:
    """It is logged, without what the error says, and the refresh goes on."""
    store = Recording(fails, error)
    source = source_of(sandbox, store=store, timeout=6)
    with caplog.at_level(logging.WARNING, "setle"):
        assert source.get_token() == source.get_token()
    assert sandbox.token_requests == 1
    assert "Recording" in caplog.text
    assert type(error).__name__ in caplog.text
    assert "s3cret" not in caplog.text


def test_nothing_is_saved_when_the_request_fails(sandbox: Sandbox) -> None:
    """And the lock is released all the same."""
    store = Recording()
    sandbox.script_token(Answer(401))
    with pytest.raises(setle.TokenRejectedError):
        source_of(sandbox, store=store).get_token()
    assert store.done == ["load", "lock", "load", "extend", "unlock"]


def test_a_stored_token_that_is_stale_is_not_used(sandbox: Sandbox, clock: Clock) -> None:
    """It would have to be replaced at once."""
    store = setle.MemoryTokenStore()
    old = source_of(sandbox, store=store).get_token()
    clock.go_on(3600 - 30)
    assert source_of(sandbox, store=store).get_token() != old


def test_a_stored_token_in_its_window_is_used_and_refreshed_early(
    sandbox: Sandbox, clock: Clock
) -> None:
    """A process that starts then does not wait either."""
    store = setle.MemoryTokenStore()
    old = source_of(sandbox, store=store).get_token()
    clock.go_on(3600 - 31)
    source = source_of(sandbox, store=store)
    assert source.get_token() == old
    assert source.get_token() == old
    join_refreshes()
    assert source.get_token() != old
    assert sandbox.token_requests == 2


def test_an_older_stored_token_does_not_replace_a_newer_one(sandbox: Sandbox, clock: Clock) -> None:
    """A store that lost the last save is not believed, however long its token would last."""
    store = Recording()
    sandbox.lifetime = 86_400
    oldest = source_of(sandbox, store=store).get_token()
    source = source_of(sandbox, store=Recording())
    clock.go_on(1)
    sandbox.lifetime = 60
    newer = source.get_token()
    source._refresh._store.save(_key(sandbox), oldest)
    clock.go_on(55)
    assert source.get_token() == newer
    join_refreshes()
    assert source.get_token() not in (newer, oldest)
    assert sandbox.token_requests == 3


def test_the_token_in_hand_is_not_taken_from_the_store_for_a_new_one(
    sandbox: Sandbox, clock: Clock
) -> None:
    """A store may round its end up a little; that makes it no other token."""

    class Rounding(setle.MemoryTokenStore):
        def load(self, key: str) -> setle.AccessToken | None:
            token = super().load(key)
            if token is None:
                return None
            end = token.expires_at + timedelta(milliseconds=1)
            return setle.AccessToken(token.value, end, token.lifetime)

    source = source_of(sandbox, store=Rounding())
    old = source.get_token()
    clock.go_on(3600 - 31)
    assert source.get_token() == old
    join_refreshes()
    assert source.get_token() != old
    assert sandbox.token_requests == 2


def _key(sandbox: Sandbox) -> str:
    return credentials_of(sandbox).key(sandbox.base_url)


def test_another_source_does_not_start_with_a_rejected_token(sandbox: Sandbox) -> None:
    """What one source of the process learnt from a 401 holds for those that come later."""
    store = setle.MemoryTokenStore()
    first = source_of(sandbox, store=store)
    old = first.get_token()
    first.invalidate(old)
    assert source_of(sandbox, store=store).get_token() != old


def test_a_late_rejection_brings_no_other_rejected_token_back(sandbox: Sandbox) -> None:
    """One source saw both tokens rejected, another one only now reports the first."""
    store = setle.MemoryTokenStore()
    quick, late = source_of(sandbox, store=store), source_of(sandbox, store=store)
    first = late.get_token()
    for _ in range(2):
        quick.invalidate(quick.get_token())
    late.invalidate(first)
    late.get_token()
    assert sandbox.token_requests == 3


def test_other_credentials_never_meet_a_token(sandbox: Sandbox) -> None:
    """The same store keeps them apart, by base URL, id and secret."""
    store = setle.MemoryTokenStore()
    first = source_of(sandbox, store=store).get_token()
    sandbox.rotate_secret()
    assert source_of(sandbox, store=store).get_token() != first


def test_a_new_token_is_logged_by_its_fingerprint(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    """Enough to follow roll-overs, and not enough to use them."""
    with caplog.at_level(logging.DEBUG, "setle"):
        token = source_of(sandbox).get_token()
    assert [record.getMessage() for record in caplog.records if record.name == "setle"] == [
        f"new access token {token.fingerprint}, good for 3600 s"
    ]


def test_a_slow_store_holds_nobody_up_whose_token_is_fresh(sandbox: Sandbox) -> None:
    """Only callers without a token wait for it."""
    release = threading.Event()

    class Slow(setle.MemoryTokenStore):
        def load(self, key: str) -> setle.AccessToken | None:
            release.wait(30)
            return super().load(key)

    release.set()
    source = source_of(sandbox, store=Slow())
    token = source.get_token()
    release.clear()
    assert source.get_token() == token
    release.set()
