"""What may be null."""

from collections.abc import Iterator
from typing import Any

from pipeline.rules.description import Note, Schema, operations, schemas, told

__all__ = [
    "nullable_enums",
    "nullable_objects",
    "nullable_parameters",
    "nullable_references",
    "without_null",
]

_ANNOTATIONS = {"default", "deprecated", "description", "example", "examples", "readOnly"}
_ANNOTATIONS |= {"title", "writeOnly"}
_NULL = {"type": "null"}


def nullable_enums(spec: Schema) -> Iterator[Note]:
    """
    An enum or constant that may be null takes null.

    The generator looks at the values first, and reads null as one that is not among them.

    Source: openapi-python-client issue 1405.
    """
    for place, schema, name in schemas(spec):
        key = next((key for key in ("enum", "const") if key in schema), None)
        if key is None or not (_says_null(schema) or (key == "enum" and None in schema["enum"])):
            continue
        inner = _taken_out(schema)
        if key == "enum" and not (
            values := [value for value in inner["enum"] if value is not None]
        ):
            schema.update(_NULL)
            yield Note(place, "is null and nothing else")
            continue
        if key == "enum":
            inner["enum"] = values
        # A class is called after the title, which else would say that it is the first of two.
        inner["title"] = schema.get("title") or name.rpartition("/")[2]
        schema["oneOf"] = [inner, dict(_NULL)]
        yield Note(place, "takes null")


def nullable_references(spec: Schema) -> Iterator[Note]:
    """
    A reference that may be null takes null.

    What stands beside `$ref` is ignored, and `nullable` with `type` and `allOf` is read as two
    kinds of the same thing.

    Source: openapi-python-client 0.29.1, `Schema.handle_nullable`.
    """
    for place, schema, _ in schemas(spec):
        parts = schema.get("allOf")
        if "$ref" in schema and _says_null(schema):
            inner: Schema = {"$ref": schema.pop("$ref")}
            schema.pop("type", None)
        elif parts and _says_null(schema):
            inner = _taken_out(schema)
            if inner.keys() <= {"allOf", "type"} and len(parts) == 1:
                inner = parts[0]
        else:
            continue
        schema.pop("nullable", None)
        schema["oneOf"] = [inner, dict(_NULL)]
        yield Note(place, "takes null")


def nullable_objects(spec: Schema) -> Iterator[Note]:
    """
    An object or array that may be null and does not say its type takes null.

    The generator adds null to the type, and does not where there is none.

    Source: openapi-python-client 0.29.1, `Schema.handle_nullable`.
    """
    for place, schema, _ in schemas(spec):
        if not schema.get("nullable") or {"type", "oneOf", "anyOf", "allOf"} & schema.keys():
            continue
        if kind := _kind(schema):
            schema["type"] = kind
            yield Note(place, f"says that it is an {kind}")


def nullable_parameters(spec: Schema) -> Iterator[Note]:
    """
    A parameter is never null: it is left out instead.

    There is no null in a URL, a header or a cookie, and a union with it is sent as Python writes
    it.

    Source: openapi-python-client 0.29.1, `templates/endpoint_macros.py.jinja`.
    """
    for method, path, operation in operations(spec):
        for parameter in operation.get("parameters") or ():
            schema = parameter.get("schema")
            if isinstance(schema, dict) and without_null(schema):
                place = f"{told(method, path)}, {parameter.get('in')} {parameter.get('name')}"
                yield Note(place, "does not take null")


def without_null(schema: Any) -> bool:
    """Take null from what *schema* allows; return whether it was there."""
    found = bool(schema.pop("nullable", False))
    if isinstance(types := schema.get("type"), list) and "null" in types:
        rest = [kind for kind in types if kind != "null"]
        schema["type"] = rest[0] if len(rest) == 1 else rest
        found = True
    for key in ("anyOf", "oneOf"):
        variants = schema.get(key) or []
        if _NULL in variants and len(variants) > 1:
            rest = [variant for variant in variants if variant != _NULL]
            del schema[key]
            schema |= rest[0] | schema if len(rest) == 1 else {key: rest}
            found = True
    if isinstance(values := schema.get("enum"), list) and None in values and len(values) > 1:
        schema["enum"] = [value for value in values if value is not None]
        found = True
    return found


def _says_null(schema: Schema) -> bool:
    types = schema.get("type")
    return bool(schema.get("nullable")) or (isinstance(types, list) and "null" in types)


def _taken_out(schema: Schema) -> Schema:
    # What describes the values goes into a variant; what describes the place stays.
    inner = {key: schema.pop(key) for key in list(schema) if key not in _ANNOTATIONS}
    inner.pop("nullable", None)
    if isinstance(types := inner.get("type"), list):
        rest = [kind for kind in types if kind != "null"]
        inner["type"] = rest[0] if len(rest) == 1 else rest
    if inner.get("type") == []:
        del inner["type"]
    return inner


def _kind(schema: Schema) -> str | None:
    if "properties" in schema or "additionalProperties" in schema:
        return "object"
    return "array" if "items" in schema else None
