"""The access token, and what is held of it while it is in use."""

import hashlib
import math
import random
import re
from datetime import UTC, datetime
from functools import partial

import attrs

from . import _time
from ._errors import without_locals
from ._time import Instant, margin, now, refresh_after, stale_after
from ._unpickled import Unpickled

# What RFC 6750 lets follow "Bearer", and a little more: anything that is visible and stays
# in one header line.
_SENDABLE = re.compile(r"[\x21-\x7e]+")
_BEARER = "Bearer"

REST = 1.0
"""Seconds between two refreshes that came to nothing, at least."""


@attrs.frozen(repr=False, init=False)
class AccessToken(Unpickled):
    """
    A Bearer token as Setle issued it.

    Neither ``repr`` nor ``str`` shows the value, and it cannot be pickled.

    Args:
        value: What goes after ``Bearer`` in the ``Authorization`` header.
        expires_at: Aware UTC datetime at which it ends.
        lifetime: Seconds, as issued.
        token_type: Always ``Bearer``.

    Raises:
        ValueError: A value that no token can have.

    Source: Setle, "Create new Access Token".
    """

    _INSTEAD = "let the other process ask its own TokenSource, and share through a TokenStore"
    value: str
    expires_at: datetime
    lifetime: float
    token_type: str
    # Its end on both clocks. Monotonic instants never leave the process, so a token that comes
    # out of a file or another machine gets its own when it is made.
    end: Instant = attrs.field(init=False, eq=False)

    @partial(without_locals, kind=ValueError)
    def __init__(
        self, value: str, expires_at: datetime, lifetime: float, token_type: str = _BEARER
    ) -> None:
        self.__attrs_init__(value, expires_at, lifetime, token_type)

    def __attrs_post_init__(self) -> None:
        # What comes out of JSON or a store may be anything.
        value: object = self.value
        expires_at: object = self.expires_at
        lifetime: object = self.lifetime
        if not (isinstance(value, str) and _SENDABLE.fullmatch(value)):
            raise ValueError("access token is not a string of visible ASCII characters")
        if not (isinstance(lifetime, float | int) and 0 < lifetime < math.inf):
            raise ValueError("lifetime is not a positive, finite number of seconds")
        if not isinstance(expires_at, datetime) or expires_at.tzinfo is None:
            raise ValueError("expires_at is not a datetime with a time zone")
        # Never more than the lifetime is left: if the wall clock says otherwise, it was set back.
        left = min(expires_at.timestamp() - _time.wall(), lifetime)
        object.__setattr__(self, "end", now().after(left))

    @classmethod
    def issued(cls, value: str, lifetime: float, *, at: Instant) -> "AccessToken":
        """Return a token of *lifetime* seconds that was asked for at the moment *at*."""
        end = at.after(lifetime)
        token = cls(value, datetime.fromtimestamp(end.wall, UTC), lifetime)
        object.__setattr__(token, "end", end)
        return token

    def has_ended(self, at: Instant) -> bool:
        """Tell whether it is past its life at the moment *at*."""
        return self.end.has_come(at)

    def issued_at(self) -> Instant:
        """Return the moment it was asked for."""
        return self.end.after(-self.lifetime)

    def is_from_the_future(self) -> bool:
        """Tell whether it was issued later than now: the wall clock has been set back since."""
        issued = self.expires_at.timestamp() - self.lifetime
        return issued > _time.wall() + margin(self.lifetime)

    @property
    def fingerprint(self) -> str:
        """Eight hex digits that tell tokens apart without giving them away."""
        return hashlib.sha256(self.value.encode()).hexdigest()[:8]

    def __repr__(self) -> str:
        return (
            f"<AccessToken {self.fingerprint} expires_at={self.expires_at.isoformat()}"
            f" lifetime={self.lifetime:g}>"
        )


class HeldToken:
    """
    A token in use, with the points of its life worked out.

    Attributes:
        token: The token.
        number: Of the flight that brought it.
        refresh_monotonic: Until here on the monotonic clock it is fresh: returned at once.
        refresh_wall: The same on the wall clock.
        stale: From here on callers wait for another one.
    """

    # The two clocks of the first point are kept apart because the fast path reads them.
    __slots__ = ("number", "refresh_monotonic", "refresh_wall", "stale", "token")

    def __init__(self, token: AccessToken, number: int, refresh: Instant, stale: Instant) -> None:
        self.token, self.number = token, number
        self.refresh_monotonic, self.refresh_wall = refresh
        self.stale = stale

    @classmethod
    def drawn(cls, token: AccessToken, number: int, *, quiet: float) -> "HeldToken":
        """
        Return *token* with an instant of its own for the early refresh.

        Args:
            token: The token.
            number: Of the flight that brought it.
            quiet: Seconds from now in which no early refresh begins.
        """
        issued, chance = token.issued_at(), random.random()  # noqa: S311 - spreads load only
        stale = issued.after(stale_after(token.lifetime))
        refresh = issued.after(refresh_after(token.lifetime, chance))
        earliest = now().after(quiet)
        if quiet and refresh.has_come(earliest):
            # In what is left then, and not all at once, as many may have loaded it together.
            left = stale.seconds_after(earliest)
            refresh = earliest.after(chance * left) if left > 0 else stale
        return cls(token, number, refresh, stale)

    def is_fresh(self, at: Instant) -> bool:
        """Tell whether the token can be returned at once."""
        return at.monotonic < self.refresh_monotonic and at.wall < self.refresh_wall

    def resting(self, seconds: float = REST, *, until_end: bool) -> "HeldToken":
        """Return the same, fresh for *seconds*, up to its end or else up to its stale point."""
        last = self.token.end if until_end else self.stale
        rested = now().after(max(seconds, REST)).or_earlier(last)
        return HeldToken(self.token, self.number, rested, self.stale)

    def until_stale(self) -> "HeldToken":
        """Return the same, fresh up to its stale point: no early refresh begins."""
        return HeldToken(self.token, self.number, self.stale, self.stale)


_LONG_AGO = Instant(float("-inf"), float("-inf"))

NO_TOKEN = HeldToken(
    AccessToken("none", datetime.fromtimestamp(0, UTC), 1.0), 0, _LONG_AGO, _LONG_AGO
)
"""What is held when there is no token: one that ended long ago, so that no path needs a None."""
