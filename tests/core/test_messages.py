"""Messages name what is concerned: host and port, variable, file or folder."""

import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

import setle
from setle.testing import Sandbox
from tests.support import credentials_of, join_refreshes, secret_file_of, source_of
from tests.support.faults import fault, named, naming, saw
from tests.support.worlds import ESTATES, World, connect_to

pytestmark = pytest.mark.usefixtures("no_jitter")

ID = "875307d2-88ce-44bb-a825-66a8a6cc3c97"
makes = pytest.mark.parametrize("make", [setle.connect, setle.TokenSource])


def source_for(base_url: str, **more: Any) -> setle.TokenSource:
    options: dict[str, Any] = {"timeout": 2.0, "store": setle.MemoryTokenStore(), **more}
    return setle.TokenSource(setle.ClientCredentials(ID, "secret"), base_url=base_url, **options)


def test_a_host_without_a_name_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message says which host and port could not be reached, and what the system says."""

    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(setle.TokenUnavailableError) as caught:
        source_for("https://setle.example/api").get_token()
    assert "setle.example:443" in str(caught.value)
    assert "Name or service not known" in str(caught.value)


def test_a_port_where_nobody_listens() -> None:
    """With the port as it was given."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(setle.TokenUnavailableError, match=rf"127\.0\.0\.1:{port}.*refused"):
        source_for(f"http://127.0.0.1:{port}").get_token()


def test_a_server_that_never_answers() -> None:
    """The one that did not, and how long it had."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(setle.TokenUnavailableError, match=rf"127\.0\.0\.1:{port}"):
            source_for(f"http://127.0.0.1:{port}", timeout=0.5).get_token()


class Broken(httpx.BaseTransport):
    def handle_request(self, request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("broken")


@pytest.mark.parametrize(
    ("base_url", "place"),
    [
        ("http://localhost", "localhost:80"),
        ("https://setle.example", "setle.example:443"),
        ("https://setle.example:8443", "setle.example:8443"),
    ],
)
def test_a_port_is_named_though_it_was_not_given(base_url: str, place: str) -> None:
    """That of the scheme."""
    with pytest.raises(setle.TokenUnavailableError, match=rf" {place} "):
        source_for(base_url, httpx_args={"transport": Broken()}).get_token()


def test_plain_http_needs_no_authorities(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the environment says of them, no token request of a sandbox looks at it."""
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere/authorities.pem")
    source_of(sandbox).get_token()
    assert sandbox.token_requests == 1


def test_a_mount_that_httpx_does_not_understand() -> None:
    """The argument is named, and httpx's own words may hold a password."""
    problem = r"^httpx_args holds what httpx cannot use$"
    with pytest.raises(setle.ConfigurationError, match=problem):
        source_for("http://127.0.0.1:1", httpx_args={"mounts": {"example.com": None}})


def test_an_ipv6_host_is_named_as_in_a_url() -> None:
    """So that its port can be told from it."""
    with pytest.raises(setle.TokenUnavailableError, match=r"\[::1\]:9\b"):
        source_for("http://[::1]:9").get_token()


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="this system has no such owners")
@pytest.mark.parametrize("kind", ["missing", "folder", "binary"])
def test_a_secrets_file_that_cannot_be_read_is_named(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The variable, the path and what the system says."""
    path = tmp_path / "secret"
    if kind == "folder":
        path.mkdir()
    elif kind == "binary":
        path.write_bytes(b"\xff\xfe\x00")
    monkeypatch.setenv("SETLE_CLIENT_ID", ID)
    monkeypatch.setenv("SETLE_CLIENT_SECRET_FILE", str(path))
    with pytest.raises(setle.ConfigurationError) as caught:
        setle.connect()
    assert "SETLE_CLIENT_SECRET_FILE" in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.usefixtures("no_jitter")
def test_a_secrets_file_that_goes_away_is_named_at_a_later_call(
    tmp_path: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A volume may be unmounted while a process runs."""
    path = secret_file_of(sandbox, tmp_path, monkeypatch)
    source = setle.TokenSource(base_url=sandbox.base_url, store=setle.MemoryTokenStore())
    token = source.get_token()
    path.unlink()
    source.invalidate(token)
    for held_back in (False, True):
        with pytest.raises(setle.ConfigurationError) as caught:
            source.get_token()
        assert str(path) in str(caught.value)
        assert str(caught.value).startswith("a refresh failed before: ") is held_back
        assert str(caught.value).endswith("; not asked again for 1 s")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with a name")
def test_a_secrets_file_that_hangs_is_named(
    tmp_path: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one of a network's file system may, and a pipe that nobody writes into."""
    path = tmp_path / "secret"
    os.mkfifo(path)
    monkeypatch.setenv("SETLE_CLIENT_ID", sandbox.client_id)
    monkeypatch.setenv("SETLE_CLIENT_SECRET_FILE", str(path))
    threading.Thread(target=path.write_text, args=(sandbox.client_secret,)).start()
    source = setle.TokenSource(base_url=sandbox.base_url, timeout=0.1)
    problem = r"^the file that SETLE_CLIENT_SECRET_FILE names has not returned within 0\.1 s"
    try:
        with pytest.raises(setle.TokenUnavailableError, match=problem):
            source.get_token()
    finally:
        path.write_text(sandbox.client_secret)  # for the refresh that waits for it
        join_refreshes()


CREDENTIALS = setle.ClientCredentials(ID, "secret")


@fault(
    "TLS",
    "`SSL_CERT_FILE` names no file, a folder or garbage",
    "named when the client is made, not at each connection",
)
@makes
@pytest.mark.parametrize("kind", ["missing", "folder", "garbage"])
def test_authorities_that_are_not_there(
    make: Callable[..., object], kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SSL_CERT_FILE is named, at once."""
    path = tmp_path / "authorities.pem"
    if kind == "folder":
        path.mkdir()
    elif kind == "garbage":
        path.write_text("nothing of that kind")
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    with pytest.raises(setle.ConfigurationError, match="SSL_CERT_FILE") as caught:
        make(CREDENTIALS)
    saw(named(caught.value), naming(caught.value, "SSL_CERT_FILE"))


@makes
@pytest.mark.parametrize("kind", ["missing", "file"])
def test_a_folder_of_authorities_that_is_not_there(
    make: Callable[..., object], kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SSL_CERT_DIR is named, though OpenSSL would only fail each connection."""
    path = tmp_path / "authorities"
    if kind == "file":
        path.write_text("")
    monkeypatch.delenv("SSL_CERT_FILE")
    monkeypatch.setenv("SSL_CERT_DIR", str(path))
    with pytest.raises(setle.ConfigurationError, match=r"SSL_CERT_DIR.*no such folder"):
        make(CREDENTIALS)


@makes
def test_one_of_several_folders_of_authorities_will_do(
    make: Callable[..., object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As OpenSSL reads them; and where SSL_CERT_FILE is set, httpx does not look at them."""
    monkeypatch.setenv("SSL_CERT_DIR", f"/nowhere{os.pathsep}{tmp_path}")
    make(CREDENTIALS)
    monkeypatch.delenv("SSL_CERT_FILE")
    make(CREDENTIALS)


@makes
def test_a_folder_of_authorities_that_nobody_looks_into(
    make: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside SSL_CERT_FILE, with trust_env=False, without verification, or as there is none."""
    monkeypatch.setenv("SSL_CERT_DIR", "/nowhere")
    make(CREDENTIALS)
    monkeypatch.delenv("SSL_CERT_FILE")
    make(CREDENTIALS, httpx_args={"trust_env": False})
    make(CREDENTIALS, verify_ssl=False)
    monkeypatch.delenv("SSL_CERT_DIR")
    make(CREDENTIALS)


@makes
def test_authorities_of_the_environment_that_nobody_asks_for(
    make: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """trust_env=False, or no verification, leaves them aside."""
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere/authorities.pem")
    monkeypatch.setenv("SSL_CERT_DIR", "/nowhere")
    make(CREDENTIALS, httpx_args={"trust_env": False})
    make(CREDENTIALS, verify_ssl=False)


@makes
@pytest.mark.filterwarnings("ignore:.*deprecated:DeprecationWarning")
@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("verify_ssl", {"verify_ssl": "/nowhere/ca.pem"}),
        ("cert", {"httpx_args": {"cert": "/nowhere/client.pem"}}),
        ("cert", {"httpx_args": {"cert": ("/nowhere/client.pem", "/nowhere/key.pem")}}),
    ],
)
def test_tls_files_that_are_not_there(
    make: Callable[..., object], name: str, more: dict[str, Any]
) -> None:
    """The argument is named, not what the environment says as well."""
    problem = rf"^{name} names what cannot be used: No such file"
    with pytest.raises(setle.ConfigurationError, match=problem):
        make(CREDENTIALS, **more)


@fault(
    "Proxies",
    "a SOCKS proxy, and its package is missing",
    "the variable and what to install are named",
)
@makes
def test_a_socks_proxy_without_its_package(
    make: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message names the variable and what to install."""
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:1080")
    with pytest.raises(setle.ConfigurationError, match=r"ALL_PROXY.*httpx\[socks\]") as caught:
        make(CREDENTIALS)
    saw(named(caught.value), naming(caught.value, "ALL_PROXY", "httpx[socks]"))


def test_http2_without_its_package(sandbox: Sandbox) -> None:
    """No proxy is blamed for it."""
    client = setle.connect(
        credentials_of(sandbox), base_url=sandbox.base_url, httpx_args={"http2": True}
    )
    with pytest.raises(setle.ConfigurationError, match=r"httpx_args.*httpx\[http2\]") as caught:
        client.get_httpx_client()
    assert "proxy" not in str(caught.value)


def test_a_file_that_goes_away_is_named_at_the_first_call(
    tmp_path: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Plain HTTP takes no authorities for its token, and httpx loads them for its calls."""
    with connect_to(sandbox) as client:
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "gone.pem"))
        assert World("sync").call(client, ESTATES).status_code == 200
    with pytest.raises(setle.ConfigurationError, match="SSL_CERT_FILE"):
        connect_to(sandbox).get_httpx_client()
