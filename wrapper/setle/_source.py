"""The reuse: one token for every thread, task and event loop that shares a source."""

import contextvars
import copy
import math
import ssl
import threading
from collections.abc import Mapping
from typing import Any, NoReturn

from ._credentials import ClientCredentials, CredentialsProvider
from ._endpoint.ask import TokenEndpoint
from ._errors import ConfigurationError, SetleError, TokenUnavailableError
from ._locks import mutex
from ._refresh.flight import Flight
from ._refresh.refresher import Refresher
from ._time import monotonic, now, wall
from ._token import NO_TOKEN, AccessToken, HeldToken
from .stores import TokenStore, resolve_store

_REST = 1.0  # seconds between two early refreshes while they fail


class TokenSource:
    """
    Gets a token when there is none, and makes it last.

    Threads, asyncio, trio and any number of event loops may use one source at once. It
    has nothing to close and runs nothing while nobody asks for a token.

    Args:
        credentials: ClientCredentials, or a callable that returns them and is called, in
            another thread, before each token request. Default: ``ClientCredentials.from_env``.
        base_url: Of the API. Default: ``SETLE_BASE_URL``, or else the real service.
        store: Who else shares the token. Default: ``SETLE_TOKEN_STORE``, or else all sources
            of the process.
        timeout: Seconds that a caller waits at most, all attempts included.
        verify_ssl: As httpx takes *verify*.
        httpx_args: Arguments of ``httpx.Client``. The token request heeds *verify*,
            *cert*, *proxy*, *trust_env*, *mounts* and *transport*, and closes none of them.

    Raises:
        ConfigurationError: An argument or a variable cannot be used.
    """

    __slots__ = ("__weakref__", "_flight", "_held", "_refresh", "_timeout", "base_url")

    def __init__(
        self,
        credentials: ClientCredentials | CredentialsProvider | None = None,
        *,
        base_url: str | None = None,
        store: TokenStore | None = None,
        timeout: float = 15.0,
        verify_ssl: str | bool | ssl.SSLContext = True,
        httpx_args: Mapping[str, Any] | None = None,
    ) -> None:
        if not 0 < timeout < math.inf:
            raise ConfigurationError("timeout must be a positive number of seconds")
        endpoint = TokenEndpoint(base_url, verify_ssl, httpx_args)
        self.base_url: str = endpoint.base_url
        self._refresh = Refresher(credentials, endpoint, resolve_store(store))
        self._timeout = timeout
        self._held = NO_TOKEN
        self._flight: Flight | None = None

    def get_token(self) -> AccessToken:
        """
        Return a token that is good for use now.

        Returns at once while the current token is fresh. Otherwise waits for the one
        refresh under way, whichever thread or task started it.

        Returns:
            The token; its ``value`` goes after ``Bearer``.

        Raises:
            TokenRejectedError: Setle refused the credentials.
            TokenUnavailableError: No answer within *timeout* seconds.
            TokenResponseError: The answer held no usable token.
            ConfigurationError: The credentials are missing or cannot be used.

        Source: Setle, "Create new Access Token"; RFC 6749, section 4.4.
        """
        held = self._held
        if monotonic() < held.refresh_monotonic and wall() < held.refresh_wall:
            return held.token
        step = self._next_step()
        while isinstance(step, Flight):
            step.wait()
            step = self._next_step(step)
        return step

    async def aget_token(self) -> AccessToken:
        """
        Return a token that is good for use now, from asyncio or trio.

        The same as ``get_token``, without ever blocking the event loop. A caller that is
        cancelled cancels its own waiting and nothing else.
        """
        held = self._held
        if monotonic() < held.refresh_monotonic and wall() < held.refresh_wall:
            return held.token
        step = self._next_step()
        while isinstance(step, Flight):
            await step.wait_async()
            step = self._next_step(step)
        return step

    def invalidate(self, token: AccessToken) -> None:
        """
        Drop *token*, because the API rejected it, if it is still the current one.

        A caller who comes late, after somebody else's refresh, changes nothing.
        """
        with mutex:
            if self._held.token.value == token.value:
                self._refresh.shared.rejected.append(token.value)
                self._held = NO_TOKEN

    def _wants_another(self, token: AccessToken, *, first_use: bool) -> bool:
        """Take note that *token* was rejected, by the call it was issued for if *first_use*."""
        with mutex:
            if self._held.token.value != token.value:
                return True
            if self._refresh.shared.lets_pass(first_use=first_use):
                return False
            self.invalidate(token)
            return not first_use

    def _next_step(self, waited_for: Flight | None = None) -> AccessToken | Flight:
        """Return the token to use, or the refresh to wait for; start one if it is time."""
        with mutex:
            flight = self._flight
            if flight is not None and not flight.has_ended and not flight.left:
                self._end(flight, None, flight.unanswered())  # it may hang for ever
            moment, held = now(), self._held
            if held.is_fresh(moment):
                return held.token
            if waited_for is not None:
                if not held.token.has_ended(moment):
                    return held.token
                if waited_for.failure is not None:
                    raise copy.copy(waited_for.failure)
            early = not held.stale.has_come(moment)
            if flight is not None and not flight.has_ended:
                return held.token if early else flight
            flight = self._flight = Flight(self._timeout, early=early)
        try:
            threading.Thread(
                target=contextvars.Context().run,  # without the caller's context variables
                args=(self._fly, flight, held.token),
                name="setle-refresh",
                daemon=True,
            ).start()
        except RuntimeError:  # a container's limit, or the interpreter's end
            # With a usable token in hand nobody is to wait: that refresh is left for later.
            if early:
                self._end(flight, None, None)
            else:
                self._fly(flight, held.token)
        return held.token if early else flight

    def _fly(self, flight: Flight, held: AccessToken) -> None:
        token: AccessToken | None = None
        failure: SetleError | None = TokenUnavailableError("the refresh was interrupted; try again")
        try:
            token, failure = self._refresh(flight, held), None
        except SetleError as error:
            # A copy has neither traceback nor cause, whose frames hold the secret.
            failure = copy.copy(error)
        finally:
            self._end(flight, token, failure)

    def _end(self, flight: Flight, token: AccessToken | None, failure: SetleError | None) -> None:
        """Take over what came of *flight*, if anything, and publish it if that is still awaited."""
        with mutex:
            held, shared = self._held, self._refresh.shared
            if token is not None:
                shared.succeed(flight)
                if token.issued_at() > held.token.issued_at():  # else it comes too late
                    # A server may hand out the same token again: ask when that is stale.
                    self._held = HeldToken.of(token, early=token.value != held.token.value)
            elif not flight.has_ended:
                shared.fail(flight, failure)
                # Nobody is to notice, neither that nor that another process is at it.
                self._held = held.resting(now().after(_REST), failed=failure is not None)
            if not flight.has_ended:
                flight.end(failure)

    def __repr__(self) -> str:
        return f"<TokenSource base_url={self.base_url!r}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "a TokenSource is not pickled; let every process make its own, with one TokenStore"
        )
