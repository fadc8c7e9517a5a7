"""The client that connect() returns: the generated one, with connections that nobody mixes up."""

from _thread import get_ident
from contextlib import suppress
from typing import Any, Self

import attrs
import httpx

from setle_api import AuthenticatedClient

from ._auth import BearerAuth
from ._endpoint.settings import authorities, settings_named
from ._errors import ConfigurationError, without_locals
from ._locks import process
from ._loops import call_in, running_loop
from ._unpickled import Unpickled


@attrs.define(eq=False, repr=False)
class SetleClient(Unpickled, AuthenticatedClient):
    """
    The generated client with one httpx client per process, and one per process and event loop.

    Connections are of no use elsewhere: a forked child would read its parent's answers, and an
    event loop that has ended takes its connections along. Both httpx clients are made at first
    use. ``with_headers``, ``with_cookies`` and ``with_timeout`` leave this one as it is.
    """

    _INSTEAD = "let every process call setle.connect(), with one TokenStore"
    _made: dict[tuple[object, object, Any], Any] = attrs.field(factory=dict, init=False)
    _entered: list[object] = attrs.field(factory=list, init=False)

    def get_httpx_client(self) -> httpx.Client:
        """Return the httpx client of this process, or the one that was set."""
        return self._client or self._made_for(_Sync, None, None)

    def get_async_httpx_client(self) -> httpx.AsyncClient:
        """Return the httpx client of this process and event loop, or the one that was set."""
        loop = running_loop()
        # Without a loop each thread gets one, which belongs to the first loop that uses it.
        return self._async_client or self._made_for(_Async, loop, loop or get_ident())

    def with_headers(self, headers: dict[str, str]) -> "SetleClient":
        """Return a client like this one with additional *headers*."""
        both: Any = httpx.Headers(self._headers)  # a name in two spellings is one header
        both.update(headers)
        return attrs.evolve(self, headers=both)

    def with_cookies(self, cookies: dict[str, str]) -> "SetleClient":
        """Return a client like this one with additional *cookies*."""
        both: Any = httpx.Cookies(httpx.Cookies(self._cookies))  # a copy even of a CookieJar
        both.update(cookies)
        return attrs.evolve(self, cookies=both)

    def with_timeout(self, timeout: httpx.Timeout) -> "SetleClient":
        """Return a client like this one with another *timeout*."""
        return attrs.evolve(self, timeout=timeout)

    def _made_for(self, kind: "type[_Sync | _Async]", loop: Any, owner: object) -> Any:
        place = (kind, process(), owner)
        made = self._made.get(place)
        if made is not None and (made.is_closed or (loop is None and made.loop_has_ended())):
            self._made.pop(place, None)
            made = None
        return made or self._made.setdefault(place, self._make(kind, loop))

    def __enter__(self) -> Self:
        """Open the httpx client of this process, if it is not in use already."""
        self._entered.append((_Sync, process(), None))
        with suppress(RuntimeError):
            super().__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        """Close it, if nobody else has entered it; the next call makes another one."""
        if self._is_last((_Sync, process(), None)):
            super().__exit__(*error)

    async def __aenter__(self) -> Self:
        """Open the httpx client of this process and event loop, if it is not in use already."""
        self._entered.append((_Async, process(), running_loop()))
        with suppress(RuntimeError):
            await super().__aenter__()
        return self

    async def __aexit__(self, *error: Any) -> None:
        """Close it, if nobody else has entered it; the next call makes another one."""
        if self._is_last((_Async, process(), running_loop())):
            await super().__aexit__(*error)

    def _is_last(self, place: Any) -> bool:
        """Take one who leaves off the list, and tell whether nobody is left on it."""
        if place in self._entered:
            self._entered.remove(place)
        elif place not in self._made:  # entered before a fork, and not in use since
            return False
        return place not in self._entered

    @without_locals
    def _make(self, kind: "type[_Sync | _Async]", loop: Any) -> Any:
        args = dict(self._httpx_args)
        lent = {None: args.pop("transport", None), **args.pop("mounts")}
        taken = {name: lend and lend.take(kind.transports, loop) for name, lend in lent.items()}
        with settings_named({**args, "verify": self._verify_ssl}):
            client = kind(
                base_url=self._base_url,
                cookies=self._cookies,
                headers=self._headers,
                timeout=self._timeout,
                verify=authorities(self._verify_ssl),
                follow_redirects=self._follow_redirects,
                transport=taken.pop(None),
                mounts=taken,
                **args,
            )
        client.place, client.bearer = [process(), loop], args["auth"]
        for old, made in list(self._made.items()):
            if made.loop_has_ended():
                self._made.pop(old, None)
        return client

    def __repr__(self) -> str:
        return f"<SetleClient base_url={self._base_url!r}>"


class _InItsPlace:
    """An httpx client that sends nothing in another process or event loop."""

    place: list[Any]
    bearer: BearerAuth

    def check(self, loop: object) -> None:
        """Raise a ConfigurationError if it does not belong to this process and *loop*."""
        if self.place[1] is None:
            self.place[1] = loop  # it was made before there was one
        if self.place != [process(), loop]:
            raise ConfigurationError(
                "this httpx client belongs to another process or event loop; take one out of what"
                " setle.connect() returned, by get_httpx_client() or get_async_httpx_client(), in"
                " the process and within the event loop that use it"
            )

    def loop_has_ended(self) -> bool:
        """Tell whether its event loop, of this process, is no more."""
        its_process, loop = self.place
        return its_process == process() and loop is not None and not call_in(loop, int)

    def heed_raised(self, error: Exception, request: httpx.Request) -> None:
        """Heed the 401 to *request* that a transport raised *error* for, if it did."""
        answer = getattr(error, "response", None)
        if isinstance(answer, httpx.Response):
            with suppress(RuntimeError):  # it knows already what it answers
                request = answer.request
            answer.request = request
            self.bearer.heed(answer)


class _Sync(_InItsPlace, httpx.Client):
    transports = httpx.BaseTransport

    def send(self, request: httpx.Request, **options: Any) -> httpx.Response:
        self.check(None)
        return super().send(request, **options)

    def _send_single_request(self, request: httpx.Request) -> httpx.Response:
        try:
            response = super()._send_single_request(request)
        except Exception as error:
            self.heed_raised(error, request)
            raise
        self.bearer.heed(response)  # before any hook, which may raise
        return response


class _Async(_InItsPlace, httpx.AsyncClient):
    transports = httpx.AsyncBaseTransport

    async def send(self, request: httpx.Request, **options: Any) -> httpx.Response:
        self.check(running_loop())
        return await super().send(request, **options)

    async def _send_single_request(self, request: httpx.Request) -> httpx.Response:
        try:
            response = await super()._send_single_request(request)
        except Exception as error:
            self.heed_raised(error, request)
            raise
        self.bearer.heed(response)  # before any hook, which may raise
        return response
