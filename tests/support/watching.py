"""What watches a program: Sentry's SDK and OpenTelemetry's, into memory, and what it prints."""

import json
import traceback
from collections.abc import Iterator
from typing import Any

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from sentry_sdk.envelope import Envelope
from sentry_sdk.transport import Transport

sent: list[dict[str, Any]] = []
"""What Sentry's SDK has sent in this process, by way of InMemory."""


class InMemory(Transport):
    """Sentry's transport to *sent*."""

    def capture_envelope(self, envelope: Envelope) -> None:
        """Keep what would go to Sentry, as it would go there."""
        sent.extend(json.loads(item.get_bytes()) for item in envelope.items)


def texts(node: Any, place: str) -> Iterator[tuple[str, str]]:
    """Return every text in a report, and where it is."""
    if isinstance(node, dict):
        place = f"{place}/{node.get('module')}.{node['function']}" if "function" in node else place
        for name, value in node.items():
            yield from texts(value, f"{place}/{name}")
    elif isinstance(node, list):
        for value in node:
            yield from texts(value, place)
    elif isinstance(node, str):
        yield place, node


def with_locals(error: BaseException, *ours: str) -> str:
    """Return the traceback of *error*, with the variables of frames in files named like *ours*."""
    shown = traceback.TracebackException.from_exception(error, capture_locals=True)
    links: list[traceback.TracebackException | None] = [shown]
    while links:
        link = links.pop()
        if link is not None:
            links += [link.__cause__, link.__context__]
            for frame in link.stack:
                if frame.name == "<module>" or not any(name in frame.filename for name in ours):
                    frame.locals = None
    return "".join(shown.format())


def spans_in_memory() -> InMemorySpanExporter:
    """Keep all spans of this process from now on. Call it once: it takes one provider only."""
    provider, exporter = TracerProvider(), InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    return exporter
