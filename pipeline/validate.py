"""
Look for what in a description the client would get wrong, or could not be made of.

What the generator takes and no user minds is no fault: wording, examples,
security, regular expressions, keywords that say nothing new.
"""

import re
import textwrap
from collections.abc import Iterator
from typing import Any

from jsonschema import Draft4Validator, Draft202012Validator
from openapi_python_client.strings import PythonIdentifier
from openapi_spec_validator.schemas import schema_v30, schema_v31

from pipeline.faults import Fault, Path, jsonpath, place_of, removal
from pipeline.rules.description import METHODS, resolved
from pipeline.schemas import HARMLESS, of_schemas

__all__ = ["faults"]

_PARAMETER = re.compile(r"{([^{}]*)}")
_HARMLESS_KEYWORDS = {"format", "minItems", "uniqueItems"}


def faults(spec: dict[str, Any]) -> Iterator[Fault]:
    """Yield the faults of *spec*, an OpenAPI document with the overlay applied."""
    yield from _structure(spec)
    if isinstance(spec.get("paths") or {}, dict):
        yield from _operations(spec)
    yield from of_schemas(spec, spec, ())


def _structure(spec: dict[str, Any]) -> Iterator[Fault]:
    is_30 = str(spec.get("openapi")).startswith("3.0")
    validator = (Draft4Validator if is_30 else Draft202012Validator)(
        schema_v30 if is_30 else schema_v31
    )
    for whole in validator.iter_errors(spec):
        error = whole
        while error.context:
            # Of "one of these" the one that got furthest into the document says what is wrong.
            error = max(error.context, key=lambda inner: len(inner.absolute_path))
        path: Path = tuple(error.absolute_path)
        if _is_harmless(spec, path, error):
            continue
        reason = textwrap.shorten(str(error.message), 200)
        if error.validator == "required" and "'description'" in reason:
            action = {"target": jsonpath(path), "update": {"description": ""}}
            yield Fault(place_of(spec, path), reason, "give it one", action)
            continue
        if error.validator in {"additionalProperties", "unevaluatedProperties"}:
            odd = [key for key in error.instance if f"'{key}'" in error.message]
            if len(odd) == 1:
                path, reason = (*path, odd[0]), f"{odd[0]!r} is nothing that OpenAPI has there"
        yield Fault(place_of(spec, path), reason, "correct it", removal(path, len(path) > 2))


def _is_harmless(spec: Any, path: Path, error: Any) -> bool:
    if error.validator in _HARMLESS_KEYWORDS or HARMLESS & set(map(str, path)):
        return True
    if error.validator == "required" and "'responses'" in error.message:
        return True
    if error.validator in {"additionalProperties", "unevaluatedProperties"}:
        # A keyword too many in a schema is a word; elsewhere it may be a misspelt one.
        return "schema" in path or "schemas" in path
    if {"schema", "schemas"} & set(map(str, path)) and path[-1] in {"type", "default"}:
        return True  # looked at below, as are an operation's parameters
    return len(path) > 1 and path[-2] == "parameters" and error.validator in {"required", "enum"}


def _operations(spec: dict[str, Any]) -> Iterator[Fault]:
    ids, modules = dict[str, str](), dict[tuple[str, str], str]()
    for url, item in (spec.get("paths") or {}).items():
        if not isinstance(item, dict):
            continue
        if "$ref" in item:
            yield Fault(url, "is a reference, which the generator does not follow", "write it out")
        if "servers" in item:
            yield _servers(url, ("paths", url, "servers"))
        for method in METHODS:
            operation = item.get(method)
            if not isinstance(operation, dict):
                continue
            path: Path = ("paths", url, method)
            place = place_of(spec, path)
            if "servers" in operation:
                yield _servers(place, (*path, "servers"))
            yield from _parameters(spec, item, operation, path)
            name = operation.get("operationId")
            if not isinstance(name, str):
                continue
            tag = str((operation.get("tags") or ["default"])[0])
            own = str(PythonIdentifier(f"{method}_{url}", prefix=""))
            action = {"target": jsonpath((*path, "operationId")), "update": own}
            module = (
                str(PythonIdentifier(tag, prefix="tag")),
                str(PythonIdentifier(name, prefix="")),
            )
            if name in ids:
                reason = f"the operationId {name!r} is not unique, {ids[name]} has it too"
                yield Fault(place, reason, "give it one of its own", action)
            elif module in modules:
                reason = f"its module {'.'.join(module)} would be that of {modules[module]}"
                yield Fault(place, reason, "give it an operationId of its own", action)
            ids.setdefault(name, place)
            modules.setdefault(module, place)


def _parameters(spec: Any, item: Any, operation: Any, path: Path) -> Iterator[Fault]:
    place = place_of(spec, path)
    found = [
        parameter
        for one in [*(item.get("parameters") or ()), *(operation.get("parameters") or ())]
        if isinstance(parameter := resolved(spec, one), dict)
    ]
    for parameter in found:
        if not {"name", "in"} <= parameter.keys():
            yield Fault(place, "a parameter has no name or no place", "give it both")
    declared = [one.get("name") for one in found if one.get("in") == "path"]
    named = _PARAMETER.findall(path[1].partition("?")[0]) if isinstance(path[1], str) else []
    for name in named:
        if name not in declared:
            reason = f"the path's parameter {name!r} is not declared"
            more = [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}}]
            action = {"target": jsonpath(path), "update": {"parameters": more}}
            yield Fault(place, reason, "declare it", action)
    for name in declared:
        if name not in named:
            reason = f"the parameter {name!r} is not in the path"
            number = next(
                (
                    number
                    for number, one in enumerate(operation.get("parameters") or ())
                    if resolved(spec, one).get("name") == name
                ),
                None,
            )
            where = (*path, "parameters", number) if number is not None else None
            yield Fault(place, reason, "leave it out", removal(where or (), where is not None))


def _servers(place: str, path: Path) -> Fault:
    # One base URL serves all calls, and the token goes to its origin alone.
    reason = "has servers of its own, but goes to the base URL"
    return Fault(place, reason, "remove its `servers`", removal(path))
