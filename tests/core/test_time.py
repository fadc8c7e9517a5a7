"""The arithmetic of a token's life and of waiting, with plain numbers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from setle import _time
from setle._time import BackOff, Deadline, Instant, quiet_after, refresh_after, stale_after
from tests.support import Clock

lifetimes = st.floats(1e-3, 315_360_000.0)


@pytest.mark.parametrize(
    ("lifetime", "stale", "earliest", "latest"),
    [
        # m = L/20 and w = L/20, up to 30 s and 150 s
        (1.0, 0.95, 0.85, 0.90),
        (20.0, 19.0, 17.0, 18.0),
        (60.0, 57.0, 51.0, 54.0),
        (599.0, 569.05, 509.15, 539.1),
        (600.0, 570.0, 510.0, 540.0),
        (601.0, 571.0, 510.9, 540.95),
        (2999.0, 2969.0, 2669.1, 2819.05),
        (3000.0, 2970.0, 2670.0, 2820.0),
        (3001.0, 2971.0, 2671.0, 2821.0),
        (3600.0, 3570.0, 3270.0, 3420.0),
        (86_400.0, 86_370.0, 86_070.0, 86_220.0),
    ],
)
def test_points(lifetime: float, stale: float, earliest: float, latest: float) -> None:
    """Each point of a life is where the design puts it, on either side of each limit."""
    assert stale_after(lifetime) == pytest.approx(stale)
    assert refresh_after(lifetime, 1.0) == pytest.approx(earliest)
    assert refresh_after(lifetime, 0.5) == pytest.approx((earliest + latest) / 2)
    assert refresh_after(lifetime, 0.0) == pytest.approx(latest)


@given(lifetime=lifetimes, chance=st.floats(0.0, 1.0))
def test_order(lifetime: float, chance: float) -> None:
    """However short the life: most of it is fresh, then comes the early refresh, then the end."""
    refresh, stale = refresh_after(lifetime, chance), stale_after(lifetime)
    assert 0.849 * lifetime <= refresh < stale < lifetime
    assert stale - refresh >= 0.99 * min(150.0, lifetime / 20)


@pytest.mark.parametrize(
    ("monotonic", "wall", "has_come"),
    [
        (9.999, 99.999, False),
        (10.0, 99.0, True),
        (9.0, 100.0, True),
        (10.0, 100.0, True),
        (11.0, 0.0, True),  # the wall clock was set back
        (0.0, 101.0, True),  # the machine was suspended
    ],
)
def test_either_clock_says_so(monotonic: float, wall: float, has_come: bool) -> None:
    """A moment has come as soon as one of both clocks has reached it."""
    assert Instant(10.0, 100.0).has_come(Instant(monotonic, wall)) is has_come


def test_after() -> None:
    """A moment is moved on both clocks."""
    assert Instant(10.0, 100.0).after(2.5) == (12.5, 102.5)
    assert Instant(10.0, 100.0).after(-2.5) == (7.5, 97.5)


def test_or_earlier() -> None:
    """Of two moments the earlier is taken for each clock by itself."""
    assert Instant(10.0, 200.0).or_earlier(Instant(20.0, 100.0)) == (10.0, 100.0)


@pytest.mark.parametrize(
    ("lifetime", "quiet"), [(1.0, 0.025), (60.0, 1.5), (200.0, 5.0), (3600.0, 5.0)]
)
def test_quiet(lifetime: float, quiet: float) -> None:
    """After a token was loaded there is no early refresh for half the window, up to 5 seconds."""
    assert quiet_after(lifetime) == pytest.approx(quiet)


@pytest.mark.parametrize(
    ("timeout", "passed", "left", "left_to_ask"),
    [(15.0, 0.0, 15.0, 14.5), (15.0, 14.75, 0.25, 0.0), (2.0, 0.0, 2.0, 1.8), (2.0, 9.0, 0.0, 0.0)],
)
def test_deadline(timeout: float, passed: float, left: float, left_to_ask: float) -> None:
    """Asking ends half a second or a tenth before the deadline, and nothing is left after it."""
    instants = iter([100.0, 100.0 + passed, 100.0 + passed])
    deadline = Deadline(timeout, clock=lambda: next(instants))
    assert deadline.left == pytest.approx(left)
    assert deadline.left_to_ask == pytest.approx(left_to_ask)


def delays(clock: Clock, back_off: BackOff, times: int, **more: float) -> list[float]:
    """Return the delays of failures that each come when the delay before has just ended."""
    found = []
    for _ in range(times):
        back_off.begin(**more)
        found.append(back_off.left)
        clock.go_on(back_off.left)
    return found


def test_no_delay_at_first(clock: Clock) -> None:
    """Before the first failure there is no delay."""
    assert BackOff().left == 0


def test_delays_double(clock: Clock) -> None:
    """The delay doubles from 1 second to 60 and stays there."""
    assert delays(clock, BackOff(), 9) == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_failures_at_one_instant_count(clock: Clock) -> None:
    """The next delay begins where the one before did, if no time has passed, and is longer."""
    back_off = BackOff()
    for delay in (1, 2, 4):
        back_off.begin()
        assert back_off.left == delay


def test_a_delay_counts_down(clock: Clock) -> None:
    """What is left of a delay is told to the second, and never less than none."""
    back_off = BackOff()
    back_off.begin(at_least=10)
    clock.go_on(4)
    assert back_off.left == 6
    clock.go_on(7)
    assert back_off.left == 0


def test_share(clock: Clock) -> None:
    """A drawn share shortens each delay, and not the doubling."""
    assert delays(clock, BackOff(), 8, share=0.5) == [0.5, 1, 2, 4, 8, 16, 30, 30]


def test_at_least(clock: Clock) -> None:
    """A delay that was asked for holds until the doubling has passed it, up to 60 seconds."""
    assert delays(clock, BackOff(), 7, at_least=10.0) == [10, 10, 10, 10, 16, 32, 60]
    assert delays(clock, BackOff(), 2, at_least=3600.0, share=0.5) == [60, 60]


@pytest.mark.parametrize(("quiet", "delay"), [(0.0, 8.0), (59.9, 8.0), (60.0, 8.0), (60.1, 1.0)])
def test_forgets(quiet: float, delay: float, clock: Clock) -> None:
    """After more than 60 seconds without a failure the doubling begins anew."""
    back_off = BackOff()
    delays(clock, back_off, 3)
    clock.go_on(quiet)
    back_off.begin()
    assert back_off.left == pytest.approx(delay)


def test_a_day_of_failures(clock: Clock) -> None:
    """However long it goes on, the delay is a minute: no power of two overflows."""
    assert set(delays(clock, BackOff(), 2_000)[6:]) == {60.0}


def test_a_clock_that_goes_back_ends_the_delay(clock: Clock) -> None:
    """After a test that froze the time in the future, nobody waits for that future."""
    back_off = BackOff()
    clock.monotonic = 1e9
    delays(clock, back_off, 3)
    back_off.begin()
    clock.monotonic = 1_000.0
    assert back_off.left == 0
    assert delays(clock, back_off, 2) == [1, 2]


@given(
    failures=st.lists(
        st.tuples(st.floats(0.0, 200.0), st.floats(0.0, 1.0), st.floats(0.0, 1e9)), max_size=20
    )
)
def test_delay_is_bounded(failures: list[tuple[float, float, float]]) -> None:
    """Whatever happens, no delay is longer than 60 seconds or lies in the past."""
    back_off, clock = BackOff(), Clock()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_time, "monotonic", lambda: clock.monotonic)
        for passed, share, at_least in failures:
            clock.go_on(passed)
            back_off.begin(share=share, at_least=at_least)
            assert 0.0 <= back_off.left <= 60.0 + 1e-9


@pytest.mark.parametrize(("monotonic", "wall"), [(3.0, 5.0), (5.0, 3.0), (3.0, -9.0)])
def test_seconds_after(monotonic: float, wall: float) -> None:
    """What is left is what is left by the clock that says less."""
    moment = Instant(10.0, 100.0)
    assert Instant(10.0 + monotonic, 100.0 + wall).seconds_after(moment) == min(monotonic, wall)
