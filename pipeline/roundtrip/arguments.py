"""Turn described values into the arguments that generated functions take."""

import datetime as dt
import enum
import io
import typing
import uuid
from collections.abc import Callable, Iterator
from typing import Any, Literal

from pipeline.roundtrip.hints import hints_of, options_of
from pipeline.roundtrip.marks import OMITTED, Default, Extra, plain
from pipeline.roundtrip.names import attribute
from pipeline.roundtrip.requests import joined, text

__all__ = ["Arguments", "MisfitError"]


class MisfitError(Exception):
    """The client has no place for a described value; the message is what was seen."""

    def __init__(self, place: str, described: str, seen: str) -> None:
        super().__init__(seen)
        self.place, self.described = place, described


class Arguments:
    """
    Makes the arguments of a call.

    Args:
        function: What is called.
    """

    def __init__(self, function: Any) -> None:
        self._function = function
        self._hints = hints_of(function)
        self._taken = dict[str, Any]()

    def of(self, parameters: list[tuple[Any, Any]], body: Any) -> dict[str, Any]:
        """
        Return the arguments for *parameters*, each with its value, and *body*.

        Raises:
            MisfitError: The function does not take them.
        """
        for parameter, value in parameters:
            if not isinstance(value, Default):
                self._put(parameter, parameter["name"], value)
        if body is not OMITTED:
            if "body" not in self._hints:
                raise MisfitError("body", "a body", f"{self._function.__name__}() takes none")
            converted = _converted("body", _given(body), self._hints["body"])
            self._taken["body"] = converted
        return self._taken

    def _put(self, parameter: Any, wire: str, value: Any) -> None:
        where, is_deep = parameter["in"], parameter.get("style") == "deepObject"
        left = [name for name in self._hints if name not in self._taken]
        if isinstance(value, dict) and where == "query" and value:
            names = {key: f"{wire}[{key}]" if is_deep else str(key) for key in value}
            if all(_is_placed(names[key], value[key], left, is_deep=is_deep) for key in value):
                for key, one in value.items():
                    if one is not None and not isinstance(one, Default):
                        self._put(parameter, names[key], one)
                return
        name = attribute(wire, left, where)
        if name is None:
            raise MisfitError(f"{where} {wire}", "a parameter", "there is no argument for it")
        # Keys that the description leaves open are written as they are sent.
        if is_deep and isinstance(value, dict) and all(isinstance(key, Extra) for key in value):
            value = {Extra(key): one for key, one in _flat(wire, value)}
        hint = self._hints[name]
        if isinstance(value, list) and list[str] in options_of(hint):
            value = [text(one) for one in value]
        is_text = "content" in parameter or not (isinstance(value, str) or _takes(value, hint))
        if str in options_of(hint) and is_text:
            self._taken[name] = joined(parameter, value)
        else:
            self._taken[name] = _converted(f"{where} {wire}", value, hint)


def _given(value: Any) -> Any:
    """Return *value* without what is merely assumed; open keys stay open ones."""
    if isinstance(value, dict):
        return {key: _given(one) for key, one in value.items() if not isinstance(one, Default)}
    return [_given(one) for one in value] if isinstance(value, list) else value


def _is_placed(name: str, value: Any, names: list[str], *, is_deep: bool) -> bool:
    if isinstance(value, dict) and value and is_deep:
        return all(_is_placed(f"{name}[{k}]", v, names, is_deep=True) for k, v in value.items())
    return attribute(name, names, "query") is not None


def _flat(name: str, value: dict[Any, Any]) -> Iterator[tuple[str, Any]]:
    for key, one in value.items():
        if isinstance(one, dict):
            yield from _flat(f"{name}[{key}]", one)
        else:
            yield f"{name}[{key}]", one


def _takes(value: Any, hint: Any) -> bool:
    kinds = {typing.get_origin(option) or option for option in options_of(hint)}
    if isinstance(value, dict) and any(hasattr(kind, "to_dict") for kind in kinds):
        return True
    is_float = isinstance(value, int) and float in kinds and not isinstance(value, bool)
    return bool({type(value), Any} & kinds) or is_float


def _converted(place: str, value: Any, hint: Any) -> Any:
    misfit: MisfitError | None = None
    for option in sorted(options_of(hint), key=lambda option: _distance(value, option)):
        try:
            return _made(place, value, option)
        except MisfitError as error:
            misfit = misfit or error
        except (TypeError, ValueError, AttributeError):
            continue
    raise misfit or MisfitError(place, text(plain(value)), f"it takes {hint}")


def _made(place: str, value: Any, option: Any) -> Any:
    origin = typing.get_origin(option) or option
    if origin in {Any, dict}:
        return plain(value)
    if origin is list and isinstance(value, list):
        [inner] = typing.get_args(option)
        return [_converted(f"{place}[{n}]", one, inner) for n, one in enumerate(value)]
    if isinstance(value, dict) and hasattr(option, "to_dict"):
        return _model(place, value, option)
    return _scalar(value, option)


def _scalar(value: Any, option: Any) -> Any:
    if typing.get_origin(option) is Literal and value in typing.get_args(option):
        return value
    if not isinstance(option, type) or (value is None and option is not type(None)):
        raise TypeError
    made = value
    if option.__name__ == "File":
        content = value if isinstance(value, bytes) else value.encode()
        made = option(io.BytesIO(content), "a name.bin", "application/octet-stream")
    elif isinstance(value, str) and option in _READERS:
        made = _READERS[option](value)
    elif issubclass(option, enum.Enum):
        made = option(text(value) if isinstance(value, bool) else value)
    elif type(value) is not option and not (option is float and type(value) is int):
        raise TypeError
    return made


_READERS: dict[Any, Callable[[str], Any]] = {
    dt.date: dt.date.fromisoformat,
    dt.datetime: dt.datetime.fromisoformat,
    uuid.UUID: uuid.UUID,
}


def _model(place: str, value: dict[Any, Any], model: Any) -> Any:
    hints = hints_of(model)
    names = [field.name for field in model.__attrs_attrs__ if field.name in hints]
    names = [name for name in names if name != "additional_properties"]
    given = dict[str, Any]()
    for key, one in value.items():
        if isinstance(key, Extra):
            continue
        name = attribute(key, names)
        if name is None:
            raise MisfitError(f"{place}.{key}", "a field for it", f"{model.__name__} has none")
        names.remove(name)
        given[name] = _converted(f"{place}.{key}", one, hints[name])
    made = model(**given)
    for key, one in value.items():
        if isinstance(key, Extra):
            [_, inner] = typing.get_args(hints["additional_properties"])
            made.additional_properties[str(key)] = _converted(f"{place}.{key}", one, inner)
    return made


def _distance(value: Any, option: Any) -> int:
    """Tell how badly *option* suits *value*: of several models the one with its fields first."""
    if isinstance(value, dict) and hasattr(option, "__attrs_attrs__"):
        names = [field.name for field in option.__attrs_attrs__]
        known = [key for key in value if not isinstance(key, Extra) and attribute(key, names)]
        return 2 * (len(value) - len(known)) + len(names) - len(known)
    if option in {Any, str}:
        return 1000
    return 0 if isinstance(option, type) and issubclass(option, enum.Enum) else 1
