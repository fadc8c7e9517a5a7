"""``setle doctor``: the first thing that is wrong, and what to do about it."""

import os
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import click

import setle

from ._command import UNAVAILABLE, UNUSABLE, Failure, credentials, group, store
from ._token import NOTHING, name_of, put

_REMEDIES = {
    "DNS": "check the host in SETLE_BASE_URL, and the network's name server",
    "TCP": "check the network, its firewall, and whether it takes a proxy (HTTPS_PROXY)",
    "proxy": "check HTTPS_PROXY, with user and password",
    "TLS": "check this machine's clock, and SSL_CERT_FILE if your own authority signs for the host",
}


class _Connected(Exception):  # noqa: N818 - it is what was hoped for
    """All is there that a request needs."""


@group.command()
@click.option("--ask", is_flag=True, help="Ask for a token at the end, once.")
def doctor(ask: bool) -> None:
    """
    Look for what is wrong, step by step, and stop there.

    Tells where the settings come from, tries the store, and connects; sends nothing without
    --ask. The exit status says what kind of trouble it is.
    """
    for name in sorted(os.environ):  # the misspelt ones, too
        if name.startswith(("SETLE_", "SSL_CERT_")) or name.upper().endswith("_PROXY"):
            _tell("", name, "set in the environment")
    mine, shared = credentials(), store()
    _tell("ok", "credentials", "complete")
    with setle.connect(mine, store=shared).get_httpx_client() as http:
        _tell("ok", "base URL", str(http.base_url).rstrip("/"))
        # Under a key of its own, so that the user's token stays where it is.
        with shared.lock("doctor", 1.0):
            put(shared, "doctor", "of-the-doctor", 60.0)
            found = shared.load("doctor")
            put(shared, "doctor", *NOTHING)
        if found is None or found.value != "of-the-doctor":
            raise Failure("the store lost what was saved; name another SETLE_TOKEN_STORE", UNUSABLE)
        _tell("ok", "store", f"{name_of(shared)}: locked, written, read back")
        _reach(http.get, http.base_url.host)
    if ask:
        token = setle.TokenSource(mine, store=setle.MemoryTokenStore()).get_token()
        _tell("ok", "token", f"{token.fingerprint}, good for {token.lifetime:g} s")


def _tell(mark: str, what: str, more: str) -> None:
    click.echo(f"{mark:4}{what:26}{more}")


def _reach(get: Callable[..., object], host: str) -> None:
    """Connect as a call to *host* does, and stop before anything is sent to Setle."""
    import socket

    step, peer = "proxy", ""

    def trace(event: str, about: dict[str, Any]) -> None:
        nonlocal step, peer
        if event.endswith("connect_tcp.started"):
            peer = f"{about['host']}:{about['port']}"
            _tell("ok", "proxy", "none" if about["host"] == host else peer)
            step = "DNS"
            found = socket.getaddrinfo(about["host"], about["port"], type=socket.SOCK_STREAM)
            _tell("ok", step, ", ".join(sorted({str(address[4][0]) for address in found})))
            step = "TCP"
        elif event.endswith(("connect_tcp.complete", "start_tls.complete")):
            _tell("ok", step, peer)
            step = "TLS"
        elif event.endswith("request_headers.started") and about["request"].method != b"CONNECT":
            raise _Connected

    try:
        with suppress(_Connected):
            get("/", auth=None, timeout=5.0, extensions={"trace": trace})
    except Exception as error:
        step = "proxy" if type(error).__name__ == "ProxyError" else step
        # Nobody answers there, or the name is not known: the proxy's, where one is in use.
        remedy = _REMEDIES[step if step == "TLS" or peer.startswith(f"{host}:") else "proxy"]
        said = f"{step} failed for {peer} ({type(error).__name__}: {error}); {remedy}"
        raise Failure(said, UNAVAILABLE) from error
