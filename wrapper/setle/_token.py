"""The access token, and what is held of it while it is in use."""

import hashlib
import math
import random
import re
from datetime import UTC, datetime
from typing import NoReturn

import attrs

from . import _time
from ._time import Instant, now, refresh_after, stale_after

# What RFC 6750 lets follow "Bearer", and a little more: anything that is visible and stays
# in one header line.
_SENDABLE = re.compile(r"[\x21-\x7e]+")


def _expiry(token: "AccessToken") -> Instant:
    # Never more than the lifetime is left: if the wall clock says otherwise, it was set back.
    left = min(token.expires_at.timestamp() - _time.wall(), token.lifetime)
    return now().after(left)


@attrs.frozen(repr=False)
class AccessToken:
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

    value: str
    expires_at: datetime
    lifetime: float
    token_type: str = attrs.field(default="Bearer")
    # The end on both clocks. Monotonic instants never leave the process, so a token that
    # comes out of a file or another machine gets its own when it is made.
    _expiry: Instant = attrs.field(
        default=attrs.Factory(_expiry, takes_self=True), eq=False, kw_only=True, alias="_expiry"
    )

    def __attrs_post_init__(self) -> None:
        value: object = self.value  # what comes out of JSON or a store may be anything
        if not (isinstance(value, str) and _SENDABLE.fullmatch(value)):
            raise ValueError("access token is not a string of visible ASCII characters")
        if not 0 < self.lifetime < math.inf:
            raise ValueError("lifetime is not a positive, finite number of seconds")
        if self.expires_at.tzinfo is None:
            raise ValueError("expires_at has no time zone")

    @classmethod
    def issued(cls, value: str, lifetime: float, *, at: Instant) -> "AccessToken":
        """Return a token of *lifetime* seconds that was asked for at the moment *at*."""
        expiry = at.after(lifetime)
        expires_at = datetime.fromtimestamp(expiry.wall, UTC)
        return cls(value, expires_at, lifetime, _expiry=expiry)

    def has_ended(self, at: Instant) -> bool:
        """Tell whether it is past its life at the moment *at*."""
        return self._expiry.has_come(at)

    def issued_at(self) -> Instant:
        """Return the moment it was asked for."""
        return self._expiry.after(-self.lifetime)

    @property
    def fingerprint(self) -> str:
        """Eight hex digits that tell tokens apart without giving them away."""
        return hashlib.sha256(self.value.encode()).hexdigest()[:8]

    def __repr__(self) -> str:
        return (
            f"<AccessToken {self.fingerprint} expires_at={self.expires_at.isoformat()}"
            f" lifetime={self.lifetime:g}>"
        )

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "an AccessToken is not pickled, as that would write the token down;"
            " let the other process ask its own TokenSource, and share through a TokenStore"
        )


class HeldToken:
    """
    A token in use, with the points of its life worked out.

    Attributes:
        token: The token.
        refresh_monotonic: Until here on the monotonic clock it is fresh: returned at once.
        refresh_wall: The same on the wall clock.
        stale: From here on callers wait for another one.
    """

    # The two clocks of the first point are kept apart because the fast path reads them.
    __slots__ = ("refresh_monotonic", "refresh_wall", "stale", "token")

    def __init__(self, token: AccessToken, refresh: Instant, stale: Instant) -> None:
        self.token = token
        self.refresh_monotonic, self.refresh_wall = refresh
        self.stale = stale

    @classmethod
    def of(cls, token: AccessToken, *, early: bool) -> "HeldToken":
        """Return *token* as it is held when new; *early* allows an early refresh."""
        issued, stale = token.issued_at(), stale_after(token.lifetime)
        # Spreads load, guards nothing.
        chance = random.random()  # noqa: S311
        refresh = refresh_after(token.lifetime, chance) if early else stale
        return cls(token, issued.after(refresh), issued.after(stale))

    def is_fresh(self, at: Instant) -> bool:
        """Tell whether the token can be returned at once."""
        return at.monotonic < self.refresh_monotonic and at.wall < self.refresh_wall

    def resting(self, until: Instant, *, failed: bool) -> "HeldToken":
        """Return the same, fresh *until* then, past the stale point only if a refresh *failed*."""
        end = self.token.issued_at().after(self.token.lifetime) if failed else self.stale
        return HeldToken(self.token, until.or_earlier(end), self.stale)


_LONG_AGO = Instant(float("-inf"), float("-inf"))

NO_TOKEN = HeldToken(
    AccessToken("none", datetime.fromtimestamp(0, UTC), 1.0, _expiry=_LONG_AGO),
    _LONG_AGO,
    _LONG_AGO,
)
"""What is held when there is no token: one that ended long ago, so that no path needs a None."""
