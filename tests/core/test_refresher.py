"""One refresh: look, lock, look again, ask, save; and a store that fails costs no call."""

import logging
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ContextDecorator, contextmanager
from datetime import timedelta
from typing import NoReturn, Self

import pytest

import setle
from setle.testing import Answer, Sandbox
from tests.support import Clock, credentials_of, elsewhere, join_refreshes, source_of


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
    assert store.timeout == 0  # to wait for the lock in there


def test_a_store_is_asked_for_nothing_until_there_is_a_key(sandbox: Sandbox) -> None:
    """Nobody knows of a callable whose credentials it returns before it has."""
    keys: list[str] = []

    class Listening(setle.MemoryTokenStore):
        def load(self, key: str) -> setle.AccessToken | None:
            keys.append(key)
            return super().load(key)

    credentials = credentials_of(sandbox)
    source_of(sandbox, credentials=lambda: credentials, store=Listening()).get_token()
    assert {*keys} == {credentials.key(sandbox.base_url)}


def test_what_the_store_holds_is_used_without_lock_or_request(sandbox: Sandbox) -> None:
    """A second process pays with one look."""
    store, credentials = Recording(), credentials_of(sandbox)
    token = source_of(sandbox, store=store).get_token()
    for given in (credentials, lambda: credentials):
        store.done.clear()
        source = source_of(sandbox, credentials=given, store=elsewhere(store))
        assert source.get_token() == token
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


def test_the_lock_is_waited_for_until_a_third_of_the_deadline_is_left(sandbox: Sandbox) -> None:
    """Time is left to ask without it, and the tries come at a growing distance."""
    store = Recording("lock", TimeoutError())
    began = time.monotonic()
    source_of(sandbox, store=store, timeout=1.8).get_token()
    assert 1.2 <= time.monotonic() - began < 1.8
    assert 4 <= store.done.count("lock") <= 12
    assert store.done[-2:] == ["load", "save"]
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
    clock.go_on(3600 - 60)
    assert source.get_token() == old
    join_refreshes()
    assert source.get_token() == old
    join_refreshes()
    assert store.done == ["load", "lock"]
    store.fails = ""
    clock.go_on(1)
    assert source.get_token() == old
    join_refreshes()
    assert source.get_token() != old
    assert sandbox.token_requests == 2


def test_the_lock_is_extended_before_each_attempt_and_during_each_pause(sandbox: Sandbox) -> None:
    """A lock with a time limit outlives a pause, after which there is another look."""
    sandbox.script_token(Answer(503, headers={"Retry-After": "1.2"}))
    store = Recording()
    source_of(sandbox, store=store).get_token()
    pause = ["extend", "extend", "load"]
    assert store.done == ["load", "lock", "load", "extend", *pause, "save", "unlock"]


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
        join_refreshes()
    assert caplog.text == ""


@pytest.mark.parametrize("fails", ["load", "save", "lock", "extend", "unlock"])
@pytest.mark.parametrize("error", [OSError("s3cret"), TimeoutError("s3cret")])
def test_a_store_that_fails_costs_no_call(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture, fails: str, error: Exception
) -> None:
    """It is logged, without what the error says, and the refresh goes on."""
    if fails == "lock":
        error = OSError("s3cret")  # the other one says that somebody else holds it
    store = Recording(fails, error)
    source = source_of(sandbox, store=store, timeout=6)
    with caplog.at_level(logging.WARNING, "setle"):
        assert source.get_token() == source.get_token()
        join_refreshes()
    assert sandbox.token_requests == 1
    assert f"Recording.{fails} failed ({type(error).__name__})" in caplog.text
    assert "s3cret" not in caplog.text


def test_nothing_is_saved_when_the_request_fails(sandbox: Sandbox) -> None:
    """The lock is released all the same, after a last look for what others have got."""
    store = Recording()
    sandbox.script_token(Answer(401))
    with pytest.raises(setle.TokenRejectedError):
        source_of(sandbox, store=store).get_token()
    assert store.done == ["load", "lock", "load", "extend", "load", "unlock"]


def test_a_stored_token_that_is_stale_is_not_used(sandbox: Sandbox, clock: Clock) -> None:
    """It would have to be replaced at once."""
    store = setle.MemoryTokenStore()
    old = source_of(sandbox, store=store).get_token()
    clock.go_on(3600 - 30)
    assert source_of(sandbox, store=elsewhere(store)).get_token() != old


@pytest.mark.parametrize("answer", [Answer(401), Answer(404), Answer(json={})])
def test_a_stored_token_that_is_stale_is_used_when_no_other_can_be_had(
    sandbox: Sandbox, clock: Clock, answer: Answer
) -> None:
    """A usable token is always served, to a process that has only just started as well."""
    store = Recording()
    old = source_of(sandbox, store=store).get_token()
    clock.go_on(3600 - 1)
    sandbox.script_token(answer, answer)
    source = source_of(sandbox, store=elsewhere(store))
    store.done.clear()
    assert [source.get_token() for _ in range(3)] == [old] * 3
    assert sandbox.token_requests == 2
    join_refreshes()
    assert store.done == ["load", "lock", "load", "extend", "load", "unlock"]  # by the first call
    clock.go_on(1)
    with pytest.raises(setle.TokenError):
        source.get_token()


def test_what_another_process_saved_is_used_though_asking_is_held_back(
    sandbox: Sandbox, clock: Clock
) -> None:
    """A back-off holds up requests, and no look into the store."""
    store = setle.MemoryTokenStore()
    source = source_of(sandbox, store=store)
    sandbox.script_token(Answer(401))
    with pytest.raises(setle.TokenRejectedError):
        source.get_token()
    token = source_of(sandbox, store=elsewhere(store)).get_token()
    assert source.get_token() == token
    assert sandbox.token_requests == 2


def test_a_stored_token_in_its_window_is_used_and_refreshed_early(
    sandbox: Sandbox, clock: Clock
) -> None:
    """A process that starts then does not wait either, and a short one leaves that to others."""
    store = setle.MemoryTokenStore()
    old = source_of(sandbox, store=store).get_token()
    clock.go_on(3600 - 100)
    source = source_of(sandbox, store=elsewhere(store))
    assert source.get_token() == old
    clock.go_on(4.9)
    assert source.get_token() == old
    join_refreshes()
    assert sandbox.token_requests == 1
    clock.go_on(65)
    assert source.get_token() == old
    join_refreshes()
    assert source.get_token() != old
    assert sandbox.token_requests == 2


def test_an_early_refresh_takes_what_another_process_has_got(
    sandbox: Sandbox, clock: Clock
) -> None:
    """A newer token is no reason to ask, though the one in use still lasts."""
    store = setle.MemoryTokenStore()
    source = source_of(sandbox, store=store)
    old = source.get_token()
    clock.go_on(1800)
    theirs = source_of(sandbox).get_token()
    store.save(credentials_of(sandbox).key(sandbox.base_url), theirs)
    clock.go_on(1800 - 31)
    assert source.get_token() == old
    join_refreshes()
    assert source.get_token() == theirs
    assert sandbox.token_requests == 2


def test_a_stored_token_from_the_future_is_not_used(sandbox: Sandbox, clock: Clock) -> None:
    """The wall clock was set back since, and nobody knows how much of its life is left."""
    store = setle.MemoryTokenStore()
    clock.wall += 86_400
    old = source_of(sandbox, store=store).get_token()
    clock.wall -= 86_400
    assert source_of(sandbox, store=elsewhere(store)).get_token() != old


def test_an_older_stored_token_does_not_replace_a_newer_one(sandbox: Sandbox, clock: Clock) -> None:
    """A store that lost the last save is not believed, however long its token would last."""
    store = Recording()
    sandbox.lifetime = 86_400
    oldest = source_of(sandbox, store=store).get_token()
    mine = Recording()
    source = source_of(sandbox, store=mine)
    clock.go_on(1)
    sandbox.lifetime = 60
    newer = source.get_token()
    mine.save(credentials_of(sandbox).key(sandbox.base_url), oldest)
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


def test_another_source_does_not_start_with_a_rejected_token(sandbox: Sandbox) -> None:
    """What one source of the process learnt from a 401 holds for those that come later."""
    store = setle.MemoryTokenStore()
    first = source_of(sandbox, store=store)
    old = first.get_token()
    first.invalidate(old)
    assert source_of(sandbox, store=store).get_token() != old


def test_another_process_that_saves_a_rejected_token_again_is_not_believed(
    sandbox: Sandbox,
) -> None:
    """The last sixteen that were rejected are remembered, and not only the last one."""
    store = setle.MemoryTokenStore()
    source = source_of(sandbox, store=store)
    key = credentials_of(sandbox).key(sandbox.base_url)
    rejected = []
    for _ in range(16):
        rejected.append(source.get_token())
        source.invalidate(rejected[-1])
        for old in rejected:
            store.save(key, old)
            assert source.get_token() not in rejected
    assert sandbox.token_requests == 17


def test_other_credentials_never_meet_a_token(sandbox: Sandbox) -> None:
    """The same store keeps them apart, by base URL, id and secret."""
    store = setle.MemoryTokenStore()
    first = source_of(sandbox, store=store).get_token()
    sandbox.rotate_secret()
    assert source_of(sandbox, store=store).get_token() != first


def test_a_new_token_is_logged_by_its_fingerprint(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    """Enough to follow roll-overs, and not enough to use them; with where it came from, and why."""
    store = setle.MemoryTokenStore()
    with caplog.at_level(logging.DEBUG, "setle"):
        source = source_of(sandbox, store=store)
        token = source.get_token()
        join_refreshes()
        source_of(sandbox, store=elsewhere(store)).get_token()
        join_refreshes()
        source.invalidate(token)
        other = source.get_token()
        join_refreshes()
    said = [record.getMessage() for record in caplog.records if record.name == "setle"]
    of_token = rf"access token {token.fingerprint}"
    for line, expected in zip(
        said,
        (
            rf"{of_token} from the endpoint in 0\.\d\d s, good for (3600|3599) s \(first\)",
            rf"{of_token} from the store, good for (3600|3599) s \(first\)",
            rf"{of_token} dropped, as the API rejected it",
            rf"access token {other.fingerprint} from the endpoint in 0\.\d\d s,"
            r" good for (3600|3599) s \(rejected\)",
        ),
        strict=True,
    ):
        assert re.fullmatch(expected, line)


@pytest.mark.parametrize("step", ["load", "lock", "save"])
def test_trouble_with_a_store_is_told_once_with_its_end(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture, step: str
) -> None:
    """The operation is named, as each of them needs another right."""
    store = Recording(step)
    source = source_of(sandbox, store=store)
    with caplog.at_level(logging.INFO, "setle"):
        for _ in range(3):
            source.invalidate(source.get_token())
        store.fails = ""
        source.get_token()
        join_refreshes()
    said = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert [one for one in said if "Recording" in one[1]] == [
        ("WARNING", f"Recording.{step} failed (OSError); going on without it"),
        ("INFO", "Recording works again"),
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
