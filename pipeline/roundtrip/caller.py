"""Call the operations of a client, and tell where it is not as described."""

from collections.abc import Iterator
from typing import Any

import attrs
import httpx

from pipeline.roundtrip.arguments import Arguments, MisfitError
from pipeline.roundtrip.calls import NOTHING, Answer, Call, Operation, calls, media_of
from pipeline.roundtrip.compare import Difference, of_parsed, of_requests
from pipeline.roundtrip.marks import OMITTED
from pipeline.roundtrip.requests import expected, read

__all__ = ["Caller", "Exchange"]


class Exchange:
    """Stands for the network: keeps the last request and answers it."""

    def __init__(self) -> None:
        self.answer = Answer(200)
        self.request: httpx.Request | None = None

    def handle(self, request: httpx.Request) -> httpx.Response:
        """Answer *request*; one for a token gets one."""
        if request.headers.get("x-setle-client-secret") == "the-secret":
            token = {"access_token": "t", "expires_in": 86_400, "token_type": "Bearer"}
            return httpx.Response(200, json=token)
        self.request = request
        status, content_type, content, *_ = self.answer
        headers = {"content-type": content_type} if content_type else {}
        return httpx.Response(status, headers=headers, content=content)


@attrs.frozen
class Caller:
    """
    Calls operations.

    Args:
        spec: The description.
        exchange: What the clients are answered by.
        clients: One for calls, and one for calls in asyncio.
    """

    spec: Any
    exchange: Exchange
    clients: tuple[Any, Any]

    async def differences(self, operation: Operation) -> list[Difference]:
        """Return where calls of *operation* differ from the description, each place once."""
        found = dict[str, Difference]()
        for number, call in enumerate(calls(self.spec, operation)):
            # The short forms call the long ones; a few calls show that they hand all on.
            names = [
                "sync_detailed",
                "asyncio_detailed",
                *(["sync", "asyncio"] if number < 2 else []),
            ]
            for name in names:
                if (function := getattr(operation.module, name, None)) is not None:
                    for one in await self._of_call(operation, call, function):
                        found.setdefault(one.place, one)
        return list(found.values())

    async def _of_call(self, operation: Operation, call: Call, function: Any) -> list[Difference]:
        self.exchange.answer, self.exchange.request = call.answer, None
        is_async = function.__name__.startswith("asyncio")
        try:
            given = Arguments(function).of(call.parameters, call.body)
            outcome = function(client=self.clients[is_async], **given)
            outcome = await outcome if is_async else outcome
        except MisfitError as error:
            return [Difference(error.place, error.described, str(error))]
        except Exception as error:  # noqa: BLE001 - of generated code; it is what there is to tell
            if self.exchange.request is None:
                return [Difference("request", f"a call with {call.mode}", _told(error))]
            if not (call.answer.is_raised and type(error).__name__ == "UnexpectedStatus"):
                return [Difference(f"answer {call.answer.status}", "to be parsed", _told(error))]
            outcome = None
        found = list(self._of_request(operation, call))
        if call.answer.value is not NOTHING and not call.answer.is_raised:
            found += self._of_outcome(call.answer, outcome, function.__name__)
        return found

    def _of_request(self, operation: Operation, call: Call) -> Iterator[Difference]:
        request = self.exchange.request
        if request is None:
            yield Difference("request", "one", "none was sent")
            return
        try:
            seen = read(request, operation.path.partition("?")[0], "")
        except ValueError as error:
            yield Difference("path", operation.path, str(error))
            return
        body = None if call.body is OMITTED else call.body
        want = expected(call.parameters, body)
        yield from of_requests(want, seen, media_of(operation.described, self.spec))
        if request.method != operation.method.upper():
            yield Difference("method", operation.method.upper(), request.method)

    def _of_outcome(self, answer: Answer, outcome: Any, name: str) -> Iterator[Difference]:
        place = f"answer {answer.status}"
        if name.endswith("_detailed"):
            if int(outcome.status_code) != answer.status:
                yield Difference(place, str(answer.status), str(outcome.status_code))
            outcome = outcome.parsed
        yield from of_parsed(place, answer.value, outcome)


def _told(error: Exception) -> str:
    """Return *error* with the place in the client that raised it."""
    place, trace = "", error.__traceback__
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if "setle_api" in file:
            place = f" ({file.rpartition('setle_api/')[2]}, line {trace.tb_lineno})"
        trace = trace.tb_next
    return f"{type(error).__name__}: {error}{place}"
