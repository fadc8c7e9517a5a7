"""What was asked and answered."""

import hashlib
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from ._answer import Answer, Record

if TYPE_CHECKING:
    from starlette.requests import Request


class Ledger:
    """Counts requests and answers, and lets threads wait for them."""

    def __init__(self, on_answer: Callable[[Record], object] | None) -> None:
        self._on_answer = on_answer
        self._changed = threading.Condition()
        self._counts = Counter[str]()
        self._log = deque[Record](maxlen=100_000)

    @property
    def token_requests(self) -> int:
        """How often the token endpoint was asked, failures included."""
        return self._counts["token_requests"]

    @property
    def tokens_issued(self) -> int:
        """How often the token endpoint answered 200."""
        return self._counts["tokens_issued"]

    @property
    def api_requests(self) -> int:
        """How often a protected endpoint was asked."""
        return self._counts["api_requests"]

    @property
    def api_rejections(self) -> int:
        """How often a protected endpoint answered 401."""
        return self._counts["api_rejections"]

    @property
    def log(self) -> list[Record]:
        """The last 100,000 answers, oldest first."""
        with self._changed:
            return list(self._log)

    def wait_for(
        self,
        *,
        token_requests: int = 0,
        tokens_issued: int = 0,
        api_requests: int = 0,
        api_rejections: int = 0,
        timeout: float = 10.0,
    ) -> None:
        """
        Block until every counter has reached the given value.

        Requests are counted on arrival, before they are held or delayed;
        answers just before they are sent.

        Raises:
            TimeoutError: That took longer than *timeout* seconds.
        """
        wanted = Counter(
            token_requests=token_requests,
            tokens_issued=tokens_issued,
            api_requests=api_requests,
            api_rejections=api_rejections,
        )
        with self._changed:
            if not self._changed.wait_for(lambda: self._counts >= wanted, timeout):
                raise TimeoutError(f"{dict(self._counts)} after {timeout} s, not {dict(wanted)}")

    def _asked(self, counter: str) -> None:
        with self._changed:
            self._counts[counter] += 1
            self._changed.notify_all()

    def _answered(
        self, request: "Request", answer: Answer, token: str = "", counter: str = ""
    ) -> None:
        now = time.monotonic()
        record = Record(
            at=now,
            seconds=now - request.state.arrived,
            method=request.method,
            path=request.scope["path"],
            status=answer.outcome,
            token=hashlib.sha256(token.encode()).hexdigest()[:8] if token else None,
        )
        with self._changed:
            self._log.append(record)
            if counter:
                self._counts[counter] += 1
                self._changed.notify_all()
        if self._on_answer is not None:
            self._on_answer(record)
