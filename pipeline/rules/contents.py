"""Content types of bodies, and what is in them."""

import copy
from collections.abc import Iterator
from typing import Any

from pipeline.alias import alias
from pipeline.rules.description import Note, Part, Schema, bodies, merged, resolved, schemas
from pipeline.rules.nulls import without_null

__all__ = ["binary_bodies", "binary_values", "form_fields", "one_content_type", "text_answers"]

_BINARY = {"type": "string", "format": "binary"}
_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")
_OCTETS = "application/octet-stream"


def one_content_type(spec: Schema) -> Iterator[Note]:
    """
    Of several content types the JSON one is taken, or else the first that is read well.

    The generator reads the first of an answer it knows, and of two that a request may have it
    writes code that cannot be imported, or never sends the one.

    Source: openapi-python-client issues 1276 and 1451.
    """
    for kind, place, _, content in bodies(spec):
        if len(content) < 2:
            continue
        taken = min(content, key=lambda name: _rank(kind, name))
        left = [name for name in content if name != taken]
        for name in left:
            del content[name]
        yield Note(place, f"is {taken}; left out: {', '.join(left)}")


def binary_bodies(spec: Schema) -> Iterator[Note]:
    """
    A body that is neither JSON, nor a form, nor text is bytes.

    The generator knows none but `application/octet-stream`, and that only where its schema says
    binary.

    Source: openapi-python-client 0.29.1, `body_from_data` and `_source_by_content_type`.
    """
    for kind, place, _, content in bodies(spec):
        for name, media in list(content.items()):
            base = _base(name)
            if _is_json(base) or (kind == "request" and base in _FORMS):
                continue
            if kind != "request" and base.startswith("text/"):
                continue
            if base == "*/*" and not _is_binary(spec, (media or {}).get("schema")):
                content["application/json"] = content.pop(name)
                yield Note(place, "is read as JSON, as it may be anything")
                continue
            if base == _OCTETS and (media or {}).get("schema") == _BINARY:
                continue
            del content[name]
            # The request says its own content type, the parser of an answer does not look.
            key = alias(f"{_OCTETS};", name) if kind == "request" and base != _OCTETS else _OCTETS
            content[key] = {"schema": dict(_BINARY)}
            yield Note(place, f"is bytes ({name})")


def text_answers(spec: Schema) -> Iterator[Note]:
    """
    An answer in text is a string.

    The generator hands the text to whatever the schema says: a model of an event stream's
    events, a file of CSV.

    Source: openapi-python-client 0.29.1, `TEXT_SOURCE`.
    """
    for kind, place, _, content in bodies(spec):
        for name, media in content.items():
            if kind == "request" or not name.startswith("text/") or not (media or {}).get("schema"):
                continue
            if merged(spec, media["schema"]).keys() - {"type", "description", "example"}:
                media["schema"] = {"type": "string"}
                yield Note(place, f"is a string ({name})")


def binary_values(spec: Schema) -> Iterator[Note]:
    """
    A binary value within JSON, or in a parameter, is a string.

    The generator makes a file of it, which no JSON holds.

    Source: openapi-python-client 0.29.1, `file_property.py.jinja`.
    """
    allowed = set[int]()
    for kind, _, _, content in bodies(spec):
        for name, media in content.items():
            schema = (media or {}).get("schema")
            if _base(name) == _OCTETS:
                allowed.add(id(schema))
            elif kind == "request" and _base(name) == "multipart/form-data":
                allowed |= {id(part.schema) for part in _fields(spec, schema)}
    for place, schema, _ in schemas(spec):
        if schema.get("format") == "binary" and id(schema) not in allowed:
            del schema["format"]
            yield Note(place, "is a string")


def form_fields(spec: Schema) -> Iterator[Note]:
    """
    A field of a form is never null, and true or false is written as in JSON.

    The generator writes `None`, `True` and `False` as Python does.

    Source: openapi-python-client 0.29.1, `boolean_property.py.jinja`, macro `multipart`.
    """
    for kind, place, _, content in list(bodies(spec)):
        for name, media in content.items():
            if kind != "request" or _base(name) not in _FORMS:
                continue
            if "schema" not in (media or {}):
                content[name] = {"schema": {"type": "object"}}
                continue
            notes = list(_form_notes(spec, place, media["schema"], _base(name)))
            if notes and "$ref" in media["schema"]:
                # What else uses the component may take null, and true.
                notes = []
                component = media["schema"]["$ref"].rpartition("/")[2]
                own = copy.deepcopy(resolved(spec, media["schema"]))
                if _count(spec, media["schema"]["$ref"]) > 1:
                    spec["components"]["schemas"][f"{component}Form"] = own
                    media["schema"] = {"$ref": f"#/components/schemas/{component}Form"}
                    yield Note(place, f"is {component}Form, a copy of {component}")
            for field in _fields(spec, media["schema"]):
                yield from _fit(spec, place, field, _base(name))


def _form_notes(spec: Schema, place: str, schema: Any, form: str) -> Iterator[Note]:
    whole = copy.deepcopy({"s": schema, "components": spec.get("components", {})})
    for field in _fields(whole, whole["s"]):
        yield from _fit(whole, place, field, form)


def _fit(spec: Schema, place: str, field: Part, form: str) -> Iterator[Note]:
    schema = field.schema
    if without_null(schema):
        yield Note(f"{place}.{field.name}", "is never null")
    if form == "multipart/form-data" and schema.get("type") == "boolean":
        default = schema.pop("default", None)
        schema |= {"type": "string", "enum": ["true", "false"]}
        if default is not None:
            schema["default"] = str(default).lower()
        yield Note(f"{place}.{field.name}", "is 'true' or 'false'")


def _fields(spec: Schema, schema: Any) -> Iterator[Part]:
    """Yield what stands right in a form: its properties, and the items of those that are lists."""
    schema = resolved(spec, schema)
    if not isinstance(schema, dict):
        return
    for name, inner in list((schema.get("properties") or {}).items()):
        target = resolved(spec, inner)
        if isinstance(target, dict):
            yield Part("", target, name)
            if isinstance(items := resolved(spec, target.get("items")), dict):
                yield Part("", items, name)
            for key in ("anyOf", "oneOf", "allOf"):
                yield from (Part("", one, name) for one in target.get(key) or ())
    for one in schema.get("allOf") or ():
        yield from _fields(spec, one)


def _count(node: Any, ref: str) -> int:
    if isinstance(node, dict):
        return (node.get("$ref") == ref) + sum(_count(value, ref) for value in node.values())
    return sum(_count(value, ref) for value in node) if isinstance(node, list) else 0


def _rank(kind: str, name: str) -> tuple[int, str]:
    base = _base(name)
    if base == "application/json":
        return 0, ""
    if _is_json(base):
        return 1, ""
    if kind == "request":
        return (2, "") if base in _FORMS else (3, "")
    return (2, "") if base.startswith("text/") else (3, "")


def _base(name: str) -> str:
    return name.partition(";")[0].strip().lower()


def _is_json(base: str) -> bool:
    return base == "application/json" or base.endswith("+json")


def _is_binary(spec: Schema, schema: Any) -> bool:
    return merged(spec, schema).get("format") == "binary"
