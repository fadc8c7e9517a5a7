"""The stand-in for Setle: what it knows, decides and counts."""

import asyncio
import bisect
import contextlib
import json
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import attrs

from ._answer import Answer, nest_error
from ._app import asgi
from ._ledger import UNAUTHORIZED, Ledger
from ._routes import Answerable, Function, Request, Route, as_answer, described
from ._server import File, Server

TOKEN = ("POST", "/v1/oauth/token")
# Only fields that Setle names in public; the values are made up.
ESTATES = json.loads(Path(__file__).with_name("estates.json").read_bytes())


@attrs.define(kw_only=True, eq=False, repr=False, slots=False)
class Sandbox(Ledger):
    """
    A stand-in for Setle, running between ``with`` and the end of its block.

    ``POST /v1/oauth/token`` and ``GET /v1/estate/list`` answer as Setle does,
    and each operation of the vendored description with an example; `route`
    adds others. ``POST /sandbox/echo`` is not Setle's: it returns the body it
    got. Any other path is a 404. All times are in seconds. Safe to use from any
    thread; a process forked off can talk to it, but neither steer nor stop it.

    Args:
        lifetime: How long a token lives.
        delay: How long the token endpoint takes.
        port: Where on 127.0.0.1 it listens; 0 for any free port.
        estates: What ``GET /v1/estate/list`` answers, as JSON; unless given,
            the example if that is described, and else five made-up ones.
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

    delay: float = 0.0
    port: int = 0
    estates: Answerable | None = None
    ssl_certfile: File = None
    ssl_keyfile: File = None
    reject_api: bool = attrs.field(default=False, init=False)
    _server: Server = attrs.field(init=False)
    _token_script: deque[Answer] = attrs.field(factory=deque, init=False)
    _api_script: deque[Answer] = attrs.field(factory=deque, init=False)
    _gates: list[asyncio.Event] = attrs.field(factory=list, init=False)
    _routes: list[Route] = attrs.field(factory=list, init=False)

    def __attrs_post_init__(self) -> None:
        made_up = Route("GET", "/v1/estate/list", ESTATES)
        # Last, as the first of two counts: models of the description can read no other answer.
        self._routes += sorted([*(Route(*one) for one in described()), made_up])
        if self.estates is not None:
            self.route("GET", "/v1/estate/list", self.estates)
        self.route("POST", "/sandbox/echo", _echo)

    def __enter__(self) -> Self:
        """Start; the server answers when this returns."""
        self._server = Server(asgi(self._answer), self.port, self.ssl_certfile, self.ssl_keyfile)
        return self

    def __exit__(self, raised: object, *_: object) -> None:
        """Cut all connections and stop; raise what the function of a route has raised."""
        self._server.stop()
        failures = [route._failure for route in self._routes if route._failure]
        if failures and raised is None:
            raise failures[0]

    @property
    def base_url(self) -> str:
        """Where it listens: ``http://127.0.0.1:PORT``, or ``https``."""
        if not hasattr(self, "_server"):
            raise RuntimeError("the sandbox is not running; use it in a with statement")
        return self._server.base_url

    @property
    def environment(self) -> dict[str, str]:
        """The variables with which ``setle.connect()`` talks to it, the secret among them."""
        names = ("base_url", "client_id", "client_secret")
        settings = {f"SETLE_{name.upper()}": str(getattr(self, name)) for name in names}
        # Whatever else was set gives way.
        return settings | {"SETLE_CLIENT_SECRET_FILE": "", "SETLE_TOKEN_STORE": "memory"}

    def route(self, method: str, path: str, answer: Answerable | Function | None = None) -> Route:
        """
        Answer *method* at *path* to whoever has a token that is good.

        A path that varies less goes first, as in OpenAPI; of equal ones the latest.

        Args:
            method: ``POST``, ``GET``, …
            path: The path, with ``{name}`` for what varies, up to the next slash.
            answer: The answer; or a dict or list, the JSON of a 200; or a
                function, sync or async, that takes the `Request` and returns one
                of these. What it raises is a 500, and is raised again at the end
                of the ``with`` block. None for what is answered there already.

        Returns:
            The route, to script it and to look at its requests.

        Raises:
            LookupError: There is no *answer*, and nothing is answered there.
            TypeError: *answer* is none.
            ValueError: *path* is none, or the token endpoint's.
        """
        if (method.upper(), path) == TOKEN:
            raise ValueError("the token endpoint is no route: it has script_token() and lifetime")
        if answer is not None:
            route = Route(method, path, answer)
            bisect.insort_left(self._routes, route)
            return route
        for route in self._routes:
            if (route.method, route.path) == (method.upper(), path):
                return route
        raise LookupError(f"nothing is answered to {method} {path} yet: give an answer")

    def script_token(self, *answers: Answerable) -> None:
        """Give the next token requests these *answers*, in order of arrival."""
        self._token_script.extend(map(as_answer, answers))

    def script_api(self, *answers: Answerable) -> None:
        """Give the next requests to any routes these *answers*, whatever their token."""
        self._api_script.extend(map(as_answer, answers))

    @contextlib.contextmanager
    def hold(self) -> Iterator[None]:
        """Let token requests that arrive in the ``with`` block wait for its end."""
        gate = asyncio.Event()
        self._gates.append(gate)
        try:
            yield
        finally:
            self._gates.remove(gate)
            with contextlib.suppress(RuntimeError):  # it has stopped meanwhile
                self._server.loop.call_soon_threadsafe(gate.set)

    async def _answer(self, request: Request, raw_path: str) -> Answer:
        if (request.method, request.path) == TOKEN:
            return await self._answer_token(request)
        for route in self._routes:
            if taken := route._taken(request, raw_path):
                return await self._answer_api(route, taken)
        lost = nest_error(404, f"Cannot {request.method} {request.path}", "Not Found")
        return self._answered(request, lost, "", "")

    async def _answer_token(self, request: Request) -> Answer:
        # Counted last: what a test does after `wait_for` is for later requests.
        scripted = self._token_script.popleft() if self._token_script else None
        gates = tuple(self._gates)
        self._count("token_requests")
        for gate in gates:
            await gate.wait()
        await asyncio.sleep(self.delay + (scripted.delay if scripted else 0.0))
        token, answer = ("", scripted) if scripted else self._grant(request.headers)
        counter = "tokens_issued" if answer.outcome == 200 else ""
        return self._answered(request, answer, token, counter)

    async def _answer_api(self, route: Route, request: Request) -> Answer:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        script = route._scripted or self._api_script
        answer = script.popleft() if script else None
        if answer is None and (self.reject_api or not self._is_good(scheme, token)):
            answer = UNAUTHORIZED
        self._count("api_requests")
        answer = answer or await route._answer(request)
        await asyncio.sleep(answer.delay)
        counter = "api_rejections" if answer.outcome == 401 else ""
        return self._answered(request, answer, token, counter)


async def _echo(request: Request) -> Answer:
    media_type = request.headers.get("content-type", "application/octet-stream")
    return Answer(body=request.body, headers={"content-type": media_type})
