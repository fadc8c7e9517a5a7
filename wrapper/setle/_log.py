"""The logger ``setle``. Nothing secret goes in here; docs/log.md lists every record."""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial

_logger = logging.getLogger("setle")
_thread = threading.local()


@contextmanager
def logging_afterwards() -> Iterator[None]:
    """
    Let what this thread says be logged at the end of the block.

    A log handler may wait for what goes on in there, with a lock in hand that logging needs.
    """
    outer: list[Callable[[], None]] | None = getattr(_thread, "kept", None)
    _thread.kept = kept = [] if outer is None else outer
    try:
        yield
    finally:
        _thread.kept = outer
        while outer is None and kept:
            kept.pop(0)()


def say(level: int, event: str, text: str, **fields: object) -> None:
    """
    Log *text* at *level*, with *event* and *fields* as attributes of the record.

    Each attribute's name begins with ``setle_``, so that it hides none of the record's own.
    """
    extra = {f"setle_{name}": value for name, value in {"event": event, **fields}.items()}
    log = partial(_log, level, text, extra)
    kept: list[Callable[[], None]] | None = getattr(_thread, "kept", None)
    if kept is None:
        log()
    else:
        kept.append(log)


def _log(level: int, text: str, extra: dict[str, object]) -> None:
    # A handler is foreign code: what it raises must not cost a token.
    with suppress(Exception):
        _logger.log(level, text, extra=extra)
