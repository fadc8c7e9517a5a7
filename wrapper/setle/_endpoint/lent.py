"""The transports that users give: whose they are, and where else they must not be used."""

from typing import Any, TypeVar
from weakref import WeakValueDictionary

import httpx

from .._errors import ConfigurationError
from .._locks import exclusive, process

T = TypeVar("T", httpx.BaseTransport, httpx.AsyncBaseTransport)

_TRANSPORTS = (httpx.BaseTransport, httpx.AsyncBaseTransport)
# They hold no connection that two processes or loops could get in each other's way with.
_CONNECTIONLESS = (httpx.MockTransport, httpx.ASGITransport, httpx.WSGITransport)


class Lent:
    """
    A transport of the user's, which belongs to the process and the event loop that first use it.

    Args:
        given: The transport, or a callable that makes one, called for each httpx client.
    """

    def __init__(self, given: Any) -> None:
        self._given = given
        self._process: object = None
        self._loop: object = None

    @property
    def is_made(self) -> bool:
        """Whether it is made anew for each httpx client, which then closes it."""
        return not isinstance(self._given, _TRANSPORTS)

    def check(self, kind: type[T]) -> None:
        """Raise a ConfigurationError if it is no *kind*; of a callable's, nobody knows yet."""
        if not (self.is_made and callable(self._given)):
            self._checked(self._given, kind)

    def take(self, kind: type[T], loop: object = None) -> T:
        """
        Return it for an httpx client of this process and *loop*.

        Raises:
            ConfigurationError: It is no *kind*, or in use elsewhere.
        """
        if self.is_made:
            return self._checked(self._given(), kind)
        transport, here = self._checked(self._given, kind), process()
        if isinstance(transport, _CONNECTIONLESS):
            return transport
        if self._process not in (None, here) or (loop and self._loop not in (None, loop)):
            raise ConfigurationError(
                f"the transport in httpx_args ({type(transport).__name__}) is in use in another"
                " process or event loop; pass a callable that makes one in its place"
            )
        self._process, self._loop = here, loop or self._loop
        return transport

    def borrow(self) -> httpx.BaseTransport:
        """Return it for a token request, whose httpx client would close what is the user's."""
        transport = self.take(httpx.BaseTransport)
        return transport if self.is_made else _Borrowed(transport)

    @staticmethod
    def _checked(transport: object, kind: type[T]) -> T:
        if isinstance(transport, kind):
            return transport
        name = type(transport).__name__
        if not isinstance(transport, _TRANSPORTS):
            raise ConfigurationError(
                f"a transport in httpx_args is no transport of httpx ({name}); pass one, or a"
                " callable that makes one"
            )
        serves, remedy = "sync", "pass one that is an httpx.AsyncBaseTransport too"
        if kind is httpx.BaseTransport:
            serves = "async"
            remedy = (
                "let token requests go another way by token_httpx_args={}, and make calls by"
                " get_async_httpx_client()"
            )
        raise ConfigurationError(
            f"a transport in httpx_args ({name}) serves {serves} only; {remedy}"
        )


class _Borrowed(httpx.BaseTransport):
    """A transport of the user's, which is used but never closed."""

    def __init__(self, transport: httpx.BaseTransport) -> None:
        self.handle_request = transport.handle_request  # type: ignore[method-assign] # delegates


_known: WeakValueDictionary[int, Lent] = WeakValueDictionary()  # each keeps what is given


@exclusive
def lent(given: Any) -> Lent | None:
    """Return *given* as lent, the same for all who are given the same."""
    if given is None or isinstance(given, Lent):
        return given
    return _known.setdefault(id(given), Lent(given))
