"""The way out to Setle: proxy, TLS settings and transport, for token requests and API calls."""

import encodings.idna  # noqa: F401 - a refresh must not import it, as its first look-up would
import os
import ssl
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import httpx
from httpx._utils import URLPattern

from .._failure import Failure
from .._time import Deadline
from .._version import __version__
from .base_url import is_loopback
from .lent import Lent, lent
from .settings import AUTHORITIES, PROXIES, authorities, check_folders, settings_named

USER_AGENT = f"setle-client/{__version__} python-httpx/{httpx.__version__}"

_HEADERS = {"Accept-Encoding": "identity", "Connection": "close", "User-Agent": USER_AGENT}
_VARIABLES = ("SSLKEYLOGFILE", *AUTHORITIES, *PROXIES, *map(str.lower, PROXIES))


def with_lent_transports(httpx_args: Mapping[str, Any] | None, base_url: str) -> dict[str, Any]:
    """
    Return *httpx_args* with transports as Lent, and with a direct way to a server on loopback.

    A proxy would get the secret in plain text from there.
    """
    with settings_named({"trust_env": False}):  # of the environment, nothing is read yet
        args = dict(httpx_args or {})
        mounts = dict(args.get("mounts") or {})
        url = httpx.URL(base_url)
        if is_loopback(url.host):
            # What httpx would find, if it did not look into the environment.
            fitting = sorted(each for each in map(URLPattern, mounts) if each.matches(url))
            origin = f"{url.scheme}://{url.netloc.decode()}"
            mounts[origin] = mounts[fitting[0].pattern] if fitting else None
    args["transport"] = lent(args.get("transport"))
    args["mounts"] = {name: lent(mount) for name, mount in mounts.items()}
    return args


class Route:
    """
    The way of token requests. Equal ones are one, and fail together.

    Args:
        base_url: Of the API, checked.
        timeout: Seconds that one refresh may take.
        settings: What decides about the way, as ``httpx.Client`` takes it.
        transports: Of the user's, by the pattern that they are mounted at; None for the rest.

    Attributes:
        host: With its port, for messages.
        context: The TLS settings; for plain HTTP, which needs no authorities, empty ones.
        failure: To connect, the last time.

    Raises:
        ConfigurationError: One of them cannot be used.
    """

    def __init__(
        self,
        base_url: str,
        timeout: float,
        settings: Mapping[str, Any],
        transports: Mapping[str | None, Lent | None],
    ) -> None:
        url = httpx.URL(base_url)
        self.timeout = timeout
        host = f"[{url.host}]" if ":" in url.host else url.host
        self.host: str = f"{host}:{url.port or (443 if url.scheme == 'https' else 80)}"
        self.failure: Failure = Failure()
        self._transports = transports
        for each in transports.values():
            if each is not None:
                each.check(httpx.BaseTransport)
        with settings_named(settings):
            check_folders(settings)
            plain = url.scheme == "http"
            verify, cert = (False, None) if plain else (settings["verify"], settings["cert"])
            verify = authorities(verify)
            self.context: ssl.SSLContext = httpx.create_ssl_context(
                verify, cert, settings["trust_env"]
            )
            self._args = {
                "base_url": base_url,
                "proxy": settings["proxy"],
                "trust_env": settings["trust_env"],
                "verify": self.context,
                # httpx takes no more than Authorization off on the way to another host: the
                # secret would go along.
                "follow_redirects": False,
                # The body's size is limited as it comes, and a compressed one could expand.
                # A connection that comes after the deadline has closed the client closes itself.
                "headers": _HEADERS,
            }
            # A trial: it tells now what is wrong, and imports now what a refresh needs. An
            # import in its thread would stay half done in a child that is forked meanwhile.
            httpx.Client(**self._args).close()

    def open(self, deadline: Deadline) -> httpx.Client:
        """Return an httpx client for one attempt before the *deadline*."""
        left = max(deadline.left_to_ask, 0.001)  # 0 would mean not to wait for a connection
        taken: Any = {name: each and each.borrow() for name, each in self._transports.items()}
        with settings_named(self._args):  # the environment may have changed since
            client = httpx.Client(
                # Connecting gets a share, for each address of the host; reading gets all there is.
                timeout=httpx.Timeout(left, connect=min(left, deadline.timeout / 3)),
                transport=taken.pop(None),
                mounts=taken,
                **self._args,
            )
        deadline.close = client.close
        return client


def route_to(base_url: str, timeout: float, args: Mapping[str, Any]) -> Route:
    """Return the way of token requests that *args* ask for: with *verify*, and Lent transports."""
    given = {"cert": None, "proxy": None, "trust_env": True, **args}
    settings = {name: given[name] for name in ("verify", "cert", "proxy", "trust_env")}
    cert = settings["cert"]
    files = (settings["verify"], *(cert if isinstance(cert, tuple) else (cert,)))
    parts = (
        base_url,
        timeout,
        tuple(settings.items()),
        ((None, args.get("transport")), *args["mounts"].items()),
        tuple(os.environ.get(name) for name in _VARIABLES),
        tuple(_changed_at(file) for file in (*files, *map(os.environ.get, AUTHORITIES))),
    )
    try:
        hash(parts)
    except TypeError:  # such as a list: a way of its own
        return _route.__wrapped__(*parts)
    _route(*parts)  # two threads at once each get one of their own from it
    return _route(*parts)


def _changed_at(file: Any) -> int | None:
    """Return when *file* was changed, if it names one: it may hold other authorities by now."""
    try:
        return Path(file).stat().st_mtime_ns
    except (OSError, TypeError, ValueError):
        return None


@lru_cache(maxsize=64)  # loading the authorities takes 20 ms, too much for each web request
def _route(base_url: str, timeout: float, settings: Any, transports: Any, *_read: Any) -> Route:
    return Route(base_url, timeout, dict(settings), dict(transports))
