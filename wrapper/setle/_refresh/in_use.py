"""The token in use, and the ones that the API rejected."""

from .._locks import exclusive
from .._time import BackOff, now, quiet_after
from .._token import NO_TOKEN, AccessToken, HeldToken


class TokenInUse:
    """
    The token of one key.

    Attributes:
        held: The token in use. Replaced as a whole, so that it is read without the mutex.
        rejected: The last 16 that the API rejected, which the store may still hold. As above.
        hold: While it lasts, rejections pass through.
    """

    def __init__(self) -> None:
        self.held: HeldToken = NO_TOKEN
        # More than one: a source that comes late still rejects a token of long ago.
        self.rejected: tuple[AccessToken, ...] = ()
        self.hold = BackOff()

    def is_rejected(self, token: AccessToken) -> bool:
        """Tell whether the API rejected *token*."""
        return any(token.value == old.value for old in self.rejected)

    @exclusive
    def report_rejection(self, value: str, *, always: bool) -> tuple[bool, AccessToken | None]:
        """
        Drop the token of that *value* if it is in use.

        Each drop begins a hold, in which rejections of newer tokens pass through: another
        token would not help. It grows from 1 to 60 seconds.

        Args:
            value: What the API rejected.
            always: Whether to drop it during a hold, too.

        Returns:
            Whether another token is worth getting, and the token if it was dropped just now.
        """
        token = self.held.token
        if token.value != value:
            return True, None
        # One from before the hold, as out of the store, says nothing of newer ones. A millisecond
        # is for rounding.
        is_newer = token.issued_at().monotonic > self.hold.since - 0.001
        if self.hold.left and is_newer and not always:
            return False, None
        self.rejected = (*self.rejected[-15:], token)
        self.held = NO_TOKEN
        self.hold.begin()
        return True, token

    def take(self, token: AccessToken, number: int, *, loaded: bool) -> None:
        """Hold *token*, unless flight *number* or a younger one has brought a usable one."""
        held = self.held
        if number <= held.number and not held.token.has_ended(now()):
            return
        quiet = quiet_after(token.lifetime) if loaded else 0.0
        self.held = HeldToken.drawn(token, number, quiet=quiet)
        if token.value == held.token.value:
            # The server hands out the same token again: ask when that is stale.
            self.held = self.held.until_stale()
            if not self.held.is_fresh(now()):
                self.held = self.held.resting(until_end=True)

    def inherit(self, before: "TokenInUse") -> None:
        """Use, with the mutex held, the token of the same client's secret *before*."""
        moment, held = now(), before.held
        if self.held.token.has_ended(moment) and not held.token.has_ended(moment):
            # Not fresh in either place, so that whoever still has the other one looks here.
            self.held = before.held = HeldToken(held.token, held.number, moment, held.stale)

    def redraw(self) -> None:
        """Draw another instant for the early refresh, and none of the next seconds."""
        held = self.held
        if held is not NO_TOKEN:
            quiet = quiet_after(held.token.lifetime)
            self.held = HeldToken.drawn(held.token, held.number, quiet=quiet)
