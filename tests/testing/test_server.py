"""The sandbox is a server that starts at once, stops clean and stays out of the way."""

import asyncio
import contextlib
import gc
import logging
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
import trio
import trustme

from setle.testing import Answer, Sandbox

TOKEN = "/v1/oauth/token"


def address(sandbox: Sandbox) -> tuple[str, int]:
    url = httpx.URL(sandbox.base_url)
    assert url.port is not None
    return url.host, url.port


def send(sandbox: Sandbox, data: bytes) -> socket.socket:
    connection = socket.create_connection(address(sandbox))
    connection.sendall(data)
    return connection


def test_not_running() -> None:
    """A sandbox that was not started says so."""
    with pytest.raises(RuntimeError, match="with statement"):
        _ = Sandbox().base_url


def test_a_port_of_ones_choice() -> None:
    """It listens where it is told, and can be started there again at once."""
    with Sandbox() as sandbox:
        port = address(sandbox)[1]
        assert httpx.post(sandbox.base_url + TOKEN).status_code == 400
    for _ in range(2):
        with Sandbox(port=port) as sandbox:
            assert sandbox.base_url == f"http://127.0.0.1:{port}"
            assert httpx.post(sandbox.base_url + TOKEN).status_code == 400


@pytest.mark.parametrize("port", [-1, 65536, None])
def test_a_port_that_cannot_be_had(sandbox: Sandbox, port: int | None) -> None:
    """A port that is taken or is none is an error that names it, and leaves nothing behind."""
    before = set(threading.enumerate())
    taken = address(sandbox)[1] if port is None else port
    with pytest.raises(OSError, match=f"no sandbox at port {taken}: .*; 0 is"):
        Sandbox(port=taken).__enter__()
    gc.collect()  # raises what was left open as a ResourceWarning
    assert set(threading.enumerate()) <= before


def test_stop_leaves_nothing() -> None:
    """Idle, held, dripping and half-sent requests are cut; no thread, no port is left."""
    before = set(threading.enumerate())
    ask = b"POST /v1/oauth/token HTTP/1.1\r\nhost: x\r\n\r\n"
    with contextlib.ExitStack() as stack, Sandbox() as sandbox:
        connections = [send(sandbox, data) for data in (b"", ask, b"POST /sandbox/e")]
        assert connections[1].recv(8) == b"HTTP/1.1"
        sandbox.script_token(Answer(body=bytes(9), drip=60))
        connections.append(send(sandbox, ask))
        assert connections[-1].recv(8) == b"HTTP/1.1"
        stack.enter_context(sandbox.hold())
        connections.append(send(sandbox, ask))
        sandbox.wait_for(token_requests=3)
        start = time.monotonic()
    assert time.monotonic() - start < 10  # not the minutes that the requests would take
    assert set(threading.enumerate()) <= before  # one of an earlier test may have ended
    for connection in connections:
        with connection, contextlib.suppress(ConnectionResetError):
            while connection.recv(4096):
                pass
    with pytest.raises(ConnectionRefusedError):
        send(sandbox, b"")
    gc.collect()  # raises what was left open as a ResourceWarning


def test_stop_cuts_idle_connections() -> None:
    """A client that keeps its connection open does not keep the sandbox from stopping."""
    with httpx.Client() as client:
        with Sandbox() as sandbox:
            assert client.post(sandbox.base_url + TOKEN).status_code == 400
        with pytest.raises(httpx.ConnectError):
            client.post(sandbox.base_url + TOKEN)


def test_many_at_once() -> None:
    """Twenty sandboxes live side by side and know only their own credentials."""
    with contextlib.ExitStack() as stack:
        sandboxes = [stack.enter_context(Sandbox()) for _ in range(20)]
        assert len({sandbox.base_url for sandbox in sandboxes}) == 20
        one, *others = sandboxes
        headers = {"x-setle-client-id": one.client_id, "x-setle-client-secret": one.client_secret}
        statuses = {
            httpx.post(other.base_url + TOKEN, headers=headers).status_code for other in others
        }
        assert statuses == {401}


def test_counts_are_exact(sandbox: Sandbox, client: httpx.Client) -> None:
    """Under load from many threads no request goes uncounted."""
    with ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(client.get, "/v1/estate/list") for _ in range(400)]
    assert {answer.result().status_code for answer in answers} == {401}
    assert (sandbox.api_requests, sandbox.api_rejections, len(sandbox.log)) == (400, 400, 400)


def test_in_async_code() -> None:
    """It can be used inside a running asyncio or trio task."""

    async def ask() -> int:
        with Sandbox() as sandbox:
            async with httpx.AsyncClient(base_url=sandbox.base_url) as client:
                return (await client.post(TOKEN)).status_code

    assert asyncio.run(ask()) == 400
    assert trio.run(ask) == 400


def test_tls(tmp_path: Path) -> None:
    """With a certificate it serves https, and hangs up and stops there, too."""
    authority = trustme.CA()
    context = ssl.create_default_context()
    authority.configure_trust(context)
    path = tmp_path / "server.pem"
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(path)
    with Sandbox(ssl_certfile=path) as sandbox, httpx.Client(verify=context) as client:
        assert sandbox.base_url.startswith("https://127.0.0.1:")
        assert client.post(sandbox.base_url + TOKEN).status_code == 400
        sandbox.script_token(Answer(hang_up=True))
        with pytest.raises(httpx.TransportError):
            client.post(sandbox.base_url + TOKEN)
        client.post(sandbox.base_url + TOKEN)
        silent = send(sandbox, b"")  # never says hello
    silent.close()
    gc.collect()


def test_bad_certificate(tmp_path: Path) -> None:
    """A certificate that cannot be read fails at the start and leaves nothing behind."""
    before = set(threading.enumerate())
    with pytest.raises(FileNotFoundError), Sandbox(ssl_certfile=tmp_path / "none.pem"):
        pass
    assert set(threading.enumerate()) <= before


def test_silent(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> None:
    """Nothing is printed or logged by the server, and no logger is changed."""
    caplog.set_level(logging.DEBUG)
    access = logging.getLogger("uvicorn.access")
    access.addHandler(caplog.handler)
    try:
        with Sandbox() as sandbox, httpx.Client() as client:
            client.post(sandbox.base_url + TOKEN)
            with send(sandbox, b"not HTTP\r\n\r\n") as connection:
                assert connection.recv(12) == b"HTTP/1.1 400"
            sandbox.script_token(Answer(body=b"x", hang_up=True))
            with pytest.raises(httpx.RemoteProtocolError):
                client.post(sandbox.base_url + TOKEN)
        assert access.handlers == [caplog.handler]
        assert access.propagate
    finally:
        access.removeHandler(caplog.handler)
    assert [record for record in caplog.records if record.name.startswith("uvicorn")] == []
    assert capfd.readouterr() == ("", "")


FORKS = """
import os, sys, httpx
from setle.testing import Answer, Sandbox

def ask():
    return httpx.post(sandbox.base_url + "/v1/oauth/token", trust_env=False).status_code

with Sandbox() as sandbox, httpx.Client(base_url=sandbox.base_url) as client:
    client.post("/v1/oauth/token")
    ready, alive = os.pipe(), os.pipe()
    if os.fork() == 0:
        status = ask()
        with sandbox.hold():
            pass
        os.write(ready[1], b"x")
        os.close(alive[1])
        os.read(alive[0], 1)
        sys.exit(status != 400)  # leaves the with block, as the parent does
    os.read(ready[0], 1)
    sandbox.script_token(Answer(hang_up=True))
    try:
        client.post("/v1/oauth/token")
    except httpx.RemoteProtocolError:
        print("cut")
    print(ask())
try:
    ask()
except httpx.ConnectError:
    print("closed")
os.close(alive[1])
print(os.wait()[1])
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
def test_fork() -> None:
    """A forked child is a client like any other; it neither stops nor holds on to anything."""
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-W", "ignore::DeprecationWarning", "-c", FORKS],
        capture_output=True,
        check=False,
        text=True,
        timeout=30,
    )
    assert (ran.stdout.split(), ran.stderr) == (["cut", "400", "closed", "0"], "")
