"""The client that connect() returns: the generated one, with connections that nobody mixes up."""

from contextlib import suppress
from typing import Any, Self

import attrs
import httpx

from setle_api import AuthenticatedClient

from ._auth import BearerAuth
from ._endpoint.route import authorities, settings_named
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
        return self._client or self._made_for(_Sync, None)

    def get_async_httpx_client(self) -> httpx.AsyncClient:
        """Return the httpx client of this process and event loop, or the one that was set."""
        loop = running_loop()
        # Whoever asks before there is a loop gets one that belongs to the first that comes.
        return self._async_client or (self._made_for if loop else self._make)(_Async, loop)

    def with_headers(self, headers: dict[str, str]) -> "SetleClient":
        """Return a client like this one with additional *headers*."""
        both = httpx.Headers(self._headers)  # a name in two spellings is one header
        both.update(headers)
        return attrs.evolve(self, headers=dict(both))

    def with_cookies(self, cookies: dict[str, str]) -> "SetleClient":
        """Return a client like this one with additional *cookies*."""
        return attrs.evolve(self, cookies={**self._cookies, **cookies})

    def with_timeout(self, timeout: httpx.Timeout) -> "SetleClient":
        """Return a client like this one with another *timeout*."""
        return attrs.evolve(self, timeout=timeout)

    def _made_for(self, kind: "type[_Sync | _Async]", loop: Any) -> Any:
        place = (kind, process(), loop)
        made = self._made.get(place)
        if made is not None and made.is_closed:
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

    def _is_last(self, place: object) -> bool:
        """Take one who leaves off the list, and tell whether nobody is left on it."""
        with suppress(ValueError):  # entered before a fork
            self._entered.remove(place)
        return place not in self._entered

    @without_locals
    def _make(self, kind: "type[_Sync | _Async]", loop: Any) -> Any:
        args = dict(self._httpx_args)
        auth, hooks = args["auth"], args.pop("event_hooks", None) or {}
        heed = auth.heed if kind is _Sync else auth.aheed
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
                # First, as those of the user may raise.
                event_hooks={**hooks, "response": [heed, *hooks.get("response", ())]},
                **args,
            )
        client.place, client.bearer = [process(), loop], auth
        for old in list(self._made):
            if old[1] == process() and old[2] is not None and not call_in(old[2], int):
                self._made.pop(old, None)  # that event loop has ended
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
                " setle.connect() returned here, by get_httpx_client() or get_async_httpx_client()"
            )

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
        try:
            return super().send(request, **options)
        except Exception as error:
            self.heed_raised(error, request)
            raise


class _Async(_InItsPlace, httpx.AsyncClient):
    transports = httpx.AsyncBaseTransport

    async def send(self, request: httpx.Request, **options: Any) -> httpx.Response:
        self.check(running_loop())
        try:
            return await super().send(request, **options)
        except Exception as error:
            self.heed_raised(error, request)
            raise
