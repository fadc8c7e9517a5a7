"""
What a request has to look like, by the description alone; and what one looked like.

Source: OpenAPI 3.1.0, "Style Values"; RFC 6570.
"""

import json
import re
from email import message_from_bytes
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, unquote

import httpx

from pipeline.roundtrip.marks import Default, plain

__all__ = ["Request", "expected", "is_form", "joined", "read", "text"]

SEPARATORS = {"spaceDelimited": " ", "pipeDelimited": "|"}


class Request(NamedTuple):
    """What counts of a request."""

    path: dict[str, Any]
    query: list[tuple[str, Any]]
    header: dict[str, Any]
    cookie: dict[str, Any]
    body: Any = None


def is_form(media: str) -> bool:
    """Tell whether a body of the content type *media* is made of fields."""
    base = media.partition(";")[0].strip()
    return base in {"application/x-www-form-urlencoded", "multipart/form-data"}


def text(value: Any) -> str:
    """Return a plain *value* as it stands in a URL, a header or a field."""
    if isinstance(value, str):
        return value
    return json.dumps(plain(value), ensure_ascii=False)


def joined(parameter: Any, value: Any) -> str:
    """Return *value* in one piece, in the style of *parameter*."""
    if "content" in parameter:
        is_json = any("json" in media for media in parameter["content"])
        return json.dumps(plain(value)) if is_json else text(value)
    where, name = parameter["in"], parameter["name"]
    style = parameter.get("style", "form" if where in {"query", "cookie"} else "simple")
    explodes = parameter.get("explode", style == "form")
    between = SEPARATORS.get(style, ",")
    if style in {"label", "matrix"} and explodes:
        between = "." if style == "label" else ";"
    if isinstance(value, dict):
        pairs = [(str(key), text(one)) for key, one in plain(value).items()]
        whole = between.join("=".join(pair) if explodes else ",".join(pair) for pair in pairs)
    elif isinstance(value, list) and style == "matrix" and explodes:
        whole = ";".join(f"{name}={text(one)}" for one in value)
    else:
        whole = between.join(map(text, value)) if isinstance(value, list) else text(value)
    if style == "matrix":
        return f";{whole}" if explodes and isinstance(value, list | dict) else f";{name}={whole}"
    return f".{whole}" if style == "label" else whole


def expected(parameters: list[tuple[Any, Any]], body: Any) -> Request:
    """Return the request that has *parameters*, each with its value, and *body*."""
    request = Request({}, [], {}, {}, body)
    for parameter, value in parameters:
        name, where = parameter["name"], parameter["in"]
        if where == "query":
            request.query.extend(_pairs(parameter, value))
        else:
            places = {"path": request.path, "header": request.header, "cookie": request.cookie}
            places[where][name] = _kept(value, lambda one, p=parameter: joined(p, one))
    return request


def read(request: httpx.Request, template: str, base: str) -> Request:
    """
    Return what *request*, for the path *template*, was sent with.

    Raises:
        ValueError: It went to another path, or its body cannot be read.
    """
    raw = request.url.raw_path.decode().partition("?")[0].removeprefix(base)
    names = re.findall(r"{([^{}]*)}", template)
    pattern = "".join(
        "([^/]*)" if part.startswith("{") else re.escape(part)
        for part in re.split(r"({[^{}]*})", template)
    )
    match = re.fullmatch(pattern, raw)
    if match is None:
        raise ValueError(f"it went to {raw}")
    cookies = request.headers.get("cookie", "")
    return Request(
        dict(zip(names, map(unquote, match.groups()), strict=True)),
        parse_qsl(request.url.query.decode(), keep_blank_values=True),
        dict(request.headers),
        dict(pair.split("=", 1) for pair in cookies.split("; ") if "=" in pair),
        _body(request),
    )


def _pairs(parameter: Any, value: Any) -> list[tuple[str, Any]]:
    name, style = parameter["name"], parameter.get("style", "form")
    explodes = parameter.get("explode", style == "form")
    if isinstance(value, Default):
        return [(key, Default(one)) for key, one in _pairs(parameter, value.value)]
    if "content" in parameter or not isinstance(value, list | dict):
        return [(name, joined(parameter, value))]
    if style == "deepObject" and isinstance(value, dict):
        return list(_deep(name, value))
    if not explodes:
        return [(name, joined(parameter, value))]
    if isinstance(value, list):
        return [(name, text(one)) for one in value if one is not None]
    found = list[tuple[str, Any]]()
    for key, one in value.items():
        if one is not None:
            inner = {"name": str(key), "schema": {}, "in": "query"}
            found += _pairs(inner, text(one) if isinstance(one, dict) else one)
    return found


def _deep(name: str, value: dict[Any, Any]) -> Any:
    for key, one in value.items():
        if isinstance(one, dict):
            yield from _deep(f"{name}[{key}]", one)
        else:
            inner = {"name": f"{name}[{key}]", "schema": {}, "in": "query"}
            yield from _pairs(inner, one) if one is not None else ()


def _kept(value: Any, write: Any) -> Any:
    return Default(write(value.value)) if isinstance(value, Default) else write(value)


def _body(request: httpx.Request) -> Any:
    kind = request.headers.get("content-type", "")
    base = kind.partition(";")[0].strip()
    if not request.content:
        return None
    if base.endswith("json"):
        return json.loads(request.content)
    if base == "application/x-www-form-urlencoded":
        return _fields(parse_qsl(request.content.decode(), keep_blank_values=True))
    if base == "multipart/form-data":
        whole = message_from_bytes(f"content-type: {kind}\r\n\r\n".encode() + request.content)
        return _fields([_part(part) for part in whole.walk() if not part.is_multipart()])
    return request.content


def _part(part: Any) -> tuple[str, Any]:
    name = str(part.get_param("name", header="content-disposition"))
    content: bytes = part.get_payload(decode=True)
    if part.get_content_type() == "application/json":
        return name, json.loads(content)
    try:
        is_file = part.get_filename() or part.get_content_type() == "application/octet-stream"
        return name, content if is_file else content.decode()
    except UnicodeDecodeError:
        return name, content


def _fields(pairs: list[tuple[str, Any]]) -> dict[str, list[Any]]:
    found = dict[str, list[Any]]()
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return found
