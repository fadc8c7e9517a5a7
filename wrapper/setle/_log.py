"""The logger ``setle``. Nothing secret goes in here; docs/log.md lists every record."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_logger = logging.getLogger("setle")
_thread = threading.local()


@contextmanager
def logging_afterwards() -> Iterator[None]:
    """
    Let what is said in this thread, by httpx as well, be logged at the end of the block.

    A log handler may wait for what goes on in there, with a lock in hand that logging needs.
    """
    _thread.kept = kept = list[logging.LogRecord]()
    try:
        yield
    finally:
        _thread.kept = None
        for record in kept:
            # A handler is foreign code: what it raises must not cost a token.
            with suppress(Exception):
                logging.getLogger(record.name).handle(record)


def _is_due(record: logging.LogRecord) -> bool:
    kept: list[logging.LogRecord] | None = getattr(_thread, "kept", None)
    if kept is not None:
        kept.append(record)
    return kept is None


_SPEAK_IN_A_REFRESH = (
    *("setle", "httpx", "filelock"),
    *("httpcore.connection", "httpcore.http11", "httpcore.proxy"),
)
for _name in _SPEAK_IN_A_REFRESH:
    logging.getLogger(_name).addFilter(_is_due)


def say(level: int, event: str, text: str, **fields: object) -> None:
    """
    Log *text* at *level*, with *event* and *fields* as attributes of the record.

    In the text, ``%(name)s`` stands for a field. Each attribute's name begins with ``setle_``, so
    that it hides none of the record's own.
    """
    extra = {f"setle_{name}": value for name, value in {"event": event, **fields}.items()}
    with suppress(Exception):
        _logger.log(level, text, fields, extra=extra)
