"""Make up the calls of an operation that show all of it."""

import json
from collections.abc import Iterator
from http import HTTPStatus
from types import ModuleType
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from pipeline.roundtrip.marks import OMITTED, Default, plain
from pipeline.roundtrip.requests import is_form
from pipeline.roundtrip.samples import Sampler
from pipeline.roundtrip.schemas import parameters_of, resolved

__all__ = ["NOTHING", "Answer", "Call", "Operation", "calls", "media_of"]

VARIANTS = 8
"""How many variants of one place are looked at."""
NOTHING: Any = object()
"""Nothing is told of the body."""


class Answer(NamedTuple):
    """What an operation is answered with."""

    status: int
    content_type: str = ""
    content: bytes = b""
    value: Any = NOTHING
    """What is to be parsed of it."""
    is_raised: bool = False


class Operation(NamedTuple):
    """An operation, as described."""

    method: str
    path: str
    item: Any
    described: Any
    module: ModuleType
    raised: frozenset[str] = frozenset()
    """The answers that the rules leave to be raised."""


class Call(NamedTuple):
    """One call: what is given, and what comes back."""

    mode: str
    parameters: list[tuple[Any, Any]]
    body: Any
    answer: Answer


def calls(spec: Any, operation: Operation) -> Iterator[Call]:
    """Yield the calls that show all: each request and each answer at least once."""
    requests, answers = list(_requests(spec, operation)), list(_answers(spec, operation))
    answers = answers or [Answer(204)]
    for number in range(max(len(requests), len(answers))):
        mode, parameters, body = requests[number % len(requests)]
        yield Call(mode, parameters, body, answers[number % len(answers)])


def _requests(spec: Any, operation: Operation) -> Iterator[tuple[str, list[tuple[Any, Any]], Any]]:
    described = operation.described
    body = resolved(spec, described.get("requestBody") or {})
    media = body.get("content", {}).get(media_of(described, spec), {})
    base = media_of(described, spec).partition(";")[0]
    has_bytes = base == "multipart/form-data"
    variants = 1
    for mode in ("least", "most", "null"):
        turn = 0
        while turn == 0 or (mode == "most" and turn < min(variants, VARIANTS)):
            sampler = Sampler(spec, mode, turn, is_sent=True, has_bytes=has_bytes)
            parameters = list(_parameters(spec, operation, sampler))
            parameters += _written(operation.path)
            given: Any = OMITTED
            if media and (body.get("required") or mode != "least"):
                given = sampler.value(media.get("schema", {}))
                if is_form(base) and isinstance(given, dict):
                    # No form holds null.
                    given = {name: one for name, one in given.items() if one is not None}
                if _is_bytes(media_of(described, spec)) and not isinstance(given, bytes):
                    given = b"\x00\xff some bytes"
            variants = max(variants, sampler.variants)
            turn += 1
            if mode != "null" or sampler.nulls:
                yield mode, parameters, given


def _parameters(spec: Any, operation: Operation, sampler: Sampler) -> Iterator[tuple[Any, Any]]:
    for parameter in parameters_of(spec, operation.item, operation.described):
        media = next(iter((parameter.get("content") or {}).values()), None) or {}
        schema = resolved(spec, parameter.get("schema", media.get("schema", {})))
        is_required = parameter.get("required") or parameter["in"] == "path"
        if sampler.mode == "least" and not is_required:
            if schema.get("default") is not None:
                yield parameter, Default(schema["default"])
            continue
        # There is no null in a URL; a required list without entries would be no parameter.
        own = Sampler(spec, "most", sampler.turn, is_sent=True)
        value = own.value(parameter.get("schema", media.get("schema", {})))
        sampler.variants = max(sampler.variants, own.variants)
        if value is not OMITTED and value is not None:
            yield parameter, value


def _written(path: str) -> list[tuple[Any, str]]:
    """Return the parameters that are written into *path*."""
    pairs = parse_qsl(path.partition("?")[2], keep_blank_values=True)
    return [({"name": name, "in": "query", "schema": {}}, value) for name, value in pairs]


def _answers(spec: Any, operation: Operation) -> Iterator[Answer]:
    answers = operation.described.get("responses") or {}
    for status, found in answers.items():
        answer = resolved(spec, found)
        number = _number(str(status), set(map(str, answers)))
        content = answer.get("content") or {}
        if str(status) in operation.raised:
            yield Answer(number, "text/html", b"<!doctype html>", is_raised=True)
            continue
        media = _preferred(content, is_sent=False)
        if not media or number < 200 or number in {204, 304}:
            yield Answer(number)
            continue
        schema = (content[media] or {}).get("schema")
        variants, turn, modes = 1, 0, ["least", "most", "null"]
        while modes:
            sampler = Sampler(spec, modes[0], turn, is_sent=False)
            value = sampler.value(schema if schema is not None else {})
            variants, turn = max(variants, sampler.variants), turn + 1
            if modes[0] != "null" or sampler.nulls:
                yield _answer(number, media, value, is_told=schema is not None)
            if modes[0] != "most" or turn >= min(variants, VARIANTS):
                modes, turn = modes[1:], 0


def _answer(status: int, media: str, value: Any, *, is_told: bool) -> Answer:
    base = media.partition(";")[0].strip()
    if base.endswith("json") or base == "*/*":
        content = json.dumps(plain(value), default=lambda one: one.decode("latin-1")).encode()
        value = json.loads(content) if isinstance(value, bytes) else value
        kind = "application/json" if base == "*/*" else media
        return Answer(status, kind, content, value if is_told else NOTHING)
    if base.startswith("text/"):
        return Answer(status, f"{base}; charset=utf-8", "a text é".encode(), "a text é")
    return Answer(status, media, b"\x00\xff some bytes", b"\x00\xff some bytes")


def media_of(described: Any, spec: Any) -> str:
    """Return the content type that a body of the operation *described* is sent as."""
    body = resolved(spec, described.get("requestBody") or {})
    return _preferred(body.get("content") or {}, is_sent=True)


def _preferred(content: dict[str, Any], *, is_sent: bool) -> str:
    """Return which content type is taken: JSON, or what a form or a text is sent as."""

    def rank(media: str) -> int:
        base = media.partition(";")[0].strip()
        is_second = is_form(media) if is_sent else base.startswith("text/")
        kinds = [base == "application/json", base.endswith("json"), is_second, True]
        return kinds.index(True)

    return min(content, key=rank, default="")


def _is_bytes(media: str) -> bool:
    base = media.partition(";")[0]
    return not (base.endswith("json") or is_form(base) or base == "*/*" or not base)


def _number(status: str, described: set[str]) -> int:
    if status.isdecimal():
        return int(status)
    known = [int(one) for one in HTTPStatus if str(int(one)) not in described]
    if status == "default":
        taken = {one[0] for one in described if one.endswith("XX")}
        free = [one for one in known if str(one)[0] not in taken]
        return next(one for one in [500, 418, *free] if one in free)
    return next((one for one in known if str(one)[0] == status[0]), int(status[0]) * 100)
