"""The way out to Setle: proxy, TLS settings and transport, for token requests and API calls."""

import os
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, TypeVar

import httpx

from .._errors import ConfigurationError
from .._locks import process
from .._time import Deadline
from .._version import __version__
from .base_url import is_loopback

T = TypeVar("T", httpx.BaseTransport, httpx.AsyncBaseTransport)

USER_AGENT = f"setle-client/{__version__} python-httpx/{httpx.__version__}"

_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
# They hold no connection that two processes or loops could get in each other's way with.
_CONNECTIONLESS = (httpx.MockTransport, httpx.ASGITransport, httpx.WSGITransport)


class Lent:
    """
    A transport of the user's, which belongs to the process and the event loop that first use it.

    Args:
        given: The transport, or a callable that makes one, called for each httpx client.
    """

    def __init__(self, given: object) -> None:
        self.given = given
        self._process: object = None
        self._loop: object = None

    @property
    def is_made(self) -> bool:
        """Whether it is made for each httpx client anew."""
        return callable(self.given) and not isinstance(
            self.given, httpx.BaseTransport | httpx.AsyncBaseTransport
        )

    def check(self, kind: type[T]) -> None:
        """Raise a ConfigurationError if it is no *kind*; a callable's is only known later."""
        if not self.is_made:
            self._checked(self.given, kind)

    def take(self, kind: type[T], loop: object = None) -> T:
        """
        Return it for an httpx client of this process and *loop*.

        Raises:
            ConfigurationError: It is no *kind*, or in use elsewhere.
        """
        if callable(self.given) and self.is_made:
            return self._checked(self.given(), kind)
        transport = self._checked(self.given, kind)
        if not isinstance(transport, _CONNECTIONLESS):
            here = process()
            if self._process not in (None, here) or (loop and self._loop not in (None, loop)):
                raise ConfigurationError(
                    f"the transport in httpx_args ({type(transport).__name__}) is in use in another"
                    " process or event loop; pass a callable that makes one in its place"
                )
            self._process, self._loop = here, loop or self._loop
        return transport

    @staticmethod
    def _checked(transport: object, kind: type[T]) -> T:
        if isinstance(transport, kind):
            return transport
        serves = "async" if kind is httpx.BaseTransport else "sync"
        name = type(transport).__name__
        if kind is httpx.BaseTransport:
            remedy = "let token requests go another way by token_httpx_args={}"
        else:
            remedy = "pass one that is an httpx.AsyncBaseTransport too"
        raise ConfigurationError(
            f"a transport in httpx_args ({name}) serves {serves} only; {remedy}"
        )


class _Borrowed(httpx.BaseTransport):
    """A transport of the user's, which is used but never closed."""

    def __init__(self, transport: httpx.BaseTransport) -> None:
        self.handle_request = transport.handle_request  # type: ignore[method-assign] # delegates


def with_lent_transports(httpx_args: Mapping[str, Any] | None, base_url: str) -> dict[str, Any]:
    """
    Return *httpx_args* with transports as Lent, and with a direct way to a server on loopback.

    A proxy would get the secret in plain text from there.
    """
    args = dict(httpx_args or {})
    if args.get("transport") is not None and not isinstance(args["transport"], Lent):
        args["transport"] = Lent(args["transport"])
    mounts = {
        pattern: mount if mount is None or isinstance(mount, Lent) else Lent(mount)
        for pattern, mount in (args.get("mounts") or {}).items()
    }
    host = httpx.URL(base_url).host
    if not mounts and is_loopback(host):
        mounts[f"all://[{host}]" if ":" in host else f"all://{host}"] = None
    args["mounts"] = mounts
    return args


@contextmanager
def settings_named(args: Mapping[str, Any]) -> Iterator[None]:
    """Say which setting it is because of which httpx makes no client of *args*."""
    try:
        yield
        return
    except OSError as error:
        names = [name for name in ("SSL_CERT_FILE", "SSL_CERT_DIR") if os.environ.get(name)]
        if args.get("cert") or isinstance(args.get("verify"), str) or not names:
            names = ["verify_ssl", "cert"]
        problem = f"{' or '.join(names)} names what cannot be used: {error.strerror or error}"
    except (httpx.InvalidURL, ImportError, ValueError):
        # Its own words may hold a part of the proxy's password.
        names = [name for name in _PROXIES if {name, name.lower()} & os.environ.keys()]
        if args.get("proxy") or not names:
            names = ["proxy in httpx_args"]
        problem = f"{' or '.join(names)} holds what httpx cannot use"
    raise ConfigurationError(problem)


@lru_cache(maxsize=4)  # loading the authorities takes 20 ms
def _default_context(trust_env: bool, *_of_environment: str | None) -> ssl.SSLContext:
    return httpx.create_ssl_context(trust_env=trust_env)


def ssl_context(args: Mapping[str, Any]) -> ssl.SSLContext:
    """
    Return what *verify*, *cert* and *trust_env* in *args* ask for.

    Raises:
        ConfigurationError: A file cannot be used.
    """
    verify, cert, trust_env = (
        args.get("verify", True),
        args.get("cert"),
        args.get("trust_env", True),
    )
    with settings_named(args):
        if verify is True and cert is None:
            environment = (os.environ.get(name) for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"))
            return _default_context(trust_env, *environment)
        return httpx.create_ssl_context(verify, cert, trust_env)


class Route:
    """
    The way of token requests.

    Args:
        base_url: Of the API, checked.
        args: Arguments for ``httpx.Client``, with transports as Lent.

    Attributes:
        host: With its port, for messages.
        context: The TLS settings.
        scope: The same for all routes of the same settings.

    Raises:
        ConfigurationError: One of them cannot be used.
    """

    def __init__(self, base_url: str, args: Mapping[str, Any]) -> None:
        url = httpx.URL(base_url)
        self.host = f"{url.host}:{url.port or (443 if url.scheme == 'https' else 80)}"
        # Plain HTTP needs no authorities.
        plain = url.scheme == "http"
        self.context = ssl_context({"verify": False} if plain else args)
        self._transports = {None: args.get("transport"), **args["mounts"]}
        self._args = {
            "base_url": base_url,
            "proxy": args.get("proxy"),
            "trust_env": args.get("trust_env", True),
            "verify": self.context,
            # httpx takes no more than Authorization off on the way to another host: the secret
            # would go along.
            "follow_redirects": False,
            # The body's size is limited as it comes, and a compressed one could expand.
            "headers": {"Accept-Encoding": "identity", "User-Agent": USER_AGENT},
        }
        for lent in self._transports.values():
            if lent is not None:
                lent.check(httpx.BaseTransport)
        given = (args.get(name) for name in ("verify", "cert", "proxy", "trust_env"))
        self.scope: object = (base_url, *given, *self._transports.items())
        try:
            hash(self.scope)
        except TypeError:
            self.scope = object()
        if self._transports[None] is None:
            # A trial, that tells now what is wrong, and imports now what a refresh needs: an
            # import in its thread would stay half done in a child that is forked meanwhile.
            with settings_named(args):
                httpx.Client(**self._args).close()

    def open(self, deadline: Deadline) -> httpx.Client:
        """Return an httpx client for one attempt before the *deadline*."""
        left = deadline.left_to_ask
        transports = {pattern: lent and _lend(lent) for pattern, lent in self._transports.items()}
        client = httpx.Client(
            # Connecting gets a share, for each address of the host; reading gets all there is.
            timeout=httpx.Timeout(left, connect=min(left, deadline.timeout / 3)),
            transport=transports.pop(None),
            mounts=transports,
            **self._args,
        )
        deadline.close = client.close
        return client


def _lend(lent: Lent) -> httpx.BaseTransport:
    transport = lent.take(httpx.BaseTransport)
    return transport if lent.is_made else _Borrowed(transport)
