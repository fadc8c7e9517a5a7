"""``setle doctor``: the first thing that is wrong, and no secret."""

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import trustme

import setle
from setle.testing import Sandbox
from tests.support.raw import RawEndpoint
from tests.support.valkey import free_port

from .conftest import Run
from .test_token import stored

PASSWORD = "p4ssw0rd"


@pytest.fixture
def tls(
    settings: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[tuple[Sandbox, Path]]:
    """A sandbox with TLS in place of the other one, and the authority to trust."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "root.pem"))
    server = authority.issue_cert("127.0.0.1", "setle.example")
    server.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "server.pem"))
    with Sandbox(ssl_certfile=tmp_path / "server.pem") as sandbox:
        monkeypatch.setenv("SETLE_BASE_URL", sandbox.base_url)
        yield sandbox, tmp_path / "root.pem"


def test_all_is_well(settings: Sandbox, run: Run) -> None:
    """Each step is a line; nothing is sent, and the user's token stays where it is."""
    stored(settings, "the-stored-one", age=0)
    done = run("doctor")
    assert (done.status, done.err) == (0, "")
    steps = [line.split()[1] for line in done.text.splitlines() if line.startswith("ok")]
    assert steps == ["credentials", "base", "store", "proxy", "DNS", "TCP"]
    assert "SETLE_CLIENT_SECRET " in done.text
    assert settings.client_secret not in done.text
    assert settings.log == []
    assert run("token").text == "the-stored-one\n"


def test_asks_once_when_told_to(settings: Sandbox, run: Run) -> None:
    """It shows which token it got, and not the token; the stored one stays."""
    stored(settings, "the-stored-one", age=0)
    done = run("doctor", "--ask")
    assert done.status == 0
    assert f"{settings.log[0].token}, good for 3600 s" in done.text
    assert settings.token_requests == 1
    assert run("token").text == "the-stored-one\n"


def test_refused_credentials(settings: Sandbox, run: Run) -> None:
    """Nobody knows before they are tried; the status is that of refused ones."""
    settings.rotate_secret()
    assert run("doctor").status == 0
    done = run("doctor", "--ask")
    assert done.err.startswith("error: Setle refused the client credentials")
    assert done.status == 3


def test_settings_that_are_missing(
    settings: Sandbox, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A misspelt variable is listed beside the one that is missing."""
    monkeypatch.delenv("SETLE_CLIENT_SECRET")
    monkeypatch.setenv("SETLE_CLIENT_SECRTE", "a-secret")
    done = run("doctor")
    assert done.failed(2, "SETLE_CLIENT_SECRET is missing")
    assert "SETLE_CLIENT_SECRTE" in done.text
    assert "a-secret" not in done.text
    assert "ok" not in done.text


def test_a_folder_that_others_may_write_to(settings: Sandbox, run: Run, tmp_path: Path) -> None:
    """The store is tried before anything is connected to."""
    (tmp_path / "setle").mkdir()
    (tmp_path / "setle").chmod(0o777)
    done = run("doctor")
    assert done.failed(2, "chmod", str(tmp_path / "setle"))
    assert "TCP" not in done.text


def test_a_store_that_is_down(settings: Sandbox, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is named without its password, and is not available."""
    port = free_port()
    monkeypatch.setenv("SETLE_TOKEN_STORE", f"redis://:{PASSWORD}@127.0.0.1:{port}")
    done = run("doctor")
    assert done.failed(4, f"127.0.0.1:{port}")
    assert PASSWORD not in done.text + done.err


def test_a_store_that_loses_tokens(
    settings: Sandbox, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What cannot be read back is as bad as what cannot be written."""
    monkeypatch.setattr(setle.FileTokenStore, "load", lambda store, key: None)
    assert run("doctor").failed(2, "the store lost what was saved")


def test_a_store_that_somebody_holds(settings: Sandbox, run: Run, tmp_path: Path) -> None:
    """A lock that is not given is a store that does not work."""
    with setle.FileTokenStore(tmp_path / "setle").lock("doctor", 1.0):
        assert run("doctor").failed(4, "SETLE_TOKEN_STORE")


def test_nobody_listens(settings: Sandbox, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The step and the address are named."""
    port = free_port()
    monkeypatch.setenv("SETLE_BASE_URL", f"http://127.0.0.1:{port}")
    done = run("doctor")
    assert done.failed(4, f"TCP failed for 127.0.0.1:{port}", "firewall")
    assert "ok  DNS" in done.text


def test_no_such_host(settings: Sandbox, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The name is what is wrong, or who should know it."""
    real = socket.getaddrinfo

    def getaddrinfo(host: str, *args: object, **more: object) -> object:
        if host == "setle.example":  # so that no test asks a name server
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return real(host, *args, **more)  # type: ignore[arg-type]  # passed on

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    monkeypatch.setenv("SETLE_BASE_URL", "https://setle.example")
    assert run("doctor").failed(4, "DNS failed for setle.example:443", "SETLE_BASE_URL")


def test_an_authority_that_is_not_trusted(tls: tuple[Sandbox, Path], run: Run) -> None:
    """It connects, and then says which setting names authorities."""
    done = run("doctor")
    assert done.failed(4, "TLS failed", "clock", "SSL_CERT_FILE")
    assert "ok  TCP" in done.text


def test_an_authority_of_ones_own(
    tls: tuple[Sandbox, Path], run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With it named, the handshake is done, and nothing is sent."""
    sandbox, root = tls
    monkeypatch.setenv("SSL_CERT_FILE", str(root))
    done = run("doctor")
    assert done.status == 0
    assert "ok  TLS" in done.text
    assert sandbox.log == []


def test_a_proxy_in_use(
    tls: tuple[Sandbox, Path], run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is named without its password; TLS goes through it to the host."""
    sandbox, root = tls
    monkeypatch.setenv("SSL_CERT_FILE", str(root))
    port = int(sandbox.base_url.rpartition(":")[2])

    def forward(one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while data := one.recv(65536):
                other.sendall(data)
        with suppress(OSError):  # also after a reset, or its other side would wait for more
            other.shutdown(socket.SHUT_RDWR)

    def tunnel(client: socket.socket) -> None:
        client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        with socket.create_connection(("127.0.0.1", port)) as server:
            back = threading.Thread(target=forward, args=(server, client))
            back.start()
            forward(client, server)
            back.join()

    with RawEndpoint(tunnel) as proxy:
        address = proxy.base_url.removeprefix("http://")
        monkeypatch.setenv("https_proxy", f"http://user:{PASSWORD}@{address}")
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.setenv("SETLE_BASE_URL", "https://setle.example")
        done = run("doctor")
    assert (done.status, done.err) == (0, "")
    assert any(line.split() == ["ok", "proxy", address] for line in done.text.splitlines())
    assert "ok  TLS" in done.text
    assert "https_proxy" in done.text
    assert PASSWORD not in done.text
    assert sandbox.log == []


def test_a_proxy_that_is_not_there(
    settings: Sandbox, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The remedy is the proxy's variable, as no other host was tried."""
    port = free_port()
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setenv("SETLE_BASE_URL", "https://setle.example")
    assert run("doctor").failed(4, f"TCP failed for 127.0.0.1:{port}", "check HTTPS_PROXY")


def test_a_proxy_that_refuses(settings: Sandbox, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is what is wrong, not the host behind it."""
    answer = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"
    with RawEndpoint(lambda client: client.sendall(answer)) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.base_url)
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.setenv("SETLE_BASE_URL", "https://setle.example")
        done = run("doctor")
    assert done.failed(4, "proxy failed", "407", "HTTPS_PROXY")
