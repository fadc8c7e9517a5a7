"""What sources share within a process: one request at a time, back-offs, rejected tokens."""

import gc
import random

import pytest

import setle
from setle import _time
from setle._locks import mutex
from setle._refresh.flight import Flight
from setle._refresh.state import Shared, shared_state
from setle.testing import Answer, Sandbox


class Clock:
    """A monotonic clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Stop the clock, and draw each delay at full length."""
    clock = Clock()
    monkeypatch.setattr(_time, "monotonic", clock)
    monkeypatch.setattr(random, "uniform", lambda low, high: high)
    return clock


def unavailable(**more: float) -> setle.TokenError:
    return setle.TokenUnavailableError("no answer", **more)  # type: ignore[arg-type] # status_code is an int


def failed(shared: Shared, failure: setle.TokenError) -> None:
    """Let one request fail."""
    flight = Flight(15.0)
    assert shared.claim(flight) is flight
    shared.fail(flight, failure)
    flight.end(failure)


def refused(shared: Shared) -> setle.TokenError:
    with pytest.raises(setle.TokenError) as caught:
        shared.claim(Flight(15.0))
    return caught.value


def source_of(sandbox: Sandbox, store: setle.TokenStore, secret: str = "") -> setle.TokenSource:
    return setle.TokenSource(
        setle.ClientCredentials(sandbox.client_id, secret or sandbox.client_secret),
        base_url=sandbox.base_url,
        store=store,
        verify_ssl=False,
    )


def test_one_request_at_a_time() -> None:
    """Whoever comes second is shown the request that is under way."""
    shared, first, second = Shared(), Flight(15.0), Flight(15.0)
    with mutex:
        assert shared.claim(first) is first
        assert shared.claim(second) is first
        first.end(None)
        assert shared.claim(second) is second


def test_overdue_request() -> None:
    """A request past its deadline holds nobody up."""
    shared, hanging, second = Shared(), Flight(0.0), Flight(15.0)
    with mutex:
        shared.claim(hanging)
        assert shared.claim(second) is second


@pytest.mark.parametrize(
    ("failure", "delay"),
    [
        (unavailable(), 1.0),
        (unavailable(retry_after=7.0), 7.0),
        (unavailable(retry_after=3600.0), 60.0),
        (setle.TokenResponseError("no token"), 1.0),
        (setle.TokenRejectedError("refused"), 30.0),
        (setle.TokenRejectedError("refused", retry_after=45.0), 45.0),
    ],
)
def test_back_off(failure: setle.TokenError, delay: float, clock: Clock) -> None:
    """After a failure, others get that failure's copy until the delay is over."""
    shared = Shared()
    with mutex:
        failed(shared, failure)
        clock.now += delay - 0.01
        copies = {refused(shared), refused(shared), failure}
        assert len(copies) == 3
        assert {type(one) for one in copies} == {type(failure)}
        assert {one.retry_after for one in copies} == {failure.retry_after}
        clock.now += 0.01
        another = Flight(15.0)
        assert shared.claim(another) is another


def test_back_off_is_drawn(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """The delay is drawn from its upper half, so that a fleet does not come back at once."""
    monkeypatch.setattr(random, "uniform", lambda low, high: low)
    shared = Shared()
    with mutex:
        failed(shared, unavailable())
    assert shared.back_off.until == clock.now + 0.5


def test_success_ends_the_back_off(clock: Clock) -> None:
    """A token that came after all, when its refresh had been given up, ends the delay."""
    shared = Shared()
    with mutex:
        late = Flight(15.0)
        shared.claim(late)
        shared.fail(late, unavailable())
        late.end(unavailable())
        shared.succeed(late)
        another = Flight(15.0)
        assert shared.claim(another) is another


def test_failure_of_somebody_else(clock: Clock) -> None:
    """A refresh that fails before it had its turn holds nobody up."""
    shared, flight = Shared(), Flight(15.0)
    with mutex:
        shared.fail(flight, unavailable())
        assert shared.claim(flight) is flight


def test_rejections_that_go_on(clock: Clock) -> None:
    """Once a replacement is rejected too, rejections pass for a time that doubles."""
    shared = Shared()
    assert not shared.lets_pass(first_use=True)  # the first token of all
    shared.rejected.append("one")
    assert not shared.lets_pass(first_use=False)  # an older token: worth another one
    for delay in (1.0, 2.0, 4.0):
        assert shared.lets_pass(first_use=True)
        clock.now += delay - 0.01
        assert shared.lets_pass(first_use=False)
        clock.now += 0.01
        assert not shared.lets_pass(first_use=False)


def test_same_state_for_the_same_key() -> None:
    """Store and key together decide what is shared."""
    one, other = setle.MemoryTokenStore(), setle.MemoryTokenStore()
    state = shared_state(one, "a key")
    assert shared_state(one, "a key") is state
    assert shared_state(one, "another key") is not state
    assert shared_state(other, "a key") is not state


def test_state_goes_with_its_store() -> None:
    """A store that is gone leaves nothing behind for another one at the same address."""
    store = setle.MemoryTokenStore()
    shared_state(store, "a key").rejected.append("one")
    del store
    gc.collect()
    others = [setle.MemoryTokenStore() for _ in range(100)]
    assert not any("one" in shared_state(other, "a key").rejected for other in others)


def test_idle_states_are_forgotten(clock: Clock) -> None:
    """Rotating credentials do not add up, but nothing that still matters is lost."""
    store = setle.MemoryTokenStore()
    backing_off, holding, busy = (shared_state(store, name) for name in ("off", "hold", "busy"))
    with mutex:
        failed(backing_off, unavailable())
        holding.rejected.append("one")
        assert holding.lets_pass(first_use=True)
        flight = Flight(15.0)
        busy.claim(flight)
    idle = shared_state(store, "idle")
    for number in range(64):
        shared_state(store, str(number))
    assert shared_state(store, "off") is backing_off
    assert shared_state(store, "hold") is holding
    assert shared_state(store, "busy") is busy
    assert shared_state(store, "idle") is not idle


def test_sources_share_failures(setle_sandbox: Sandbox) -> None:
    """A failure holds up all sources with the same store and credentials, and no others."""
    setle_sandbox.script_token(Answer(404, headers={"Retry-After": "60"}))
    store = setle.MemoryTokenStore()
    for _ in range(3):
        with pytest.raises(setle.TokenResponseError):
            source_of(setle_sandbox, store).get_token()
    assert setle_sandbox.token_requests == 1
    source_of(setle_sandbox, setle.MemoryTokenStore()).get_token()
    assert setle_sandbox.token_requests == 2
    with pytest.raises(setle.TokenRejectedError):
        source_of(setle_sandbox, store, secret="wrong").get_token()
    assert setle_sandbox.token_requests == 3
