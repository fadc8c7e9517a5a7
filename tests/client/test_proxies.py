"""Proxies: whom they serve, whom they never see, and that their passwords are in no message."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import httpx
import pytest

import setle
import setle_api
from setle.testing import Sandbox
from tests.support import credentials_of
from tests.support.faults import asked, fault, named, saw, times, yes
from tests.support.worlds import ESTATES, World, connect_to

pytestmark = pytest.mark.usefixtures("no_jitter")

Connect: TypeAlias = Callable[..., setle_api.AuthenticatedClient]

VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")
PASSWORD = "p4ssw0rd"
# Nothing of it may be shown: not the password, nor a part of it.
UNUSABLE = [
    f"http://user:{PASSWORD}#{PASSWORD}@proxy.example:3128",
    f"http://user:{PASSWORD}/{PASSWORD}@proxy.example:3128",
    f"http://user:{PASSWORD}?{PASSWORD}@proxy.example:3128",
    f"http://user:{PASSWORD}@proxy.example:port",
    f"ftp://user:{PASSWORD}@proxy.example:3128",
    f"socks5://user:{PASSWORD}@proxy.example:1080",
]


class Listener:
    """A server on loopback that notes each connection, and answers 502 to whatever comes."""

    def __init__(self) -> None:
        self.got: list[bytes] = []
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._server.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._server.accept()
                with connection:
                    connection.settimeout(5)
                    self.got.append(connection.recv(65536))
                    connection.sendall(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")

    def stop(self) -> None:
        """Close it; all that came before has been noted after that."""
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._thread.join()


@pytest.fixture
def proxy() -> Iterator[Listener]:
    listener = Listener()
    yield listener
    listener.stop()


@pytest.fixture(autouse=True)
def _no_exceptions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs the tests may exempt loopback from proxies."""
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)


class Relay:
    """The sandbox at another address of loopback, IPv6."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._target = ("127.0.0.1", httpx.URL(sandbox.base_url).port or 0)
        self._server = socket.create_server(("::1", 0), family=socket.AF_INET6)
        self.url = f"http://[::1]:{self._server.getsockname()[1]}"
        self._open: list[socket.socket] = [self._server]
        self._threads: list[threading.Thread] = []
        self._run(self._accept)

    def _run(self, work: Callable[..., None], *args: socket.socket) -> None:
        self._threads.append(threading.Thread(target=work, args=args, daemon=True))
        self._threads[-1].start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._server.accept()
                far = socket.create_connection(self._target)
                self._open += [near, far]
                self._run(self._pump, near, far)
                self._run(self._pump, far, near)

    @staticmethod
    def _pump(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)

    def stop(self) -> None:
        for one in self._open:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for one in self._open:
            one.close()


@pytest.fixture(params=["127.0.0.1", "localhost", "[::1]"])
def loopback_url(request: pytest.FixtureRequest, sandbox: Sandbox) -> Iterator[str]:
    """The sandbox by each of the names that this machine has for itself."""
    if request.param == "[::1]":
        if not socket.has_ipv6:
            pytest.skip("this system has no IPv6")
        relay = Relay(sandbox)
        yield relay.url
        relay.stop()
    else:
        yield sandbox.base_url.replace("127.0.0.1", request.param)


@fault(
    "Proxies",
    "all proxy variables are set, and the server is on this machine",
    "the proxy never sees it",
)
def test_loopback_is_reached_directly(
    world: World,
    loopback_url: str,
    connect: Connect,
    sandbox: Sandbox,
    proxy: Listener,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whatever the environment says: calls and token requests, sync and async, replays too."""
    for name in VARIABLES:
        monkeypatch.setenv(name, proxy.url)
    client = connect(base_url=loopback_url)
    assert world.call(client).status_code == 200
    sandbox.revoke()
    assert world.call(client).status_code == 200
    assert sandbox.token_requests == 2
    proxy.stop()
    assert proxy.got == []
    saw(f"{times(len(proxy.got), 'request')} at the proxy", asked(sandbox))


def test_loopback_is_reached_directly_in_spite_of_an_explicit_proxy(
    world: World, loopback_url: str, connect: Connect, sandbox: Sandbox, proxy: Listener
) -> None:
    """A proxy for the rest of the world is none for this machine."""
    client = connect(base_url=loopback_url, httpx_args={"proxy": proxy.url})
    assert world.call(client).status_code == 200
    assert sandbox.token_requests == 1
    proxy.stop()
    assert proxy.got == []


def test_loopback_is_reached_directly_beside_mounts(
    world: World,
    connect: Connect,
    sandbox: Sandbox,
    proxy: Listener,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A transport mounted for other hosts does not open the way to the proxy."""
    for name in VARIABLES:
        monkeypatch.setenv(name, proxy.url)
    elsewhere = httpx.MockTransport(lambda request: httpx.Response(200))
    client = connect(
        httpx_args={"mounts": {"https://": elsewhere, "all://other.example": elsewhere}}
    )
    assert world.call(client).status_code == 200
    assert sandbox.token_requests == 1
    proxy.stop()
    assert proxy.got == []


@pytest.mark.parametrize("make", [setle.connect, setle.TokenSource])
def test_a_mount_without_a_scheme_is_refused(
    sandbox: Sandbox, make: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As httpx does, which knows no other pattern; no proxy is to blame."""
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    with pytest.raises(setle.ConfigurationError, match=r"^httpx_args holds what httpx cannot use"):
        make(
            credentials_of(sandbox),
            base_url=sandbox.base_url,
            httpx_args={"mounts": {"setle.example": None}},
        )


@pytest.mark.parametrize("pattern", ["http://", "all://", "all://127.0.0.1", "http://127.0.0.1"])
def test_a_transport_mounted_for_loopback_is_taken(
    world: World, connect: Connect, sandbox: Sandbox, pattern: str
) -> None:
    """What the user says of this very server goes before."""
    token = {"access_token": "mocked", "expires_in": 3600, "token_type": "Bearer"}
    mock = httpx.MockTransport(lambda request: httpx.Response(200, json=token))
    client = connect(httpx_args={"mounts": {pattern: mock}})
    assert world.call(client).json() == token
    assert (sandbox.token_requests, sandbox.api_requests) == (0, 0)


def test_a_users_source_reaches_loopback_directly(
    sandbox: Sandbox, proxy: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The secret of a TokenSource goes to no proxy either."""
    for name in VARIABLES:
        monkeypatch.setenv(name, proxy.url)
    source = setle.TokenSource(
        credentials_of(sandbox), base_url=sandbox.base_url, store=setle.MemoryTokenStore()
    )
    assert source.get_token().value
    proxy.stop()
    assert proxy.got == []


@fault(
    "Proxies",
    "the proxy answers 502 to the tunnel",
    "one typed error; nothing secret was sent before",
)
@pytest.mark.parametrize("variable", [None, "HTTPS_PROXY", "ALL_PROXY", "https_proxy"])
def test_other_hosts_are_reached_through_the_proxy(
    variable: str | None, proxy: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The token request asks it for a tunnel, and sends nothing secret before there is one."""
    if variable is not None:
        monkeypatch.setenv(variable, proxy.url)
    args = {"proxy": proxy.url} if variable is None else {}
    source = setle.TokenSource(
        setle.ClientCredentials("id", "5f0c" * 16),
        base_url="https://setle.example",
        store=setle.MemoryTokenStore(),
        timeout=2.0,
        httpx_args=args,
    )
    with pytest.raises(setle.TokenUnavailableError, match=r"setle\.example:443") as caught:
        source.get_token()
    proxy.stop()
    assert proxy.got
    assert all(got.startswith(b"CONNECT setle.example:443") for got in proxy.got)
    assert b"5f0c" not in b"".join(proxy.got)
    saw(named(caught.value), f"secret sent: {yes(b'5f0c' in b''.join(proxy.got))}")


def said(call: Callable[[], object]) -> str:
    """Return all that the ConfigurationError of *call* shows."""
    with pytest.raises(setle.ConfigurationError) as caught:
        call()
    assert caught.value.__context__ is None
    return f"{caught.value} {caught.value!r}"


@pytest.mark.parametrize("url", UNUSABLE)
@pytest.mark.parametrize("make", [setle.connect, setle.TokenSource])
def test_an_unusable_proxy_is_named_and_not_shown(make: Callable[..., Any], url: str) -> None:
    """In httpx_args: at once, and without a part of its password."""
    credentials = setle.ClientCredentials("id", "secret")
    text = said(lambda: make(credentials, httpx_args={"proxy": url}))
    assert "proxy in httpx_args" in text
    assert PASSWORD not in text


@fault(
    "Proxies",
    "a proxy variable with a fragment, slash or port in its password, or of an unknown kind",
    "named when the client is made, and not shown",
)
@pytest.mark.parametrize("url", UNUSABLE)
@pytest.mark.parametrize("variable", VARIABLES)
def test_an_unusable_proxy_of_the_environment_is_named_and_not_shown(
    variable: str, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For each variable that httpx heeds, in both spellings."""
    monkeypatch.setenv(variable, url)
    for make in (setle.connect, setle.TokenSource):
        text = said(lambda make=make: make(setle.ClientCredentials("id", "secret")))  # type: ignore[misc] # mypy loses the default
        assert variable.upper() in text
        assert PASSWORD not in text
    saw("ConfigurationError", f"password shown: {yes(PASSWORD in text)}")


@pytest.mark.parametrize("url", UNUSABLE)
@pytest.mark.parametrize("variable", [None, "HTTPS_PROXY", "ALL_PROXY"])
def test_an_unusable_proxy_of_the_api_calls_alone_is_named_at_the_first_call(
    world: World,
    connect: Connect,
    sandbox: Sandbox,
    variable: str | None,
    url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where the token request has a way of its own, or the variable is set later."""
    args = {"proxy": url} if variable is None else {}
    with contextlib.suppress(setle.ConfigurationError):
        client = setle.connect(
            credentials_of(sandbox), base_url=sandbox.base_url, httpx_args=args, token_httpx_args={}
        )
        if variable is not None:
            monkeypatch.setenv(variable, url)
        text = said(lambda: world.call(client))
        assert (variable or "proxy in httpx_args") in text
        assert PASSWORD not in text
        return
    pytest.fail("connect() found it")


@pytest.mark.parametrize("url", UNUSABLE)
def test_an_unusable_proxy_that_comes_after_the_source_is_named_and_not_shown(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each refresh heeds the environment of its own moment."""
    credentials = setle.ClientCredentials("id", "secret")
    source = setle.TokenSource(
        credentials, base_url="https://setle.example", store=setle.MemoryTokenStore()
    )
    monkeypatch.setenv("HTTPS_PROXY", url)
    text = said(source.get_token)
    assert "HTTPS_PROXY" in text
    assert PASSWORD not in text


# The first three httpx reads as a host and a port: nothing tells that it is a password.
@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:12#34@proxy.example:3128",
        "http://127.0.0.1:12/34@proxy.example:3128",
        "http://127.0.0.1:12?34@proxy.example:3128",
        "http://user:1234@[proxy.example",
        "http://user:1234@127.0.0.1:9",
    ],
)
def test_the_password_of_a_proxy_that_is_not_reached_is_not_shown(url: str) -> None:
    """The message names the host that was to be reached."""
    source = setle.TokenSource(
        setle.ClientCredentials("id", "secret"),
        base_url="https://setle.example",
        store=setle.MemoryTokenStore(),
        timeout=1.0,
        httpx_args={"proxy": url},
    )
    with pytest.raises(setle.TokenUnavailableError, match=r"setle\.example:443") as caught:
        source.get_token()
    assert "34" not in str(caught.value)


@pytest.mark.parametrize("value", ["fe80::/10", "localhost,fe80::/10", "[::1", "a:b"])
def test_an_unusable_no_proxy_is_named(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A network of IPv6 is no host that httpx could exempt."""
    monkeypatch.setenv("NO_PROXY", value)
    for make in (setle.connect, setle.TokenSource):
        text = said(lambda make=make: make(setle.ClientCredentials("id", "secret")))  # type: ignore[misc] # mypy loses the default
        assert "NO_PROXY" in text


def test_no_environment_no_trouble(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """trust_env=False leaves all of them aside."""
    monkeypatch.setenv("NO_PROXY", "fe80::/10")
    monkeypatch.setenv("HTTP_PROXY", UNUSABLE[0])
    with connect_to(sandbox, httpx_args={"trust_env": False}) as client:
        assert client.get_httpx_client().get(ESTATES).status_code == 200
