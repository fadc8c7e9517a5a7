"""Answers become responses."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable

from starlette.requests import Request as ASGIRequest
from starlette.responses import Response, StreamingResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from ._answer import Answer
from ._routes import Request


def asgi(respond: Callable[[Request, str], Awaitable[Answer]]) -> ASGIApp:
    """Return the application that sends what *respond* gives for a request and its raw path."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        at, asked = time.monotonic(), ASGIRequest(scope, receive)
        query, headers, body = asked.query_params, asked.headers, await asked.body()
        request = Request(asked.method, scope["path"], query, headers, body, at)
        answer = await respond(request, scope["raw_path"].decode())
        if answer.outcome is None:
            scope["state"]["transport"].abort()
            await receive()  # until uvicorn has noticed
        else:
            await _response(answer)(scope, receive, send)

    return app


def _response(answer: Answer) -> Response:
    media_type = None if answer.json is None else "application/json; charset=utf-8"
    whole = Response(answer.content, answer.status, answer.headers, media_type)
    if not answer.hang_up and answer.drip <= 0:
        return whole
    # One byte short of what it announces, at which uvicorn closes the connection.
    whole.headers["content-length"] = str(len(answer.content) + answer.hang_up)
    return StreamingResponse(_parts(answer), answer.status, whole.headers)


async def _parts(answer: Answer) -> AsyncIterator[bytes]:
    step = 1 if answer.drip > 0 else len(answer.content)
    for start in range(0, len(answer.content), step):
        await asyncio.sleep(answer.drip if start else 0)
        yield answer.content[start : start + step]
