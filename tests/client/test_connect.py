"""connect(): what becomes of its arguments, over real connections."""

import asyncio
import contextlib
import copy
import pickle
import socket
import ssl
import threading
from collections.abc import Iterator
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any

import certifi
import httpx
import pytest
import trustme

import setle
import setle_api
from setle.testing import Answer, Sandbox

pytestmark = pytest.mark.usefixtures("no_jitter")

ESTATES = "/v1/estate/list"
HOST = "setle.invalid"  # only a proxy finds it


@pytest.fixture
def proxy() -> "Iterator[Proxy]":
    """A running forward proxy."""
    with Proxy() as running:
        yield running


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def tls_sandbox(authority: trustme.CA, tmp_path: Path) -> Iterator[Sandbox]:
    """A sandbox that serves https with a certificate of *authority*."""
    pem = tmp_path / "server.pem"
    certificate = authority.issue_cert("127.0.0.1", HOST)
    certificate.private_key_and_cert_chain_pem.write_to_path(str(pem))
    with Sandbox(ssl_certfile=pem) as sandbox:
        yield sandbox


class Proxy:
    """A forward proxy that makes tunnels to loopback and remembers what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._server.getsockname()[1]}"
        self._open: list[socket.socket] = [self._server]
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> "Proxy":
        self._run(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        for one in self._open:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        for thread in self._threads:
            thread.join()

    def _run(self, target: Any, *args: object) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._server.accept()
                self._open.append(client)
                self._run(self._serve, client)

    def _serve(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            head = client.recv(65536)  # from loopback, a short head comes in one piece
            method, target, _ = head.split(b"\r\n", 1)[0].decode().split(" ")
            self.asked.append(f"{method} {target}")
            if method != "CONNECT":
                client.sendall(b"HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n")
                return
            # Whatever name was asked for: the server behind it is on loopback.
            server = socket.create_connection(("127.0.0.1", int(target.rpartition(":")[2])))
            self._open.append(server)
            client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            self._run(self._pump, client, server)
            self._pump(server, client)

    @staticmethod
    def _pump(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)


class CountingTransport(httpx.HTTPTransport):
    """Remembers the paths asked for, and whether it was entered or closed."""

    def __init__(self) -> None:
        super().__init__()
        self.paths: list[str] = []
        self.agents: list[str] = []
        self.entered = self.closed = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.paths.append(request.url.path)
        self.agents.append(request.headers["User-Agent"])
        return super().handle_request(request)

    def __enter__(self) -> "CountingTransport":
        self.entered += 1
        super().__enter__()
        return self

    def __exit__(self, *args: Any) -> None:
        self.closed += 1
        super().__exit__(*args)

    def close(self) -> None:
        self.closed += 1
        super().close()


def connected(sandbox: Sandbox, **more: Any) -> setle_api.AuthenticatedClient:
    credentials = setle.ClientCredentials(sandbox.client_id, sandbox.client_secret)
    options: dict[str, Any] = {"store": setle.MemoryTokenStore(), "base_url": sandbox.base_url}
    return setle.connect(credentials, **{**options, **more})


def estates(client: setle_api.AuthenticatedClient) -> httpx.Response:
    return client.get_httpx_client().get(ESTATES)


def paths(sandbox: Sandbox) -> list[str]:
    return [record.path for record in sandbox.log]


def test_no_request_before_the_first_call(setle_sandbox: Sandbox) -> None:
    """Connecting sends nothing, nor does entering the client."""
    with connected(setle_sandbox):
        pass
    assert setle_sandbox.log == []


def test_sync_and_async_share_the_token(setle_sandbox: Sandbox) -> None:
    """One client serves sync and async calls with one token."""
    client = connected(setle_sandbox)

    async def call() -> httpx.Response:
        async with client:
            return await client.get_async_httpx_client().get(ESTATES)

    with client:
        assert estates(client).status_code == 200
    assert asyncio.run(call()).status_code == 200
    assert setle_sandbox.token_requests == 1


def test_an_async_client_taken_out_before_there_is_a_loop(setle_sandbox: Sandbox) -> None:
    """It belongs to the loop that uses it first."""
    client = connected(setle_sandbox).get_async_httpx_client()

    async def call() -> int:
        async with client:
            return (await client.get(ESTATES)).status_code

    assert asyncio.run(call()) == 200


def test_a_client_is_not_pickled(setle_sandbox: Sandbox) -> None:
    """As a pool of processes would do with an argument; it says what to do instead."""
    with (
        connected(setle_sandbox) as client,
        pytest.raises(TypeError, match="let every process call"),
    ):
        pickle.dumps(client)


def test_a_copied_client_is_the_same(setle_sandbox: Sandbox) -> None:
    """So that settings which hold it may be copied."""
    with connected(setle_sandbox) as client:
        assert copy.deepcopy({"client": client})["client"] is client


def test_variables(setle_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without arguments everything comes from the environment."""
    monkeypatch.setenv("SETLE_CLIENT_ID", setle_sandbox.client_id)
    monkeypatch.setenv("SETLE_CLIENT_SECRET", setle_sandbox.client_secret)
    monkeypatch.setenv("SETLE_BASE_URL", setle_sandbox.base_url)
    with setle.connect() as client:
        assert estates(client).status_code == 200


@pytest.mark.parametrize(
    ("name", "value"),
    [("auth", None), ("auth", httpx.BasicAuth("a", "b")), ("base_url", "https://x.example")],
)
def test_refused_argument(name: str, value: object, setle_sandbox: Sandbox) -> None:
    """What connect() sets itself is refused in httpx_args."""
    with pytest.raises(setle.ConfigurationError, match=repr(name)):
        connected(setle_sandbox, httpx_args={name: value})


def test_headers_and_cookies(setle_sandbox: Sandbox) -> None:
    """Headers and cookies in httpx_args go along with each API call."""
    args = {"headers": {"X-Trace": "7"}, "cookies": {"flavour": "plain"}}
    with connected(setle_sandbox, httpx_args=args) as client:
        sent = estates(client).request.headers
    assert sent["X-Trace"] == "7"
    assert sent["Cookie"] == "flavour=plain"


def test_headers_of_any_bytes(setle_sandbox: Sandbox) -> None:
    """Those of with_headers are added to them, and they go out as they are."""
    name = "Jos\xe9".encode()
    client = connected(setle_sandbox, httpx_args={"headers": {"X-Name": name}})
    for each in (client, client.with_headers({"X-Trace": "7"})):
        with each:
            assert (b"X-Name", name) in estates(each).request.headers.raw


def test_headers_are_copied(setle_sandbox: Sandbox) -> None:
    """The caller's own headers and httpx_args are left as they are."""
    headers = {"X-Trace": "7"}
    args = {"headers": headers, "timeout": 5.0}
    with connected(setle_sandbox, httpx_args=args) as client:
        estates(client)
    assert headers == {"X-Trace": "7"}
    assert args == {"headers": {"X-Trace": "7"}, "timeout": 5.0}


def test_arguments_may_be_changed_for_another_tenant(setle_sandbox: Sandbox) -> None:
    """A client sends what it was made with, whatever becomes of the arguments afterwards."""
    called: list[str] = []
    args: dict[str, Any] = {
        **{name: {"tenant": "a"} for name in ("headers", "cookies", "params")},
        "event_hooks": {"request": [lambda request: called.append("a")]},
    }
    client = connected(setle_sandbox, httpx_args=args)
    for name in ("headers", "cookies", "params"):
        args[name]["tenant"] = "b"
    args["event_hooks"]["request"].append(lambda request: called.append("b"))
    with client:
        sent = estates(client).request
    assert (sent.headers["tenant"], sent.headers["Cookie"]) == ("a", "tenant=a")
    assert sent.url.query == b"tenant=a"
    assert called == ["a"]


def test_a_jar_of_cookies_is_shared(setle_sandbox: Sandbox) -> None:
    """As with httpx: what an answer sets is in there, for whoever keeps it."""
    jar = CookieJar()
    setle_sandbox.script_api(Answer(200, headers={"Set-Cookie": "session=7"}))
    with connected(setle_sandbox, httpx_args={"cookies": jar}) as client:
        estates(client)
    assert [cookie.name for cookie in jar] == ["session"]


@pytest.mark.parametrize(
    "args",
    [{"headers": {"X": "\xe9"}}, {"headers": 5}, {"params": 5}, {"event_hooks": [print]}, [5]],
    ids=str,
)
def test_an_argument_that_httpx_cannot_use(
    args: Any, setle_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is httpx_args that are told, and no proxy of the environment."""
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    problem = r"^httpx_args holds what httpx cannot use$"
    with pytest.raises(setle.ConfigurationError, match=problem):
        connected(setle_sandbox, httpx_args=args)


@pytest.mark.parametrize("headers", [None, [("X-Trace", "7")], httpx.Headers({"X-Trace": "7"})])
def test_forms_of_headers(headers: Any, setle_sandbox: Sandbox) -> None:
    """Headers may have any form that httpx takes."""
    with connected(setle_sandbox, httpx_args={"headers": headers}) as client:
        sent = estates(client).request.headers
    assert sent.get("X-Trace") == (headers and "7")


def test_redirects_are_followed_if_asked_for(setle_sandbox: Sandbox) -> None:
    """follow_redirects in httpx_args holds for API calls."""
    moved = Answer(307, headers={"Location": ESTATES + "?page=2"})
    setle_sandbox.script_api(moved, moved)
    with connected(setle_sandbox) as client:
        assert estates(client).status_code == 307
    with connected(setle_sandbox, httpx_args={"follow_redirects": True}) as client:
        assert estates(client).status_code == 200


def test_default_timeout(setle_sandbox: Sandbox) -> None:
    """Without a timeout API calls have one all the same, unlike those of the generated client."""
    with connected(setle_sandbox) as client:
        assert client.get_httpx_client().timeout == httpx.Timeout(30.0)


@pytest.mark.parametrize(
    "more",
    [
        {"timeout": 0.1},
        {"timeout": httpx.Timeout(0.1)},
        {"httpx_args": {"timeout": 0.1}},
        {"httpx_args": {"timeout": httpx.Timeout(5.0, read=0.1)}},
    ],
)
def test_timeout(more: dict[str, Any], setle_sandbox: Sandbox) -> None:
    """A timeout holds for API calls, in whichever form and place it is given."""
    setle_sandbox.script_api(Answer(delay=60.0))
    with connected(setle_sandbox, **more) as client, pytest.raises(httpx.TimeoutException):
        estates(client)


def test_timeout_is_not_for_token_requests(setle_sandbox: Sandbox) -> None:
    """A timeout shorter than the token request takes does not fail that."""
    setle_sandbox.delay = 1.2
    with connected(setle_sandbox, timeout=1.0) as client:
        assert estates(client).status_code == 200


def test_unexpected_status(setle_sandbox: Sandbox) -> None:
    """The generated endpoints raise on a status that the description does not hold."""
    from setle_api.api.general import create_access_token

    with connected(setle_sandbox) as client:
        estates(client)
        setle_sandbox.script_token(Answer(418))
        with pytest.raises(setle_api.errors.UnexpectedStatus):
            create_access_token.sync(
                client=client, x_setle_client_id="a", x_setle_client_secret="b"
            )


def test_with_headers_keeps_the_token(setle_sandbox: Sandbox) -> None:
    """A client derived with other headers or another timeout carries the same token."""
    with connected(setle_sandbox) as client:
        estates(client)
        with client.with_headers({"X-Trace": "7"}) as derived:
            response = estates(derived)
        assert (response.status_code, response.request.headers["X-Trace"]) == (200, "7")
        with client.with_timeout(httpx.Timeout(5.0)) as derived:
            assert estates(derived).status_code == 200
        with client.with_cookies({"a": "b"}) as derived:
            assert estates(derived).status_code == 200
    assert setle_sandbox.token_requests == 1


def test_clients_share_the_store_of_the_process(setle_sandbox: Sandbox) -> None:
    """A client per web request costs no token request of its own."""
    for _ in range(3):
        with connected(setle_sandbox, store=None) as client:
            assert estates(client).status_code == 200
    assert setle_sandbox.token_requests == 1


def test_transport(setle_sandbox: Sandbox) -> None:
    """A transport of the caller's carries the token request, which leaves it open."""
    transport = CountingTransport()
    client = connected(setle_sandbox, httpx_args={"transport": transport})
    assert estates(client).status_code == 200
    assert transport.paths == ["/v1/oauth/token", ESTATES]
    assert (transport.entered, transport.closed) == (0, 0)
    transport.close()


def test_mounts(setle_sandbox: Sandbox) -> None:
    """Mounted transports carry the token request, which leaves them open; None means none."""
    mounted, other = CountingTransport(), CountingTransport()
    mounts = {"http://127.0.0.1": mounted, "https://": other, "all://*.example": None}
    client = connected(setle_sandbox, httpx_args={"mounts": mounts})
    assert estates(client).status_code == 200
    assert mounted.paths == ["/v1/oauth/token", ESTATES]
    assert other.paths == []
    assert (mounted.entered, mounted.closed, other.entered, other.closed) == (0, 0, 0, 0)
    mounted.close()
    other.close()


def test_mount_of_nothing(setle_sandbox: Sandbox) -> None:
    """A pattern mounted to None means the transport itself, as in httpx."""
    transport = CountingTransport()
    args = {"transport": transport, "mounts": {"http://127.0.0.1": None}}
    client = connected(setle_sandbox, httpx_args=args)
    assert estates(client).status_code == 200
    assert transport.paths == ["/v1/oauth/token", ESTATES]
    transport.close()


@pytest.mark.parametrize("place", ["transport", "mounts"])
def test_async_only_transport(place: str, setle_sandbox: Sandbox) -> None:
    """A transport that cannot carry the token request is refused at once."""
    transport = httpx.AsyncHTTPTransport()
    args = {place: transport if place == "transport" else {"https://": transport}}
    with pytest.raises(setle.ConfigurationError, match="AsyncHTTPTransport"):
        connected(setle_sandbox, httpx_args=args)


@pytest.fixture
def behind_proxy(tls_sandbox: Sandbox, authority: trustme.CA) -> dict[str, Any]:
    """What connect() takes for a host that only a proxy finds."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    port = httpx.URL(tls_sandbox.base_url).port
    return {"base_url": f"https://{HOST}:{port}", "verify_ssl": context, "token_timeout": 5.0}


def test_a_callable_that_makes_transports(setle_sandbox: Sandbox) -> None:
    """It is called for each httpx client, which may close what it got."""
    made: list[CountingTransport] = []

    def make() -> CountingTransport:
        made.append(CountingTransport())
        return made[-1]

    with connected(setle_sandbox, httpx_args={"transport": make}) as client:
        assert estates(client).status_code == 200
    assert [transport.paths for transport in made] == [[ESTATES], ["/v1/oauth/token"]]
    assert all(transport.closed for transport in made)


def test_a_transport_that_is_sync_only(setle_sandbox: Sandbox) -> None:
    """An async call says so, and what would help."""
    client = connected(setle_sandbox, httpx_args={"transport": CountingTransport()})
    with pytest.raises(setle.ConfigurationError, match=r"CountingTransport\) serves sync only; "):
        asyncio.run(_get_async(client))


def test_a_transport_belongs_to_the_loop_that_used_it_first(setle_sandbox: Sandbox) -> None:
    """In another one its connections would be dead, and the error names the remedy."""
    transport = httpx.AsyncHTTPTransport()
    args: dict[str, Any] = {"token_httpx_args": {}, "httpx_args": {"transport": transport}}
    client = connected(setle_sandbox, **args)
    assert asyncio.run(_get_async(client)) == 200
    with pytest.raises(setle.ConfigurationError, match="pass a callable that makes one"):
        asyncio.run(_get_async(client))


def test_a_transport_that_cannot_be_hashed(setle_sandbox: Sandbox) -> None:
    """It is a way out of that client's own."""

    class Unhashable(CountingTransport):
        __hash__ = None  # type: ignore[assignment] # as of a dataclass

    with connected(setle_sandbox, httpx_args={"transport": Unhashable()}) as client:
        assert estates(client).status_code == 200


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("SSL_CERT_FILE", "/nonexistent/root.pem", r"^SSL_CERT_FILE names .*No such file"),
        ("NO_PROXY", "fe80::/10", r"^NO_PROXY holds what httpx cannot use$"),
    ],
)
def test_bad_variable(name: str, value: str, problem: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable of httpx's that cannot be used is named, when the client is made."""
    for other in ("NO_PROXY", "no_proxy", "SSL_CERT_DIR"):
        monkeypatch.delenv(other, raising=False)
    monkeypatch.setenv(name, value)
    with pytest.raises(setle.ConfigurationError, match=problem):
        setle.connect(setle.ClientCredentials("id", "secret"), store=setle.MemoryTokenStore())


def test_a_wrong_type_is_not_the_proxys(
    setle_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a proxy is well, and httpx finds out only as it makes a client."""
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    client = connected(setle_sandbox, httpx_args={"limits": 5})
    with pytest.raises(setle.ConfigurationError, match=r"^httpx_args holds"):
        client.get_httpx_client()


def test_a_proxy_that_is_set_later_is_named(
    setle_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An httpx client is made at its first use, and looks at the environment of then."""
    client = connected(setle_sandbox)
    monkeypatch.setenv("ALL_PROXY", "ftp://127.0.0.1:9")
    with pytest.raises(setle.ConfigurationError, match=r"^ALL_PROXY holds what httpx cannot use"):
        client.get_httpx_client()


@pytest.mark.filterwarnings("ignore:.*deprecated:DeprecationWarning")
def test_variables_that_are_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without trust_env no variable of httpx's is to blame."""
    monkeypatch.setenv("ALL_PROXY", "ftp://127.0.0.1:9")
    monkeypatch.setenv("SSL_CERT_FILE", "/nonexistent/root.pem")
    credentials = setle.ClientCredentials("id", "secret")
    args = {"trust_env": False, "cert": "/nonexistent/client.pem"}
    with pytest.raises(setle.ConfigurationError, match=r"^cert names what cannot be used"):
        setle.connect(credentials, httpx_args=args)


@pytest.mark.filterwarnings("ignore:.*deprecated:DeprecationWarning")
@pytest.mark.parametrize(
    ("variable", "lost", "cert", "names"),
    [
        ("SSLKEYLOGFILE", True, "", "SSLKEYLOGFILE"),
        ("SSLKEYLOGFILE", False, "no certificate", "cert"),
        ("SSL_CERT_FILE", True, "no certificate", "SSL_CERT_FILE"),
        ("SSL_CERT_FILE", False, "no certificate", "SSL_CERT_FILE or cert"),
        ("SSL_CERT_FILE", False, "lost", "cert"),
        ("SSL_CERT_FILE", False, "with too long a name", "cert"),
    ],
)
def test_the_file_that_is_to_blame_is_named(
    variable: str,
    *,
    lost: bool,
    cert: str,
    names: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The one that is not there, or else all of them, as OpenSSL does not say which it is."""
    for other in ("SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE"):
        monkeypatch.delenv(other, raising=False)
    file, pem = tmp_path / "file", tmp_path / "client.pem"
    monkeypatch.setenv(variable, str(tmp_path / "lost" / "file" if lost else file))
    if variable == "SSL_CERT_FILE":
        file.write_bytes(Path(certifi.where()).read_bytes())
    if cert == "no certificate":
        pem.write_text(cert)
    name = str(pem) + (5_000 * "x" if "long" in cert else "")
    kind = list if cert == "lost" else tuple  # of which httpx takes either
    args = {"cert": kind((name, name, "password"))} if cert else {}
    with pytest.raises(setle.ConfigurationError, match=rf"^{names} names what cannot be used"):
        setle.connect(setle.ClientCredentials("id", "secret"), httpx_args=args)


def test_a_variable_that_httpx_does_not_read_is_not_to_blame(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It reads none for the authorities where verify_ssl names them."""
    monkeypatch.setenv("SSL_CERT_FILE", "/nonexistent/root.pem")
    (tmp_path / "bad.pem").write_text("no certificate")
    with pytest.raises(setle.ConfigurationError, match=r"^verify_ssl names what cannot be used"):
        setle.connect(setle.ClientCredentials("id", "secret"), verify_ssl=str(tmp_path / "bad.pem"))


def test_a_lost_file_of_authorities(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a setting for it, it is the one of certifi."""
    for other in ("SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE"):
        monkeypatch.delenv(other, raising=False)
    monkeypatch.setattr("certifi.where", lambda: "/nonexistent/cacert.pem")
    with pytest.raises(setle.ConfigurationError, match=r"^certifi names what cannot be used"):
        setle.connect(setle.ClientCredentials("id", "secret"), token_timeout=14.5)


def test_a_variable_that_was_good_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A later connect() looks again at the file of TLS secrets."""
    credentials = setle.ClientCredentials("id", "secret")
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys"))
    setle.connect(credentials)
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "lost" / "keys"))
    with pytest.raises(setle.ConfigurationError, match=r"^SSLKEYLOGFILE names"):
        setle.connect(credentials)


class TimeLimitError(Exception):
    """What a queue's worker raises in a job that takes too long."""


@pytest.mark.parametrize("error", [TimeLimitError, TimeoutError])
def test_a_jobs_time_limit_is_no_bad_setting(
    error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a signal handler raises meanwhile reaches the caller as it is."""

    def interrupted() -> str:
        raise error

    for other in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(other, raising=False)
    monkeypatch.setattr("certifi.where", interrupted)
    with pytest.raises(error):
        setle.connect(setle.ClientCredentials("id", "secret"), token_timeout=14.25)


def test_bad_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of several proxies any may be the one, so all are named."""
    for name in ("ALL_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "ftp://127.0.0.1:9")
    with pytest.raises(setle.ConfigurationError, match=r"^(ALL|HTTPS)_PROXY or (ALL|HTTPS)_PROXY "):
        setle.connect(setle.ClientCredentials("id", "secret"), store=setle.MemoryTokenStore())


@pytest.mark.parametrize("proxy", [None, "http://127.0.0.1:9"])
def test_an_argument_that_httpx_does_not_know(
    proxy: str | None, setle_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is named, and no proxy is blamed for it; its value is not shown."""
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    client = connected(setle_sandbox, httpx_args={"proxies": "shown", "proxy": proxy})
    with pytest.raises(setle.ConfigurationError, match=r"^httpx_args .* 'proxies'$") as caught:
        client.get_httpx_client()
    assert "shown" not in str(caught.value)


def test_proxy(tls_sandbox: Sandbox, behind_proxy: dict[str, Any], proxy: Proxy) -> None:
    """API calls and token requests take the same proxy, in tunnels that it cannot read."""
    with connected(tls_sandbox, **behind_proxy, httpx_args={"proxy": proxy.url}) as client:
        assert estates(client).status_code == 200
        assert asyncio.run(_get_async(client)) == 200
    assert proxy.asked == [f"CONNECT {behind_proxy['base_url'].removeprefix('https://')}"] * 3
    assert tls_sandbox.token_requests == 1


def test_proxy_of_the_environment(
    tls_sandbox: Sandbox,
    behind_proxy: dict[str, Any],
    proxy: Proxy,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The environment's proxy is taken for both, unless trust_env says otherwise."""
    monkeypatch.setenv("HTTPS_PROXY", proxy.url)
    no_trust = {"trust_env": False}
    with (
        connected(tls_sandbox, **behind_proxy, httpx_args=no_trust) as client,
        pytest.raises(setle.TokenUnavailableError, match=HOST),
    ):
        estates(client)
    assert proxy.asked == []
    with connected(tls_sandbox, **behind_proxy) as client:
        assert estates(client).status_code == 200
    assert len(proxy.asked) == 2


def test_token_requests_may_go_another_way(
    tls_sandbox: Sandbox, behind_proxy: dict[str, Any], proxy: Proxy
) -> None:
    """token_httpx_args holds for them in place of httpx_args."""
    args = {"token_httpx_args": {"proxy": proxy.url}, "httpx_args": {}}
    with (
        connected(tls_sandbox, **behind_proxy, **args) as client,
        pytest.raises(httpx.ConnectError),
    ):
        estates(client)
    assert len(proxy.asked) == 1
    assert tls_sandbox.tokens_issued == 1


OTHER = httpx.HTTPTransport()


@pytest.mark.parametrize(
    "httpx_args", [{}, {"mounts": {"https://": OTHER}}, {"mounts": {"all://*.example": OTHER}}]
)
@pytest.mark.parametrize("name", ["HTTP_PROXY", "ALL_PROXY"])
def test_loopback_is_reached_without_a_proxy(
    name: str,
    httpx_args: dict[str, Any],
    setle_sandbox: Sandbox,
    proxy: Proxy,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A proxy would get the secret in plain text, whoever asked for it."""
    monkeypatch.setenv(name, proxy.url)
    with connected(setle_sandbox, httpx_args=httpx_args) as client:
        assert estates(client).status_code == 200
    with connected(setle_sandbox) as client:
        assert asyncio.run(_get_async(client)) == 200
    with connected(setle_sandbox, httpx_args={**httpx_args, "proxy": proxy.url}) as client:
        assert estates(client).status_code == 200
    assert proxy.asked == []


@pytest.mark.parametrize("pattern", ["all://", "http://", "all://127.0.0.1", "http://127.0.0.1"])
def test_a_mount_for_loopback_is_taken_there(
    pattern: str, setle_sandbox: Sandbox, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever its pattern, and whatever proxy there is."""
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    transport = CountingTransport()
    client = connected(setle_sandbox, httpx_args={"mounts": {pattern: transport}})
    assert estates(client).status_code == 200
    assert transport.paths == ["/v1/oauth/token", ESTATES]
    assert proxy.asked == []
    transport.close()


@pytest.mark.parametrize("password", ["secr#et", "secr/et", "secr?et", "secret"])
def test_the_password_of_a_proxy_is_not_shown(
    password: str, tls_sandbox: Sandbox, behind_proxy: dict[str, Any]
) -> None:
    """Neither where httpx cannot use the URL, nor where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    args = {"proxy": f"http://user:{password}@127.0.0.1:{port}"}
    with pytest.raises(setle.SetleError) as caught:
        estates(connected(tls_sandbox, **behind_proxy, httpx_args=args))
    assert "secr" not in str(caught.value)


def test_user_agent(setle_sandbox: Sandbox) -> None:
    """Both kinds of requests say who they come from, unless the user says something else."""
    expected = f"setle-client/{setle.__version__} python-httpx/{httpx.__version__}"
    transport = CountingTransport()
    args: dict[str, Any] = {"transport": transport}
    assert estates(connected(setle_sandbox, httpx_args=args)).status_code == 200
    assert transport.agents == [expected, expected]
    args["headers"] = {"user-agent": "theirs"}
    assert estates(connected(setle_sandbox, httpx_args=args)).status_code == 200
    assert transport.agents[2:] == [expected, "theirs"]
    transport.close()


@pytest.mark.parametrize("place", ["verify_ssl", "verify"])
def test_authority(place: str, tls_sandbox: Sandbox, authority: trustme.CA) -> None:
    """A TLS context holds for API calls and token requests, under either name."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    more = {place: context} if place == "verify_ssl" else {"httpx_args": {"verify": context}}
    with connected(tls_sandbox, **more) as client:
        assert estates(client).status_code == 200
        assert asyncio.run(_get_async(client)) == 200
    assert tls_sandbox.token_requests == 1


@pytest.mark.filterwarnings("ignore:.*deprecated:DeprecationWarning")
def test_tls_settings_are_loaded_once(
    tls_sandbox: Sandbox, authority: trustme.CA, tmp_path: Path
) -> None:
    """API calls share them with token requests: the files may be gone by the first call."""
    root, cert = tmp_path / "root.pem", tmp_path / "client.pem"
    authority.cert_pem.write_to_path(str(root))
    authority.issue_cert("client").private_key_and_cert_chain_pem.write_to_path(str(cert))
    with connected(tls_sandbox, verify_ssl=str(root), httpx_args={"cert": str(cert)}) as client:
        root.unlink()
        cert.unlink()
        assert estates(client).status_code == 200
        assert asyncio.run(_get_async(client)) == 200


async def _get_async(client: setle_api.AuthenticatedClient) -> int:
    async with client.get_async_httpx_client() as connection:
        return (await connection.get(ESTATES)).status_code


def test_unknown_authority(tls_sandbox: Sandbox) -> None:
    """A certificate that nobody vouches for fails the token request, and nothing is sent."""
    with connected(tls_sandbox) as client, pytest.raises(setle.TokenUnavailableError) as caught:
        estates(client)
    assert "CERTIFICATE_VERIFY_FAILED" in str(caught.value)
    assert tls_sandbox.token_requests == 0


def test_no_verification(tls_sandbox: Sandbox) -> None:
    """Whoever turns verification off gets through without it."""
    with connected(tls_sandbox, verify_ssl=False) as client:
        assert estates(client).status_code == 200


@pytest.mark.parametrize("named_by", [str, Path])
def test_authority_in_a_file(
    named_by: type, tls_sandbox: Sandbox, authority: trustme.CA, tmp_path: Path
) -> None:
    """The authority may come from a file."""
    pem = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(str(pem))
    with connected(tls_sandbox, verify_ssl=named_by(pem)) as client:
        assert estates(client).status_code == 200


@pytest.mark.parametrize("named_by", ["verify_ssl", "SSL_CERT_FILE"])
def test_an_authority_that_is_replaced(
    named_by: str,
    tls_sandbox: Sandbox,
    authority: trustme.CA,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Another connect() trusts what the file holds by now."""
    pem = tmp_path / "authority.pem"
    more = {named_by: str(pem)} if named_by == "verify_ssl" else {}
    monkeypatch.setenv("SSL_CERT_FILE", "" if more else str(pem))
    trustme.CA().cert_pem.write_to_path(str(pem))
    failed = pytest.raises(setle.TokenUnavailableError, match="CERTIFICATE_VERIFY_FAILED")
    with connected(tls_sandbox, **more) as client, failed:
        estates(client)
    authority.cert_pem.write_to_path(str(pem))
    with connected(tls_sandbox, **more) as client:
        assert estates(client).status_code == 200


@pytest.mark.filterwarnings("ignore:.*deprecated:DeprecationWarning")
@pytest.mark.parametrize("with_a_key_file", [False, True])
def test_a_client_certificate_that_is_replaced(
    with_a_key_file: bool, tls_sandbox: Sandbox, authority: trustme.CA, tmp_path: Path
) -> None:
    """Another connect() reads it again, and says here that it cannot be used."""
    pem = tmp_path / "client.pem"
    authority.issue_cert("client").private_key_and_cert_chain_pem.write_to_path(str(pem))
    given = (str(pem), str(pem)) if with_a_key_file else str(pem)
    connected(tls_sandbox, httpx_args={"cert": given})
    pem.write_text("no certificate")
    with pytest.raises(setle.ConfigurationError, match="cert names what cannot be used"):
        connected(tls_sandbox, httpx_args={"cert": given})


def test_a_folder_without_authorities(
    tls_sandbox: Sandbox, authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever names a folder trusts what is in there, and not what the environment names."""
    pem, folder = tmp_path / "authority.pem", tmp_path / "empty"
    authority.cert_pem.write_to_path(str(pem))
    folder.mkdir()
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))
    failed = pytest.raises(setle.TokenUnavailableError, match="CERTIFICATE_VERIFY_FAILED")
    with connected(tls_sandbox, verify_ssl=str(folder)) as client, failed:
        estates(client)


@pytest.mark.filterwarnings("ignore:.*deprecated:DeprecationWarning")
@pytest.mark.parametrize(
    "more",
    [{"verify_ssl": "missing.pem"}, {"httpx_args": {"cert": "missing.pem"}}],
    ids=["verify_ssl", "cert"],
)
def test_missing_file(more: dict[str, Any], tls_sandbox: Sandbox) -> None:
    """A file that is not there is reported at once."""
    with pytest.raises(setle.ConfigurationError, match=r"cannot be used: \w+"):
        connected(tls_sandbox, **more)


@pytest.mark.filterwarnings("ignore:.*deprecated:DeprecationWarning")
def test_client_certificate(tmp_path: Path, authority: trustme.CA) -> None:
    """A client certificate is shown to the token endpoint."""
    server_pem, client_pem = tmp_path / "server.pem", tmp_path / "client.pem"
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(server_pem))
    authority.issue_cert("client").private_key_and_cert_chain_pem.write_to_path(str(client_pem))
    ours = ssl.create_default_context()
    authority.configure_trust(ours)
    theirs = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    theirs.load_cert_chain(server_pem)
    authority.configure_trust(theirs)
    theirs.verify_mode = ssl.CERT_REQUIRED
    shown: list[object] = []

    def serve(listener: socket.socket) -> None:
        with listener.accept()[0] as raw, theirs.wrap_socket(raw, server_side=True) as connection:
            connection.recv(65536)
            shown.append(connection.getpeercert())
            connection.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,), daemon=True)
        thread.start()
        source = setle.TokenSource(
            setle.ClientCredentials("id", "secret"),
            base_url=f"https://127.0.0.1:{listener.getsockname()[1]}",
            store=setle.MemoryTokenStore(),
            verify_ssl=ours,
            httpx_args={"cert": str(client_pem)},
        )
        with pytest.raises(setle.TokenRejectedError):
            source.get_token()
        thread.join()
    assert shown != [None]
    assert len(shown) == 1
