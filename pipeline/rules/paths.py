"""Paths, and the parameters in them."""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl

from openapi_python_client.strings import PythonIdentifier

from pipeline.alias import alias
from pipeline.rules.description import METHODS, Note, Schema, told

__all__ = ["path_names", "path_queries"]

_PARAMETER = re.compile(r"{([^{}]*)}")
_READ = re.compile(r"[a-zA-Z_-][a-zA-Z0-9_-]*")
_IN_ENDPOINTS = {"body", "client", "cookies", "headers", "kwargs", "params", "quote", "url"}


def path_queries(spec: Schema) -> Iterator[Note]:
    """
    A query written into a path is made parameters with that value.

    httpx drops the query of a URL when it is given parameters beside it.

    Source: httpx 0.28, `Client.build_request`, `params`.
    """
    paths: Schema = spec.get("paths") or {}
    for path in [path for path in paths if "?" in path]:
        item = paths.pop(path)
        bare, _, query = path.partition("?")
        pairs = parse_qsl(query, keep_blank_values=True)
        for method in METHODS:
            if isinstance(operation := item.get(method), dict):
                given = {parameter.get("name") for parameter in operation.get("parameters") or ()}
                operation.setdefault("parameters", []).extend(
                    _constant(name, value) for name, value in pairs if name not in given
                )
                # Nothing else would tell them apart.
                operation.setdefault("operationId", f"{method} {path}")
        # Two paths that differ in their queries alone are one to the server, two to us.
        taken = any(method in paths.get(bare, {}) for method in METHODS if method in item)
        paths[alias(bare, bare) if taken else bare] = item
        yield Note(path, f"is {bare} with {', '.join(name for name, _ in pairs)} as parameters")


def path_names(spec: Schema) -> Iterator[Note]:
    """
    A path's parameter that the generator does not read, or has another use for, is renamed.

    The name is nothing that is sent; only its place counts.

    Source: openapi-python-client 0.29.1, `_PATH_PARAM_REGEX`.
    """
    paths: Schema = spec.get("paths") or {}
    for path, item in list(paths.items()):
        renamed = {name: new for name in _PARAMETER.findall(path) if (new := _renamed(name))}
        if not renamed:
            continue
        new_path = _PARAMETER.sub(lambda m: f"{{{renamed.get(m[1], m[1])}}}", path)  # noqa: B023 - called at once
        spec["paths"] = paths = {(new_path if key == path else key): paths[key] for key in paths}
        for method in METHODS:
            for parameter in (item.get(method) or {}).get("parameters") or ():
                if parameter.get("in") == "path" and parameter.get("name") in renamed:
                    name = parameter["name"]
                    parameter["name"] = renamed[name]
                    yield Note(
                        f"{told(method, path)}, path {name}", f"is {renamed[name]} in Python"
                    )


def _renamed(name: str) -> str:
    python = str(PythonIdentifier(name, prefix="field_"))
    if python in _IN_ENDPOINTS:
        return f"{python}_path"
    return "" if _READ.fullmatch(name) else python


def _constant(name: str, value: str) -> dict[str, Any]:
    schema = {"type": "string", "enum": [value], "default": value}
    return {"name": name, "in": "query", "required": False, "schema": schema}
