"""What was issued, asked and answered."""

import hashlib
import secrets
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Mapping

import attrs

from ._answer import Answer, Record, nest_error
from ._routes import Request

CREDENTIALS = ("x-setle-client-id", "x-setle-client-secret")
UNAUTHORIZED = nest_error(401, "Unauthorized")


@attrs.define(kw_only=True, eq=False, repr=False, slots=False)
class Ledger:
    """Issues tokens for one pair of credentials, counts, and lets threads wait for a count."""

    lifetime: float = 3600.0
    on_answer: Callable[[Record], object] | None = None
    client_id: str = attrs.field(factory=lambda: str(uuid.uuid4()), init=False)
    client_secret: str = attrs.field(factory=lambda: secrets.token_hex(32), init=False)
    same_token: bool = attrs.field(default=False, init=False)
    token_requests: int = attrs.field(default=0, init=False)
    tokens_issued: int = attrs.field(default=0, init=False)
    api_requests: int = attrs.field(default=0, init=False)
    api_rejections: int = attrs.field(default=0, init=False)
    _last_token: str = attrs.field(default="", init=False)
    _ends: dict[str, float] = attrs.field(factory=dict, init=False)
    _changed: threading.Condition = attrs.field(factory=threading.Condition, init=False)
    _log: deque[Record] = attrs.field(factory=lambda: deque(maxlen=100_000), init=False)

    @property
    def log(self) -> list[Record]:
        """The last 100,000 answers, oldest first."""
        with self._changed:
            return list(self._log)

    def wait_for(self, *, timeout: float = 10.0, **counts: int) -> None:
        """
        Block until each counter is what *counts* says or more: ``wait_for(token_requests=2)``.

        Requests are counted on arrival, before they are held or delayed;
        answers just before they are sent.

        Raises:
            AttributeError: There is no such counter.
            TimeoutError: That took longer than *timeout* seconds.
        """

        def are_reached() -> bool:
            return all(getattr(self, name) >= count for name, count in counts.items())

        with self._changed:
            if not self._changed.wait_for(are_reached, timeout):
                seen = {name: getattr(self, name) for name in counts}
                raise TimeoutError(f"{seen} after {timeout} s, not {counts}")

    def revoke(self, token: str | None = None) -> None:
        """Refuse *token*, or every token issued so far, from now on."""
        for revoked in list(self._ends) if token is None else [token]:
            self._ends.pop(revoked, None)

    def rotate_secret(self) -> str:
        """Return a new client secret, and refuse the old one; tokens stay good."""
        self.client_secret = secrets.token_hex(32)
        return self.client_secret

    def _grant(self, headers: Mapping[str, str]) -> tuple[str, Answer]:
        """Return a token and the answer that holds it, or no token and a refusal."""
        missing = [f"{name} should not be empty" for name in CREDENTIALS if not headers.get(name)]
        if missing:
            return "", nest_error(400, missing, "Bad Request")
        if [headers[name] for name in CREDENTIALS] != [self.client_id, self.client_secret]:
            return "", UNAUTHORIZED
        now = time.monotonic()
        end = self._ends.get(self._last_token, now)
        if not self.same_token or end <= now:
            self._last_token, end = secrets.token_urlsafe(48), now + self.lifetime
            self._ends[self._last_token] = end
        left = round(end - now, 3)
        left = int(left) if left.is_integer() else left  # as JavaScript writes it
        grant = {"access_token": self._last_token, "expires_in": left, "token_type": "Bearer"}
        return self._last_token, Answer(json=grant)

    def _is_good(self, scheme: str, token: str) -> bool:
        return scheme.lower() == "bearer" and self._ends.get(token, 0.0) > time.monotonic()

    def _count(self, counter: str) -> None:
        with self._changed:
            setattr(self, counter, getattr(self, counter) + 1)
            self._changed.notify_all()

    def _answered(self, request: Request, answer: Answer, token: str, counter: str) -> Answer:
        now = time.monotonic()
        fingerprint = hashlib.sha256(token.encode()).hexdigest()[:8] if token else None
        took = now - request.at
        record = Record(now, request.method, request.path, answer.outcome, fingerprint, took)
        with self._changed:
            self._log.append(record)
        if counter:
            self._count(counter)
        if self.on_answer is not None:
            self.on_answer(record)
        return answer
