"""A web application that calls before its workers are forked, for gunicorn and uWSGI."""

from collections.abc import Callable, Iterable
from typing import Any

from tests.processes import jobs

jobs.warm_up()


def wsgi(environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
    """Make as many calls as the query says, and answer whose answers were somebody else's."""
    said = jobs.crossed(int(environ["QUERY_STRING"]))
    start_response("200 OK", [("Content-Type", "text/plain"), ("Connection", "close")])
    return [said.encode()]
