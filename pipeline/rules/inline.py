"""Models that are described where they are used, and have no name of their own."""

from collections.abc import Iterator
from typing import Any

from openapi_python_client.strings import ClassName

from pipeline.rules.description import Note, Schema, bodies, operations, told

__all__ = ["inline_models"]


def inline_models(spec: Schema) -> Iterator[Note]:
    """
    A model within another whose name is taken has another name.

    The generator calls it after both, which may be what a component is called, and refuses it.

    Source: openapi-python-client issue 1375.
    """
    taken = dict[str, Any]()
    components: Schema = (spec.get("components") or {}).get("schemas") or {}
    for name, schema in components.items():
        taken[ClassName(str(schema.get("title") or name), "")] = schema.get("enum")
    for name, schema in components.items():
        own = ClassName(str(schema.get("title") or name), "")
        yield from _inner(f"schema {name}", schema, own, name, taken)
    for method, path, operation in operations(spec):
        parent = ClassName(str(operation.get("operationId") or f"{method} {path}"), "")
        place = told(method, path)
        for parameter in operation.get("parameters") or ():
            name = str(parameter.get("name"))
            yield from _visit(f"{place}, {name}", parameter.get("schema"), parent, name, taken)
    for kind, place, operation, content in bodies(spec):
        parent = ClassName(str(operation.get("operationId") or place.partition(",")[0]), "")
        name = "body" if kind == "request" else f"response_{kind}"
        for media in content.values():
            yield from _visit(place, (media or {}).get("schema"), parent, name, taken)


def _visit(
    place: str, schema: Any, parent: str, name: str, taken: dict[str, Any]
) -> Iterator[Note]:
    if not isinstance(schema, dict) or "$ref" in schema:
        return
    own = parent
    if "properties" in schema or "enum" in schema or schema.get("type") == "object":
        own = _called(parent, schema, name)
        if own in taken and not ("enum" in schema and taken[own] == schema["enum"]):
            # The title is what the class is called after, behind its parent's name.
            schema["title"] = f"{name}_inner"
            own = _called(parent, schema, name)
            yield Note(place, f"is {own}")
        taken[own] = schema.get("enum")
    yield from _inner(place, schema, own, name, taken)


def _inner(
    place: str, schema: Schema, own: str, name: str, taken: dict[str, Any]
) -> Iterator[Note]:
    for key, inner in (schema.get("properties") or {}).items():
        yield from _visit(f"{place}.{key}", inner, own, key, taken)
    more = schema.get("additionalProperties")
    yield from _visit(f"{place}.*", more, own, "AdditionalProperty", taken)
    yield from _visit(f"{place}[]", schema.get("items"), own, f"{name}_item", taken)
    for part in schema.get("allOf") or ():
        if "$ref" not in part:
            yield from _inner(place, part, own, name, taken)
    for key in ("anyOf", "oneOf"):
        for number, one in enumerate(schema.get(key) or ()):
            variant = f"{name}_type_{number}"
            yield from _visit(f"{place}, {key} {number}", one, own, variant, taken)


def _called(parent: str, schema: Schema, name: str) -> str:
    return ClassName(parent, "") + ClassName(str(schema.get("title") or name), "field_")
