"""What goes wrong on the way to the token endpoint."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

import setle
from tests.support.raw import token_answer

SECRET = "5f0c" * 16
Handle = Callable[[socket.socket], object]


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


def test_a_connection_that_comes_after_the_deadline_is_closed() -> None:
    """Whoever waited has given up, and closed what there was at that time."""
    answered, ended = threading.Event(), threading.Event()

    def handle(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(token_answer())
        if not connection.recv(65536):
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
