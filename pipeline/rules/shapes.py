"""Schemas that the generator reads otherwise than they are meant, or not at all."""

from collections.abc import Iterator
from typing import Any

from pipeline.rules.description import Note, Schema, bodies, kinds, merged, resolved, schemas

__all__ = ["defaults", "item_types", "optional_unions", "read_only"]


def item_types(spec: Schema) -> Iterator[Note]:
    """
    A list of which no items are told is a list of anything.

    The generator refuses it, and with it all that uses it.

    Source: openapi-python-client 0.29.1, `ListProperty.build`.
    """
    for place, schema, _ in schemas(spec):
        types = schema.get("type")
        is_list = types == "array" or (isinstance(types, list) and "array" in types)
        if is_list and "items" not in schema and "prefixItems" not in schema:
            schema["items"] = {}
            yield Note(place, "is a list of anything")
        elif types is None and "items" in schema and not _is_composed(schema):
            schema["type"] = "array"
            yield Note(place, "says that it is an array")


def defaults(spec: Schema) -> Iterator[Note]:
    """
    A default of an object or a list is left out.

    The generator refuses it, or what it is a default of.

    Source: openapi-python-client 0.29.1, `ModelProperty.convert_value`.
    """
    for place, schema, _ in schemas(spec):
        if isinstance(schema.get("default"), dict | list):
            del schema["default"]
            yield Note(place, "has no default")


def optional_unions(spec: Schema) -> Iterator[Note]:
    """
    A body that may be left out and is one of several plain values is anything.

    The generator writes an `else` without an `if`.

    Source: openapi-python-client 0.29.1, `union_property.py.jinja`, `skip_unset`.
    """
    for kind, place, operation, content in bodies(spec):
        if kind != "request" or operation["requestBody"].get("required"):
            continue
        for media in content.values():
            schema = merged(spec, (media or {}).get("schema"))
            is_union = {"anyOf", "oneOf"} & schema.keys() or isinstance(schema.get("type"), list)
            if is_union and not {"object", "array"} & kinds(spec, schema):
                media["schema"] = {}
                yield Note(place, "is anything")


def read_only(spec: Schema) -> Iterator[Note]:
    """
    A property that is only read is not required of whoever sends its model.

    The generator makes one model for both ways, which could not be made without it.

    Source: OpenAPI 3.1.0, "Schema Object", `readOnly`.
    """
    sent = set[int]()
    for kind, _, _, content in bodies(spec):
        for media in content.values() if kind == "request" else ():
            _reach(spec, (media or {}).get("schema"), sent)
    for place, schema, _ in schemas(spec):
        required = schema.get("required")
        if id(schema) not in sent or not isinstance(required, list):
            continue
        properties: Any = merged(spec, schema).get("properties") or {}
        left = [key for key in required if not merged(spec, properties.get(key)).get("readOnly")]
        if left != required:
            schema["required"] = left
            if not left:
                del schema["required"]
            yield Note(place, f"does not require {', '.join(k for k in required if k not in left)}")


def _reach(spec: Schema, node: Any, seen: set[int]) -> None:
    node = resolved(spec, node)
    if isinstance(node, dict | list) and id(node) not in seen:
        seen.add(id(node))
        for value in node.values() if isinstance(node, dict) else node:
            _reach(spec, value, seen)


def _is_composed(schema: Schema) -> set[str]:
    return {"allOf", "anyOf", "oneOf"} & schema.keys()
