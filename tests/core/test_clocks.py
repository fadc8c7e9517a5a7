"""Clocks that other people freeze, thaw and set back."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import freezegun
import pytest
import time_machine

import setle
from setle.testing import Answer, Sandbox
from tests.support import Clock, all_at_once, join_refreshes, source_of
from tests.support.faults import asked, fault, saw, times, yes

Freeze = Callable[[str], AbstractContextManager[object]]


@contextmanager
def _freezegun(at: str) -> Iterator[None]:
    """Both clocks stand still; freezegun fails where they are read while it thaws them."""
    with freezegun.freeze_time(at):
        yield


@contextmanager
def _time_machine(at: str) -> Iterator[None]:
    """The wall clock stands still, the monotonic one goes on."""
    with time_machine.travel(at, tick=False):
        yield


@contextmanager
def _nothing(at: str) -> Iterator[None]:
    """Neither does anything."""
    yield


frozen_by = pytest.mark.parametrize("freeze", [_freezegun, _time_machine])
before_and_after = pytest.mark.parametrize(
    "moments",
    [
        ("2020-01-01", ""),
        ("", "2020-01-01"),
        ("2030-01-01", ""),
        ("", "2030-01-01"),
        ("2020-01-01", "2030-01-01"),
        ("2030-01-01", "2020-01-01"),
    ],
)


@fault(
    "Clocks",
    "both clocks, or the wall clock, frozen in 2020 or 2030 and thawed",
    "all are served, for one request each time",
)
@frozen_by
@before_and_after
def test_one_client_in_a_frozen_test_and_the_next_one(
    sandbox: Sandbox, freeze: Freeze, moments: tuple[str, str]
) -> None:
    """Each asks once at most, whichever of them is frozen, and all threads are served."""
    source, served, most = source_of(sandbox), 0, 0
    for turn, moment in enumerate(moments, 1):
        before = sandbox.token_requests
        with freeze(moment) if moment else _nothing(moment):
            for future in all_at_once(8, source.get_token):
                served += bool(future.result())
            for _ in range(20):
                served += bool(source.get_token())
            join_refreshes()
        assert sandbox.token_requests <= turn
        most = max(most, sandbox.token_requests - before)
    saw(f"{times(served, 'call')} served", f"at most {times(most, 'token request')} each time")


@before_and_after
def test_a_failure_in_a_frozen_test_does_not_hold_up_the_next_one(
    sandbox: Sandbox, moments: tuple[str, str]
) -> None:
    """Years on the monotonic clock are over, whichever way it went."""
    source = source_of(sandbox)
    sandbox.script_token(Answer(status=401))
    with _freezegun(moments[0]) if moments[0] else _nothing(""):
        with pytest.raises(setle.TokenRejectedError):
            source.get_token()
        with pytest.raises(setle.TokenRejectedError):
            source.get_token()
        join_refreshes()
    assert sandbox.token_requests == 1
    with _freezegun(moments[1]) if moments[1] else _nothing(""):
        source.get_token()
        join_refreshes()
    assert sandbox.token_requests == 2


_FIRST_USE = """
import setle, threading, time
real = time.monotonic
time.monotonic = lambda: 100.0  # as a test may stop it that is the first to use the client
setle.TokenSource
time.monotonic = real
source = setle.TokenSource(lambda: threading.Event().wait(20), timeout=0.2)
began = real()
try:
    source.get_token()
except setle.TokenUnavailableError as error:
    print(type(error).__name__, real() - began < 10)
"""


def test_a_test_that_is_first_to_use_the_client_may_stop_the_clock() -> None:
    """Later ones have the real clock, though most of the package is imported at first use."""
    done = subprocess.run(
        [sys.executable, "-c", _FIRST_USE], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "TokenUnavailableError True\n"


@frozen_by
def test_attempts_in_a_frozen_test_pause_and_end(sandbox: Sandbox, freeze: Freeze) -> None:
    """Pauses are on the real clock: a frozen one would never be over."""
    source = source_of(sandbox)
    sandbox.script_token(*[Answer(status=503)] * 2)
    with freeze("2020-01-01"):
        source.get_token()
        join_refreshes()
    assert sandbox.token_requests == 3


@frozen_by
def test_a_refresh_that_begins_frozen_ends_thawed(sandbox: Sandbox, freeze: Freeze) -> None:
    """It goes on with its pause and its attempts as if nothing had been."""
    source = source_of(sandbox)
    sandbox.script_token(Answer(status=503, headers={"Retry-After": "0.5"}))
    with ThreadPoolExecutor(1) as pool:
        with freeze("2020-01-01"):
            waiting = pool.submit(source.get_token)
            sandbox.wait_for(token_requests=1)
        waiting.result(30)
    assert sandbox.token_requests == 2


@frozen_by
def test_a_refresh_that_begins_thawed_ends_frozen(sandbox: Sandbox, freeze: Freeze) -> None:
    """The other way round."""
    source = source_of(sandbox)
    sandbox.script_token(Answer(status=503, headers={"Retry-After": "0.5"}))
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(source.get_token)
        sandbox.wait_for(token_requests=1)
        with freeze("2020-01-01"):
            waiting.result(30)
            join_refreshes()  # freezegun's clock fails whoever reads it while it thaws
    assert sandbox.token_requests == 2


@frozen_by
def test_processes_share_a_file_while_the_clock_is_frozen(
    sandbox: Sandbox, freeze: Freeze, tmp_path: Path
) -> None:
    """Waiting for the file's lock ends as well, though its time stands still."""
    sources = [source_of(sandbox, store=setle.FileTokenStore(tmp_path)) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool, freeze("2020-01-01"):
        with sandbox.hold():
            waiting = [pool.submit(source.get_token) for source in sources]
            sandbox.wait_for(token_requests=1)
        assert len({call.result(30).value for call in waiting}) == 1
        join_refreshes()
    assert sandbox.token_requests == 1


@fault(
    "Clocks",
    "the wall clock is set back by 0.5, 3 or 24 hours after a token was stored",
    "a token from the future counts as none; the new one is shared",
)
@pytest.mark.parametrize("hours", [0.5, 3, 24])
def test_a_stored_token_from_the_future_counts_as_none(
    sandbox: Sandbox, clock: Clock, tmp_path: Path, hours: float
) -> None:
    """The clock has been set back since: nobody knows how long the token still lasts."""
    source_of(sandbox, store=setle.FileTokenStore(tmp_path)).get_token()
    clock.wall -= hours * 3600
    newer = source_of(sandbox, store=setle.FileTokenStore(tmp_path)).get_token()
    assert sandbox.token_requests == 2
    again = source_of(sandbox, store=setle.FileTokenStore(tmp_path)).get_token()
    assert again.value == newer.value
    assert sandbox.token_requests == 2
    same = "the same" if again == newer else "another"
    saw(f"another token, then {same} again", asked(sandbox))


@fault(
    "Clocks",
    "a token ends, then the wall clock is set back by two hours",
    "it is not revived, in memory or in the file",
)
def test_a_stored_token_that_has_ended_is_not_revived(
    sandbox: Sandbox, clock: Clock, tmp_path: Path
) -> None:
    """Neither by a clock set back for this process's own token, nor for a stored one."""
    source = source_of(sandbox, store=setle.FileTokenStore(tmp_path))
    old = source.get_token()
    clock.go_on(3600)
    clock.wall -= 2 * 3600
    newer = source.get_token()
    assert newer.value != old.value
    assert sandbox.token_requests == 2
    saw(f"another token: {yes(newer != old)}", asked(sandbox))


@fault(
    "Clocks", "another machine's wall clock is 29 s behind", "less than the margin costs nothing"
)
def test_a_step_back_by_less_than_the_margin_costs_nothing(
    sandbox: Sandbox, clock: Clock, tmp_path: Path
) -> None:
    """The clocks of two machines are never quite the same."""
    token = source_of(sandbox, store=setle.FileTokenStore(tmp_path)).get_token()
    clock.wall -= 29
    shared = source_of(sandbox, store=setle.FileTokenStore(tmp_path)).get_token()
    assert shared == token
    assert sandbox.token_requests == 1
    saw(f"the stored token; {asked(sandbox)}" if shared == token else "another one")


@fault(
    "Clocks", "the wall clock is set ahead by a day, and back", "one token request more, at most"
)
def test_a_wall_clock_that_jumps_ahead_and_back(sandbox: Sandbox, clock: Clock) -> None:
    """The token has ended by one clock; its successor outlives the way back."""
    source = source_of(sandbox)
    tokens = [source.get_token()]
    for seconds in (86_400, -86_400):
        clock.wall += seconds
        tokens += [source.get_token() for _ in range(5)]
    assert len(set(tokens)) == 2
    assert sandbox.token_requests == 2
    saw(f"{len(tokens)} calls served", asked(sandbox))
