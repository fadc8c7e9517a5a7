"""How the token endpoint is asked: attempts, pauses and a deadline."""

import json
import random
from collections.abc import Callable
from itertools import count

import httpx

from setle_api.api.general import create_access_token
from setle_api.models import AccessTokenResponse

from .._credentials import ClientCredentials
from .._errors import SetleError, TokenResponseError, TokenUnavailableError
from .._time import Deadline, now
from .._token import AccessToken
from .answer import blanked, failure_of, token_of
from .route import Route

_ATTEMPTS = 3
_LARGEST_BODY = 1 << 20


def ask(
    route: Route, credentials: ClientCredentials, deadline: Deadline, pause: Callable[[float], bool]
) -> AccessToken | None:
    """
    Return a new token, after up to three attempts before the *deadline*; None if none is needed.

    Args:
        route: The way to the token endpoint.
        credentials: Whose token.
        deadline: When to give up.
        pause: Called with the seconds to wait before the next attempt; tells whether there is
            no need for one any more.

    Raises:
        TokenError: No token could be had.
    """
    for attempt in count(1):  # pragma: no branch - it never ends by itself
        try:
            return _attempt(route, credentials, deadline)
        except TokenUnavailableError as failure:
            # Spreads load, guards nothing.
            seconds = random.uniform(0, 0.5 * attempt)  # noqa: S311
            seconds = max(seconds, failure.retry_after or 0.0)
            if attempt == _ATTEMPTS or seconds >= deadline.left_to_ask:
                raise
        if pause(seconds):
            break
    return None


def _attempt(route: Route, credentials: ClientCredentials, deadline: Deadline) -> AccessToken:
    secret = credentials.client_secret
    # What the generated client sends, and below what it reads. In between it would lose
    # Retry-After, fail on a 599 and on HTML, and read a body of any size.
    request = create_access_token._get_kwargs(
        x_setle_client_id=credentials.client_id, x_setle_client_secret=secret
    )
    asked_at = now()
    try:
        with route.open(deadline) as client, client.stream(**request) as response:
            try:
                body = _body(response, deadline)
            except (httpx.HTTPError, TokenResponseError):
                if response.status_code == 200:
                    raise
                body = b""  # the status tells enough
    except SetleError:
        raise
    except Exception as error:  # noqa: BLE001 - a transport of the user's raises anything
        answer = getattr(error, "response", None)
        if isinstance(answer, httpx.Response):  # it raises for a status
            raise failure_of(answer, b"", secret) from None
        said = blanked(str(error), secret) or "no details"
        raise TokenUnavailableError(
            f"no answer from the token endpoint at {route.host} ({type(error).__name__}: {said});"
            " check the network, proxy and TLS settings and the base URL"
        ) from None
    if response.status_code != 200:
        raise failure_of(response, body, secret)
    try:
        answer = json.loads(body)
        if not isinstance(answer, dict):
            raise TypeError  # the generated client takes a list of pairs as well
        token = token_of(AccessTokenResponse.from_dict(answer), asked_at=asked_at)
    except (LookupError, RecursionError, TypeError, ValueError):
        raise _unusable("cannot be read as a token; check the base URL") from None
    if token.has_ended(now()):
        raise TokenUnavailableError(
            f"the token endpoint took longer to answer than its token lives, {token.lifetime:g} s",
            status_code=200,
        )
    return token


def _body(response: httpx.Response, deadline: Deadline) -> bytes:
    """Return the body, or raise if it is too large, too slow or compressed."""
    if response.headers.get("Content-Encoding", "").strip().lower() not in ("", "identity"):
        raise _unusable("is compressed, which was not asked for")
    body, late = bytearray(), False
    # A mocked answer is often read already.
    for chunk in [response.content] if response.is_stream_consumed else response.iter_raw():
        body += chunk
        if len(body) > _LARGEST_BODY:
            raise _unusable("is larger than 1 MiB")
        if late:
            raise httpx.ReadTimeout("the answer came too slowly")
        late = not deadline.left_to_ask  # then it is taken only if that was all
    return bytes(body)


def _unusable(problem: str) -> TokenResponseError:
    return TokenResponseError(f"the token endpoint's answer {problem}", status_code=200)
