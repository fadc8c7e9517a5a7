"""What the token endpoint's answers mean: every one is a token or a typed error."""

import json
import math
import re
from collections.abc import Iterable
from datetime import UTC
from email.utils import parsedate_to_datetime

import httpx

from setle_api.models import AccessTokenResponse

from .. import _time
from .._errors import TokenError, TokenRejectedError, TokenResponseError, TokenUnavailableError
from .._time import Instant
from .._token import AccessToken

_REJECTED = frozenset({400, 401, 403})
_UNAVAILABLE = frozenset({408, 425, 429})
_NUMBER = re.compile(r"[0-9]+(\.[0-9]+)?")
# Whatever is longer cannot be meant, and overflows dates and sleeps sooner or later.
_TEN_YEARS = 10 * 365 * 86_400.0
_MOST_MESSAGES = 20
_LONGEST_MESSAGE = 500


def token_of(answer: AccessTokenResponse, *, asked_at: Instant) -> AccessToken:
    """
    Return the token that *answer* holds.

    Its life begins at *asked_at*, the moment before the request was sent, so that a slow
    answer never makes it look longer than it is.

    Raises:
        TokenResponseError: A field cannot be what it has to be.

    Source: Setle, "Create new Access Token"; RFC 6749, section 5.1.
    """
    try:
        # The generated model does not check types.
        if str(answer.token_type).lower() != "bearer":
            raise ValueError("token_type is not Bearer")
        return AccessToken.issued(answer.access_token, _lifetime(answer.expires_in), at=asked_at)
    except ValueError as error:
        problem = f"the token endpoint's answer cannot be used: {error}"
        raise TokenResponseError(problem, status_code=200) from None


def _lifetime(expires_in: object) -> float:
    if isinstance(expires_in, str) and _NUMBER.fullmatch(expires_in):
        expires_in = float(expires_in)
    # An int may be too large for a float, and NaN is not below anything.
    if isinstance(expires_in, int | float) and expires_in is not True and 0 < expires_in < math.inf:
        return float(min(expires_in, _TEN_YEARS))
    raise ValueError("expires_in is not a positive, finite number of seconds")


def failure_of(response: httpx.Response, body: bytes, secret: str) -> TokenError:
    """Return the error that a *response* other than 200 stands for, be its *body* JSON or not."""
    status = response.status_code
    messages = list(_messages(body, secret))
    said = f"status {status}" + (f": {'; '.join(messages)}" if messages else "")
    kind: type[TokenError]
    if status in _REJECTED:
        kind = TokenRejectedError
        text = f"Setle refused the client credentials ({said}); check the client id and secret"
    elif status in _UNAVAILABLE or status >= 500:
        kind = TokenUnavailableError
        text = f"the token endpoint is unavailable ({said}); try again later"
    else:
        kind = TokenResponseError
        text = f"the token endpoint gave no token ({said}); check the base URL"
    return kind(text, status_code=status, messages=messages, retry_after=_retry_after(response))


def _messages(body: bytes, secret: str) -> Iterable[str]:
    """Return the answer's ``message``, which NestJS sends as a string, a list or an object."""
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return
    message = answer.get("message") if isinstance(answer, dict) else None
    items = message if isinstance(message, list) else [message]
    for item in items[:_MOST_MESSAGES]:
        if item is not None:
            text = item if isinstance(item, str) else json.dumps(item)
            # Blanked before it is cut, or half a secret would remain.
            yield blanked(text, secret)[:_LONGEST_MESSAGE]


def blanked(text: str, secret: str) -> str:
    """Return *text* without *secret*, in plain form or as JSON, and without control characters."""
    for form in (secret, json.dumps(secret)[1:-1]):
        text = text.replace(form, "***")
    return "".join(letter if letter.isprintable() else " " for letter in text)


def _retry_after(response: httpx.Response) -> float | None:
    """Return the ``Retry-After`` header in seconds. Source: RFC 9110, section 10.2.3."""
    value = response.headers.get("Retry-After", "").strip()
    if _NUMBER.fullmatch(value):
        return min(float(value), _TEN_YEARS)
    try:
        # HTTP dates are always GMT, so a zone is not looked at.
        date = parsedate_to_datetime(value).replace(tzinfo=UTC)
    except (OverflowError, ValueError):
        return None
    return min(max(0.0, date.timestamp() - _time.wall()), _TEN_YEARS)
