"""What the sandbox answers, and where."""

import functools
import inspect
import json
import re
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import quote, unquote

import attrs
from starlette.concurrency import run_in_threadpool

from ._answer import Answer, nest_error


@attrs.frozen
class Request:
    """
    One request, as a function that answers it gets it.

    Args:
        method: ``POST``, ``GET``, …
        path: The path, without the query.
        query_params: The query, by name; the last of several values.
        headers: By name, in any case.
        body: The body as it came over the wire.
        at: The monotonic instant of its arrival, in seconds.
        path_params: What stands where the route's path has ``{name}``.
    """

    method: str
    path: str
    query_params: Mapping[str, str]
    # Neither is shown: secrets and tokens are in them.
    headers: Mapping[str, str] = attrs.field(repr=False)
    body: bytes = attrs.field(repr=False)
    at: float
    path_params: Mapping[str, str] = attrs.field(factory=dict[str, str])

    def json(self) -> Any:
        """Return what the body holds as JSON."""
        return json.loads(self.body)


# A dict or list is the JSON of a 200.
Answerable: TypeAlias = Answer | dict[str, Any] | list[Any]
Function: TypeAlias = Callable[[Request], Answerable | Awaitable[Answerable]]


class Route:
    """
    What answers one method at one path; made by `Sandbox.route`.

    Attributes:
        method: ``POST``, ``GET``, …
        path: The path, with ``{name}`` for what varies.
        requests: The last 1,000 requests that came here, oldest first,
            whatever was answered.
    """

    def __init__(self, method: str, path: str, answer: Answerable | Function) -> None:
        if not re.fullmatch(r"/([^{}?#]|{[^{}/]+})*", path):
            raise ValueError(f"{path!r} is no path like /v1/estate/{{id}}, without a query")
        self.method: str = method.upper()
        self.path: str = path
        self.requests: list[Request] = []
        self._given = answer if callable(answer) else as_answer(answer)
        self._failure: Exception | None = None
        self._scripted = deque[Answer]()

    def __lt__(self, other: "Route") -> bool:
        """Go first where less of the path varies."""
        return self.path.count("{") < other.path.count("{")

    def script(self, *answers: Answerable) -> None:
        """Give the next requests to this route these *answers*, whatever their token."""
        self._scripted.extend(map(as_answer, answers))

    def _taken(self, request: Request, raw_path: str) -> Request | None:
        """Return *request* with its path's parameters, or None if it is for another route."""
        if request.method != self.method or not (found := _pattern(self.path).fullmatch(raw_path)):
            return None
        values = zip(re.findall("{(.+?)}", self.path), found.groups(), strict=True)
        request = attrs.evolve(request, path_params={name: unquote(one) for name, one in values})
        self.requests = [*self.requests[-999:], request]
        return request

    async def _answer(self, request: Request) -> Answer:
        """Return what the test wants answered."""
        if isinstance(self._given, Answer):
            return self._given
        try:
            # In a thread, because it may wait: for a barrier of the test, say.
            answer = await run_in_threadpool(self._given, request)
            return as_answer(await answer if inspect.isawaitable(answer) else answer)
        except Exception as error:  # noqa: BLE001  raised again where the test sees it
            self._failure = error
            return nest_error(500, f"the function of {self.path} raised {type(error).__name__}")


def as_answer(given: Answerable) -> Answer:
    """Return *given* as an `Answer`: a dict or list is the JSON of a 200."""
    if isinstance(given, dict | list):
        return Answer(json=given)
    if not isinstance(given, Answer):
        raise TypeError(f"an answer is an Answer, a dict or a list, not {type(given).__name__}")
    return given


@functools.cache
def described() -> list[tuple[str, str, Answer]]:
    """Return method, path and an example of each operation that is described."""
    # Found without being imported: the examples need no httpx.
    package = getattr(find_spec("setle_api"), "origin", "")
    examples = json.loads(Path(package).with_name("examples.json").read_bytes())
    return [(one["method"], one["path"], Answer(**one["answer"])) for one in examples]


@functools.cache
def _pattern(path: str) -> re.Pattern[str]:
    # Clients write percent signs for what is not ASCII; a slash at the end changes nothing.
    literal = re.escape(quote(path, safe="/{}:@!$&'()*+,;=~"))
    return re.compile(re.sub(r"\\{.+?\\}", "([^/]+)", literal) + "/?")
