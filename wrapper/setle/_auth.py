"""The Bearer token on its way: put on, taken back after a 401, never sent elsewhere."""

from collections.abc import AsyncGenerator, Generator

import httpx

from . import _time
from ._source import TokenSource
from ._token import AccessToken


class BearerAuth(httpx.Auth):
    """
    Authenticates the requests of any httpx client, sync or async.

    Requests to the origin of the source's base URL carry the token; all others carry no
    ``Authorization`` header at all. After a 401 the token is dropped, and the request is
    sent once more with another one, if its body can be sent again and the rejected token
    was not issued for this very request.

    Args:
        source: Where tokens come from.

    Raises:
        TokenError: From the request, if no token can be had.
    """

    def __init__(self, source: TokenSource) -> None:
        url = httpx.URL(source.base_url)
        self._source = source
        self._scheme, self._host, self._port = url.scheme, url.raw_host, url.port

    def sync_auth_flow(
        self, request: httpx.Request
    ) -> Generator[httpx.Request, httpx.Response, None]:
        """Authenticate one request of an ``httpx.Client``."""
        if not self._is_ours(request):
            request.headers.pop("Authorization", None)
            yield request
            return
        began = _time.monotonic()
        token = self._source.get_token()
        request.headers["Authorization"] = f"Bearer {token.value}"
        response = yield request
        if response.status_code == 401 and self._wants_another(token, response, began):
            another = self._source.get_token()
            if self._can_replay(request, another, instead_of=token):
                response = yield request
                if response.status_code == 401:
                    self._wants_another(another, response, began)

    async def async_auth_flow(
        self, request: httpx.Request
    ) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Authenticate one request of an ``httpx.AsyncClient``."""
        if not self._is_ours(request):
            request.headers.pop("Authorization", None)
            yield request
            return
        began = _time.monotonic()
        token = await self._source.aget_token()
        request.headers["Authorization"] = f"Bearer {token.value}"
        response = yield request
        if response.status_code == 401 and self._wants_another(token, response, began):
            another = await self._source.aget_token()
            if self._can_replay(request, another, instead_of=token):
                response = yield request
                if response.status_code == 401:
                    self._wants_another(another, response, began)

    def _is_ours(self, request: httpx.Request) -> bool:
        # Part by part, and raw: every call comes by here, and netloc is built anew each time.
        url = request.url
        return url.raw_host == self._host and url.port == self._port and url.scheme == self._scheme

    def _wants_another(self, token: AccessToken, response: httpx.Response, began: float) -> bool:
        """Take note of a 401; tell whether to try with another token."""
        # Redirects have been followed by now, and a 401 from elsewhere says nothing.
        sent = response.request
        if not self._is_ours(sent) or sent.headers.get("Authorization") != f"Bearer {token.value}":
            return False
        first_use = token.issued_at().monotonic >= began
        return self._source._wants_another(token, first_use=first_use)

    @staticmethod
    def _can_replay(
        request: httpx.Request, another: AccessToken, *, instead_of: AccessToken
    ) -> bool:
        """Put *another* token on the request, if it can be sent again at all."""
        # Bytes in memory can; a generator is spent by now, and a file has been read.
        if another.value == instead_of.value or not isinstance(request.stream, httpx.ByteStream):
            return False
        request.headers["Authorization"] = f"Bearer {another.value}"
        return True
