"""A web server on loopback whose answers a test gives."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from pipeline.page import find_block

PUBLISHED = "https://developer.setle.app"
SITE = Path(__file__).parent / "site"
TOKEN_PAGE = "/api-reference/create-access-token.md"

Answer = bytes | str | Callable[[BaseHTTPRequestHandler], None]
"""What a path is answered with: a body, or whatever the callable does."""


@contextmanager
def serving(answers: dict[str, Answer]) -> Iterator[str]:
    """
    Answer each path with what *answers* has for it now, or for ``*``, and others with 404.

    In a text the address of the real site stands for this one.
    """

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            answer = answers.get(self.path, answers.get("*"))
            if callable(answer):
                answer(self)
                return
            body = answer.replace(PUBLISHED, url).encode() if isinstance(answer, str) else answer
            self.send_response(404 if body is None else 200)
            self.send_header("content-length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        do_DELETE = do_GET = do_PATCH = do_POST = _answer  # noqa: N815 - as the base calls them

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as inherited
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        block_on_close = False

        def handle_error(self, request: object, client_address: object) -> None:
            """Say nothing of clients that have had enough."""

    with Server(("127.0.0.1", 0), Handler) as server:
        url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield url
        server.shutdown()
        thread.join()


def site() -> dict[str, Answer]:
    """Return the made-up documentation site."""
    return {
        f"/{path.relative_to(SITE).as_posix()}": path.read_bytes().decode()
        for path in SITE.rglob("*.*")
    }


def token_endpoint_alone() -> str:
    """Return the description of the token endpoint alone, whatever is vendored."""
    block = find_block((SITE / TOKEN_PAGE[1:]).read_bytes().decode(), TOKEN_PAGE)
    assert block is not None
    return block.text
