"""OpenTelemetry's own SDK and instrumentation of httpx, with spans kept in memory."""

from collections.abc import Iterator
from typing import Any

import pytest
from httpx_aiohttp import AiohttpTransport
from opentelemetry import trace
from opentelemetry.instrumentation.httpx import AsyncOpenTelemetryTransport, HTTPXClientInstrumentor
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

import setle
from setle.testing import Answer, Sandbox
from tests.support import join_refreshes
from tests.support.examples import RECIPES
from tests.support.watching import spans_in_memory
from tests.support.worlds import ESTATES, World

RECIPE = RECIPES["OpenTelemetry"]
TOKEN = "/v1/oauth/token"


@pytest.fixture(scope="module")
def exporter() -> InMemorySpanExporter:
    """All spans of this process end up here, as it takes one provider only."""
    return spans_in_memory()


@pytest.fixture
def spans(exporter: InMemorySpanExporter) -> Iterator[InMemorySpanExporter]:
    exporter.clear()
    yield exporter
    HTTPXClientInstrumentor().uninstrument()


def requests(spans: InMemorySpanExporter) -> list[tuple[str, int, str | None]]:
    """Return path, status and the parent's name of each request, in the order of their ends."""
    join_refreshes()
    found = spans.get_finished_spans()
    names = {span.context.span_id: span.name for span in found}
    return [
        (_path(span), _of(span, "http.status_code"), span.parent and names[span.parent.span_id])
        for span in found
        if span.kind is SpanKind.CLIENT
    ]


def _of(span: ReadableSpan, name: str) -> Any:
    return (span.attributes or {}).get(name)


def _path(span: ReadableSpan) -> str:
    return "/" + str(_of(span, "http.url")).split("/", 3)[3]


def test_the_recipe(settings: dict[str, Any], spans: InMemorySpanExporter) -> None:
    """The call is a span within the program's, and the token request one of its own."""
    exec(RECIPE.program, settings)
    assert requests(spans) == [(TOKEN, 200, None), (ESTATES, 200, "estates")]


@pytest.mark.parametrize("kind", ["sync", "asyncio", "trio"])
def test_a_token_that_was_revoked(
    kind: str, sandbox: Sandbox, settings: dict[str, Any], spans: InMemorySpanExporter
) -> None:
    """Both tries of the call are told, sync and async, of a client made before as well."""
    world = World(kind)
    with setle.connect() as client:
        assert world.call(client).status_code == 200
        HTTPXClientInstrumentor().instrument()
        sandbox.revoke()
        with trace.get_tracer(__name__).start_as_current_span("estates"):
            assert world.call(client).status_code == 200
    assert requests(spans) == [
        (ESTATES, 401, "estates"),
        (TOKEN, 200, None),
        (ESTATES, 200, "estates"),
    ]


def test_aiohttp_in_a_transport_that_tells(
    settings: dict[str, Any], spans: InMemorySpanExporter
) -> None:
    """Wrapped, a transport that is not httpx's own is seen, too."""
    HTTPXClientInstrumentor().instrument()
    args = {"transport": lambda: AsyncOpenTelemetryTransport(AiohttpTransport())}
    client = setle.connect(httpx_args=args, token_httpx_args={})
    assert World("asyncio").call(client).status_code == 200
    assert requests(spans) == [(TOKEN, 200, None), (ESTATES, 200, None)]


def test_no_span_holds_a_secret(
    sandbox: Sandbox,
    settings: dict[str, Any],
    spans: InMemorySpanExporter,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Neither what goes well nor what fails, also with all headers as the recipe has them."""
    tokens: list[str] = []

    class Store(setle.MemoryTokenStore):
        def save(self, key: str, token: setle.AccessToken) -> None:
            tokens.append(token.value)

    def run() -> str:
        HTTPXClientInstrumentor().instrument()
        with setle.connect(store=Store()) as client:
            for kind in ("sync", "asyncio"):
                sandbox.revoke()
                assert World(kind).call(client).status_code == 200
        sandbox.script_token(Answer(401, json={"message": sandbox.client_secret}))
        for base_url in (sandbox.base_url, "http://127.0.0.1:9"):
            source = setle.TokenSource(base_url=base_url, store=Store())
            with pytest.raises(setle.TokenError):
                source.get_token()
        assert (TOKEN, 401, None) in requests(spans)
        HTTPXClientInstrumentor().uninstrument()
        return "".join(span.to_json() for span in spans.get_finished_spans())

    told = run()
    for line in RECIPE.commands[0].splitlines():
        name, _, value = line.removeprefix("export ").partition("=")
        monkeypatch.setenv(name, value.strip("'"))
    told += run()
    assert "http.request.header.x_setle_client_secret" in told
    assert len(tokens) == 4
    for secret in (sandbox.client_secret, *tokens):
        assert secret not in told
