"""Where the parts of a description are that rules look at."""

from collections.abc import Iterator
from typing import Any, NamedTuple

__all__ = ["Note", "Part", "bodies", "kinds", "merged", "operations", "resolved", "schemas", "told"]

Schema = dict[str, Any]
METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")


class Note(NamedTuple):
    """What a rule did at one place."""

    place: str
    what: str
    left_out: tuple[str, str] | None = None
    """The operation and the answer of it that the client does not parse."""
    is_warning: bool = False


class Part(NamedTuple):
    """A schema and where it stands."""

    place: str
    schema: Schema
    name: str
    """What the generator calls a class of it when there is no title; the last part of it."""


def told(method: str, path: str) -> str:
    """Return what an operation is called in messages."""
    return f"{method.upper()} {path}"


def operations(spec: Schema) -> Iterator[tuple[str, str, Schema]]:
    """Yield method, path and operation."""
    for path, item in (spec.get("paths") or {}).items():
        if isinstance(item, dict):
            for method in METHODS:
                if isinstance(operation := item.get(method), dict):
                    yield method, path, operation


def bodies(spec: Schema) -> Iterator[tuple[str, str, Schema, Schema]]:
    """Yield ``request`` or the status, the place, operation and content of each body."""
    for method, path, operation in operations(spec):
        place = told(method, path)
        if isinstance(content := (operation.get("requestBody") or {}).get("content"), dict):
            yield "request", f"{place}, body", operation, content
        for status, answer in (operation.get("responses") or {}).items():
            if isinstance(content := answer.get("content"), dict):
                yield str(status), f"{place}, {status}", operation, content


def resolved(spec: Schema, node: Any) -> Any:
    """Follow the references of *node* to what they mean."""
    seen = set[str]()
    while isinstance(node, dict) and isinstance(ref := node.get("$ref"), str):
        if ref in seen or not ref.startswith("#/"):
            return {}
        seen.add(ref)
        node = spec
        for part in ref[2:].split("/"):
            key = part.replace("~1", "/").replace("~0", "~").replace("%7B", "{").replace("%7D", "}")
            if isinstance(node, list) and key.isdecimal() and int(key) < len(node):
                node = node[int(key)]
            else:
                node = node.get(key, {}) if isinstance(node, dict) else {}
    return node


def merged(spec: Schema, schema: Any, depth: int = 0) -> Schema:
    """Return *schema* with its references and ``allOf`` written out, one level deep."""
    schema = resolved(spec, schema)
    if not isinstance(schema, dict) or depth > 8:
        return {}
    whole: Schema = {}
    for part in [*(merged(spec, one, depth + 1) for one in schema.get("allOf") or ()), schema]:
        for key, value in part.items():
            if key == "properties":
                whole[key] = {**whole.get(key, {}), **value}
            elif key == "required" and isinstance(value, list):
                whole[key] = list(dict.fromkeys([*whole.get(key, []), *value]))
            elif key != "allOf":
                whole[key] = value
    return whole


def kinds(spec: Schema, schema: Any, depth: int = 0) -> set[str]:
    """Return which of array, object, null and the plain types *schema* allows; empty for any."""
    whole = merged(spec, schema)
    types = whole.get("type") or []
    found = {types} if isinstance(types, str) else set(types)
    if not found:
        found = {kind for key, kind in _TYPELESS.items() if key in whole}
    if not found and "enum" in whole:
        found = {"string"}
    for variant in [*(whole.get("anyOf") or ()), *(whole.get("oneOf") or ())]:
        if depth < 8:
            found |= kinds(spec, variant, depth + 1)
    return found | ({"null"} if whole.get("nullable") else set())


_TYPELESS = {"properties": "object", "additionalProperties": "object", "items": "array"}


def schemas(spec: Schema) -> Iterator[Part]:
    """Yield each schema once, the outer before the inner ones."""
    seen = set[int]()
    for name, schema in list(((spec.get("components") or {}).get("schemas") or {}).items()):
        yield from _within(f"schema {name}", schema, name, seen)
    for method, path, operation in operations(spec):
        for parameter in operation.get("parameters") or ():
            place = f"{told(method, path)}, {parameter.get('in')} {parameter.get('name')}"
            yield from _within(place, parameter.get("schema"), str(parameter.get("name")), seen)
    for kind, place, _, content in bodies(spec):
        name = "body" if kind == "request" else f"response_{kind}"
        for media in content.values():
            yield from _within(place, (media or {}).get("schema"), name, seen)


def _within(place: str, schema: Any, name: str, seen: set[int]) -> Iterator[Part]:
    if not isinstance(schema, dict) or id(schema) in seen:
        return
    seen.add(id(schema))
    yield Part(place, schema, name)
    if isinstance(properties := schema.get("properties"), dict):
        for key, inner in list(properties.items()):
            yield from _within(f"{place}.{key}", inner, key, seen)
    for key, mark, suffix in (
        ("items", "[]", "_item"),
        ("additionalProperties", ".*", "_AdditionalProperty"),
        ("not", " not", ""),
    ):
        yield from _within(place + mark, schema.get(key), name + suffix, seen)
    for key in ("allOf", "anyOf", "oneOf", "prefixItems"):
        for number, inner in enumerate(schema.get(key) or ()):
            yield from _within(f"{place}, {key} {number}", inner, f"{name}_type_{number}", seen)
