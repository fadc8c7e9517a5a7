"""What the server knows of every token, and what was done to it and to the workers, and when."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import attrs

from setle.testing import Record

TOKENS = "/v1/oauth/token"


@attrs.frozen
class Span:
    """One fault: its *kind*, *name*, and the *process* it was done to, from *began* to *ended*."""

    kind: str
    name: str
    process: int
    began: float
    ended: float

    def touches(self, began: float, ended: float) -> bool:
        """Tell whether it was there at any moment between these two."""
        return self.began <= ended and began <= self.ended


@attrs.define
class Ledger:
    """
    Keeps what matters of a run; all instants are on the machine's monotonic clock.

    Attributes:
        lifetime: Seconds that a token lives.
        issued: When each token was issued, by its fingerprint.
        refused: When the API first refused it.
        faults: What was done.
        answers: How many token requests were answered with which status.
        calls: How many calls the API answered.
    """

    lifetime: float
    issued: dict[str, float] = attrs.field(factory=dict)
    refused: dict[str, float] = attrs.field(factory=dict)
    faults: list[Span] = attrs.field(factory=list)
    answers: Counter[str] = attrs.field(factory=Counter)
    calls: int = 0
    _turn: threading.Lock = attrs.field(factory=threading.Lock)

    def record(self, record: Record) -> None:
        """Take down an answer of the server."""
        if record.path == TOKENS:
            self.answers[str(record.status or "no answer")] += 1
            if record.token:
                self.issued[record.token] = record.at
        else:
            self.calls += 1
            if record.status == 401 and record.token:
                self.refused.setdefault(record.token, record.at)

    @contextmanager
    def fault(self, kind: str, name: str, process: int = 0) -> Iterator[None]:
        """Take down the fault that the block is."""
        began = time.monotonic()
        try:
            yield
        finally:
            with self._turn:
                self.faults.append(Span(kind, name, process, began, time.monotonic()))

    def ends(self, token: str) -> float:
        """Return when *token* ends; long ago if it never was issued."""
        return self.issued.get(token, float("-inf")) + self.lifetime

    def is_usable(self, token: str, end: float, began: float, ended: float) -> bool:
        """
        Tell whether *token* was good for use from the moment *began* to the moment *ended*.

        Who has it knows its *end*: a little before the server's, as he counts from before he asked.
        """
        refused = self.refused.get(token, float("inf"))
        return self.issued.get(token, ended) < began and ended < min(end, self.ends(token), refused)

    def counts(self) -> Counter[tuple[str, str]]:
        """Return how often each fault was injected, by its kind and name."""
        return Counter((span.kind, span.name) for span in self.faults)
