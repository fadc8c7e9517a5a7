"""The logger ``setle``. Nothing secret goes in here; docs/log.md lists every record."""

import logging
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

_logger = logging.getLogger("setle")
_thread = threading.local()


@contextmanager
def logging_afterwards() -> Iterator[None]:
    """
    Let what this thread says be logged at the end of the block.

    A log handler may wait for what goes on in there, with a lock in hand that logging needs.
    """
    _thread.kept = kept = list[Any]()
    try:
        yield
    finally:
        _thread.kept = None
        for said in kept:
            _log(*said)


def say(level: int, event: str, text: str, **fields: object) -> None:
    """
    Log *text* at *level*, with *event* and *fields* as attributes of the record.

    In the text, ``%(name)s`` stands for a field. Each attribute's name begins with ``setle_``, so
    that it hides none of the record's own.
    """
    extra = {f"setle_{name}": value for name, value in {"event": event, **fields}.items()}
    kept: list[Any] | None = getattr(_thread, "kept", None)
    if kept is None:
        _log(level, text, fields, extra)
    else:
        kept.append((level, text, fields, extra))


def _log(level: int, text: str, fields: Mapping[str, object], extra: Mapping[str, object]) -> None:
    # A handler is foreign code: what it raises must not cost a token.
    with suppress(Exception):
        _logger.log(level, text, fields, extra=extra)
