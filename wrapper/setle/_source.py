"""The reuse: one token for every thread, task and event loop that shares a key."""

import logging
import ssl
import threading
from collections.abc import Mapping
from typing import Any

from ._credentials import ClientCredentials, CredentialsProvider
from ._endpoint.base_url import checked_base_url
from ._endpoint.route import route_to, with_lent_transports
from ._errors import ConfigurationError, without_locals
from ._locks import ReenteredError, exclusive
from ._log import say
from ._refresh.flight import Flight
from ._refresh.refresher import Refresher
from ._refresh.registry import tolerant, way_to
from ._time import Deadline, monotonic, now, wall
from ._token import AccessToken
from ._unpickled import Unpickled
from .stores import TokenStore, resolve_store


class TokenSource(Unpickled):
    """
    Gets a token when there is none, and makes it last.

    Threads, asyncio, trio and any number of event loops may use one source at once. It
    has nothing to close and runs nothing while nobody asks for a token.

    Args:
        credentials: ClientCredentials, or a callable that returns them and is called, in
            another thread, before each token request. Equal callables are one way to the
            same credentials. Default: what the environment says now.
        base_url: Of the API. Default: ``SETLE_BASE_URL``, or else the real service.
        store: Who else shares the token: a TokenStore, or what ``SETLE_TOKEN_STORE`` takes.
            Default: ``SETLE_TOKEN_STORE``, or else all sources of the process.
        timeout: Seconds that a caller waits at most, all attempts included.
        verify_ssl: As httpx takes *verify*.
        httpx_args: Arguments of ``httpx.Client``. The token request heeds *verify*,
            *cert*, *proxy*, *trust_env*, *mounts* and *transport*, and closes none of them.
            In place of a transport, a callable that makes one.

    Raises:
        ConfigurationError: An argument or a variable cannot be used.
    """

    _INSTEAD = "let every process make its own, with one TokenStore"
    __slots__ = ("__weakref__", "_refresher", "_state", "base_url")

    @without_locals
    def __init__(
        self,
        credentials: ClientCredentials | CredentialsProvider | None = None,
        *,
        base_url: str | None = None,
        store: TokenStore | str | None = None,
        timeout: float = 15.0,
        verify_ssl: str | bool | ssl.SSLContext = True,
        httpx_args: Mapping[str, Any] | None = None,
    ) -> None:
        seconds: object = timeout
        if not (isinstance(seconds, int | float) and 0 < seconds <= threading.TIMEOUT_MAX):
            said = "timeout, or token_timeout of connect(), must be a positive number of seconds"
            raise ConfigurationError(said)
        self.base_url: str = checked_base_url(base_url)
        args = {"verify": verify_ssl, **with_lent_transports(httpx_args, self.base_url)}
        route = route_to(self.base_url, timeout, args)
        way = way_to(credentials, tolerant(resolve_store(store)), self.base_url)
        self._refresher = Refresher(way, route)
        self._state = way.state

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
        held = self._state.held
        if monotonic() < held.refresh_monotonic and wall() < held.refresh_wall:
            return held.token
        mine = Deadline(self._refresher.route.timeout)
        step = self._next_step(None, mine)
        while isinstance(step, Flight):
            step.wait(mine.left)
            step = self._next_step(step, mine)
        return step

    async def aget_token(self) -> AccessToken:
        """
        Return a token that is good for use now, from asyncio or trio.

        The same as ``get_token``, without ever blocking the event loop. A caller that is
        cancelled cancels its own waiting and nothing else.
        """
        held = self._state.held
        if monotonic() < held.refresh_monotonic and wall() < held.refresh_wall:
            return held.token
        mine = Deadline(self._refresher.route.timeout)
        step = self._next_step(None, mine)
        while isinstance(step, Flight):
            await step.wait_async(mine.left)
            step = self._next_step(step, mine)
        return step

    def current_token(self) -> AccessToken | None:
        """
        Return the token that this process has in use, or None.

        It sends no request, looks into no store and never waits.
        """
        token = self._refresher.way.state.held.token
        return None if token.has_ended(now()) else token

    def invalidate(self, token: AccessToken) -> None:
        """
        Drop *token*, because the API rejected it, if it is still the current one.

        A caller who comes late, after somebody else's refresh, changes nothing.
        """
        self.report_rejection(token.value, always=True)

    def report_rejection(self, value: str, *, always: bool = False) -> bool:
        """
        Drop the token of that *value*, if it is the current one; tell whether to try another.

        Soon after such a drop, rejections of newer tokens pass through unless *always* is set:
        another token would not help.
        """
        now_used, before = self._refresher.way.state, self._state
        try:
            worth_trying, dropped = now_used.report_rejection(value, always=always)
            if before is not now_used:  # which may have inherited the token
                dropped = before.report_rejection(value, always=always)[1] or dropped
        except ReenteredError:
            return False
        if dropped is not None:
            text = "access token %(fingerprint)s dropped, as the API rejected it"
            say(logging.INFO, "token_dropped", text, fingerprint=dropped.fingerprint)
        return worth_trying

    def _next_step(self, waited_for: Flight | None, mine: Deadline) -> AccessToken | Flight:
        """Return the token to use, or the refresh to wait for."""
        held = self._state.held
        if held.is_fresh(now()):  # by now, and without the mutex that all who waited want
            return held.token
        try:
            step = self._decided(waited_for, mine)
        except ReenteredError:
            token = self.current_token()
            if token is None:
                raise
            return token
        # One that another caller does already is waited for, like any other.
        if isinstance(step, Flight) and step.inline and step.thread is None:
            self._refresher.fly(step)
        return step

    @exclusive
    def _decided(self, waited_for: Flight | None, mine: Deadline) -> AccessToken | Flight:
        # Looked up here, as what a callable answers may lead elsewhere until the mutex is held.
        self._state = self._refresher.way.state
        return self._state.next_step(self._refresher, waited_for, mine)

    def __repr__(self) -> str:
        return f"<TokenSource base_url={getattr(self, 'base_url', None)!r}>"
