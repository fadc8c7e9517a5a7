"""The endpoints: Answers become responses."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from ._answer import Answer, nest_error

# Only fields that Setle names in public; the values are made up.
ESTATES = json.loads(Path(__file__).with_name("estates.json").read_bytes())


class Reply(Response):
    """An `Answer` on its way."""

    def __init__(self, answer: Answer) -> None:
        headers = {name.lower(): value for name, value in answer.headers.items()}
        if answer.json is not None:
            headers = {"content-type": "application/json; charset=utf-8"} | headers
        super().__init__(answer.content, answer.status, headers)
        self.answer = answer
        if answer.hang_up:
            self.headers["content-length"] = str(len(self.body) + 1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it, or as much of it as the test wants."""
        if self.answer.outcome is None:
            scope["state"]["transport"].abort()
            message = await receive()
            while message["type"] != "http.disconnect":
                message = await receive()
        elif self.body and (self.answer.hang_up or self.answer.drip > 0):
            step = 1 if self.answer.drip > 0 else len(self.body)
            head = {"status": self.status_code, "headers": self.raw_headers}
            await send({"type": "http.response.start", **head})
            for end in range(step, len(self.body) + 1, step):
                if end > step:
                    await asyncio.sleep(self.answer.drip)
                # uvicorn closes the connection of a response that is left unfinished.
                more = self.answer.hang_up or end < len(self.body)
                part = bytes(self.body[end - step : end])
                await send({"type": "http.response.body", "body": part, "more_body": more})
        else:
            await super().__call__(scope, receive, send)


def application(
    token: Callable[[Request], Awaitable[Answer]],
    api: Callable[[Request, Answer], Awaitable[Answer]],
    log: Callable[[Request, Answer], None],
    listed: Any,
) -> ASGIApp:
    """
    Return the ASGI application.

    Args:
        token: Answers a token request.
        api: Takes a request to a protected endpoint and what to answer if
            its token is good; returns what to answer.
        log: Is told of every other request.
        listed: What lists the estates, as JSON.
    """
    granted_estates = Answer(json=listed)

    async def access_token(request: Request) -> Reply:
        return Reply(await token(request))

    async def estates(request: Request) -> Reply:
        return Reply(await api(request, granted_estates))

    async def echo(request: Request) -> Reply:
        media_type = request.headers.get("content-type", "application/octet-stream")
        granted = Answer(body=await request.body(), headers={"content-type": media_type})
        return Reply(await api(request, granted))

    async def refuse(request: Request, error: Exception) -> Reply:
        assert isinstance(error, HTTPException)  # noqa: S101  Starlette's signature is too wide
        if error.status_code == 404:
            message = f"Cannot {request.method} {request.url.path}"
            answer = nest_error(404, message, "Not Found")
        else:
            answer = nest_error(error.status_code, error.detail)
        log(request, answer)
        return Reply(answer)

    app = Starlette(
        routes=[
            Route("/v1/oauth/token", access_token, methods=["POST"]),
            Route("/v1/estate/list", estates, methods=["GET"]),
            # Not Setle's: takes a body, so that replaying one can be tested.
            Route("/sandbox/echo", echo, methods=["POST"]),
        ],
        exception_handlers={HTTPException: refuse},
    )

    async def timed(scope: Scope, receive: Receive, send: Send) -> None:
        scope["state"]["arrived"] = time.monotonic()
        await app(scope, receive, send)

    return timed
