"""Read the annotations of generated code."""

import importlib
import types
import typing
from typing import Any, Literal

__all__ = ["conforms", "hints_of", "options_of"]


def options_of(hint: Any) -> list[Any]:
    """Return what *hint* allows, but for leaving it out."""
    if typing.get_origin(hint) in {typing.Union, types.UnionType}:
        return [one for one in typing.get_args(hint) if getattr(one, "__name__", "") != "Unset"]
    return [hint]


_KNOWN = dict[Any, dict[str, Any]]()


def conforms(value: Any, hint: Any) -> bool:
    """Tell whether *value* is of the type that *hint* says."""
    options = options_of(hint)
    if value is None or isinstance(value, bool | int | float | str | dict):
        kinds = {typing.get_origin(option) or option for option in options}
        allowed: set[Any] = {Any, type(value), Literal}
        allowed |= {float} if type(value) is int else set()
        return bool(kinds & allowed)
    if isinstance(value, list) and Any not in options:
        inner = [typing.get_args(option) for option in options if typing.get_origin(option) is list]
        return any(all(conforms(one, args[0]) for one in value) for args in inner)
    return True


def hints_of(thing: Any) -> dict[str, Any]:
    """Return the types that *thing*, a function or model, takes by their names."""
    if thing not in _KNOWN:
        models = importlib.import_module("setle_api.models")
        # Models import each other for type checkers only.
        _KNOWN[thing] = typing.get_type_hints(thing, localns=vars(models))
        if not isinstance(thing, type):
            del _KNOWN[thing]["return"], _KNOWN[thing]["client"]
    return _KNOWN[thing]
