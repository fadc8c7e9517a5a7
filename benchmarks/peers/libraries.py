"""
The libraries, each driven by its own class, and what it takes to make that ask our sandbox.

Setle wants the credentials in two headers of its own and no body; a body that a peer sends
all the same is ignored. Settings, and margins above all, are what each comes with, but for
the refresh in the background where it is to be had. A peer is imported when it is made:
`make peers` installs them, nothing else does.
"""

from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from typing import Any

import attrs
import httpx

import setle

from ..sandbox import Address, RemoteSandbox

Get = Callable[[], str]
ESTATES = "/v1/estate/list"


@attrs.frozen
class Driver:
    """
    One object of a library that gets tokens of one sandbox; as yet it holds none.

    Attributes:
        get: Gets a token.
        header: Makes what does all that a request costs before it is sent, where the library
            has something of its own for that.
        aget: Makes what gets a token in a task, where it has an async API.
        call: Makes what does an API call by its own HTTP client, where it has one, and raises
            if that fails. That client is closed with the stack.
    """

    get: Get
    header: Callable[[], Callable[[], object]] | None = None
    aget: Callable[[], Callable[[], Awaitable[object]]] | None = None
    call: Callable[[ExitStack], Callable[[], object]] | None = None

    def to_header(self) -> Callable[[], object]:
        """Return what puts a token on a request, by hand where there is no other way."""
        if self.header:
            return self.header()
        get, headers = self.get, dict[str, str]()

        def by_hand() -> None:
            headers["Authorization"] = f"Bearer {get()}"

        return by_hand


@attrs.frozen
class Peer:
    """
    A library to measure.

    Attributes:
        distribution: Its name.
        make: Returns a driver for a sandbox.
        lifetime: Of tokens in seconds, for its margin to begin a second after they are issued.
        imports: The statement that imports what is driven.
        package: Whose errors are its own; the names of its modules begin so.
        aged: Makes what gets a token, where it takes more than *lifetime* for that.
        sends: Whether it sends the token request; else its caller does.
        reads: Whether it reads the answer; likewise.
        on_requests: Whether it puts the token on a request in a way of its own; likewise.
    """

    distribution: str
    make: Callable[[Address], Driver]
    lifetime: float
    imports: str
    package: str
    aged: Callable[[RemoteSandbox], Get] | None = None
    sends: bool = True
    reads: bool = True
    on_requests: bool = True

    def make_aged(self, sandbox: RemoteSandbox) -> Get:
        """Return what gets a token, and holds one that goes stale about a second later."""
        sandbox.set(lifetime=self.lifetime)
        get = self.aged(sandbox) if self.aged else self.make(sandbox).get
        get()
        return get


def url(sandbox: Address) -> str:
    """Return the token endpoint."""
    return f"{sandbox.base_url}/v1/oauth/token"


def secrets(sandbox: Address) -> dict[str, str]:
    """Return the headers that Setle wants of a token request."""
    return {
        "x-setle-client-id": sandbox.credentials.client_id,
        "x-setle-client-secret": sandbox.credentials.client_secret,
    }


def http(sandbox: Address) -> httpx.Client:
    """Return a client with these."""
    return httpx.Client(headers=secrets(sandbox), verify=sandbox.tls, trust_env=False)


def driven(auth: Any, request: Any, response: Any) -> Callable[[], object]:
    """Return what runs the flow of an `httpx.Auth` around one request, as a client does."""

    def drive() -> None:
        flow = auth.sync_auth_flow(request)
        next(flow)
        try:  # noqa: SIM105 - as the client has it; suppress() takes as long as some flows
            flow.send(response)
        except StopIteration:
            pass

    return drive


def _setle(sandbox: Address) -> Driver:
    source = sandbox.source()
    request = httpx.Request("GET", f"{sandbox.base_url}{ESTATES}")

    def call(stack: ExitStack) -> Callable[[], object]:
        client = stack.enter_context(sandbox.connect().get_httpx_client())
        return lambda: client.get(ESTATES).raise_for_status()

    return Driver(
        lambda: source.get_token().value,
        lambda: driven(setle.BearerAuth(source), request, httpx.Response(200)),
        lambda: source.aget_token,
        call,
    )


def _setle_aged(sandbox: RemoteSandbox) -> Get:
    # The store holds a token that is that old, instead of waiting 17 s for it.
    source = sandbox.aged_source(setle.MemoryTokenStore(), refresh_in=1.0)
    return lambda: source.get_token().value


SETLE = Peer(
    "setle-client", _setle, 20.0, "from setle import BearerAuth, connect", "setle", _setle_aged
)
