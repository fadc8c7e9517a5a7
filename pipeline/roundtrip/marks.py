"""Marks on sampled values: what may be left out, has no property, or is one of several."""

from typing import Any

__all__ = ["OMITTED", "Default", "Extra", "Variant", "joined", "plain"]

OMITTED: Any = object()
"""There is no value: the way on would be without end."""


class Default:
    """What is assumed where nothing is given: a client may leave it out, or send it."""

    def __init__(self, value: Any) -> None:
        self.value = value


class Extra(str):
    """A key that no property has."""

    __slots__ = ()


class Variant(dict[Any, Any]):
    """An object that is one of several; which, the reader may see otherwise."""


def plain(value: Any) -> Any:
    """Return *value* as it is given: without what is merely assumed."""
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items() if not isinstance(v, Default)}
    return [plain(one) for one in value] if isinstance(value, list) else value


def joined(one: Any, other: Any) -> Any:
    """Return the value that is *one* and *other*, as `allOf` has it."""
    if one is OMITTED or other is OMITTED:
        return other if one is OMITTED else one
    if isinstance(one, dict) and isinstance(other, dict):
        is_variant = isinstance(one, Variant) or isinstance(other, Variant)
        return (Variant if is_variant else dict)({**one, **other})
    return other
