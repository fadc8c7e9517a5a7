"""
What happened, worked out of the calls made and the answers the sandbox gave.

Plain numbers in, plain numbers out. All instants are seconds since the demo began.
"""

import math
from collections.abc import Iterable, Sequence
from enum import Enum
from statistics import median

import attrs

from setle.testing import Record

from .load import Call

TOKEN_PATH = "/v1/oauth/token"


class Why(Enum):
    """What a token request was for."""

    START = "start"
    ROLL_OVER = "roll-over"
    BLIP = "blip"
    REVOCATION = "revocation"


@attrs.define
class Token:
    """
    One row of the picture.

    Attributes:
        fingerprint: As ``AccessToken.fingerprint``.

        why: What it was asked for.

        asked: When its first request was sent, be it one that was refused.

        issued: When it was issued.

        refused: When the endpoint refused to issue it.

        served: The instants of the calls that it was good for.

        early: Whether its predecessor served calls while it was on its way.
    """

    fingerprint: str
    why: Why
    asked: float
    issued: float
    refused: list[float]
    served: list[float] = attrs.field(factory=list[float])
    early: bool = False


@attrs.frozen
class Story:
    """
    All there is to show.

    Attributes:
        tokens: In the order of their issue.

        revoked: When Setle revoked the token in use, None if it has not yet.

        refused: When the endpoint refused a token, since it issued the last one.

        refused_since: When the first of these was asked for; infinite if there are none.

        token_requests: How often the token endpoint answered, refusals included.
    """

    tokens: list[Token]
    revoked: float | None
    refused: list[float]
    refused_since: float
    token_requests: int


def story_of(log: Iterable[Record], *, began: float, delay: float, revoked: float | None) -> Story:
    """
    Return what the sandbox's *log* tells.

    Args:
        log: The sandbox's.

        began: The monotonic instant that the others are counted from.

        delay: How long the token endpoint takes: answered minus asked.

        revoked: The monotonic instant of the revocation, None if there was none.
    """
    tokens: dict[str, Token] = {}
    refused: list[float] = []
    requests = 0
    revoked = None if revoked is None else revoked - began
    for record in log:
        at = record.at - began
        fingerprint = record.token or ""
        if record.path != TOKEN_PATH:
            if record.status == 200 and fingerprint in tokens:
                tokens[fingerprint].served.append(at)
            continue
        requests += 1
        if record.status == 200:
            asked = (refused[0] if refused else at) - delay
            last = list(tokens.values())[-1] if tokens else None
            why = _why(last, asked, refused, revoked)
            tokens[fingerprint] = Token(fingerprint, why, asked, at, refused)
            if last is not None:
                tokens[fingerprint].early = bool(last.served) and last.served[-1] > asked
            refused = []
        else:
            refused.append(at)
    since = refused[0] - delay if refused else math.inf
    return Story(list(tokens.values()), revoked, refused, since, requests)


def _why(last: Token | None, asked: float, refused: list[float], revoked: float | None) -> Why:
    if last is None:
        return Why.START
    if refused:
        return Why.BLIP
    if revoked is not None and last.issued < revoked <= asked:
        return Why.REVOCATION
    return Why.ROLL_OVER


def slowest(calls: Iterable[Call], story: Story, *, began: float) -> dict[Why | None, float]:
    """
    Return the slowest call, in seconds, by what went on at the same time.

    A call belongs to a token request if any of its time lies between that one's sending and
    its answer, the first if there are two; to None if nothing went on.
    """
    spans = [(token.asked, token.issued, token.why) for token in story.tokens]
    spans.append((story.refused_since, math.inf, Why.BLIP))
    worst: dict[Why | None, float] = {}
    for call in calls:
        start, end = call.began - began, call.ended - began
        why = next((why for asked, issued, why in spans if asked < end and start < issued), None)
        worst[why] = max(worst.get(why, 0.0), call.seconds)
    return worst


def median_seconds(calls: Sequence[Call]) -> float:
    """Return the median call, in seconds; 0 without calls."""
    return median(call.seconds for call in calls) if calls else 0.0


def lead_seconds(lifetime: float) -> float:
    """Return the least time between an early refresh and the point where callers wait."""
    return min(150.0, lifetime / 20)


def allowed_requests(elapsed: float, *, lifetime: float, refused: int, revocations: int) -> int:
    """
    Return how many token requests the design allows in *elapsed* seconds.

    One at the start. A token of lifetime L is never refreshed before 0.85 L: it is handed
    out until L - m, and the early refresh is due at random between L - m - 2w and L - m - w,
    where m = w = L/20 for lifetimes up to ten minutes. Each refusal costs an attempt, and a
    revocation ends one token before its time.
    """
    return 1 + math.floor(elapsed / (0.85 * lifetime)) + refused + revocations


def verdict(*, calls: int, failed: int, token_requests: int, allowed: int) -> list[str]:
    """Return what is wrong, one sentence each; nothing if all went as designed."""
    problems = []
    if not calls:
        problems.append("no call was made")
    if failed:
        problems.append(f"{failed:,} of {calls:,} calls failed")
    if token_requests > allowed:
        problems.append(f"{token_requests} token requests, and the design allows {allowed}")
    return problems
