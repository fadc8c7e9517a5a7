"""What happens to the client while the load runs: roll-overs, a blip, a revocation."""

import math
import time

import setle
from setle.testing import Answer, Sandbox
from setle_api import AuthenticatedClient

from .story import TOKEN_PATH, Story, story_of

# A token is refreshed at least L/20 before callers would wait for it. Asking takes less than
# that here, as it does at Setle, where tokens live minutes and answers take milliseconds.
_ENDPOINT_TAKES = 0.03
_LIVES = 5.0
# The revocation hits a token in the middle of its life, when nobody is asking for another.
_REVOKED_AFTER = 3.2
_MIDDLE = (0.2, 0.6)


class Stage:
    """
    A sandbox, and what is done to it.

    Args:
        sandbox: A running one.

        blip: How many token requests in a row are answered 503.

    Attributes:
        began: Monotonic instant, in seconds; infinite before ``begin``.

        notes: What was done to the client so far, in words.
    """

    def __init__(self, sandbox: Sandbox, *, blip: int) -> None:
        self.began = math.inf
        self.notes: list[str] = []
        self.blip = blip
        self.revocations = 0
        self.sandbox = sandbox
        sandbox.delay = _ENDPOINT_TAKES * sandbox.lifetime
        self._blip_is_due = blip > 0
        self._revoked: float | None = None

    def begin(self) -> None:
        """Raise the curtain."""
        self.began = time.monotonic()

    @property
    def lasts(self) -> float:
        """Seconds from curtain to curtain."""
        return _LIVES * self.sandbox.lifetime

    def elapsed(self) -> float:
        """Return the seconds since it began."""
        return time.monotonic() - self.began

    def connect(self) -> AuthenticatedClient:
        """Return a client as any user would make it."""
        return setle.connect(
            setle.ClientCredentials(self.sandbox.client_id, self.sandbox.client_secret),
            base_url=self.sandbox.base_url,
            store="memory",
        )

    def story(self) -> Story:
        """Return what has happened so far."""
        return story_of(
            self.sandbox.log, began=self.began, delay=self.sandbox.delay, revoked=self._revoked
        )

    def play(self) -> None:
        """Do what is due now."""
        if self._blip_is_due and self.sandbox.tokens_issued >= 2:
            self._blip_is_due = False
            self.sandbox.script_token(*[Answer(503)] * self.blip)
            self._note(f"the next {self.blip} token requests will be answered 503")
        if (
            self._revoked is None
            and self.elapsed() > _REVOKED_AFTER * self.sandbox.lifetime
            and _MIDDLE[0] < self._age() / self.sandbox.lifetime < _MIDDLE[1]
        ):
            self._revoked = time.monotonic()
            self.sandbox.revoke()
            self.revocations = 1
            self._note("Setle revokes the token in use")

    def _age(self) -> float:
        """Return how long ago a token was issued, in seconds."""
        issued = [r.at for r in self.sandbox.log if r.path == TOKEN_PATH and r.status == 200]
        return time.monotonic() - issued[-1] if issued else 0.0

    def _note(self, what: str) -> None:
        self.notes.append(f"{self.elapsed():5.1f} s  {what}")
