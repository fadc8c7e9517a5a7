"""A token endpoint of plain sockets, for answers that no web server would give."""

import json
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Self

TOKEN = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"


def token_answer(value: str = "a-token", lifetime: float = 3600.0) -> bytes:
    """Return the bytes of an answer with a token."""
    grant = {"access_token": value, "expires_in": lifetime, "token_type": "Bearer"}
    body = json.dumps(grant).encode()
    return TOKEN % (len(body), body)


class RawEndpoint:
    """
    Answers each connection in a thread of its own, between ``with`` and the end of its block.

    Args:
        answer: Called with the connection once a request has come; what goes over it is up to it.

    Attributes:
        stop: Set at the end of the block; an *answer* that goes on for ever heeds it.
        requests: How many have come.
        open: How many connections are open on this side.
    """

    def __init__(self, answer: Callable[[socket.socket], None]) -> None:
        self._answer = answer
        self._threads: list[threading.Thread] = []
        self.stop = threading.Event()
        self.requests = 0
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.base_url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._changed = threading.Condition()
        self.open = 0

    def __enter__(self) -> Self:
        self._start(self._listen)
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop.set()
        with suppress(OSError):  # it is not connected, and that is how its accept() ends
            self._listener.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(30)
        self._listener.close()

    def wait_for_open(self, count: int, timeout: float = 10.0) -> None:
        """Block until *count* connections are open on this side."""
        with self._changed:
            assert self._changed.wait_for(lambda: self.open == count, timeout), self.open

    def _start(self, run: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=run, args=args)
        self._threads.append(thread)
        thread.start()

    def _listen(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._start(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        self._count(1)
        with connection, suppress(OSError):  # the client has gone
            if connection.recv(65536):
                self.requests += 1
                self._answer(connection)
        self._count(-1)

    def _count(self, more: int) -> None:
        with self._changed:
            self.open += more
            self._changed.notify_all()


def drip(parts: list[bytes], pause: float) -> Callable[[socket.socket], None]:
    """Return what answers with *parts*, *pause* seconds after each other."""

    def answer(connection: socket.socket) -> None:
        for part in parts:
            connection.sendall(part)
            threading.Event().wait(pause)

    return answer
