"""One refresh for all threads."""

import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar

import httpx
import pytest

import setle
from setle.testing import Sandbox
from tests.support import Clock, all_at_once, credentials_of, join_refreshes, source_of


def test_sixty_four_cold_threads_ask_once(sandbox: Sandbox) -> None:
    """All get the same token, whichever thread came first."""
    source = source_of(sandbox)
    futures = all_at_once(64, source.get_token)
    assert len({future.result() for future in futures}) == 1
    assert sandbox.token_requests == 1


def test_threads_that_meet_a_stale_token_ask_once(sandbox: Sandbox, clock: Clock) -> None:
    """The herd at the end of a life is as large as at its beginning."""
    source = source_of(sandbox)
    for _ in range(5):
        clock.go_on(3600)
        futures = all_at_once(32, source.get_token)
        assert len({future.result() for future in futures}) == 1
    assert sandbox.token_requests == 5


def test_threads_in_the_window_start_one_refresh(sandbox: Sandbox, clock: Clock) -> None:
    """Thirty-two threads that find the window open at once do not queue up."""
    source = source_of(sandbox)
    old = source.get_token()
    clock.go_on(3600 - 30 - 150 + 1)
    with sandbox.hold():
        futures = all_at_once(32, source.get_token)
        assert {future.result() for future in futures} == {old}
    join_refreshes()
    assert sandbox.token_requests == 2


def test_nothing_runs_while_nobody_calls(sandbox: Sandbox) -> None:
    """The refresh's thread ends with the refresh, and there is no other."""
    before = threading.active_count()
    source = source_of(sandbox)
    source.get_token()
    join_refreshes()
    assert threading.active_count() == before


def test_credentials_are_asked_for_without_the_callers_context(sandbox: Sandbox) -> None:
    """The refresh belongs to nobody, so it carries nobody's request id or span."""
    span = ContextVar("span", default="none")
    seen = []

    def provider() -> setle.ClientCredentials:
        seen.append((span.get(), threading.current_thread() is threading.main_thread()))
        return credentials_of(sandbox)

    span.set("the caller's")
    source_of(sandbox, credentials=provider).get_token()
    assert seen == [("none", False)]


def _no_more_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)


def test_without_a_thread_the_caller_refreshes_itself(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A container's limit on threads costs the background, not the token."""
    source = source_of(sandbox)
    _no_more_threads(monkeypatch)
    assert source.get_token() == source.get_token()
    assert sandbox.token_requests == 1


def test_without_a_thread_nobody_is_delayed_by_an_early_refresh(
    sandbox: Sandbox, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A usable token is served until it is stale, and only then refreshed in place."""
    source = source_of(sandbox)
    old = source.get_token()
    _no_more_threads(monkeypatch)
    clock.go_on(3600 - 31)
    assert source.get_token() == old
    assert sandbox.token_requests == 1
    clock.go_on(1)
    assert source.get_token() != old


def test_what_a_signal_handler_asks_for_does_not_lock_up(sandbox: Sandbox) -> None:
    """A call that comes in the middle of another one in the same thread is served too."""
    source = source_of(sandbox)
    depth = 0

    def trace(frame: object, event: str, arg: object) -> object:
        nonlocal depth
        # Runs between any two lines of the package, as a signal handler does.
        if depth == 0 and getattr(frame, "f_code").co_filename.endswith("_source.py"):  # noqa: B009 - untyped
            depth += 1
            source.get_token()
            depth -= 1
        return trace

    with ThreadPoolExecutor(1) as pool:

        def run() -> setle.AccessToken:
            sys.settrace(trace)  # type: ignore[arg-type] # looser than the stub
            try:
                return source.get_token()
            finally:
                sys.settrace(None)

        assert pool.submit(run).result(30) == source.get_token()
    assert sandbox.token_requests == 1


# SystemExit ends a thread silently, but pytest takes note of it.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_unforeseen_error_leaves_nobody_waiting(sandbox: Sandbox) -> None:
    """Whatever ends the refresh's thread ends the waiting with a typed error."""

    def provider() -> setle.ClientCredentials:
        sys.exit(1)

    with pytest.raises(setle.TokenUnavailableError, match="interrupted"):
        source_of(sandbox, credentials=provider).get_token()


def test_a_source_waits_no_longer_for_anothers_request_than_its_own_deadline(
    sandbox: Sandbox,
) -> None:
    """A short deadline holds even while a patient source of the same key is asking."""
    store = setle.MemoryTokenStore()
    patient = source_of(sandbox, store=store)
    hasty = source_of(sandbox, store=store, timeout=0.05)
    with sandbox.hold():
        first = threading.Thread(target=patient.get_token)
        first.start()
        sandbox.wait_for(token_requests=1)
        before = set(threading.enumerate())
        with pytest.raises(setle.TokenUnavailableError, match=r"0\.05 s"):
            hasty.get_token()
        for thread in set(threading.enumerate()) - before:
            thread.join(10)
            assert not thread.is_alive()
    first.join()
    assert sandbox.token_requests == 1


def test_a_refresh_that_hangs_past_its_deadline_is_taken_over(
    sandbox: Sandbox, clock: Clock
) -> None:
    """A source of the same key is not stuck behind another one's dead early refresh."""
    store = setle.MemoryTokenStore()
    reached, release = threading.Event(), threading.Event()

    class HangsWhenAskedTwice(httpx.HTTPTransport):
        asked = 0

        def handle_request(self, request: httpx.Request) -> httpx.Response:
            self.asked += 1
            if self.asked == 2:
                reached.set()
                release.wait(30)
                raise httpx.ConnectError("it was no use")
            return super().handle_request(request)

    with HangsWhenAskedTwice() as transport:
        hanging = setle.TokenSource(
            credentials_of(sandbox),
            base_url=sandbox.base_url,
            store=store,
            httpx_args={"transport": transport},
        )
        old = hanging.get_token()
        clock.go_on(3600 - 30 - 150 + 1)
        assert hanging.get_token() == old
        assert reached.wait(30)
        assert hanging._flight is not None
        hanging._flight._at = 0.0
        other = source_of(sandbox, store=store)
        assert [other.get_token(), other.get_token()] == [old, old]
        sandbox.wait_for(tokens_issued=2)
        release.set()
        join_refreshes()
    assert other.get_token() != old
