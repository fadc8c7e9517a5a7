"""The access token: what can be one, when it ends, and that nothing shows it."""

import pickle
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

import setle
from setle import _time
from setle._time import Instant, now
from setle._token import NO_TOKEN, HeldToken

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)
VALUE = "eyJhbGciOiJub25lIn0.e30.5f0c5f0c"


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is noon, and the machine has run for 1,000 seconds."""
    monkeypatch.setattr(_time, "monotonic", lambda: 1000.0)
    monkeypatch.setattr(_time, "wall", NOON.timestamp)


def moment(seconds: float, *, wall: float | None = None) -> Instant:
    """Return the moment that many *seconds* after noon."""
    return Instant(1000.0 + seconds, NOON.timestamp() + (seconds if wall is None else wall))


def token(**changes: Any) -> setle.AccessToken:
    fields: dict[str, Any] = {
        "value": VALUE,
        "expires_at": NOON + timedelta(seconds=60),
        "lifetime": 60.0,
    }
    return setle.AccessToken(**{**fields, **changes})


def test_fields() -> None:
    """A token says what it is worth, of which type, and until when."""
    issued = setle.AccessToken.issued(VALUE, 60.0, at=now())
    assert issued == token()
    assert hash(issued) == hash(token())
    assert (issued.value, issued.lifetime, issued.token_type) == (VALUE, 60.0, "Bearer")
    assert issued.expires_at == NOON + timedelta(seconds=60)
    assert issued.expires_at.utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    "value", ["", " ", "a b", "a\n", "\ta", "a\x00", "a\x7f", "é", "\ud800", None, 5, b"a"]
)
def test_bad_value(value: Any) -> None:
    """A value that no header can carry is refused, and not shown."""
    with pytest.raises(ValueError, match=r"^access token is not a string of [\w ]+$"):
        token(value=value)


@pytest.mark.parametrize("lifetime", [0.0, -1.0, float("nan"), float("inf"), float("-inf")])
def test_bad_lifetime(lifetime: float) -> None:
    """A life that has no length is refused."""
    with pytest.raises(ValueError, match="lifetime"):
        token(lifetime=lifetime)


def test_naive_expiry() -> None:
    """An expiry without a time zone could mean any."""
    with pytest.raises(ValueError, match="time zone"):
        token(expires_at=datetime(2030, 1, 1, 12))


@pytest.mark.parametrize(
    ("seconds", "wall", "has_ended"),
    [
        (59.999, 59.999, False),
        (60.0, 0.0, True),
        (0.0, 60.0, True),
        (60.0, 60.0, True),
        (60.0, -9999.0, True),
    ],
)
@pytest.mark.parametrize("made", [token, lambda: setle.AccessToken.issued(VALUE, 60.0, at=now())])
def test_end(
    made: Callable[[], setle.AccessToken], seconds: float, wall: float, has_ended: bool
) -> None:
    """A token has ended as soon as one of both clocks says so, wherever it came from."""
    assert made().has_ended(moment(seconds, wall=wall)) is has_ended


def test_time_zone_of_the_expiry() -> None:
    """An expiry counts as the same instant in whatever zone it is written."""
    there = timezone(timedelta(hours=-7))
    foreign = token(expires_at=(NOON + timedelta(seconds=60)).astimezone(there))
    assert not foreign.has_ended(moment(59.9))
    assert foreign.has_ended(moment(60.0))


def test_wall_clock_that_was_set_back() -> None:
    """A token read back after the wall clock was set back lives no longer than as issued."""
    found = token(expires_at=NOON + timedelta(days=1))
    assert not found.has_ended(moment(59.9))
    assert found.has_ended(moment(60.0))


def test_partly_spent() -> None:
    """A token that is read back half-way through its life knows when it was issued."""
    found = token(expires_at=NOON + timedelta(seconds=20))
    assert found.issued_at() == moment(-40.0)
    assert found.has_ended(moment(20.0))


def test_nothing_shows_the_value() -> None:
    """Neither repr nor str nor a container around it shows the value, but a fingerprint."""
    issued = token()
    for text in (
        repr(issued),
        str(issued),
        f"{issued}",
        f"{[issued]}",
        f"{HeldToken.drawn(issued, 1, quiet=0.0)}",
    ):
        assert VALUE not in text
    assert issued.fingerprint in repr(issued)
    assert "2030-01-01T12:01:00" in repr(issued)


def test_fingerprint() -> None:
    """The fingerprint is eight hex digits that differ from token to token."""
    prints = {token(value=value).fingerprint for value in ("a", "b", "c")}
    assert len(prints) == 3
    assert all(len(one) == 8 and int(one, 16) >= 0 for one in prints)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_no_pickle(protocol: int) -> None:
    """Pickling is refused, saying what to do instead."""
    with pytest.raises(TypeError, match="TokenStore"):
        pickle.dumps(token(), protocol)


def test_no_pickle_of_what_holds_one() -> None:
    """A container cannot be pickled past that, nor can a source."""
    with pytest.raises(TypeError, match="TokenStore"):
        pickle.dumps({"token": token()})
    source = setle.TokenSource(setle.ClientCredentials("id", "secret"))
    with pytest.raises(TypeError, match="TokenStore"):
        pickle.dumps(source)
    with pytest.raises(TypeError, match="TokenStore"):
        pickle.dumps(setle.BearerAuth(source))


def test_frozen() -> None:
    """A token does not change."""
    with pytest.raises(AttributeError):
        token().value = "other"  # type: ignore[misc] # the mistake


def held_token(quiet: float = 0.0) -> HeldToken:
    """Return a token of 60 seconds, issued at noon, as it is held."""
    issued = setle.AccessToken.issued(VALUE, 60.0, at=moment(0))
    return HeldToken.drawn(issued, 1, quiet=quiet)


@pytest.mark.parametrize(
    ("seconds", "wall", "fresh"),
    [(50.9, 50.9, True), (54.1, 54.1, False), (0.0, 54.1, False), (54.1, 0.0, False)],
)
def test_held(seconds: float, wall: float, fresh: bool) -> None:
    """A token is fresh until somewhere in the window of the early refresh, by both clocks."""
    held = held_token()
    assert held.is_fresh(moment(seconds, wall=wall)) is fresh
    assert held.stale == pytest.approx(moment(57.0))


def test_held_without_an_early_refresh() -> None:
    """A token that is not refreshed early is fresh until it is stale."""
    held = held_token().until_stale()
    assert held.is_fresh(moment(56.9))
    assert not held.is_fresh(moment(57.1))


def test_early_refreshes_are_spread() -> None:
    """Tokens held in many places are refreshed at many instants, all within the window."""
    instants = [held_token().refresh_monotonic - 1000.0 for _ in range(200)]
    assert min(instants) >= 51.0 - 1e-6
    assert max(instants) <= 54.0 + 1e-6
    assert max(instants) - min(instants) > 1.5


def test_a_token_loaded_long_before_its_window_is_held_as_any_other() -> None:
    """There is nothing to put off."""
    assert 51.0 - 1e-6 <= held_token(quiet=1.5).refresh_monotonic - 1000.0 <= 54.0 + 1e-6


def test_a_token_loaded_in_its_window_is_refreshed_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not at once, as a short job would, and not by all at the same instant."""
    noon = held_token().token
    monkeypatch.setattr(_time, "monotonic", lambda: 1053.5)
    monkeypatch.setattr(_time, "wall", lambda: NOON.timestamp() + 53.5)
    instants = [HeldToken.drawn(noon, 1, quiet=1.5).refresh_monotonic - 1000.0 for _ in range(200)]
    assert min(instants) >= 55.0 - 1e-6
    assert max(instants) <= 57.0 + 1e-6
    assert max(instants) - min(instants) > 1.5


def test_a_token_loaded_just_before_it_is_stale_is_not_refreshed_early(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is left of its window is less than the time in which nothing begins."""
    noon = held_token().token
    monkeypatch.setattr(_time, "monotonic", lambda: 1056.0)
    monkeypatch.setattr(_time, "wall", lambda: NOON.timestamp() + 56.0)
    held = HeldToken.drawn(noon, 1, quiet=1.5)
    assert held.refresh_monotonic == held.stale.monotonic == pytest.approx(1057.0)


@pytest.mark.parametrize(("seconds", "fresh_until"), [(10.0, 10.0), (58.0, 58.0), (70.0, 60.0)])
def test_resting(seconds: float, fresh_until: float) -> None:
    """While it rests, a token is fresh, but never past its end; it is stale when it was."""
    held = held_token()
    resting = held.resting(seconds, until_end=True)
    assert resting.is_fresh(moment(fresh_until - 0.01))
    assert not resting.is_fresh(moment(fresh_until + 0.01))
    assert resting.stale == held.stale


def test_resting_without_a_failure_ends_at_the_stale_point() -> None:
    """Somebody else gets another token: there is no reason to use up the margin."""
    held = held_token()
    assert held.resting(58, until_end=False).refresh_monotonic == held.stale.monotonic
    assert held.resting(10, until_end=False).refresh_monotonic == moment(10).monotonic


@pytest.mark.parametrize(("ahead", "counts"), [(0.0, False), (3.0, False), (3.1, True)])
def test_a_token_from_the_future(ahead: float, counts: bool) -> None:
    """Clocks differ by a little; what was issued later than that was issued by another clock."""
    assert token(expires_at=NOON + timedelta(seconds=60 + ahead)).is_from_the_future() is counts


def test_ended() -> None:
    """What is held when there is no token is past every point of its life."""
    assert NO_TOKEN.token.has_ended(moment(-1e3))
    assert NO_TOKEN.stale.has_come(moment(-1e12))
    assert not NO_TOKEN.is_fresh(moment(-1e12))
    assert not NO_TOKEN.resting(1e12, until_end=True).is_fresh(moment(0))
