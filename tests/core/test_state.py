"""What sources share within a process: one state for each store, base URL and credentials."""

import gc
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import httpx
import pytest

import setle
from setle._locks import alive
from setle._refresh.registry import forget_everything
from setle._refresh.state import EVERY, KeyState
from setle.stores.tolerant import TolerantStore
from setle.testing import Answer, Sandbox
from tests.support import Clock, credentials_of, elsewhere, join_refreshes, source_of

pytestmark = pytest.mark.usefixtures("no_jitter")

REFUSED = Answer(401)
UNUSABLE = Answer(json={})
END = datetime(2100, 1, 1, tzinfo=UTC)


def refused(source: setle.TokenSource) -> setle.TokenError:
    with pytest.raises(setle.TokenError) as caught:
        source.get_token()
    return caught.value


@pytest.mark.parametrize(
    ("answers", "delay"),
    [
        ([Answer(503)] * 3, 1.0),
        ([Answer(503, headers={"Retry-After": "20"})], 20.0),
        ([Answer(503, headers={"Retry-After": "3600"})], 60.0),
        ([UNUSABLE], 1.0),
        ([REFUSED], 30.0),
        ([Answer(401, headers={"Retry-After": "45"})], 45.0),
    ],
)
def test_back_off(answers: list[Answer], delay: float, sandbox: Sandbox, clock: Clock) -> None:
    """After a failure all sources of the key get a copy of it until the delay is over."""
    store = setle.MemoryTokenStore()
    sources = [source_of(sandbox, store=store) for _ in range(2)]
    sandbox.script_token(*answers)
    first = refused(sources[0])
    clock.go_on(delay - 0.01)
    copies = [refused(source) for source in sources]
    assert len({id(error) for error in (first, *copies)}) == 3
    assert {type(error) for error in copies} == {type(first)}
    assert {error.retry_after for error in copies} == {first.retry_after}
    assert [error.held_back for error in (first, *copies)] == [False, True, True]
    assert sandbox.token_requests == len(answers)
    clock.go_on(0.01)
    assert sources[1].get_token() == sources[0].get_token()


def test_back_off_is_drawn(sandbox: Sandbox, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """The delay is drawn from its upper half, so that a fleet does not come back at once."""
    monkeypatch.setattr(random, "uniform", lambda low, high: low)
    source = source_of(sandbox)
    sandbox.script_token(UNUSABLE)
    assert refused(source).retry_in == 0.5


def test_failing_to_connect_holds_up_that_way_only(sandbox: Sandbox, clock: Clock) -> None:
    """A source with another way out tries its own, and the token it gets ends the back-off."""

    def broken(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("no route")

    store = setle.MemoryTokenStore()
    way = {"transport": httpx.MockTransport(broken)}
    cut_off, same = (
        setle.TokenSource(
            credentials_of(sandbox), base_url=sandbox.base_url, store=store, httpx_args=way
        )
        for _ in range(2)
    )
    assert not refused(cut_off).held_back
    assert refused(cut_off).held_back
    assert refused(same).held_back
    token = source_of(sandbox, store=store).get_token()
    assert cut_off.get_token() == same.get_token() == token
    assert sandbox.token_requests == 1


def test_what_the_endpoint_answers_holds_every_way_up(sandbox: Sandbox, clock: Clock) -> None:
    """A refusal is one, whatever way it came."""
    store = setle.MemoryTokenStore()
    sandbox.script_token(REFUSED)
    refused(source_of(sandbox, store=store))
    with httpx.HTTPTransport() as transport:
        other = source_of(sandbox, store=store, transport=transport)
        assert refused(other).held_back
    assert sandbox.token_requests == 1


def test_a_way_that_works_again_begins_anew(sandbox: Sandbox, clock: Clock) -> None:
    """The token it brings ends its back-off: its next failure holds calls up for a second."""

    class Flapping(httpx.HTTPTransport):
        broken = True

        def handle_request(self, request: httpx.Request) -> httpx.Response:
            if self.broken:
                raise httpx.ConnectError("no route")
            return super().handle_request(request)

    with Flapping() as transport:
        source = source_of(sandbox, transport=transport)
        for delay in (1, 2):
            assert refused(source).retry_in == delay
            clock.go_on(delay)
        transport.broken = False
        source.invalidate(source.get_token())
        transport.broken = True
        assert refused(source).retry_in == 1


def test_a_stale_token_from_elsewhere_ends_no_back_off(sandbox: Sandbox, clock: Clock) -> None:
    """It is served, but the endpoint has failed again, and the delays go on growing."""
    store = setle.MemoryTokenStore()
    sandbox.lifetime = 20
    theirs = source_of(sandbox).get_token()
    source = source_of(sandbox, store=store)
    sandbox.script_token(UNUSABLE, UNUSABLE)
    clock.go_on(18)
    assert refused(source).retry_in == 1
    store.save(credentials_of(sandbox).key(sandbox.base_url), theirs)
    clock.go_on(1.5)
    assert source.get_token() == theirs
    clock.go_on(1)
    assert refused(source).retry_in == 1


def test_a_failure_for_lack_of_time_holds_nobody_up_who_has_more(sandbox: Sandbox) -> None:
    """A deadline too short for the endpoint is the problem of those who set it."""
    store = setle.MemoryTokenStore()
    sandbox.delay = 1.0
    hasty = source_of(sandbox, store=store, timeout=0.3)
    assert [refused(hasty).held_back, refused(hasty).held_back] == [False, True]
    source_of(sandbox, store=store).get_token()


def test_other_stores_and_credentials_share_nothing(sandbox: Sandbox) -> None:
    """A failure holds up all sources with the same store and credentials, and no others."""
    store = setle.MemoryTokenStore()
    sandbox.script_token(REFUSED)
    refused(source_of(sandbox, store=store))
    source_of(sandbox, store=setle.MemoryTokenStore()).get_token()
    other = setle.ClientCredentials(sandbox.client_id, "other")
    assert not refused(source_of(sandbox, credentials=other, store=store)).held_back
    assert sandbox.token_requests == 3


def test_the_token_in_use_is_shared(sandbox: Sandbox, clock: Clock) -> None:
    """A source sees at once what another one of its key has got or dropped."""
    store = setle.MemoryTokenStore()
    one, other = source_of(sandbox, store=store), source_of(sandbox, store=store)
    assert (one.current_token(), other.current_token()) == (None, None)
    token = one.get_token()
    assert other.current_token() == token
    other.invalidate(token)
    assert one.current_token() is None
    clock.go_on(3600)
    one.get_token()
    clock.go_on(3600)
    assert other.current_token() is None
    assert sandbox.token_requests == 2


def test_fresh_callables_share_one_token(sandbox: Sandbox) -> None:
    """A client per web request, each with a lambda of its own, costs one token request."""
    store = setle.MemoryTokenStore()
    tokens = {
        source_of(sandbox, credentials=lambda: credentials_of(sandbox), store=store).get_token()
        for _ in range(50)
    }
    assert len(tokens) == 1
    assert sandbox.token_requests == 1


@pytest.mark.usefixtures("clock")  # which stands still, however slow the machine is
def test_fresh_callables_share_one_back_off(sandbox: Sandbox) -> None:
    """While the endpoint is down as well."""
    store = setle.MemoryTokenStore()
    sandbox.script_token(*[Answer(503)] * 150)
    errors = [
        refused(source_of(sandbox, credentials=lambda: credentials_of(sandbox), store=store))
        for _ in range(50)
    ]
    assert [error.held_back for error in errors] == [False] + [True] * 49
    assert sandbox.token_requests == 3


def test_a_callable_that_was_known_costs_no_call_of_it(sandbox: Sandbox) -> None:
    """An equal one leads to the same token, though its source is gone."""
    calls: list[None] = []

    class Vault:
        def credentials(self) -> setle.ClientCredentials:
            calls.append(None)
            return credentials_of(sandbox)

    store, vault = setle.MemoryTokenStore(), Vault()
    for _ in range(10):
        source_of(sandbox, credentials=vault.credentials, store=store).get_token()
        gc.collect()
    assert (len(calls), sandbox.token_requests) == (1, 1)


def test_callables_that_cannot_be_compared_are_different(sandbox: Sandbox) -> None:
    """Comparing is foreign code as well."""

    class Strange:
        def __call__(self) -> setle.ClientCredentials:
            return credentials_of(sandbox)

        __hash__ = None  # type: ignore[assignment] # as of a dataclass

        def __eq__(self, other: object) -> bool:
            raise ValueError

    store = setle.MemoryTokenStore()
    for _ in range(3):
        source_of(sandbox, credentials=Strange(), store=store).get_token()
    assert sandbox.token_requests == 1


class Incomparable:
    """A callable with no hash, whose comparison fails."""

    def __init__(self, credentials: setle.ClientCredentials) -> None:
        self._credentials = credentials

    def __call__(self) -> setle.ClientCredentials:
        return self._credentials

    __hash__ = None  # type: ignore[assignment] # as of a dataclass

    def __eq__(self, other: object) -> bool:
        raise ValueError


@pytest.mark.parametrize(
    "given", [lambda credentials: lambda: credentials, Incomparable], ids=["lambda", "incomparable"]
)
def test_callables_of_two_tenants_are_told_apart(
    sandbox: Sandbox,
    given: Callable[[setle.ClientCredentials], Callable[[], setle.ClientCredentials]],
) -> None:
    """Neither gets the other's token, before it was called nor after."""
    for value in ("t0", "t1"):
        grant = {"access_token": value, "expires_in": 3600, "token_type": "Bearer"}
        sandbox.script_token(Answer(json=grant))
    store = setle.MemoryTokenStore()
    sources = [
        source_of(
            sandbox, credentials=given(setle.ClientCredentials(tenant, "secret")), store=store
        )
        for tenant in ("one", "two")
    ]
    for _ in range(2):
        assert [source.get_token().value for source in sources] == ["t0", "t1"]


def test_a_callable_follows_the_environment(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that reads a variable leads elsewhere once that has changed."""
    store = setle.MemoryTokenStore()
    tokens = []
    for secret in ("one", "two"):
        monkeypatch.setenv("SETLE_CLIENT_ID", sandbox.client_id)
        monkeypatch.setenv("SETLE_CLIENT_SECRET", secret)
        sandbox.client_secret = secret
        source = source_of(sandbox, credentials=setle.ClientCredentials.from_env, store=store)
        tokens.append(source.get_token())
    assert tokens[0] != tokens[1]
    assert sandbox.token_requests == 2


def test_a_callable_that_changes_leads_to_the_other_state(sandbox: Sandbox, clock: Clock) -> None:
    """The token that another source of those credentials has got is used without a request."""
    store = setle.MemoryTokenStore()
    current = credentials_of(sandbox)
    source = source_of(sandbox, credentials=lambda: current, store=store)
    old = source.get_token()
    sandbox.rotate_secret()
    current = credentials_of(sandbox)
    theirs = source_of(sandbox, store=store).get_token()
    clock.go_on(1)
    source.invalidate(old)
    assert source.get_token() == theirs
    assert sandbox.token_requests == 2


def test_a_callable_that_changes_leads_to_a_token_that_is_there(
    sandbox: Sandbox, clock: Clock
) -> None:
    """The old secret's token, though it lasts for another moment, takes no newer one's place."""

    class Forgetful(setle.MemoryTokenStore):
        def load(self, key: str) -> None:
            return None

    store = Forgetful()
    current = credentials_of(sandbox)
    source = source_of(sandbox, credentials=lambda: current, store=store)
    source.get_token()
    sandbox.rotate_secret()
    current = credentials_of(sandbox)
    clock.go_on(1800)
    theirs = source_of(sandbox, store=store).get_token()
    clock.go_on(1780)
    assert source.get_token() == theirs
    assert sandbox.token_requests == 2


def test_a_callable_that_changes_back_is_followed(sandbox: Sandbox) -> None:
    """No refresh that has moved on is waited for in the state that it came from."""
    values = ["t0", "t1", "t2"]
    for value in values:
        grant = {"access_token": value, "expires_in": 3600, "token_type": "Bearer"}
        sandbox.script_token(Answer(json=grant))
    secret = ""
    source = source_of(
        sandbox, credentials=lambda: setle.ClientCredentials("id", secret), timeout=2.0
    )
    tokens = []
    for secret in ("one", "two", "one"):  # noqa: B007 - the callable reads it
        tokens.append(source.get_token())
        source.invalidate(tokens[-1])
    assert [token.value for token in tokens] == values


def test_callables_that_lead_to_one_key_at_once_ask_once(sandbox: Sandbox) -> None:
    """Only when they have answered it shows that their refreshes are one."""
    store = setle.MemoryTokenStore()
    sources = [
        source_of(sandbox, credentials=lambda: credentials_of(sandbox), store=store)
        for _ in range(16)
    ]
    with ThreadPoolExecutor(16) as pool, sandbox.hold():
        futures = [pool.submit(source.get_token) for source in sources]
        sandbox.wait_for(token_requests=1)
    assert len({future.result() for future in futures}) == 1
    assert sandbox.token_requests == 1


def test_any_number_of_tenants_works(sandbox: Sandbox) -> None:
    """After each token was revoked, each tenant pays with one request, and no 401 comes back."""
    store = setle.MemoryTokenStore()
    for number in range(600):
        grant = {"access_token": f"t{number}", "expires_in": 3600, "token_type": "Bearer"}
        sandbox.script_token(Answer(json=grant))
    tenants = [setle.ClientCredentials(f"tenant {number}", "secret") for number in range(200)]
    sources = [source_of(sandbox, credentials=tenant, store=store) for tenant in tenants]
    for rounds in range(1, 4):
        for source in sources:
            token = source.get_token()
            assert source.get_token() == token
        assert sandbox.token_requests == 200 * rounds
        for source in sources:
            token = source.get_token()
            source.invalidate(token)


def _many_others(sandbox: Sandbox, store: setle.TokenStore) -> None:
    for number in range(70):
        source_of(sandbox, credentials=setle.ClientCredentials("id", str(number)), store=store)
    gc.collect()


def _leave_a_back_off(
    sandbox: Sandbox, store: setle.TokenStore, credentials: setle.ClientCredentials | None = None
) -> None:
    sandbox.script_token(REFUSED)
    refused(source_of(sandbox, credentials=credentials, store=store))


def test_idle_states_are_kept_for_a_while(sandbox: Sandbox) -> None:
    """A token is still in use when the next web request makes its source, without any store."""

    class Forgetful(setle.MemoryTokenStore):
        def load(self, key: str) -> None:
            return None

    for number in range(70):  # which are needed, and take no idle one's place
        _leave_a_back_off(
            sandbox, setle.MemoryTokenStore(), setle.ClientCredentials("id", str(number))
        )
    asked = sandbox.token_requests
    store = Forgetful()
    for _ in range(3):
        source_of(sandbox, store=store).get_token()
        gc.collect()
    assert sandbox.token_requests == asked + 1
    _many_others(sandbox, store)
    source_of(sandbox, store=store).get_token()
    assert sandbox.token_requests == asked + 2


def _leave_a_rejected_token(sandbox: Sandbox, store: setle.TokenStore) -> None:
    source = source_of(sandbox, store=store)
    source.invalidate(source.get_token())


@pytest.mark.parametrize(
    ("leave", "requests"), [(_leave_a_back_off, 1), (_leave_a_rejected_token, 2)]
)
def test_what_still_matters_is_not_forgotten(
    sandbox: Sandbox,
    clock: Clock,
    leave: Callable[[Sandbox, setle.TokenStore], None],
    requests: int,
) -> None:
    """Neither a back-off nor a rejected token goes with the last source that refers to it."""
    store = setle.MemoryTokenStore()
    leave(sandbox, store)
    clock.go_on(2)  # past the hold that a rejection begins
    _many_others(sandbox, store)
    source = source_of(sandbox, store=store)
    if leave is _leave_a_back_off:
        assert refused(source).held_back
    else:
        source.get_token()
    assert sandbox.token_requests == requests


def test_a_hold_is_not_forgotten(sandbox: Sandbox, clock: Clock) -> None:
    """Not even if the token that was rejected has ended meanwhile."""
    store = setle.MemoryTokenStore()
    sandbox.lifetime = 1
    _leave_a_rejected_token(sandbox, store)
    clock.wall += 60  # which ends the token, and no hold
    sandbox.lifetime = 3600
    _many_others(sandbox, store)
    source = source_of(sandbox, store=store)
    assert not source.report_rejection(source.get_token().value)


def test_what_matters_no_more_is_forgotten(sandbox: Sandbox, clock: Clock) -> None:
    """A back-off that is over keeps no state of a source that is gone."""
    store = setle.MemoryTokenStore()
    for number in range(70):
        _leave_a_back_off(sandbox, store, setle.ClientCredentials("id", f"tenant {number}"))
    clock.go_on(60)
    _many_others(sandbox, store)
    gc.collect()
    assert sum(state.store.store is store for state in alive(EVERY)) <= 66


def test_what_is_used_again_is_recent(sandbox: Sandbox) -> None:
    """It outlives those that came after it and were used only once."""

    class Forgetful(setle.MemoryTokenStore):
        def load(self, key: str) -> None:
            return None

    store = Forgetful()
    for numbers in (range(40), range(40, 80)):
        source_of(sandbox, store=store).get_token()
        for number in numbers:
            other = setle.ClientCredentials("id", str(number))
            source_of(sandbox, credentials=other, store=store)
        gc.collect()
    source_of(sandbox, store=store).get_token()
    assert sandbox.token_requests == 1


def test_a_callable_that_answered_again_begins_anew(sandbox: Sandbox, clock: Clock) -> None:
    """Its next failure holds calls up for a second, as its first one did."""
    down = True

    def provide() -> setle.ClientCredentials:
        if down:
            raise OSError
        return credentials_of(sandbox)

    source = source_of(sandbox, credentials=provide)
    assert refused(source).retry_in == 1.0
    clock.go_on(1)
    down = False
    source.invalidate(source.get_token())
    down = True
    assert refused(source).retry_in == 1.0


def test_a_state_goes_with_its_store(sandbox: Sandbox) -> None:
    """A store that is gone leaves nothing behind for another one at the same address."""
    for _ in range(100):
        source = source_of(sandbox)
        source.invalidate(source.get_token())
        del source
        join_refreshes()
    assert sandbox.token_requests == 100


def test_a_late_refresh_brings_a_token_for_all(sandbox: Sandbox, clock: Clock) -> None:
    """A second source that comes during the refresh waits for it, and needs none of its own."""
    store = setle.MemoryTokenStore()
    first, second = source_of(sandbox, store=store), source_of(sandbox, store=store)
    with ThreadPoolExecutor(2) as pool:
        with sandbox.hold():
            one = pool.submit(first.get_token)
            sandbox.wait_for(token_requests=1)
            other = pool.submit(second.get_token)
        assert one.result(30) == other.result(30)
    assert source_of(sandbox, store=elsewhere(store)).get_token() == one.result()
    assert sandbox.token_requests == 1


def test_a_hold_is_shared(sandbox: Sandbox, clock: Clock) -> None:
    """What one source reports lets the rejections of all others pass."""
    store = setle.MemoryTokenStore()
    one, other = source_of(sandbox, store=store), source_of(sandbox, store=store)
    assert one.report_rejection(one.get_token().value)
    token = other.get_token()
    assert not other.report_rejection(token.value)
    assert one.get_token() == token
    clock.go_on(1)
    assert other.report_rejection(token.value)
    assert one.get_token() != token


def test_a_rejected_token_of_before_a_hold_says_nothing_of_newer_ones(
    sandbox: Sandbox, clock: Clock
) -> None:
    """As one that another process has saved before both of them were revoked."""
    store = setle.MemoryTokenStore()
    source, other = source_of(sandbox, store=store), source_of(sandbox, store=elsewhere(store))
    first = source.get_token()
    clock.go_on(10)
    other.invalidate(other.get_token())
    second = other.get_token()
    clock.go_on(0.5)
    assert source.report_rejection(first.value)
    assert source.get_token() == second != first
    assert source.report_rejection(second.value)
    third = source.get_token()
    assert not source.report_rejection(third.value)
    assert source.get_token() == third
    assert sandbox.token_requests == 3


def test_an_answer_to_an_early_refresh_counts_though_the_token_has_gone(
    sandbox: Sandbox, clock: Clock
) -> None:
    """The endpoint has asked for patience, whoever waits by then."""
    source = source_of(sandbox)
    token = source.get_token()
    clock.go_on(3425)
    sandbox.script_token(Answer(503, headers={"Retry-After": "40"}))
    with sandbox.hold():
        assert source.get_token() == token
        sandbox.wait_for(token_requests=2)
        source.invalidate(token)
    join_refreshes()
    assert refused(source).retry_in == 40
    assert sandbox.token_requests == 2


def test_everything_can_be_forgotten(sandbox: Sandbox, clock: Clock) -> None:
    """After a reset nothing of an earlier test has a say: no token, back-off, hold or callable."""
    store = setle.MemoryTokenStore()
    first = source_of(sandbox, store=store)
    rejected = first.get_token()
    assert first.report_rejection(rejected.value)
    sandbox.script_token(REFUSED)
    refused(first)
    forget_everything()
    assert first.current_token() is None
    second = source_of(sandbox, store=store).get_token()
    assert first.report_rejection(second.value)
    assert sandbox.token_requests == 3


def test_who_waits_while_everything_is_forgotten_asks_anew(sandbox: Sandbox) -> None:
    """The refresh under way is nobody's any more, nor is its token."""
    source = source_of(sandbox)
    with ThreadPoolExecutor(1) as pool, sandbox.hold():
        waiting = pool.submit(source.get_token)
        sandbox.wait_for(token_requests=1)
        forget_everything()
        assert not waiting.done()
    assert source.get_token() == waiting.result(30)
    assert sandbox.token_requests == 2


def test_rejected_tokens_are_gone_through_while_more_are_rejected() -> None:
    """A refresh does so without the mutex, in a Python that may have no GIL."""
    state = KeyState(TolerantStore(setle.MemoryTokenStore()), "")
    fresh, *tokens = [setle.AccessToken(f"{number}", END, 3600.0) for number in range(1_000)]

    def reject() -> None:
        for number, token in enumerate(tokens):
            state.take(token, number, loaded=False)
            state.report_rejection(token.value, always=True)

    with ThreadPoolExecutor(2) as pool:
        rejecting = pool.submit(reject)
        while not rejecting.done():
            assert not state.is_rejected(fresh)
    rejecting.result()
    assert [state.is_rejected(token) for token in tokens[-17:]] == [False, *[True] * 16]
