"""The stand-in for Setle: what it knows, decides and counts."""

import asyncio
import contextlib
import os
import secrets
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Self

from starlette.datastructures import Headers
from starlette.requests import Request

from ._answer import Answer, Record, nest_error
from ._app import ESTATES, application
from ._ledger import Ledger
from ._server import Server

CREDENTIALS = ("x-setle-client-id", "x-setle-client-secret")
UNAUTHORIZED = nest_error(401, "Unauthorized")


class Sandbox(Ledger):
    """
    A stand-in for Setle, running between ``with`` and the end of its block.

    ``POST /v1/oauth/token`` and ``GET /v1/estate/list`` answer as Setle does.
    ``POST /sandbox/echo`` is not Setle's: it takes a token as well and returns
    the body it got. All times are in seconds. Safe to use from any thread;
    a process forked off can talk to the sandbox, but neither steer nor stop it.

    Args:
        lifetime: How long a token lives.
        delay: How long the token endpoint takes.
        port: Where on 127.0.0.1 it listens; 0 for any free port.
        estates: What ``GET /v1/estate/list`` answers, as JSON; a few made-up
            estates, unless given.
        on_answer: Called with the `Record` of each answer before it is sent, in
            the server's thread; the text of a record is a line for a log.
        ssl_certfile: Serve https with this certificate (PEM).
        ssl_keyfile: Its key, unless the certificate's file holds that too.

    Attributes:
        lifetime: As above, for tokens issued from now on.
        delay: As above, for requests from now on.
        client_id: The client id it accepts, a UUID.
        client_secret: The client secret it accepts, 64 hex digits.
        same_token: Hand out the last token, with what is left of its life,
            until that has ended.
        reject_api: Answer every API request with 401.

    Source: Setle, "Create new Access Token", "Authentication" and "Quickstart".
    """

    def __init__(
        self,
        *,
        lifetime: float = 3600.0,
        delay: float = 0.0,
        port: int = 0,
        estates: Any = ESTATES,
        on_answer: Callable[[Record], object] | None = None,
        ssl_certfile: str | os.PathLike[str] | None = None,
        ssl_keyfile: str | os.PathLike[str] | None = None,
    ) -> None:
        super().__init__(on_answer)
        self.lifetime: float = lifetime
        self.delay: float = delay
        self.same_token: bool = False
        self.reject_api: bool = False
        self.client_id: str = str(uuid.uuid4())
        self.client_secret: str = secrets.token_hex(32)
        self._estates = estates
        self._listen = (port, ssl_certfile, ssl_keyfile)
        self._server: Server | None = None
        self._token_script = deque[Answer]()
        self._api_script = deque[Answer]()
        self._gates: list[asyncio.Event] = []
        self._last_token = ""
        self._ends: dict[str, float] = {}

    def __enter__(self) -> Self:
        """Start; the server answers when this returns."""
        app = application(self._answer_token, self._answer_api, self._answered, self._estates)
        self._server = Server(app, *self._listen)
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Cut all connections and stop."""
        self._running.stop()

    @property
    def base_url(self) -> str:
        """Where it listens: ``http://127.0.0.1:PORT``, or ``https``."""
        return self._running.base_url

    @property
    def _running(self) -> Server:
        if self._server is None:
            raise RuntimeError("the sandbox is not running; use it in a with statement")
        return self._server

    def script_token(self, *answers: Answer) -> None:
        """Give the next token requests these *answers*, in order of arrival."""
        self._token_script.extend(answers)

    def script_api(self, *answers: Answer) -> None:
        """Give the next requests to protected endpoints these *answers*."""
        self._api_script.extend(answers)

    def revoke(self, token: str | None = None) -> None:
        """Refuse *token*, or every token issued so far, from now on."""
        if token is None:
            self._ends.clear()
        else:
            self._ends.pop(token, None)

    def rotate_secret(self) -> str:
        """Return a new client secret, and refuse the old one; tokens stay good."""
        self.client_secret = secrets.token_hex(32)
        return self.client_secret

    @contextlib.contextmanager
    def hold(self) -> Iterator[None]:
        """Let token requests that arrive in the ``with`` block wait for its end."""
        server, gate = self._running, asyncio.Event()
        self._gates.append(gate)
        try:
            yield
        finally:
            self._gates.remove(gate)
            server.call_soon(gate.set)

    async def _answer_token(self, request: Request) -> Answer:
        # Counted last: what a test does after `wait_for` is for later requests.
        scripted = self._token_script.popleft() if self._token_script else None
        gates = tuple(self._gates)
        self._asked("token_requests")
        for gate in gates:
            await gate.wait()
        await asyncio.sleep(self.delay + (scripted.delay if scripted else 0.0))
        token = ""
        answer = scripted or self._refusal(request.headers)
        if answer is None:
            token, answer = self._issue()
        self._answered(request, answer, token, "tokens_issued" if answer.outcome == 200 else "")
        return answer

    def _refusal(self, headers: Headers) -> Answer | None:
        missing = [f"{name} should not be empty" for name in CREDENTIALS if not headers.get(name)]
        if missing:
            return nest_error(400, missing, "Bad Request")
        if [headers[name] for name in CREDENTIALS] != [self.client_id, self.client_secret]:
            return UNAUTHORIZED
        return None

    def _issue(self) -> tuple[str, Answer]:
        now = time.monotonic()
        end = self._ends.get(self._last_token, now)
        if not self.same_token or end <= now:
            self._last_token, end = secrets.token_urlsafe(48), now + self.lifetime
            self._ends[self._last_token] = end
        left = round(end - now, 3)
        grant = {
            "access_token": self._last_token,
            "expires_in": int(left) if left.is_integer() else left,
            "token_type": "Bearer",
        }
        return self._last_token, Answer(json=grant)

    async def _answer_api(self, request: Request, granted: Answer) -> Answer:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if self._api_script:
            answer = self._api_script.popleft()
        elif (
            not self.reject_api
            and scheme.lower() == "bearer"
            and self._ends.get(token, 0.0) > time.monotonic()
        ):
            answer = granted
        else:
            answer = UNAUTHORIZED
        self._asked("api_requests")
        await asyncio.sleep(answer.delay)
        self._answered(request, answer, token, "api_rejections" if answer.outcome == 401 else "")
        return answer
