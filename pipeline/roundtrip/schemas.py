"""Read schemas and parameters of a description."""

from typing import Any

__all__ = ["parameters_of", "resolved", "takes_null", "types_of"]


def resolved(spec: Any, node: Any) -> Any:
    """Follow the references of *node*; what stands beside them counts."""
    for _ in range(20):
        if not isinstance(node, dict) or not isinstance(node.get("$ref"), str):
            break
        target = spec
        for part in node["$ref"].removeprefix("#/").split("/"):
            key = part.replace("~1", "/").replace("~0", "~")
            target = target[int(key)] if isinstance(target, list) else target[key]
        beside = {key: value for key, value in node.items() if key != "$ref"}
        node = {**target, **beside} if beside else target
    return node


def parameters_of(spec: Any, item: Any, operation: Any) -> list[Any]:
    """Return the parameters of *operation*, those of its path included."""
    found = {}
    for one in [*(item.get("parameters") or ()), *(operation.get("parameters") or ())]:
        parameter = resolved(spec, one)
        found[parameter["name"], parameter["in"]] = parameter
    ignored = {"accept", "authorization", "content-type"}  # by OpenAPI, as headers
    return [
        parameter
        for (name, where), parameter in found.items()
        if where != "header" or name.lower() not in ignored
    ]


def takes_null(spec: Any, schema: Any) -> bool:
    """Tell whether *schema* allows null, in whichever way it says so."""
    schema = resolved(spec, schema)
    types = schema.get("type") or ()
    return bool(
        schema.get("nullable")
        or types == "null"
        or (isinstance(types, list) and "null" in types)
        or None in (schema.get("enum") or ())
        or any(takes_null(spec, one) for key in ("anyOf", "oneOf") for one in schema.get(key) or ())
        or (len(schema.get("allOf") or ()) == 1 and takes_null(spec, schema["allOf"][0]))
    )


def types_of(schema: Any) -> list[str]:
    """Return the types that *schema* names or shows, null left out."""
    if "properties" in schema:
        return ["object"]
    types = schema.get("type") or []
    if not types and "additionalProperties" in schema:
        types = "object"
    if not types and "items" in schema:
        types = "array"
    return [types] if isinstance(types, str) else [kind for kind in types if kind != "null"]
