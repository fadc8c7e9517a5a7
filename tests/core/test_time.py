"""The arithmetic of a token's life, with plain numbers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from setle._time import BackOff, Instant, refresh_after, stale_after

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


def delays(back_off: BackOff, times: int, **more: float) -> list[float]:
    """Return the delays of failures that each come when the delay before has just ended."""
    now, found = 1000.0, []
    for _ in range(times):
        back_off.extend(now, **more)
        found.append(back_off.until - now)
        now = back_off.until
    return found


def test_no_delay_at_first() -> None:
    """Before the first failure there is no delay."""
    assert BackOff().until == float("-inf")


def test_delays_double() -> None:
    """The delay doubles from 1 second to 60 and stays there."""
    assert delays(BackOff(), 9) == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_share() -> None:
    """A drawn share shortens each delay, and not the doubling."""
    assert delays(BackOff(), 8, share=0.5) == [0.5, 1, 2, 4, 8, 16, 30, 30]


def test_at_least() -> None:
    """A delay that was asked for holds until the doubling has passed it, up to 60 seconds."""
    assert delays(BackOff(), 7, at_least=10.0) == [10, 10, 10, 10, 16, 32, 60]
    assert delays(BackOff(), 2, at_least=3600.0, share=0.5) == [60, 60]


@pytest.mark.parametrize(("quiet", "delay"), [(0.0, 8.0), (59.9, 8.0), (60.0, 8.0), (60.1, 1.0)])
def test_forgets(quiet: float, delay: float) -> None:
    """After more than 60 seconds without a failure the doubling begins anew."""
    back_off = BackOff()
    delays(back_off, 3)
    now = back_off.until + quiet
    back_off.extend(now)
    assert back_off.until - now == pytest.approx(delay)


def test_clear() -> None:
    """A success ends the delay and begins the doubling anew."""
    back_off = BackOff()
    delays(back_off, 3)
    back_off.clear()
    assert back_off.until == float("-inf")
    assert delays(back_off, 2) == [1, 2]


@given(
    failures=st.lists(
        st.tuples(st.floats(0.0, 200.0), st.floats(0.0, 1.0), st.floats(0.0, 1e9)), max_size=20
    )
)
def test_delay_is_bounded(failures: list[tuple[float, float, float]]) -> None:
    """Whatever happens, no delay is longer than 60 seconds or lies in the past."""
    back_off, now = BackOff(), 0.0
    for passed, share, at_least in failures:
        now += passed
        back_off.extend(now, share=share, at_least=at_least)
        assert 0.0 <= back_off.until - now <= 60.0 + 1e-9
