"""
What of a valid spec the generator drops or gets wrong without a word.

Each of these would be a call that misses a part or goes to the wrong place, so
each stops ``make generate`` until openapi.overlay.yaml says what is wanted.
"""

from collections.abc import Iterator
from typing import Any

from pipeline import PipelineError
from pipeline.spec import OVERLAY, operations

__all__ = ["check_losses"]


def check_losses(spec: dict[str, Any]) -> None:
    """
    Look through the valid *spec* for what the client could not do as described.

    Raises:
        PipelineError: There is something; the first is named, with what to do.
    """
    for method, path in operations(spec):
        item = spec["paths"][path]
        operation = item[method.lower()] if method != "$REF" else {}
        for loss in _losses(spec, item, operation):
            raise PipelineError(f"{method} {path} {loss} in {OVERLAY}")


def _losses(spec: dict[str, Any], item: Any, operation: Any) -> Iterator[str]:
    # One base URL serves all calls, and the token goes to its origin alone.
    if "servers" in item or "servers" in operation:
        yield "has servers of its own, but goes to the base URL; remove its `servers`"
    for found in [*item.get("parameters", []), *operation.get("parameters", [])]:
        parameter = _resolved(spec, found)
        name = parameter["name"]
        if "schema" not in parameter:
            yield f"would lose the parameter {name}, which has no schema; give it one"
        elif _is_sent_otherwise(spec, parameter):
            yield f"would send {name} in another style than described; declare it a string"
    for status, found in operation.get("responses", {}).items():
        content = _resolved(spec, found).get("content", {}) if isinstance(found, dict) else {}
        if len(content) > 1:
            yield (
                f"answers {status} in {' and '.join(content)}, of which one would be read; "
                "remove the others"
            )


def _is_sent_otherwise(spec: dict[str, Any], parameter: Any) -> bool:
    if parameter["in"] != "query":
        return False
    style = parameter.get("style", "form")
    schema = _resolved(spec, parameter["schema"])
    is_compound = not {"array", "object"}.isdisjoint(_types(schema))
    return is_compound and (style != "form" or parameter.get("explode") is False)


def _types(schema: Any) -> list[str]:
    # A list of types since OpenAPI 3.1.
    types = schema.get("type", []) if isinstance(schema, dict) else []
    return [types] if isinstance(types, str) else types


def _resolved(spec: dict[str, Any], node: Any) -> Any:
    while isinstance(node, dict) and str(node.get("$ref", "")).startswith("#/"):
        target: Any = spec
        for key in node["$ref"][2:].split("/"):
            target = target[key.replace("~1", "/").replace("~0", "~")]
        node = target
    return node
