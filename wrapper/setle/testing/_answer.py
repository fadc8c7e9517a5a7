"""What a test wants to be answered, and what was answered."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import attrs


@attrs.frozen
class Answer:
    """
    One scripted answer.

    All times are in seconds.

    Args:
        status: Any status from 200 to 599, documented or not.
        json: What the body holds as JSON, NaN included; None for no JSON.
        body: The body as it goes over the wire, text as UTF-8, where *json* is None.
        headers: Further headers; they win over the ones made here.
        delay: How long the answer takes, on top of the sandbox's delay.
        drip: If above 0, the body goes out byte by byte, this far apart.
        hang_up: Close the connection unanswered; with a body, after it, as if
            more had been to come.
    """

    status: int = attrs.field(default=200, validator=attrs.validators.in_(range(200, 600)))
    # Field by field: before attrs 25.4 a class that is kw_only leaves no field out.
    json: Any = attrs.field(default=None, kw_only=True)
    body: bytes | str = attrs.field(default=b"", kw_only=True)
    headers: Mapping[str, str] = attrs.field(factory=dict[str, str], kw_only=True)
    delay: float = attrs.field(default=0.0, kw_only=True)
    drip: float = attrs.field(default=0.0, kw_only=True)
    hang_up: bool = attrs.field(default=False, kw_only=True)

    content: bytes = attrs.field(init=False, repr=False, eq=False)
    """The body as bytes; made at once, so that what is no JSON fails where it is written."""

    @content.default
    def _encoded(self) -> bytes:
        text = self.body if self.json is None else json.dumps(self.json, separators=(",", ":"))
        return text.encode() if isinstance(text, str) else text

    @property
    def outcome(self) -> int | None:
        """The status the client gets to see; None if it gets no answer."""
        return None if self.hang_up and not self.content else self.status


@attrs.frozen
class Record:
    """
    One answered request, without a secret or a token in it.

    Args:
        at: The monotonic instant of the answer, in seconds.
        method: ``POST``, ``GET``, …
        path: The path, without the query.
        status: The status, or None if the connection was closed unanswered.
        token: The fingerprint (the first 8 hex digits of the SHA-256) of the
            token issued or presented, or None.
        seconds: How long the answer took.

    As text it is one line.
    """

    at: float
    method: str
    path: str
    status: int | None
    token: str | None
    seconds: float = 0.0

    def __str__(self) -> str:
        token = f" token {self.token}" if self.token else ""
        status = self.status or "no answer"
        # Quoted, because a path may hold the end of a line.
        return f"{self.method} {quote(self.path)} {status} in {self.seconds:.3f} s{token}"


def nest_error(status: int, message: str | list[str], error: str | None = None) -> Answer:
    """Return an error as NestJS, which Setle runs on, words it."""
    body: dict[str, Any] = {"statusCode": status, "message": message}
    return Answer(status, json=body if error is None else body | {"error": error})
