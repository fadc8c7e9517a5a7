"""The vendored description, called over real sockets: openapi-core judges what goes over them."""

import asyncio
import re
import ssl
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import openapi_core
import pytest
from openapi_core.testing import MockRequest, MockResponse
from werkzeug.datastructures import MultiDict

import setle
from pipeline.roundtrip.caller import Caller, Exchange
from pipeline.roundtrip.calls import Operation
from pipeline.roundtrip.worker import described as operations_of
from pipeline.roundtrip.worker import modules
from pipeline.spec import described
from tests.pipeline.serving import serving

ROOT = Path(__file__).parents[2]
SPEC = described(ROOT)
LIMITS = re.compile("pattern|multipleOf|uniqueItems|(m|exclusiveM)(in|ax)(imum|Length|Items)")


def unlimited(node: Any) -> Any:
    """Return *node* without the limits of values, which the made-up ones do not keep to."""
    if isinstance(node, dict):
        # A property may have such a name, too.
        kept = {k: v for k, v in node.items() if isinstance(v, dict) or not LIMITS.fullmatch(k)}
        return {key: unlimited(value) for key, value in kept.items()}
    return [unlimited(one) for one in node] if isinstance(node, list) else node


OPENAPI = openapi_core.OpenAPI.from_dict(unlimited(SPEC))


class Judged(Exchange):
    """Judges each request and its answer, besides."""

    def __init__(self) -> None:
        super().__init__()
        self.verdicts: list[str] = []
        self.judged = 0

    def over(self, handler: BaseHTTPRequestHandler) -> None:
        """Answer what comes over a socket."""
        url = urlsplit(handler.path)
        body = handler.rfile.read(int(handler.headers.get("content-length", 0)))
        headers = dict(handler.headers)
        answer = self.handle(
            httpx.Request(
                handler.command, f"http://localhost{handler.path}", headers=headers, content=body
            )
        )
        request = MockRequest(
            "https://public-api.setle.app",
            handler.command,
            url.path,
            args=MultiDict(parse_qsl(url.query)),
            headers=headers,
            data=body,
            content_type=handler.headers.get("content-type", ""),
        )
        try:
            OPENAPI.validate_request(request)
            OPENAPI.validate_response(request, MockResponse(answer.content, answer.status_code))
        except Exception as error:  # noqa: BLE001 - the test gets to see all of them
            self.verdicts.append(f"{error!r} {error.__cause__!r}")
        self.judged += 1
        handler.send_response(answer.status_code)
        for name, value in answer.headers.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(answer.content)


@pytest.fixture
def judged() -> Iterator[tuple[Judged, str]]:
    exchange = Judged()
    with serving({"*": exchange.over}) as url:
        yield exchange, url


async def differences(exchange: Judged, url: str) -> list[Any]:
    """Call every operation of the vendored description at *url*."""
    keywords: Any = {
        "base_url": url,
        # No TLS here, and reading the trusted certificates takes longer than a test.
        "verify_ssl": ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
    }
    own = setle.ClientCredentials("the-id", "the-secret")
    package = Path(str(import_module("setle_api").__file__)).parent
    names = modules(package)
    found = list[Any]()
    async with setle.connect(own, **keywords) as later:
        with setle.connect(own, **keywords) as client:
            caller = Caller(SPEC, exchange, (client, later))
            for method, path in operations_of(SPEC):
                item = SPEC["paths"][path]
                module = import_module(names[method, re.sub("{[^}]*}", "{}", path)][0])
                operation = Operation(method, path, item, item[method], module)
                found += await caller.differences(operation)
    return found


def test_every_operation_is_right_over_real_sockets(judged: tuple[Judged, str]) -> None:
    """Sync and async, the least and the most, and each documented answer."""
    exchange, url = judged
    assert asyncio.run(differences(exchange, url)) == []
    assert exchange.verdicts == []
    assert exchange.judged > len(operations_of(SPEC)) * 4
