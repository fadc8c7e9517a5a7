"""The life of a token as a source's callers see it."""

import copy
import pickle
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime

import anyio
import httpx
import pytest

import setle
from setle.testing import Answer, Sandbox
from tests.support import Clock, all_at_once, credentials_of, eventually, join_refreshes, source_of
from tests.support.faults import asked, fault, named, saw, times, yes
from tests.support.worlds import World

pytestmark = pytest.mark.usefixtures("no_jitter")

REFUSED = Answer(401, json={"statusCode": 401, "message": "Unauthorized"})
OUTLIVED = "either clock ends a token"
DOWN = Answer(503, json={"statusCode": 503, "message": "maintenance"})


def test_a_token_is_asked_for_at_the_first_call_and_then_reused(sandbox: Sandbox) -> None:
    """1,000 calls within a lifetime cost one token request, and making a source costs none."""
    source = source_of(sandbox)
    assert sandbox.token_requests == 0
    tokens = {source.get_token() for _ in range(1_000)}
    assert len(tokens) == 1
    assert sandbox.token_requests == 1


def test_the_token_says_when_it_ends(sandbox: Sandbox, clock: Clock) -> None:
    """The end is counted from the moment before the request."""
    sandbox.lifetime = 3600
    token = source_of(sandbox).get_token()
    assert token.token_type == "Bearer"
    assert token.lifetime == 3600
    assert token.expires_at == datetime.fromtimestamp(clock.wall + 3600, UTC)


def test_the_life_begins_before_the_request(sandbox: Sandbox, clock: Clock) -> None:
    """Ten seconds that the answer takes are ten seconds less of the token's life."""
    sandbox.lifetime = 60
    source = source_of(sandbox)
    asked_at = clock.wall
    with sandbox.hold():
        caller = threading.Thread(target=source.get_token)
        caller.start()
        sandbox.wait_for(token_requests=1)
        clock.go_on(10)
    caller.join()
    assert source.get_token().expires_at == datetime.fromtimestamp(asked_at + 60, UTC)


@pytest.mark.parametrize("lifetime", [2, 30, 300, 3600, 86_400])
def test_a_fresh_token_is_never_refreshed(sandbox: Sandbox, clock: Clock, lifetime: float) -> None:
    """Up to the refresh window, whatever the lifetime, there is no second request."""
    sandbox.lifetime = lifetime
    source = source_of(sandbox)
    source.get_token()
    margin, window = min(30, lifetime / 20), min(150, lifetime / 20)
    clock.go_on(lifetime - margin - 2 * window - 0.001)
    source.get_token()
    join_refreshes()
    assert sandbox.token_requests == 1


@pytest.mark.parametrize("lifetime", [2, 30, 300, 3600, 86_400])
def test_in_the_window_everybody_gets_the_old_token_while_one_refresh_runs(
    sandbox: Sandbox, clock: Clock, lifetime: float
) -> None:
    """An early refresh is one request and delays nobody."""
    sandbox.lifetime = lifetime
    source = source_of(sandbox)
    old = source.get_token()
    margin, window = min(30, lifetime / 20), min(150, lifetime / 20)
    clock.go_on(lifetime - margin - window + 0.001)
    with sandbox.hold():
        assert {source.get_token() for _ in range(100)} == {old}
        sandbox.wait_for(token_requests=2)
        assert source.get_token() == old
    join_refreshes()
    assert source.get_token() != old
    assert sandbox.token_requests == 2


def test_a_stale_token_is_waited_for(sandbox: Sandbox, clock: Clock) -> None:
    """Within the margin before its end a token is no longer handed out."""
    source = source_of(sandbox)
    old = source.get_token()
    clock.go_on(3600 - 30)
    assert source.get_token() != old
    assert sandbox.token_requests == 2


@pytest.mark.parametrize("kind", ["sync", "asyncio"])
def test_a_stale_token_is_used_while_it_lasts_if_there_is_no_other_yet(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """An endpoint that does not answer lets no call wait past the end of a usable token."""
    source, world = source_of(sandbox), World(kind)
    old = source.get_token()
    for module in (setle._time, setle._source):  # the source binds it for its fast path
        monkeypatch.setattr(module, "monotonic", lambda: time.monotonic() + 3600 - 2)
    with sandbox.hold():
        assert old == (source.get_token() if world.is_sync else world.run(source.aget_token))
    join_refreshes()
    assert source.get_token() != old
    assert sandbox.token_requests == 2


@pytest.mark.parametrize(
    "hand",
    [
        pytest.param(
            "monotonic",
            marks=fault("Clocks", "the wall clock stands still for the token's hour", OUTLIVED),
        ),
        pytest.param(
            "wall", marks=fault("Suspends", "the machine sleeps for the token's hour", OUTLIVED)
        ),
    ],
)
def test_either_clock_ends_a_token(sandbox: Sandbox, clock: Clock, hand: str) -> None:
    """A suspended machine stops one clock, a set-back hides time from the other."""
    source = source_of(sandbox)
    old = source.get_token()
    setattr(clock, hand, getattr(clock, hand) + 3600)
    newer = source.get_token()
    assert newer != old
    saw(f"another token: {yes(newer != old)}", asked(sandbox))


@pytest.mark.parametrize("hand", ["monotonic", "wall"])
def test_either_clock_ends_a_token_for_tasks(sandbox: Sandbox, clock: Clock, hand: str) -> None:
    """They look at the clocks themselves, too."""
    source = source_of(sandbox)
    old = anyio.run(source.aget_token)
    setattr(clock, hand, getattr(clock, hand) + 3600)
    assert anyio.run(source.aget_token) != old


@fault(
    "Clocks",
    "the wall clock is set back by a day",
    "the token stays in use for its hour, and no longer",
)
def test_a_wall_clock_set_back_keeps_nobody_from_refreshing(sandbox: Sandbox, clock: Clock) -> None:
    """The monotonic clock goes on, so the token is not kept past its end."""
    source = source_of(sandbox)
    old = source.get_token()
    clock.wall -= 86_400
    kept = source.get_token()
    assert kept == old
    clock.monotonic += 3600
    newer = source.get_token()
    assert newer != old
    assert sandbox.token_requests == 2
    saw(f"the token in use for that hour: {yes(kept == old)}", "then another one", asked(sandbox))


@fault(
    "Statuses", "401 to an early refresh", "nobody notices; the endpoint is asked again after 30 s"
)
def test_a_failed_early_refresh_goes_unnoticed(sandbox: Sandbox, clock: Clock) -> None:
    """The old token stays in use, and the next attempt waits for the back-off."""
    source = source_of(sandbox)
    old = source.get_token()
    clock.go_on(3600 - 30 - 150 + 1)
    sandbox.script_token(REFUSED)
    served = []
    for _ in range(3):
        served.append(source.get_token())
        join_refreshes()
    assert sandbox.token_requests == 2
    clock.go_on(29)
    served.append(source.get_token())
    join_refreshes()
    assert sandbox.token_requests == 2
    clock.go_on(1)
    served.append(source.get_token())
    join_refreshes()
    assert sandbox.token_requests == 3
    assert set(served) == {old}
    assert source.get_token() != old
    saw(f"{times(len(served), 'call')} served with the token in use", asked(sandbox))


def test_a_usable_token_is_served_after_a_failure_past_the_margin(
    sandbox: Sandbox, clock: Clock
) -> None:
    """Stale is not ended: a caller who waited in vain gets the old token until its end."""
    source = source_of(sandbox)
    old = source.get_token()
    clock.go_on(3600 - 1)
    sandbox.script_token(REFUSED)
    assert source.get_token() == old
    clock.go_on(1)
    with pytest.raises(setle.TokenRejectedError):
        source.get_token()


@fault(
    "Statuses",
    "401 to the first token request, and five calls",
    "one request; the next one after 30 s",
)
def test_a_failure_holds_the_next_request_up(sandbox: Sandbox, clock: Clock) -> None:
    """Callers get the same error at once instead of hammering."""
    source = source_of(sandbox)
    sandbox.script_token(REFUSED)
    errors = []
    for _ in range(5):
        with pytest.raises(setle.TokenRejectedError) as caught:
            source.get_token()
        errors.append(caught.value)
        assert caught.value.status_code == 401
        assert caught.value.messages == ["Unauthorized"]
    assert sandbox.token_requests == 1
    clock.go_on(30)
    token = source.get_token()
    assert sandbox.token_requests == 2
    saw(f"{len(errors)} calls: {named(caught.value)}", f"then {named(token)}", asked(sandbox))


def test_a_back_off_grows_and_ends_with_success(sandbox: Sandbox, clock: Clock) -> None:
    """After n failures in a row a caller waits 2^(n-1) s at most; a token resets that."""
    source = source_of(sandbox)
    broken = Answer(json={})
    for failures in range(4):
        sandbox.script_token(broken)
        with pytest.raises(setle.TokenResponseError):
            source.get_token()
        clock.go_on(2**failures / 2 - 0.001)
        requests = sandbox.token_requests
        with pytest.raises(setle.TokenResponseError):
            source.get_token()
        assert sandbox.token_requests == requests
        clock.go_on(2**failures / 2 + 0.001)
    source.invalidate(source.get_token())
    sandbox.script_token(broken)
    with pytest.raises(setle.TokenResponseError):
        source.get_token()
    clock.go_on(1)
    source.get_token()


@fault(
    "Statuses", "503 without end, and 20 threads at once", "they share one refresh and its failure"
)
def test_twenty_waiters_share_one_failure(sandbox: Sandbox) -> None:
    """A token endpoint that is down is asked three times, not sixty, for twenty threads."""
    sandbox.script_token(*[DOWN] * 60)
    source = source_of(sandbox)
    errors = [future.exception() for future in all_at_once(20, source.get_token)]
    assert sandbox.token_requests == 3
    assert {type(error) for error in errors} == {setle.TokenUnavailableError}
    assert len({str(error) for error in errors}) == 1
    assert len({id(error) for error in errors}) == 20
    saw(f"{times(len(errors), 'call')}: {named(errors[0])}", asked(sandbox))


def test_each_waiter_raises_its_own_copy(sandbox: Sandbox) -> None:
    """No copy carries a cause or the frames of the refresh, which hold the secret."""
    sandbox.script_token(Answer(hang_up=True), Answer(hang_up=True), Answer(hang_up=True))
    source = source_of(sandbox)
    for _ in range(2):  # a new failure, and one that is held back
        with pytest.raises(setle.TokenUnavailableError) as caught:
            source.get_token()
        assert caught.value.__cause__ is None
        assert caught.value.__context__ is None
        report = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
        text = "".join(report.format())
        assert "get_token" in text
        assert not any(step in text for step in ("refresher.py", "ask.py", "way.py"))
        assert sandbox.client_secret not in text


def test_an_error_says_when_the_endpoint_is_asked_again(sandbox: Sandbox, clock: Clock) -> None:
    """A failure that is held back is told apart from a new one, and counts down."""
    source = source_of(sandbox)
    sandbox.script_token(REFUSED)
    for held_back, left in ((False, 30), (True, 30), (True, 20)):
        with pytest.raises(setle.TokenRejectedError) as caught:
            source.get_token()
        assert caught.value.held_back is held_back
        assert caught.value.retry_in == left
        assert str(caught.value).startswith("a refresh failed before: ") is held_back
        assert str(caught.value).endswith(f"; not asked again for {left} s")
        if held_back:
            clock.go_on(10)


def test_two_sources_share_successes(sandbox: Sandbox) -> None:
    """A ``connect()`` per web request costs one token request in all."""
    store = setle.MemoryTokenStore()
    tokens = {source_of(sandbox, store=store).get_token() for _ in range(20)}
    assert len(tokens) == 1
    assert sandbox.token_requests == 1


def test_two_sources_share_failures(sandbox: Sandbox) -> None:
    """A ``connect()`` per web request does not hammer a token endpoint that refuses."""
    store = setle.MemoryTokenStore()
    sandbox.script_token(*[REFUSED] * 20)
    for _ in range(20):
        with pytest.raises(setle.TokenRejectedError):
            source_of(sandbox, store=store).get_token()
    assert sandbox.token_requests == 1


def test_sources_that_start_together_ask_once(sandbox: Sandbox) -> None:
    """Sixteen cold sources of one process wait for the one that asks."""
    store = setle.MemoryTokenStore()
    futures = all_at_once(16, lambda: source_of(sandbox, store=store).get_token())
    assert len({future.result() for future in futures}) == 1
    assert sandbox.token_requests == 1


def test_invalidate_drops_the_current_token(sandbox: Sandbox) -> None:
    """The next caller gets another token, although the store still holds the old one."""
    source = source_of(sandbox)
    old = source.get_token()
    source.invalidate(old)
    assert source.get_token() != old
    assert sandbox.token_requests == 2


def test_a_late_invalidate_changes_nothing(sandbox: Sandbox) -> None:
    """Fifty callers who report the same rejected token cost one token request."""
    source = source_of(sandbox)
    old = source.get_token()
    for _ in range(50):
        source.invalidate(old)
        source.get_token()
    assert sandbox.token_requests == 2


def test_invalidate_before_the_first_token_changes_nothing(sandbox: Sandbox) -> None:
    """A token of another source is none of this source's business."""
    stranger = source_of(sandbox).get_token()
    source = source_of(sandbox)
    source.invalidate(stranger)
    assert source.get_token() != stranger


@fault(
    "Answers",
    "the endpoint hands the same token out until it ends",
    "it is not asked at each call; all calls are served",
)
def test_the_same_token_again_is_not_refreshed_early(sandbox: Sandbox, clock: Clock) -> None:
    """A server that hands the current token out until it ends is not asked per call."""
    same = {"access_token": "same", "expires_in": 100, "token_type": "Bearer"}
    source = source_of(sandbox)
    sandbox.script_token(*[Answer(json=same)] * 9)
    source.get_token()
    clock.go_on(90.001)
    source.get_token()
    join_refreshes()
    assert sandbox.token_requests == 2
    clock.go_on(94.9)
    source.get_token()
    join_refreshes()
    assert sandbox.token_requests == 2
    clock.go_on(0.2)
    source.get_token()
    assert sandbox.token_requests == 3
    saw(f"{asked(sandbox)} in the life of a token and one more")


def test_the_same_token_again_when_it_is_stale_rests_for_a_second(
    sandbox: Sandbox, clock: Clock
) -> None:
    """A slow server that sticks to its token is asked once a second at most."""
    same = {"access_token": "same", "expires_in": 100, "token_type": "Bearer"}
    source = source_of(sandbox)
    sandbox.script_token(*[Answer(json=same)] * 3)
    source.get_token()
    clock.go_on(95)
    with ThreadPoolExecutor(1) as pool, sandbox.hold():
        waiting = pool.submit(source.get_token)
        sandbox.wait_for(token_requests=2)
        clock.go_on(97)
    assert waiting.result(30).value == "same"
    for _ in range(10):
        assert source.get_token().value == "same"
    assert sandbox.token_requests == 2
    clock.go_on(1)
    source.get_token()
    assert sandbox.token_requests == 3


def test_a_rejected_token_that_the_server_hands_out_again_is_used(sandbox: Sandbox) -> None:
    """It has no other, and asking it without end would bring none."""
    same = {"access_token": "same", "expires_in": 100, "token_type": "Bearer"}
    source = source_of(sandbox)
    sandbox.script_token(*[Answer(json=same)] * 2)
    source.invalidate(source.get_token())
    assert source.get_token().value == "same"
    assert sandbox.token_requests == 2


def test_a_token_that_ends_before_it_arrives_is_an_error(sandbox: Sandbox) -> None:
    """An endpoint that takes longer than its tokens live does not make callers loop."""
    sandbox.lifetime, sandbox.delay = 0.001, 0.01
    with pytest.raises(setle.TokenUnavailableError, match="longer to answer"):
        source_of(sandbox).get_token()
    assert sandbox.token_requests == 3


def test_waiting_ends_at_the_deadline_whatever_the_refresh_hangs_in(sandbox: Sandbox) -> None:
    """Credentials that never come, like a DNS look-up, end the waiting but not the thread."""
    release = threading.Event()

    def hanging() -> setle.ClientCredentials:
        release.wait(30)
        return credentials_of(sandbox)

    source = source_of(sandbox, credentials=hanging, timeout=0.05)
    with pytest.raises(
        setle.TokenUnavailableError, match=r"callable .* not returned within 0\.05 s"
    ):
        source.get_token()
    release.set()
    join_refreshes()


class SlowStore(setle.MemoryTokenStore):
    """A store in which one step hangs until it is released."""

    def __init__(self, step: str) -> None:
        super().__init__()
        self.step = step
        self.reached, self.release = threading.Event(), threading.Event()
        self.entered = 0

    def _hang_in(self, step: str) -> None:
        if step == self.step:
            self.entered += 1
            self.reached.set()
            self.release.wait(30)

    def load(self, key: str) -> setle.AccessToken | None:
        self._hang_in("load")
        return super().load(key)

    def save(self, key: str, token: setle.AccessToken) -> None:
        super().save(key, token)
        self._hang_in("save")

    @contextmanager
    def lock(self, key: str, timeout: float) -> Iterator[None]:
        self._hang_in("lock")
        with super().lock(key, timeout):
            yield
            self._hang_in("unlock")


@fault(
    "Stores of your own",
    "a store hangs in `load`, `lock`, `save` or the release of its lock",
    "a third of the deadline, and no call",
)
@pytest.mark.parametrize("step", ["load", "lock", "save", "unlock"])
def test_a_store_that_hangs_costs_a_third_of_the_deadline(sandbox: Sandbox, step: str) -> None:
    """The refresh that hangs there is passed by one without the store, or gives its token."""
    store = SlowStore(step)
    source = source_of(sandbox, store=store, timeout=1.5)
    began = time.monotonic()
    token = source.get_token()
    assert 0.5 <= time.monotonic() - began < 1.5
    store.release.set()
    join_refreshes()
    assert source.get_token() == token
    assert sandbox.token_requests == 1
    saw(f"{named(token)} within the deadline", asked(sandbox))


@pytest.mark.parametrize("step", ["load", "lock"])
def test_who_has_less_time_than_the_refresh_is_told_what_it_hangs_in(
    sandbox: Sandbox, step: str
) -> None:
    """The store is to blame, and not the endpoint, which was not asked."""
    store = SlowStore(step)
    patient = source_of(sandbox, store=store)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(patient.get_token)
        assert store.reached.wait(30)
        with pytest.raises(setle.TokenUnavailableError, match=r"^SlowStore has not .* 0\.05 s"):
            source_of(sandbox, store=store, timeout=0.05).get_token()
        store.release.set()
        waiting.result(30)


def test_while_a_store_hangs_it_is_left_alone(sandbox: Sandbox) -> None:
    """One thread is stuck in it, and no other source of the process goes there."""
    store = SlowStore("load")
    source_of(sandbox, store=store, timeout=1.5).get_token()
    other = setle.ClientCredentials("another", "tenant")
    with pytest.raises(setle.TokenRejectedError):
        source_of(sandbox, credentials=other, store=store, timeout=1.5).get_token()
    assert store.entered == 1
    store.release.set()
    join_refreshes()


@pytest.mark.parametrize("step", ["save", "unlock"])
def test_a_token_that_is_still_being_saved_is_used_after_the_deadline(
    sandbox: Sandbox, clock: Clock, step: str
) -> None:
    """It has come, though nobody waited for it and its refresh never ended."""
    store = SlowStore("")
    source = source_of(sandbox, store=store, timeout=1)
    old = source.get_token()
    store.step = step
    clock.go_on(3600 - 31)
    assert source.get_token() == old
    assert store.reached.wait(30)
    began = time.monotonic()
    eventually(lambda: time.monotonic() > began + 1)
    clock.go_on(1)
    assert source.get_token() != old
    store.release.set()
    join_refreshes()
    assert sandbox.token_requests == 2


@pytest.mark.parametrize("step", ["save", "unlock"])
def test_a_token_rejected_before_its_refresh_ends_does_not_come_back(
    sandbox: Sandbox, step: str
) -> None:
    """It was used while it was still being saved, and the API would have none of it."""
    store = SlowStore(step)
    source = source_of(sandbox, store=store, timeout=1)
    first = source.get_token()
    source.invalidate(first)
    store.release.set()
    join_refreshes()
    assert source.get_token() != first
    assert sandbox.token_requests == 2


def test_a_stored_token_rejected_before_its_refresh_ends_does_not_come_back(
    sandbox: Sandbox,
) -> None:
    """It was found with the lock held, and the lock was slow to release."""
    store = SlowStore("unlock")

    class FoundAtTheSecondLook(SlowStore):
        looks = 0

        def load(self, key: str) -> setle.AccessToken | None:
            self.looks += 1
            return None if self.looks == 1 else store.load(key)

    store.release.set()
    first = source_of(sandbox, store=store).get_token()
    slow = FoundAtTheSecondLook("unlock")
    source = source_of(sandbox, store=slow, timeout=1)
    assert source.get_token() == first
    source.invalidate(first)
    slow.release.set()
    join_refreshes()
    assert source.get_token() != first


def test_a_token_that_comes_late_is_refreshed_early_all_the_same(
    sandbox: Sandbox, clock: Clock
) -> None:
    """It is the same token, and yet not one that the server handed out again."""
    store = SlowStore("save")
    source = source_of(sandbox, store=store, timeout=1)
    old = source.get_token()
    store.release.set()
    join_refreshes()
    clock.go_on(3600 - 31)
    assert source.get_token() == old
    join_refreshes()
    assert source.get_token() != old


def test_a_token_that_comes_too_late_replaces_no_newer_one(sandbox: Sandbox) -> None:
    """Its answer hung on its way, and another source with another way out was faster."""
    store, host = setle.MemoryTokenStore(), sandbox.base_url.removeprefix("http://")
    release = threading.Event()

    class Slow(httpx.HTTPTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            answer = super().handle_request(request)
            release.wait(30)
            return answer

    with Slow() as transport:
        slow = source_of(sandbox, store=store, timeout=0.3, transport=transport)
        with pytest.raises(
            setle.TokenUnavailableError, match=rf"at {host} gave no answer within 0\.3 s"
        ):
            slow.get_token()
        newer = source_of(sandbox, store=store, timeout=2.1).get_token()
        release.set()
        join_refreshes()
        assert slow.get_token() == newer
    assert sandbox.token_requests == 2


class HangsTheSecondTime:
    """Credentials whose callable hangs when it is called for an early refresh."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.release, self.calls = threading.Event(), 0
        self._credentials = credentials_of(sandbox)

    def __call__(self) -> setle.ClientCredentials:
        self.calls += 1
        if self.calls == 2:
            self.release.wait(30)
        return self._credentials


def test_an_early_refresh_that_hangs_is_given_up(sandbox: Sandbox, clock: Clock) -> None:
    """Nobody waits for it: past its deadline another one begins, long before anybody must wait."""
    credentials = HangsTheSecondTime(sandbox)
    source = source_of(sandbox, credentials=credentials, timeout=1)
    old = source.get_token()
    clock.go_on(3600 - 30 - 149)
    assert source.get_token() == old
    began = time.monotonic()
    eventually(lambda: time.monotonic() > began + 1)
    clock.go_on(1)
    assert source.get_token() == old
    eventually(lambda: source.get_token() != old)
    newer = source.get_token()
    credentials.release.set()
    join_refreshes()
    assert source.get_token() == newer
    assert (credentials.calls, sandbox.token_requests) == (3, 2)


def test_whoever_comes_after_a_refresh_that_hung_tries_anew(sandbox: Sandbox, clock: Clock) -> None:
    """It is the failure of those who waited for it, and nobody did, as in a frozen process."""
    credentials = HangsTheSecondTime(sandbox)
    source = source_of(sandbox, credentials=credentials, timeout=1)
    old = source.get_token()
    clock.go_on(3600 - 31)
    assert source.get_token() == old
    began = time.monotonic()
    eventually(lambda: time.monotonic() > began + 1)
    clock.go_on(3600)
    assert source.get_token() != old
    credentials.release.set()
    join_refreshes()


@fault(
    "Callables and foreign code",
    "your callable hangs, refresh after refresh",
    "at most two threads hang in it; calls fail at once and say so",
)
def test_no_more_than_two_refreshes_of_a_key_hang(sandbox: Sandbox, clock: Clock) -> None:
    """Each deadline would leave another thread behind, all day long."""
    release = threading.Event()
    calls: list[None] = []

    def hanging() -> setle.ClientCredentials:
        calls.append(None)
        release.wait(30)
        return credentials_of(sandbox)

    store = setle.MemoryTokenStore()
    source = source_of(sandbox, credentials=hanging, store=store, timeout=0.05)
    errors = []
    for _ in range(5):
        with pytest.raises(setle.TokenUnavailableError) as caught:
            source.get_token()
        errors.append(str(caught.value))
        clock.go_on(61)
    hung = len(calls)
    assert hung == 2
    assert all("two refreshes hang already" in error for error in errors[2:])
    release.set()
    join_refreshes()
    token = source_of(sandbox, credentials=hanging, store=store).get_token()
    assert sandbox.token_requests == 1
    saw(
        f"{times(len(errors), 'call')}: {named(caught.value)}",
        f"{times(hung, 'thread')} hung",
        f"then {named(token)}",
    )


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), float("inf"), 1e10])
def test_a_deadline_must_be_a_positive_number(sandbox: Sandbox, timeout: float) -> None:
    """No deadline, or one that cannot be, is a configuration error."""
    with pytest.raises(setle.ConfigurationError, match=r"^timeout, or token_timeout of connect"):
        source_of(sandbox, timeout=timeout)


def test_a_source_is_not_pickled(sandbox: Sandbox) -> None:
    """It says what to do instead."""
    source = source_of(sandbox)
    with pytest.raises(TypeError, match=r"^TokenSource objects .* every process make its own"):
        pickle.dumps(source)


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
def test_a_copied_source_is_the_same(sandbox: Sandbox, copied: Callable[[object], object]) -> None:
    """So that settings which hold it may be copied."""
    source = source_of(sandbox)
    assert copied(source) is source


def test_repr_shows_where_tokens_come_from_and_nothing_else(sandbox: Sandbox) -> None:
    """The base URL tells sources apart."""
    source = source_of(sandbox)
    token = source.get_token()
    assert repr(source) == f"<TokenSource base_url='{sandbox.base_url}'>"
    assert token.value not in repr(source)
