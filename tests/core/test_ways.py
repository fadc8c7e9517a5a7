"""What goes wrong on the way to the token endpoint: TLS, names, connections."""

import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
import trustme

import setle
from setle.testing import Sandbox
from tests.support import Clock, join_refreshes
from tests.support.faults import asked, fault, named, naming, saw, times, yes
from tests.support.raw import RawEndpoint, token_answer

pytestmark = pytest.mark.usefixtures("no_jitter")

SECRET = "5f0c" * 16
Handle = Callable[[socket.socket], object]

AUTHORITY = trustme.CA()
TRUST = ssl.create_default_context()
AUTHORITY.configure_trust(TRUST)
NOW = datetime.now(UTC)
DAY = timedelta(days=1)


def refused(base_url: str, *, timeout: float = 5.0, **more: Any) -> setle.TokenError:
    """Return the error of a token request to *base_url*."""
    credentials = setle.ClientCredentials("id", SECRET)
    options: dict[str, Any] = {"store": setle.MemoryTokenStore(), **more}
    source = setle.TokenSource(credentials, base_url=base_url, timeout=timeout, **options)
    with pytest.raises(setle.TokenError) as caught:
        source.get_token()
    join_refreshes()
    return caught.value


@contextmanager
def answering(handle: Handle) -> Iterator[int]:
    """Let *handle* have each connection to the port that is yielded, one after the other."""

    def serve() -> None:
        with suppress(OSError):  # it is shut down
            while True:
                connection, _ = server.accept()
                with connection, suppress(OSError):
                    handle(connection)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
        thread.join(30)


def reset(connection: socket.socket) -> None:
    """Let the connection end by a reset, as a firewall or a crashed host does."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def reset_in_handshake(connection: socket.socket) -> None:
    """Let it end after the client's first word, or else the client may meet another error."""
    connection.recv(1)
    reset(connection)


def certified(certificate: trustme.LeafCert, **settings: object) -> Handle:
    """Return what shakes hands with *certificate*, and reads what it is sent."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    for name, value in settings.items():
        setattr(context, name, value)

    def handle(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as secure:
            READ.append(secure.recv(65536))

    return handle


def self_signed(connection: socket.socket) -> None:
    """Shake hands with the certificate of an authority, which is its own."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    other = trustme.CA()
    with other.cert_pem.tempfile() as cert, other.private_key_pem.tempfile() as key:
        context.load_cert_chain(cert, key)
    with context.wrap_socket(connection, server_side=True) as secure:
        READ.append(secure.recv(65536))


def plain(connection: socket.socket) -> None:
    """Answer without TLS."""
    READ.append(connection.recv(65536))
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")


READ = list[bytes]()
NAME = "127.0.0.1"
VERIFY = "CERTIFICATE_VERIFY_FAILED"
NEW = ssl.create_default_context()
AUTHORITY.configure_trust(NEW)
NEW.minimum_version = ssl.TLSVersion.TLSv1_3
TROUBLES: dict[str, tuple[Handle, str, ssl.SSLContext]] = {
    "a certificate that has ended": (
        certified(AUTHORITY.issue_cert(NAME, not_before=NOW - 9 * DAY, not_after=NOW - DAY)),
        "has expired",
        TRUST,
    ),
    "a certificate that has not begun, as when this machine's clock is slow": (
        certified(AUTHORITY.issue_cert(NAME, not_before=NOW + DAY, not_after=NOW + 9 * DAY)),
        "not yet valid",
        TRUST,
    ),
    "a certificate of another host": (
        certified(AUTHORITY.issue_cert("elsewhere.example")),
        VERIFY,
        TRUST,
    ),
    "a certificate of an authority that is not known here": (
        certified(trustme.CA().issue_cert(NAME)),
        VERIFY,
        TRUST,
    ),
    "a certificate that is signed by itself": (self_signed, VERIFY, TRUST),
    "no version of TLS in common": (
        certified(AUTHORITY.issue_cert(NAME), maximum_version=ssl.TLSVersion.TLSv1_2),
        "SSL",
        NEW,
    ),
    "the connection is reset in the handshake": (reset_in_handshake, "reset", TRUST),
    "the server speaks HTTP without TLS": (plain, "SSL", TRUST),
}


@pytest.mark.parametrize(
    "trouble",
    [
        pytest.param(trouble, id=injected, marks=fault("TLS", injected, promised))
        for promised in ["one typed error with OpenSSL's words; nothing secret is sent"]
        for injected, trouble in TROUBLES.items()
    ],
)
def test_tls(trouble: tuple[Handle, str, ssl.SSLContext]) -> None:
    """Without a handshake there is no request, and the message says what was wrong with it."""
    handle, words, trust = trouble
    READ.clear()
    with answering(handle) as port:
        error = refused(f"https://127.0.0.1:{port}", verify_ssl=trust)
    assert type(error) is setle.TokenUnavailableError
    assert words in str(error)
    saw(
        named(error), naming(error, words), f"secret sent: {yes(SECRET.encode() in b''.join(READ))}"
    )


@fault("TLS", "the server stays silent in the handshake", "the deadline ends it")
def test_a_silent_handshake() -> None:
    """Connecting has its time limit, and the thread of the refresh ends."""
    with answering(lambda connection: [*iter(lambda: connection.recv(65536), b"")]) as port:
        error = refused(f"https://127.0.0.1:{port}", timeout=0.6, verify_ssl=TRUST)
    assert type(error) is setle.TokenUnavailableError
    saw(f"{named(error)} at the deadline")


HALF = token_answer()[:-10]
CONNECTIONS: dict[str, list[bytes]] = {
    "the connection is reset after the request": [],
    "the connection is reset in the middle of the answer": [HALF],
    "another protocol answers": [b"SSH-2.0-OpenSSH_9.6\r\n"],
}


@pytest.mark.parametrize(
    "parts",
    [
        pytest.param(parts, id=injected, marks=fault("Network", injected, promised))
        for promised in ["up to three attempts, then one typed error"]
        for injected, parts in CONNECTIONS.items()
    ],
)
def test_connections(parts: list[bytes]) -> None:
    """What passes is tried again, and what stays is one error."""

    def answer(connection: socket.socket) -> None:
        for part in parts:
            connection.sendall(part)
        reset(connection)

    with RawEndpoint(answer) as endpoint:
        error = refused(endpoint.base_url)
    assert type(error) is setle.TokenUnavailableError
    assert endpoint.requests == 3
    saw(named(error), times(endpoint.requests, "token request"))


@contextmanager
def names(ask: Callable[[], object]) -> Iterator[None]:
    """Call *ask* before each look-up of localhost, which may raise or wait."""
    usual = socket.getaddrinfo

    def getaddrinfo(host: Any, *more: Any, **named: Any) -> Any:
        if host == "localhost":
            ask()
        return usual("127.0.0.1", *more, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", getaddrinfo)
        yield


def by_name(sandbox: Sandbox, timeout: float = 15.0) -> setle.TokenSource:
    """Return a source that has to look *sandbox* up."""
    return setle.TokenSource(
        setle.ClientCredentials(sandbox.client_id, sandbox.client_secret),
        base_url=sandbox.base_url.replace("127.0.0.1", "localhost"),
        store=setle.MemoryTokenStore(),
        timeout=timeout,
    )


@fault("DNS", "the name server fails twice (EAI_AGAIN), then answers", "three attempts")
def test_a_name_server_that_fails_for_a_moment(sandbox: Sandbox) -> None:
    """It is asked again, and the call is served."""
    failures = [socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")] * 2
    looks = list[None]()

    def ask() -> None:
        looks.append(None)
        if failures:
            raise failures.pop()

    with names(ask):
        token = by_name(sandbox).get_token()
    assert (len(looks), sandbox.token_requests) == (3, 1)
    saw(f"{named(token)} after {times(len(looks), 'look-up')}", asked(sandbox))


@fault("DNS", "a look-up never returns", "the deadline ends the waiting; the answer is used later")
def test_a_name_server_that_never_answers(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No time limit of a socket holds for that; once it is back, so are the calls."""

    def close_at_once(call: Callable[..., object], args: tuple[object, ...]) -> None:
        call(*args)  # what closes late closes the connection that has come meanwhile

    monkeypatch.setattr("setle._refresh.flight.start_new_thread", close_at_once)
    answered = threading.Event()
    source = by_name(sandbox, timeout=0.6)
    with names(lambda: answered.wait(30)):
        with pytest.raises(setle.TokenUnavailableError) as caught:
            source.get_token()
        assert sandbox.token_requests == 0
        answered.set()
        join_refreshes()
        token = source.get_token()
    saw(f"{named(caught.value)} at the deadline", f"then {named(token)}", asked(sandbox))


@fault("DNS", "look-ups fail while a token is in use", "it is served to its end; then one error")
def test_a_name_server_that_is_down_for_long(sandbox: Sandbox, clock: Clock) -> None:
    """An early refresh that finds nobody is nobody's trouble."""
    source = by_name(sandbox)
    with names(lambda: None):
        token = source.get_token()

    def fail() -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    with names(fail):
        clock.go_on(3600 - 100)
        served = []
        for _ in range(9):
            served.append(source.get_token())
            join_refreshes()
            clock.go_on(10)
        clock.go_on(10)
        with pytest.raises(setle.TokenUnavailableError) as caught:
            source.get_token()
    assert served == [token] * 9
    saw(f"{served.count(token)} of 9 calls served with it", f"then {named(caught.value)}")


def test_a_connection_that_comes_after_the_deadline_is_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever waited has given up, and closed what there was at that time."""
    answered, ended = threading.Event(), threading.Event()
    kept = list[httpx.Client]()  # or else collecting garbage would close it

    class Client(httpx.Client):
        def __init__(self, **settings: Any) -> None:
            super().__init__(**settings)
            kept.append(self)

    monkeypatch.setattr(httpx, "Client", Client)

    def handle(connection: socket.socket) -> None:
        with suppress(OSError):  # it may even be closed before the answer
            connection.recv(65536)
            connection.sendall(token_answer())
            connection.recv(65536)
        ended.set()

    with answering(handle) as port, names(lambda: answered.wait(30)):
        source = setle.TokenSource(
            setle.ClientCredentials("id", SECRET),
            base_url=f"http://localhost:{port}",
            store=setle.MemoryTokenStore(),
            timeout=0.3,
        )
        with pytest.raises(setle.TokenUnavailableError):
            source.get_token()
        answered.set()
        assert ended.wait(10)
