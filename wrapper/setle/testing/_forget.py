"""Between two tests: what the process knows of tokens is forgotten."""

import sys

from .. import _time  # noqa: F401 - binds the real clock, before a test freezes it


def forget_everything() -> None:
    """
    Forget every token, failure and back-off in this process, as if it had just started.

    Sources and clients made before go on working. Memory stores are emptied; what lies in
    files or in Redis stays, and so does what another process knows. Under pytest the fixture
    ``setle_isolation`` does this before each test.
    """
    # Nothing to forget, and nothing to load for it, if nobody has made a source.
    registry = sys.modules.get("setle._refresh.registry")
    if registry is not None:
        registry.forget_everything()
