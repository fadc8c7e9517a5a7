"""The design's invariants, whatever happens in whatever order."""

from datetime import UTC, datetime
from typing import NamedTuple

import httpx
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
from tests.support import Clock, credentials_of, join_refreshes

# Failures that are not tried again within a refresh, so that no test waits for a pause.
REFUSED = Answer(401, json={"statusCode": 401, "message": "Unauthorized"})
UNUSABLE = Answer(json={"access_token": "", "expires_in": None, "token_type": "mac"})
LIFETIMES = st.sampled_from([1, 5, 60, 900, 3600, 86_400])
SOURCES = st.integers(0, 1)


class Issued(NamedTuple):
    """When the server issued a token, and for how long."""

    monotonic: float
    wall: float
    lifetime: float

    def age(self, clock: Clock) -> tuple[float, float]:
        return clock.monotonic - self.monotonic, clock.wall - self.wall

    def is_usable(self, clock: Clock) -> bool:
        return max(self.age(clock)) < self.lifetime

    def is_fresh(self, clock: Clock) -> bool:
        margin, window = min(30, self.lifetime / 20), min(150, self.lifetime / 20)
        # A microsecond for what adding up floats costs.
        return max(self.age(clock)) < self.lifetime - margin - 2 * window - 1e-6


class Life(RuleBasedStateMachine):
    """Two sources share a store, and the world does what it likes."""

    def __init__(self, sandbox: Sandbox, clock: Clock) -> None:
        super().__init__()
        self.sandbox, self.clock = sandbox, clock
        sandbox.lifetime = 3600
        store = setle.MemoryTokenStore()
        self.sources = [
            setle.TokenSource(
                credentials_of(sandbox), base_url=sandbox.base_url, store=store, verify_ssl=False
            )
            for _ in range(2)
        ]
        self.held: list[str | None] = [None, None]
        self.issued: dict[str, Issued] = {}
        self.last_issue = Issued(0, 0, 0)
        self.rejected: set[str] = set()
        self.no_request_before = float("-inf")
        self.failures: list[Answer] = []

    def teardown(self) -> None:
        # What was scripted for this world must not reach the next one.
        for _ in self.failures:
            # Loading certificates, of which it needs none, takes far longer than the request.
            httpx.post(self.sandbox.base_url + "/v1/oauth/token", verify=False)

    @initialize(world=st.sampled_from(["suspends", "steps"]))
    def begin(self, world: str) -> None:
        # One at a time: a wall clock set back by just what a suspend took fools anybody.
        self.world = world

    @rule(lifetime=LIFETIMES)
    def server_changes_the_lifetime(self, lifetime: float) -> None:
        self.sandbox.lifetime = lifetime

    @rule(lives=st.floats(0, 1.5))
    def lives_pass(self, lives: float) -> None:
        self.clock.go_on(lives * self.last_issue.lifetime)

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

    @rule(answer=st.sampled_from([REFUSED, UNUSABLE]))
    def the_next_request_fails(self, answer: Answer) -> None:
        self.sandbox.script_token(answer)
        self.failures.append(answer)

    @rule(which=SOURCES)
    def the_api_rejects_the_token(self, which: int) -> None:
        value = self.held[which]
        if value is not None:
            self.rejected.add(value)
            # Only the value counts.
            self.sources[which].invalidate(setle.AccessToken(value, datetime.now(UTC), 1.0))
            self.held[which] = None

    @rule(which=SOURCES)
    def somebody_calls(self, which: int) -> None:
        clock, sandbox = self.clock, self.sandbox
        value = self.held[which]
        known = self.issued[value] if value else None
        requests = sandbox.token_requests
        token, failure = None, None
        try:
            token = self.sources[which].get_token()
        except setle.TokenError as error:
            failure = error
        join_refreshes()
        asked = sandbox.token_requests - requests
        assert asked <= 1, "more than one request for one call"
        if asked:
            assert clock.monotonic >= self.no_request_before, "a request during the back-off"
            self.no_request_before = float("-inf")
            if not self.failures:
                self.last_issue = Issued(clock.monotonic, clock.wall, sandbox.lifetime)
            else:
                least = 30 if self.failures.pop(0) is REFUSED else 0.5
                self.no_request_before = clock.monotonic + least
        if known and known.is_fresh(clock):
            assert not asked, "a request while the token is fresh"
            assert token is not None, "a fresh token was not served"
            assert token.value == value, "another token was served while one is fresh"
        if failure:
            assert not (known and known.is_usable(clock)), "a usable token was not served"
        if token:
            issue = self.issued.setdefault(token.value, self.last_issue)
            now = clock.wall if self.world == "suspends" else clock.monotonic
            then = issue.wall if self.world == "suspends" else issue.monotonic
            assert now < then + issue.lifetime, "a token past its life"
            # The other source learns of it by its own rejection.
            assert token.value not in self.rejected - {value}, "a rejected token came back"
            self.held[which] = token.value


def test_the_invariants_hold_in_any_order_of_events(sandbox: Sandbox, clock: Clock) -> None:
    """Never past its life, never two requests, never one while fresh; a usable token is served."""

    class Here(Life):
        def __init__(self) -> None:
            super().__init__(sandbox, clock)

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
