"""Answers that tell of errors."""

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from pipeline.rules.description import Note, Schema, merged, operations, schemas, told

__all__ = ["empty_errors", "nest_errors", "unknown_statuses"]

_SAYS_SOMETHING = {"properties", "additionalProperties", "oneOf", "anyOf", "enum", "items", "const"}


def empty_errors(spec: Schema) -> Iterator[Note]:
    """
    An error of which nothing but HTML or an empty object is told is raised with its body.

    The parser would read the body as JSON, and a proxy's page is none; with nothing to parse,
    `UnexpectedStatus` tells more, as it holds the body.

    Source: RFC 9110, section 15: error responses come from any server on the way.
    """
    for method, path, operation in operations(spec):
        answers: Schema = operation.get("responses") or {}
        for status, answer in list(answers.items()):
            content = answer.get("content")
            if str(status)[:1] not in {"4", "5"} or not content:
                continue
            if all(_is_empty(spec, name, media or {}) for name, media in content.items()):
                del answers[status]
                operation_told = told(method, path)
                yield Note(
                    f"{operation_told}, {status}",
                    "is raised as UnexpectedStatus",
                    left_out=(operation_told, str(status)),
                )


def unknown_statuses(spec: Schema) -> Iterator[Note]:
    """
    A status that Python has no name for is raised with its body.

    The generated response keeps its status as an `HTTPStatus`, which has no others.

    Source: Python, `http.HTTPStatus`.
    """
    known = {str(int(status)) for status in HTTPStatus}
    for method, path, operation in operations(spec):
        answers: Schema = operation.get("responses") or {}
        for status in [status for status in answers if str(status).isdecimal()]:
            if str(status) not in known:
                del answers[status]
                operation_told = told(method, path)
                yield Note(
                    f"{operation_told}, {status}",
                    "is raised as UnexpectedStatus",
                    left_out=(operation_told, str(status)),
                )


def nest_errors(spec: Schema) -> Iterator[Note]:
    """
    The message of a NestJS error is anything, and nothing but its status is required.

    NestJS sends a string, a list of strings or whatever an exception was raised with as
    `message`, and leaves `error` out when the message is the status text.

    Source: NestJS, `HttpException.createBody` and `ValidationPipe`.
    """
    for place, schema, _ in schemas(spec):
        properties = schema.get("properties")
        if not isinstance(properties, dict) or not {"statusCode", "message"} <= properties.keys():
            continue
        message: Any = properties["message"]
        if "object" in _types(merged(spec, message)):
            kept = {key: message[key] for key in ("description", "example") if key in message}
            properties["message"] = kept
            yield Note(f"{place}.message", "is anything")
        required = schema.get("required") or []
        left = [key for key in required if key not in {"message", "error"}]
        if left != required:
            schema["required"] = left
            if not left:
                del schema["required"]
            yield Note(place, "requires neither message nor error")


def _types(schema: Schema) -> list[str]:
    types = schema.get("type") or []
    return [types] if isinstance(types, str) else types


def _is_empty(spec: Schema, name: str, media: Schema) -> bool:
    if name.startswith("text/html"):
        return True
    whole = merged(spec, media.get("schema"))
    says = {
        key for key in _SAYS_SOMETHING & whole.keys() if whole[key] not in ({}, [], True, False)
    }
    return "json" in name and not says and whole.get("type", "object") == "object"
