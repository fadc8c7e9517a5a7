"""Look for faults in the schemas of a description."""

from collections.abc import Iterator
from typing import Any

from pipeline.faults import Fault, Path, place_of, removal
from pipeline.rules.description import resolved

__all__ = ["HARMLESS", "of_schemas"]

HARMLESS = {"callbacks", "discriminator", "example", "examples", "externalDocs"}
HARMLESS |= {"headers", "info", "links", "security", "securitySchemes", "servers"}
HARMLESS |= {"tags", "xml"}
"""Where whatever is wrong bends no call."""
_MAPS = {"properties", "patternProperties", "$defs"}
_TYPES = {"array", "boolean", "integer", "null", "number", "object", "string"}
_PYTHON: dict[str, type | tuple[type, ...]] = {
    "boolean": bool,
    "integer": int,
    "number": (int, float),
    "string": str,
}


def of_schemas(spec: Any, node: Any, path: Path) -> Iterator[Fault]:
    """Look at everything that may be a schema, wherever it stands."""
    if isinstance(node, list):
        for number, inner in enumerate(node):
            yield from of_schemas(spec, inner, (*path, number))
    if not isinstance(node, dict):
        return
    is_schema = "schema" in path or "schemas" in path
    if is_schema and path[-1] in _MAPS:
        is_schema = path[-2] in _MAPS  # a property that is called so
    ref = node.get("$ref")
    if isinstance(ref, str) and resolved(spec, node) == {}:
        action = removal((*path, "$ref"))
        yield Fault(place_of(spec, path), f"{ref!r} does not exist", "correct it", action)
    if is_schema and not isinstance(ref, str):
        yield from _schema(spec, node, path)
    for key, inner in node.items():
        is_looked_at = key not in HARMLESS or path[-1:] == ("properties",)
        if is_looked_at and not (is_schema and key in {"default", "enum", "const"}):
            yield from of_schemas(spec, inner, (*path, key))


def _schema(spec: Any, schema: dict[str, Any], path: Path) -> Iterator[Fault]:
    place, kind, default = place_of(spec, path), schema.get("type"), schema.get("default")
    for one in kind if isinstance(kind, list) else [kind]:
        if isinstance(one, str) and one not in _TYPES:
            action = removal((*path, "type"))
            yield Fault(
                place,
                f"type {one!r} is not one of {', '.join(sorted(_TYPES))}",
                "correct it",
                action,
            )
    wanted = _PYTHON.get(kind) if isinstance(kind, str) else None
    if wanted and default is not None and not _fits(default, wanted):
        action = removal((*path, "default"))
        yield Fault(
            place, f"the default {default!r} is not of type {kind!r}", "leave it out", action
        )
    values = schema.get("enum")
    if isinstance(values, list) and default is not None and default not in values:
        action = removal((*path, "default"))
        yield Fault(
            place, f"the default {default!r} is not one of its values", "leave it out", action
        )


def _fits(value: object, wanted: type | tuple[type, ...]) -> bool:
    return isinstance(value, wanted) and (wanted is bool or not isinstance(value, bool))
