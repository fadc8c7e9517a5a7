"""Parameters: styles, and formats that do not suit their place."""

from collections.abc import Iterator
from typing import Any

from pipeline.alias import alias
from pipeline.rules.description import Note, Schema, kinds, merged, operations, resolved, told

__all__ = [
    "constant_headers",
    "ignored_headers",
    "parameter_contents",
    "parameter_formats",
    "query_styles",
]

_IGNORED = {"accept", "authorization", "content-type"}
_STYLES = {"path": "simple", "header": "simple", "query": "form", "cookie": "form"}
_TEXT = {"type": "string"}
# What is sent right as it is. In a path a date is, a time is not: it gets a space.
_RIGHT = {
    "path": ({"string", "integer", "number"}, {"date", "uuid"}),
    "header": ({"string", "integer", "number", "boolean"}, set[str]()),
    "cookie": ({"string"}, set[str]()),
}
_FORMATS = {"binary", "date", "date-time", "uuid"}


def ignored_headers(spec: Schema) -> Iterator[Note]:
    """
    A header that says who asks or what content it is, is no parameter.

    Source: OpenAPI 3.1.0, "Parameter Object", `name`.
    """
    for place, parameter, operation in _parameters(spec):
        if parameter["in"] == "header" and parameter["name"].lower() in _IGNORED:
            operation["parameters"].remove(parameter)
            yield Note(place, "is left out, as OpenAPI has it")


def parameter_contents(spec: Schema) -> Iterator[Note]:
    """
    A parameter that is JSON, or of which no schema is told, is a string that the caller writes.

    The generator leaves out what has no schema.

    Source: openapi-python-client 0.29.1, `Endpoint.add_parameters`.
    """
    for place, parameter, _ in _parameters(spec):
        if not isinstance(parameter.get("schema"), dict):
            parameter.pop("content", None)
            parameter["schema"] = dict(_TEXT)
            yield Note(place, "is a string")


def query_styles(spec: Schema) -> Iterator[Note]:
    """
    An object in a query becomes a parameter for each property, any other list a string.

    The generator sends lists and objects as `form` with `explode` and nothing else.

    Source: OpenAPI 3.1.0, "Style Values"; openapi-python-client 0.29.1, macro `query_params`.
    """
    for place, parameter, operation in _parameters(spec):
        if parameter["in"] != "query":
            continue
        schema = parameter["schema"]
        style = parameter.get("style", "form")
        explodes = parameter.get("explode", style == "form")
        found = kinds(spec, schema)
        if "object" in found and (style == "deepObject" or (style == "form" and explodes)):
            plain = resolved(spec, schema)
            if style == "form" and plain.get("type") == "object" and not plain.keys() & _UNIONS:
                continue
            parts = list(_expanded(spec, parameter, style))
            if parts:
                place_in = operation["parameters"].index(parameter)
                operation["parameters"][place_in : place_in + 1] = parts
                yield Note(place, f"is {len(parts)} parameters")
            elif style == "deepObject":
                parameter["schema"] = {"type": "object", "additionalProperties": True}
                yield Note(place, f"takes names as they are sent: {parameter['name']}[…]")
        elif "object" in found or ("array" in found and not (style == "form" and explodes)):
            _make_text(parameter)
            yield Note(place, f"is a string, in the style {style} without explode")
        elif "array" in found and not _is_list_of_plain(spec, schema):
            parameter["schema"] = {"type": "array", "items": dict(_TEXT)}
            yield Note(place, "is a list of strings, as its items are no plain values")


def parameter_formats(spec: Schema) -> Iterator[Note]:
    """
    A value that is not sent right in a path, header or cookie is a string.

    A time in a path gets a space, true becomes True, a list is sent as Python writes it; a
    header or cookie of another type than text is refused.

    Source: openapi-python-client 0.29.1, `quote(str(…))` and macro `cookie_params`.
    """
    for place, parameter, _ in _parameters(spec):
        where, schema = parameter["in"], parameter["schema"]
        if where not in _RIGHT or ("const" in merged(spec, schema) and where == "header"):
            continue
        right, formats = _RIGHT[where]
        whole = merged(spec, schema)
        style = parameter.get("style", _STYLES[where])
        wrong = kinds(spec, schema) - right
        wrong |= (_found_formats(spec, schema) & _FORMATS) - formats
        if (where != "path" and {"anyOf", "oneOf"} & whole.keys()) or isinstance(
            whole.get("type"), list
        ):
            wrong |= {"one of several"} if len(kinds(spec, schema)) > 1 else set()
        if style != _STYLES[where]:
            wrong.add(style)
        if wrong:
            _make_text(parameter)
            yield Note(place, f"is a string, for {', '.join(sorted(wrong))}")


def constant_headers(spec: Schema) -> Iterator[Note]:
    """
    A constant in a header or cookie is an enum of one value.

    The generator takes constants nowhere but in queries and JSON.

    Source: openapi-python-client 0.29.1, `ConstProperty`.
    """
    for place, parameter, _ in _parameters(spec):
        schema = merged(spec, parameter["schema"])
        if parameter["in"] in {"header", "cookie", "path"} and "const" in schema:
            value = str(schema["const"])
            parameter["schema"] = {"type": "string", "enum": [value]}
            if parameter["in"] != "path":
                parameter["schema"]["default"] = value
            yield Note(place, f"is {value}")


_UNIONS = {"allOf", "anyOf", "oneOf"}


def _parameters(spec: Schema) -> Iterator[tuple[str, Schema, Schema]]:
    for method, path, operation in list(operations(spec)):
        for parameter in list(operation.get("parameters") or ()):
            place = f"{told(method, path)}, {parameter['in']} {parameter['name']}"
            yield place, parameter, operation


def _expanded(spec: Schema, parameter: Schema, style: str) -> Iterator[Schema]:
    name, schema = parameter["name"], parameter["schema"]
    whole = merged(spec, schema)
    variants = [*(whole.get("anyOf") or ()), *(whole.get("oneOf") or ())]
    rest = [one for one in variants if "object" not in kinds(spec, one)]
    if rest:
        plain = rest[0] if len(rest) == 1 else {"anyOf": rest}
        yield {"name": name, "in": "query", "required": False, "schema": plain}
    must = whole.get("required") or [] if parameter.get("required") and not variants else []
    found = dict(whole.get("properties") or {})
    for one in variants:
        found |= merged(spec, one).get("properties") or {}
    for key, value in found.items():
        sent = f"{name}[{key}]" if style == "deepObject" else key
        python = f"{name}_{key}" if style == "deepObject" else key
        # It is assumed where the others are given.
        inner = {k: v for k, v in value.items() if k != "default"}
        part = {"in": "query", "required": key in must, "schema": inner}
        part["name"] = alias(python, sent) if style == "deepObject" else sent
        if (text := merged(spec, inner).get("description")) is not None:
            part["description"] = text
        if style == "deepObject" and "object" in kinds(spec, inner):
            nested = list(_expanded(spec, part | {"name": sent}, style))
            yield from nested or [part | {"schema": {"type": "object"}}]
        else:
            yield part


def _make_text(parameter: Schema) -> None:
    old: Any = parameter["schema"]
    kept = {key: old[key] for key in ("description", "title") if key in old}
    parameter["schema"] = {**_TEXT, **kept}


def _is_list_of_plain(spec: Schema, schema: Any) -> bool:
    whole = merged(spec, schema)
    lists = [whole, *(whole.get("anyOf") or ()), *(whole.get("oneOf") or ())]
    items = [merged(spec, one)["items"] for one in lists if "items" in merged(spec, one)]
    return all(not {"array", "object"} & kinds(spec, one) for one in items)


def _found_formats(spec: Schema, schema: Any) -> set[str]:
    whole = merged(spec, schema)
    found = {str(whole["format"])} if "format" in whole else set()
    for one in [*(whole.get("anyOf") or ()), *(whole.get("oneOf") or ())]:
        found |= _found_formats(spec, one)
    return found
