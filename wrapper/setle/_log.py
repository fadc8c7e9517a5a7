"""The logger ``setle``. Nothing secret goes in here; docs/log.md lists every record."""

import logging
from contextlib import suppress

_logger = logging.getLogger("setle")


def say(level: int, event: str, text: str, **fields: object) -> None:
    """
    Log *text* at *level*, with *event* and *fields* as attributes of the record.

    Each attribute's name begins with ``setle_``, so that it hides none of the record's own.
    """
    # A handler is foreign code: what it raises must not cost a token.
    with suppress(Exception):
        extra = {f"setle_{name}": value for name, value in {"event": event, **fields}.items()}
        _logger.log(level, text, extra=extra)
