"""What httpcore does to calls, with nothing of setle around: encode/httpcore#1110."""

import json
import select
import socket
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest
from httpcore._sync.http11 import HTTP11Connection
from httpcore._utils import is_socket_readable

from setle.testing import Sandbox
from tests.soak.watched import ByRelay
from tests.support.worlds import ESTATES


def lost_call(
    transport: httpx.BaseTransport, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> httpx.ReadError:
    """
    Return what a call raises whose connection another thread's call takes for a closed one.

    The pool gives a thread its idle connection. Before the thread marks it as active, another one
    looks for connections that the server has closed: those that are idle, and readable. Between
    both looks the first one sends its request, and what is readable is the answer.
    """
    sent, found_idle, others = threading.Event(), threading.Event(), list[httpx.Response]()
    handle = HTTP11Connection.handle_request

    def call(**more: Any) -> httpx.Response:
        return client.get(ESTATES, **more)

    def begin(connection: HTTP11Connection, request: Any) -> Any:
        if threading.current_thread() is not other:
            other.start()
            assert found_idle.wait(10)
        return handle(connection, request)

    def look(end: socket.socket) -> bool:
        if threading.current_thread() is other and not found_idle.is_set():
            found_idle.set()
            assert sent.wait(10)
            select.select([end], [], [], 10)
        return is_socket_readable(end)

    def follow(event: str, _: object) -> None:
        if event == "http11.receive_response_headers.started":
            sent.set()
            other.join(10)

    headers = {"Authorization": "Bearer none"}  # any answer will do
    with httpx.Client(transport=transport, base_url=sandbox.base_url, headers=headers) as client:
        call()  # leaves an idle connection
        other = threading.Thread(target=lambda: others.append(call()))
        monkeypatch.setattr(HTTP11Connection, "handle_request", begin)
        monkeypatch.setattr("httpcore._backends.sync.is_socket_readable", look)
        with pytest.raises(httpx.ReadError) as raised:
            call(extensions={"trace": follow})
    assert len(others) == 1  # the other call is answered
    return raised.value


def test_plain_httpx_loses_a_call(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two threads share a client, nobody closes anything, and one reads from a closed socket."""
    error = lost_call(httpx.HTTPTransport(), sandbox, monkeypatch)
    assert str(error) == "[Errno 9] Bad file descriptor"


def test_it_is_told(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The transport of the soak's workers tells it once, before the call fails."""
    path = tmp_path / "results"
    with path.open("wb") as results:
        lost_call(ByRelay(results.fileno(), -1, 0), sandbox, monkeypatch)
    told = [json.loads(line)[0] for line in path.read_text().splitlines()]
    assert told.count("taken") == 1
