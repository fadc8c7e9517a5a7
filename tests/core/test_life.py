"""The design's invariants, whatever happens in whatever order."""

import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import NamedTuple

import httpx
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

import setle
from setle.testing import Answer, Sandbox
from tests.support import Clock, credentials_of, elsewhere, join_refreshes, source_of
from tests.support.processes import forked

# Failures that are not tried again within a refresh, so that no test waits for a pause.
REFUSED = Answer(401, json={"statusCode": 401, "message": "Unauthorized"})
UNUSABLE = Answer(json={"access_token": "", "expires_in": None, "token_type": "mac"})
LIFETIMES = st.sampled_from([1, 5, 60, 900, 3600, 86_400])
TENANTS = st.integers(0, 1)
PLACES = st.integers(0, 3)
SOURCES = st.integers(0, 3)


class Issued(NamedTuple):
    """When the server issued a token, and for how long."""

    monotonic: float
    wall: float
    lifetime: float

    def age(self, clock: Clock) -> tuple[float, float]:
        return clock.monotonic - self.monotonic, clock.wall - self.wall

    def is_usable(self, clock: Clock) -> bool:
        return max(self.age(clock)) < self.lifetime

    def is_stale(self, clock: Clock) -> bool:
        return max(self.age(clock)) >= self.lifetime - min(30, self.lifetime / 20) - 1e-6

    def is_fresh(self, clock: Clock) -> bool:
        margin, window = min(30, self.lifetime / 20), min(150, self.lifetime / 20)
        # A microsecond for what adding up floats costs.
        return max(self.age(clock)) < self.lifetime - margin - 2 * window - 1e-6


class Tenant:
    """A server with credentials of its own, and what it has been doing."""

    def __init__(self, sandbox: Sandbox) -> None:
        sandbox.lifetime = 3600
        self.sandbox = sandbox
        self.failures: list[Answer] = []
        self.last_issue = Issued(0, 0, 0)
        self.saved: str | None = None
        credentials = credentials_of(sandbox)
        self.provide = lambda: credentials


class Place:
    """A process that uses a tenant's tokens, with several sources for them."""

    def __init__(self, tenant: Tenant, store: setle.MemoryTokenStore) -> None:
        self.tenant, self.store = tenant, store
        self.held: str | None = None
        self.rejected: set[str] = set()
        self.no_request_before = float("-inf")
        self.hold, self.drops = float("-inf"), 0
        self.dropped_at = float("-inf")
        self.sources = [self.source() for _ in range(2)]
        self.sources += [self.source(lambda: credentials_of(tenant.sandbox))]
        self.sources += [self.source(tenant.provide)]

    def source(self, way: Callable[[], setle.ClientCredentials] | None = None) -> setle.TokenSource:
        return source_of(self.tenant.sandbox, credentials=way, store=self.store)

    def drop(self, clock: Clock) -> None:
        assert self.held is not None
        self.rejected.add(self.held)
        self.held = None
        if clock.monotonic > self.hold + 60:
            self.drops = 0
        self.dropped_at = clock.monotonic
        self.hold = clock.monotonic + min(60, 2**self.drops)
        self.drops += 1


class Life(RuleBasedStateMachine):
    """Two processes share a store for two tenants, and the world does what it likes."""

    def __init__(self, sandboxes: tuple[Sandbox, Sandbox], clock: Clock) -> None:
        super().__init__()
        self.clock = clock
        self.tenants = [Tenant(sandbox) for sandbox in sandboxes]
        store = setle.MemoryTokenStore()
        other = elsewhere(store)
        self.places = [
            Place(tenant, shared) for tenant in self.tenants for shared in (store, other)
        ]
        self.issued: dict[str, Issued] = {}
        self.forks = 0

    def teardown(self) -> None:
        # What was scripted for this world must not reach the next one.
        for tenant in self.tenants:
            for _ in tenant.failures:
                # Loading certificates, of which it needs none, takes far longer than the request.
                httpx.post(tenant.sandbox.base_url + "/v1/oauth/token", verify=False)

    @initialize(world=st.sampled_from(["suspends", "steps"]))
    def begin(self, world: str) -> None:
        # One at a time: a wall clock set back by just what a suspend took fools anybody.
        self.world = world

    @rule(which=TENANTS, lifetime=LIFETIMES)
    def server_changes_the_lifetime(self, which: int, lifetime: float) -> None:
        self.tenants[which].sandbox.lifetime = lifetime

    @rule(which=TENANTS, lives=st.floats(0, 1.5))
    def lives_pass(self, which: int, lives: float) -> None:
        self.clock.go_on(lives * self.tenants[which].last_issue.lifetime)

    @rule(seconds=st.sampled_from([0.25, 1, 5, 30, 61]))
    def seconds_pass(self, seconds: float) -> None:
        self.clock.go_on(seconds)

    @precondition(lambda self: self.world == "suspends")
    @rule(seconds=st.floats(0, 100_000))
    def the_machine_sleeps(self, seconds: float) -> None:
        self.clock.wall += seconds

    @precondition(lambda self: self.world == "steps")
    @rule(seconds=st.floats(-100_000, 100_000))
    def the_wall_clock_is_set(self, seconds: float) -> None:
        self.clock.wall += seconds

    @rule(which=TENANTS, answer=st.sampled_from([REFUSED, UNUSABLE]))
    def the_next_request_fails(self, which: int, answer: Answer) -> None:
        tenant = self.tenants[which]
        tenant.sandbox.script_token(answer)
        tenant.failures.append(answer)

    @rule(which=PLACES)
    def a_web_request_makes_sources_of_its_own(self, which: int) -> None:
        place = self.places[which]
        place.sources[2] = place.source(lambda: credentials_of(place.tenant.sandbox))
        place.sources[3] = place.source(place.tenant.provide)

    @rule(which=PLACES)
    def somebody_knows_that_the_token_is_no_good(self, which: int) -> None:
        place = self.places[which]
        if place.held is not None:
            # Only the value counts.
            end = datetime.now(UTC)
            place.sources[0].invalidate(setle.AccessToken(place.held, end, 1.0))
            place.drop(self.clock)

    @rule(which=PLACES, times=st.integers(1, 3))
    def the_api_rejects_the_token(self, which: int, times: int) -> None:
        place = self.places[which]
        for _ in range(times):  # as a replay is rejected, too
            value, holds = place.held, self.clock.monotonic < place.hold
            if value is not None:
                token = place.sources[1].current_token()
                if token is not None and token.issued_at().monotonic < place.dropped_at - 0.001:
                    holds = False  # of before the hold, as out of the store
                assert place.sources[1].report_rejection(value) is not holds
                if not holds:
                    place.drop(self.clock)
                self.somebody_calls(which, 1)

    @rule(which=PLACES, number=SOURCES)
    def somebody_calls(self, which: int, number: int) -> None:
        place = self.places[which]
        source, before = place.sources[number], place.held

        def call() -> str:
            try:
                return source.get_token().value
            except setle.TokenError:
                return ""
            finally:
                join_refreshes()

        asked = self._check(place, call)
        token = source.current_token()
        place.held = token.value if token is not None else None
        if place.held and place.held != before:
            self.issued.setdefault(place.held, place.tenant.last_issue)
            place.no_request_before = float("-inf")
            if asked:
                place.tenant.saved = place.held

    @precondition(lambda self: hasattr(os, "fork") and self.forks < 2)
    @rule(which=PLACES, number=SOURCES)
    def a_child_calls(self, which: int, number: int) -> None:
        place = self.places[which]
        source, held_up = place.sources[number], place.no_request_before

        def call() -> str:
            try:
                return source.get_token().value
            except setle.TokenError:
                return ""
            finally:
                join_refreshes()

        def in_a_child() -> str:
            return forked(call)()  # forked only now, when its requests are counted

        self.forks += 1
        known = self.issued[place.held] if place.held else None
        asked = self._check(place, in_a_child)
        if known and not known.is_stale(self.clock):
            assert not asked, "a child that was only just forked began an early refresh"
        place.no_request_before = held_up  # what the child has learnt is the child's

    def _check(self, place: Place, call: Callable[[], str]) -> int:
        """Judge what comes of *call*; return how many requests it cost."""
        clock, tenant = self.clock, place.tenant
        known = self.issued[place.held] if place.held else None
        saved = tenant.saved if tenant.saved not in place.rejected else None
        is_saved = saved is not None and self.issued[saved].is_usable(clock)
        requests = [each.sandbox.token_requests for each in self.tenants]
        value = call()
        after = [each.sandbox.token_requests for each in self.tenants]
        asked = tenant.sandbox.token_requests - requests[self.tenants.index(tenant)]
        assert sum(after) - sum(requests) == asked, "another tenant's server was asked"
        assert asked <= 1, "more than one request for one call"
        if asked:
            assert clock.monotonic >= place.no_request_before, "a request during the back-off"
            place.no_request_before = float("-inf")
            if not tenant.failures:
                tenant.last_issue = Issued(clock.monotonic, clock.wall, tenant.sandbox.lifetime)
            else:
                least = 30 if tenant.failures.pop(0) is REFUSED else 0.5
                place.no_request_before = clock.monotonic + least
        if known and known.is_fresh(clock):
            assert not asked, "a request while the token is fresh"
            assert value == place.held, "another token was served while one is fresh"
        if known and known.is_usable(clock):
            assert value, "a usable token was not served"
        if is_saved and self.world == "suspends":  # else it may seem to be from the future
            assert value, "a usable token of the store was not served"
        if value:
            assert len(value) > 20, value
            issue = self.issued.setdefault(value, tenant.last_issue)
            now = clock.wall if self.world == "suspends" else clock.monotonic
            then = issue.wall if self.world == "suspends" else issue.monotonic
            assert now < then + issue.lifetime, "a token past its life"
            assert value not in place.rejected, "a rejected token came back"
            owners = {id(each.tenant) for each in self.places if each.held == value}
            assert owners <= {id(tenant)}, "a token of another tenant"
        return asked


@pytest.fixture
def sandboxes(sandbox: Sandbox) -> Iterator[tuple[Sandbox, Sandbox]]:
    with Sandbox() as other:
        yield sandbox, other


@pytest.mark.usefixtures("unmeasured")
@pytest.mark.timeout(300)  # as many worlds as these take a minute on a busy machine
def test_the_invariants_hold_in_any_order_of_events(
    sandboxes: tuple[Sandbox, Sandbox], clock: Clock
) -> None:
    """Never past its life, never two requests, never one while fresh; a usable token is served."""

    class Here(Life):
        def __init__(self) -> None:
            super().__init__(sandboxes, clock)

    run_state_machine_as_test(
        Here,
        settings=settings(
            max_examples=100,
            stateful_step_count=40,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
