"""Values, and when two are the same."""

import datetime as dt
import enum
import json
import uuid
from typing import Any

from pipeline.roundtrip.marks import Default

__all__ = ["NOTHING", "is_same", "is_same_text", "to_json", "told"]

NOTHING: Any = object()


def to_json(parsed: Any) -> Any:
    """Return *parsed* as the JSON it was parsed from."""
    value = parsed
    if type(parsed).__name__ == "Unset":
        value = NOTHING
    elif isinstance(parsed, list):
        value = [to_json(one) for one in parsed]
    elif isinstance(parsed, dict):
        value = {key: to_json(one) for key, one in parsed.items()}
    elif hasattr(parsed, "to_dict"):
        value = parsed.to_dict()
    elif hasattr(parsed, "payload"):
        value = parsed.payload.read()
    elif isinstance(parsed, enum.Enum):
        value = parsed.value
    elif isinstance(parsed, dt.datetime | dt.date):
        value = parsed.isoformat()
    elif isinstance(parsed, uuid.UUID):
        value = str(parsed)
    return value


def is_same(one: Any, other: Any) -> bool:
    """Tell whether two plain values are one: times by what they mean, true is not 1."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, str) and isinstance(other, str):
        return one == other or _is_same_time(one, other)
    if isinstance(one, str) and isinstance(other, bytes):
        return one.encode() == other
    return type(other) is not object and bool(one == other)


def is_same_text(one: str, other: str) -> bool:
    """Tell whether two texts are one, or the same number or time."""
    if one == other or _is_same_time(one, other):
        return True
    try:
        return float(one) == float(other)
    except ValueError:
        return False


def _is_same_time(one: str, other: str) -> bool:
    try:
        return dt.datetime.fromisoformat(one) == dt.datetime.fromisoformat(other)
    except (ValueError, TypeError):
        return False


def told(value: Any) -> str:
    """Return *value* for a message."""
    if value is NOTHING:
        return "nothing"
    said = json.dumps(value, default=_default, ensure_ascii=False)
    return said if len(said) < 100 else f"{said[:97]}..."


def _default(value: Any) -> Any:
    return value.value if isinstance(value, Default) else str(value)
