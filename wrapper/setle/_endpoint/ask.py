"""The way to the token endpoint: the same proxy, TLS settings and transport as API calls."""

import ssl
import time
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, cast

import httpx

from setle_api import Client
from setle_api.api.general import create_access_token
from setle_api.models import AccessTokenResponse

from .._credentials import ClientCredentials
from .._endpoint.answer import blanked, token_of
from .._endpoint.base_url import checked_base_url
from .._endpoint.transport import Borrowed, Gate
from .._errors import ConfigurationError, TokenError, TokenResponseError, TokenUnavailableError
from .._locks import loading
from .._time import Deadline, now
from .._token import AccessToken

_ATTEMPTS = 3


class TokenEndpoint:
    """
    Asks Setle for tokens, through the generated client.

    Args:
        base_url: Of the API; None for ``SETLE_BASE_URL`` or the real service.
        verify_ssl: As httpx takes *verify*.
        httpx_args: As the API client's; only what decides about the way out is used.

    Raises:
        ConfigurationError: The base URL or a transport cannot be used.
    """

    def __init__(
        self,
        base_url: str | None,
        verify_ssl: str | bool | ssl.SSLContext,
        httpx_args: Mapping[str, Any] | None,
    ) -> None:
        args = dict(httpx_args or {})
        self.base_url = checked_base_url(base_url)
        # By name: from httpx 0.27 to 0.28 the first two changed places.
        self._tls = {
            "verify": args.get("verify", verify_ssl),
            "cert": args.get("cert"),
            "trust_env": args.get("trust_env", True),
        }
        transport, mounts = args.get("transport"), args.get("mounts") or {}
        self._route: dict[str, Any] = {
            "proxy": args.get("proxy"),
            "trust_env": self._tls["trust_env"],
            "transport": transport and Borrowed(transport),
            "mounts": {pattern: mount and Borrowed(mount) for pattern, mount in mounts.items()},
        }
        if self._tls["cert"] or isinstance(self._tls["verify"], str):  # files, which may be missing
            try:
                _ = self._ssl_context
            except OSError as error:
                problem = error.strerror or error
                raise ConfigurationError(
                    f"a file that verify_ssl or cert names cannot be used: {problem}"
                ) from None

    @cached_property
    def _ssl_context(self) -> ssl.SSLContext:
        # Made once, as it takes some 20 ms; not the API client's, as httpcore writes into it.
        return httpx.create_ssl_context(**self._tls)

    def ask(
        self, credentials: ClientCredentials, deadline: Deadline, extend: Callable[[], Any]
    ) -> AccessToken:
        """
        Return a new token, after up to three attempts within the *deadline*.

        Args:
            credentials: Whose token.
            deadline: When to give up.
            extend: Called before each attempt.

        Raises:
            TokenError: No token could be had.
        """
        with loading:
            import tenacity

        jitter = tenacity.wait_random_exponential(multiplier=0.25, max=5)

        def pause(state: tenacity.RetryCallState) -> float:
            failure: Any = state.outcome and state.outcome.exception()
            return max(jitter(state), failure.retry_after or 0.0)

        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(TokenUnavailableError),
            stop=tenacity.stop_after_attempt(_ATTEMPTS) | tenacity.stop_before_delay(deadline.left),
            wait=pause,
            before=lambda _: extend(),
            reraise=True,
        )
        return retrying(self._attempt, credentials, deadline)

    def _attempt(self, credentials: ClientCredentials, deadline: Deadline) -> AccessToken:
        limit = min(deadline.timeout / _ATTEMPTS, deadline.left)
        secret = credentials.client_secret
        gate = Gate(secret, deadline=time.monotonic() + limit)
        try:
            with self._connection(gate, limit) as connection:
                asked_at = now()
                answer = create_access_token.sync(
                    client=Client(self.base_url).set_httpx_client(connection),
                    x_setle_client_id=credentials.client_id,
                    x_setle_client_secret=secret,
                )
            # The gate has let nothing but a 200 through.
            token = token_of(cast("AccessTokenResponse", answer), asked_at=asked_at)
        except TokenError:
            raise
        except Exception as error:  # noqa: BLE001 - a transport of the caller's raises anything
            if gate.has_passed or isinstance(error, httpx.DecodingError):
                raise TokenResponseError(
                    "the token endpoint's answer cannot be read as a token; check the base URL",
                    status_code=200,
                ) from None
            said = blanked(str(error), secret) or "no details"
            raise TokenUnavailableError(
                f"no answer from the token endpoint ({type(error).__name__}: {said});"
                " check the network, proxy and TLS settings and the base URL"
            ) from None
        if token.has_ended(now()):
            raise TokenUnavailableError(
                f"the token endpoint took longer to answer than its token lives,"
                f" {token.lifetime:g} s",
                status_code=200,
            )
        return token

    def _connection(self, gate: Gate, limit: float) -> httpx.Client:
        with loading:
            return httpx.Client(
                base_url=self.base_url,
                verify=self._ssl_context,
                timeout=limit,
                # httpx takes no more than Authorization off on the way to another host: the
                # secret would go along.
                follow_redirects=False,
                # The body's size is limited as it comes, and a compressed one could expand.
                headers={"Accept-Encoding": "identity"},
                event_hooks={"response": [gate]},
                **self._route,
            )
