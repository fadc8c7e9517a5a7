import asyncio
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, NamedTuple

import pytest

from setle_api import Client
from setle_api.api.general import create_access_token
from setle_api.errors import UnexpectedStatus
from setle_api.models import AccessTokenResponse, ApiError
from setle_api.types import UNSET, Response

HTML = b"<!doctype html><title>502 Bad Gateway</title>"
CREDENTIALS = {"x_setle_client_id": "an-id", "x_setle_client_secret": "a-secret"}

ERRORS: dict[str, dict[str, Any]] = {
    "a string": {"statusCode": 400, "message": "No.", "error": "Bad Request"},
    "a list of strings": {"statusCode": 400, "message": ["No.", "Nor."], "error": "Bad Request"},
    "a list of objects": {"statusCode": 400, "message": [{"property": "x"}], "error": "Bad"},
    "an object": {"statusCode": 400, "message": {"reason": {"code": 1}}, "error": "Bad Request"},
    "null": {"statusCode": 400, "message": None, "error": "Bad Request"},
    "no message": {"statusCode": 400, "error": "Bad Request"},
    "no error": {"statusCode": 400, "message": "Bad Request"},
    "neither": {"statusCode": 400},
    "more": {"statusCode": 400, "message": "No.", "error": "Bad Request", "path": "/v1"},
}


class Outcome(NamedTuple):
    status: int | None
    """None where the call does not tell it."""
    parsed: Any


def sync(client: Client) -> Outcome:
    return Outcome(None, create_access_token.sync(client=client, **CREDENTIALS))


def sync_detailed(client: Client) -> Outcome:
    return detailed(create_access_token.sync_detailed(client=client, **CREDENTIALS))


def run_asyncio(client: Client) -> Outcome:
    async def call() -> object:
        async with client:
            return await create_access_token.asyncio(client=client, **CREDENTIALS)

    return Outcome(None, asyncio.run(call()))


def run_asyncio_detailed(client: Client) -> Outcome:
    async def call() -> Response[Any]:
        async with client:
            return await create_access_token.asyncio_detailed(client=client, **CREDENTIALS)

    return detailed(asyncio.run(call()))


def detailed(response: Response[Any]) -> Outcome:
    return Outcome(int(response.status_code), response.parsed)


@dataclass
class Server:
    url: str = ""
    status: int = 200
    body: bytes = b""
    content_type: str = "application/json"
    requests: list[tuple[str, str | None, str | None, bytes]] = field(default_factory=list)


@pytest.fixture
def server() -> Iterator[Server]:
    """Serve one answer over and over on a real socket, and note what was asked."""
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            get = self.headers.get
            state.requests.append(
                (self.path, get("x-setle-client-id"), get("x-setle-client-secret"), body)
            )
            self.send_response(state.status)
            self.send_header("content-type", state.content_type)
            self.send_header("content-length", str(len(state.body)))
            self.end_headers()
            self.wfile.write(state.body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as inherited
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as http:
        state.url = f"http://127.0.0.1:{http.server_port}"
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield state
        http.shutdown()
        thread.join()


@pytest.fixture(params=[sync, sync_detailed, run_asyncio, run_asyncio_detailed])
def call(request: pytest.FixtureRequest, server: Server) -> Iterator[Callable[[], Outcome]]:
    """Return one of the four ways to call the endpoint."""
    # No TLS here, and reading the trusted certificates takes longer than a test.
    with Client(base_url=server.url, verify_ssl=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)) as client:
        yield lambda: request.param(client)


def test_a_token_comes_back_parsed(server: Server, call: Callable[[], Outcome]) -> None:
    """One POST with both headers and no body; the answer is the model."""
    answer = {"access_token": "abc", "expires_in": 3600, "token_type": "Bearer"}
    server.body = json.dumps(answer).encode()
    outcome = call()
    assert outcome.status in {200, None}
    assert outcome.parsed == AccessTokenResponse("abc", 3600, "Bearer")
    assert outcome.parsed.to_dict() == answer
    assert server.requests == [("/v1/oauth/token", "an-id", "a-secret", b"")]


@pytest.mark.parametrize("body", ERRORS.values(), ids=ERRORS)
def test_every_real_400_comes_back_parsed(
    server: Server, call: Callable[[], Outcome], body: dict[str, Any]
) -> None:
    """Whatever NestJS puts into the body, it is there, and nothing is invented."""
    server.status, server.body = 400, json.dumps(body).encode()
    outcome = call()
    assert outcome.status in {400, None}
    error = outcome.parsed
    assert isinstance(error, ApiError)
    assert error.status_code == 400
    assert error.message == body.get("message", UNSET)
    assert error.error == body.get("error", UNSET)
    assert error.to_dict() == body


@pytest.mark.parametrize("status", [401, 404, 429, 500, 503])
@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (HTML, "text/html"),
        (HTML, "application/json"),
        (b"", "application/json"),
        (b"[]", "application/json"),
        (b'{"statusCode": 401, "message": "Unauthorized"}', "application/json"),
        (b"{}", "application/json"),
    ],
    ids=["html", "html said to be json", "empty", "list", "nest", "empty object"],
)
def test_every_other_error_comes_back_as_none(
    server: Server, call: Callable[[], Outcome], status: int, body: bytes, content_type: str
) -> None:
    """The body is not parsed, so that no body can break the parser."""
    server.status, server.body, server.content_type = status, body, content_type
    outcome = call()
    assert outcome.status in {status, None}
    assert outcome.parsed is None


@pytest.mark.parametrize("status", [520, 599])
def test_a_status_without_a_name_is_raised_with_its_body(server: Server, status: int) -> None:
    """What proxies answer is told as any status that is not described."""
    server.status, server.body = status, HTML
    trusting_none = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    with (
        Client(server.url, verify_ssl=trusting_none, raise_on_unexpected_status=True) as client,
        pytest.raises(UnexpectedStatus) as caught,
    ):
        create_access_token.sync(client=client, **CREDENTIALS)
    assert (caught.value.status_code, caught.value.content) == (status, HTML)
