"""One request and its answer as bytes, for who speaks HTTP without a client."""

import socket

import attrs
import h11
import httpx

from .sandbox import Address

PATH = "/v1/estate/list"


@attrs.frozen
class Message:
    """
    A request as httpx sends it, and what the sandbox answers.

    Attributes:
        headers: Of the request.
        sent: The request.
        answer: To it.
    """

    headers: list[tuple[bytes, bytes]]
    sent: bytes
    answer: bytes

    @classmethod
    def of(cls, sandbox: Address, http: httpx.Client) -> "Message":
        """Send it once by a socket, with the headers that *http* would send."""
        headers = http.build_request("GET", PATH).headers.raw
        parser = h11.Connection(h11.CLIENT)
        sent, answer = _sent_by(parser, headers), b""
        with connected(sandbox) as connection:
            connection.sendall(sent)
            while parser.their_state is not h11.DONE:
                if parser.next_event() is h11.NEED_DATA:
                    received = connection.recv(1 << 16)
                    answer += received
                    parser.receive_data(received)
        return cls(headers, sent, answer)

    def go_through(self, parser: h11.Connection) -> None:
        """Let *parser*, of an open connection, write the request and read the answer."""
        _sent_by(parser, self.headers)
        parser.receive_data(self.answer)
        while parser.their_state is not h11.DONE:
            parser.next_event()
        parser.start_next_cycle()


def connected(sandbox: Address) -> socket.socket:
    """Return a connection, set as httpcore sets it."""
    url = httpx.URL(sandbox.base_url)
    connection = socket.create_connection((url.host, url.port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.settimeout(5.0)
    return connection


def _sent_by(parser: h11.Connection, headers: list[tuple[bytes, bytes]]) -> bytes:
    request = h11.Request(method="GET", target=PATH, headers=headers)
    return (parser.send(request) or b"") + (parser.send(h11.EndOfMessage()) or b"")
