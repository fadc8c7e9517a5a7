"""Applications as users write them, for gunicorn (``wsgi``) and uvicorn (``asgi``)."""

import os
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import setle

client = setle.connect()


def wsgi(environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
    """Call Setle, and answer with its status and who asked."""
    response = client.get_httpx_client().get("/v1/estate/list")
    start_response("200 OK", [("Content-Type", "text/plain"), ("Connection", "close")])
    return [f"{os.getpid()} {response.status_code}".encode()]


async def asgi(
    scope: dict[str, Any],
    receive: Callable[[], Awaitable[dict[str, Any]]],
    send: Callable[[dict[str, Any]], Awaitable[None]],
) -> None:
    """Do the same, awaiting it."""
    assert scope["type"] == "http"
    response = await client.get_async_httpx_client().get("/v1/estate/list")
    headers = [(b"content-type", b"text/plain"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    body = f"{os.getpid()} {response.status_code}".encode()
    await send({"type": "http.response.body", "body": body})
