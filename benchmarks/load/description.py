"""Descriptions of any size, made up: resources that are listed, made, read, changed, removed."""

import json
from typing import Any

from pipeline.spec import load

_OF_EACH = ("list", "create", "read", "change", "remove")


def with_operations(text: str, operations: int) -> str:
    """
    Return the description *text*, which holds one operation, with so many *operations*.

    Every five are those of a resource with a model of its own: strings with formats, numbers,
    an enum, a list of another model, and what may be null.
    """
    spec = load(text, "the description", remedy="restore it")
    schemas = spec["components"]["schemas"]
    for number in range(operations - 1):
        resource, kind = divmod(number, len(_OF_EACH))
        name, path = f"Thing{resource}", f"/v1/thing-{resource}"
        schemas.update(_models(name))
        verb = _OF_EACH[kind]
        where = path if verb in ("list", "create") else f"{path}/{{id}}"
        method = {"list": "get", "create": "post", "read": "get", "change": "patch"}
        item = spec["paths"].setdefault(where, {})
        item[method.get(verb, "delete")] = _operation(name, verb)
    return json.dumps(spec)


def _operation(name: str, verb: str) -> dict[str, Any]:
    model = {"$ref": f"#/components/schemas/{name}"}
    answers: dict[str, dict[str, Any]] = {
        "list": {"200": _json({"type": "array", "items": model})},
        "create": {"201": _json(model)},
        "remove": {"204": {"description": "Gone."}},
    }
    problem = _json({"$ref": "#/components/schemas/DefaultHttpException"})
    operation: dict[str, Any] = {
        "tags": [name],
        "operationId": f"{name}Controller_{verb}{name}",
        "parameters": _parameters(verb),
        "responses": {**answers.get(verb, {"200": _json(model)}), "400": problem},
    }
    if verb in ("create", "change"):
        content = {"application/json": {"schema": model}}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _parameters(verb: str) -> list[dict[str, Any]]:
    if verb == "create":
        return []
    if verb != "list":
        schema = {"type": "string", "format": "uuid"}
        return [{"name": "id", "in": "path", "required": True, "schema": schema}]
    schemas = {
        "page": {"type": "integer", "default": 1},
        "since": {"type": "string", "format": "date-time"},
        "query": {"type": "string"},
    }
    return [{"name": name, "in": "query", "schema": each} for name, each in schemas.items()]


def _models(name: str) -> dict[str, Any]:
    part = {"type": "object", "required": ["label"], "properties": _part()}
    properties = {
        "id": {"type": "string", "format": "uuid"},
        "title": {"type": "string"},
        "count": {"type": "integer"},
        "price": {"type": "number", "nullable": True},
        "madeAt": {"type": "string", "format": "date-time"},
        "isOpen": {"type": "boolean"},
        "state": {"type": "string", "enum": ["NEW", "OPEN", "DONE"]},
        "parts": {"type": "array", "items": {"$ref": f"#/components/schemas/{name}Part"}},
    }
    whole = {"type": "object", "required": ["title", "state"], "properties": properties}
    return {name: whole, f"{name}Part": part}


def _part() -> dict[str, Any]:
    return {"label": {"type": "string"}, "area": {"type": "number"}, "note": {"type": "string"}}


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": "It.", "content": {"application/json": {"schema": schema}}}
