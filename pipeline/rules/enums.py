"""Enums."""

import re
from collections.abc import Iterator

from openapi_python_client.strings import snake_case

from pipeline.rules.description import Note, Schema, schemas

__all__ = ["enum_members", "enum_types"]


def enum_types(spec: Schema) -> Iterator[Note]:
    """
    An enum of other values than strings or integers is a plain type.

    The generator refuses it.

    Source: openapi-python-client 0.29.1, `EnumProperty.build`.
    """
    for place, schema, _ in schemas(spec):
        values = [value for value in schema.get("enum") or () if value is not None]
        types = {type(value) for value in values}
        if not values or types in ({str}, {int}):
            continue
        del schema["enum"]
        plain = {bool: "boolean", float: "number"}.get(types.pop()) if len(types) == 1 else None
        if plain and "type" not in schema:
            schema["type"] = plain
        yield Note(place, "takes any value of its type")


def enum_members(spec: Schema) -> Iterator[Note]:
    """
    Values of an enum that differ in signs or case have members of their own.

    The generator stops at two that have one name, or lets the later take the other's place.

    Source: openapi-python-client 0.29.1, `EnumProperty.values_from_list`.
    """
    for place, schema, _ in schemas(spec):
        values = [value for value in schema.get("enum") or () if isinstance(value, str)]
        given = schema.get("x-enum-varnames")
        named = given if isinstance(given, list) and len(given) == len(values) else None
        names = [_member(number, value) for number, value in enumerate(values)]
        if named is not None:
            names = [snake_case(str(name)).upper() for name in named]
        if len(set(names)) == len(names) and all(name.isidentifier() for name in names):
            continue
        schema["x-enum-varnames"] = _distinct(names)
        yield Note(place, f"has the members {', '.join(schema['x-enum-varnames'])}")


def _member(number: int, value: str) -> str:
    key = value.upper() if value and value[0].isalpha() else f"VALUE_{number}"
    return snake_case(key).upper()


def _distinct(names: list[str]) -> list[str]:
    found = list[str]()
    for number, given in enumerate(names):
        name = re.sub(r"\W", "", given)
        is_free = name.isidentifier() and name not in found
        found.append(name if is_free else f"{name or 'VALUE'}_{number}")
    return found
