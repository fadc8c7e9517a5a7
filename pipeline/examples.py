"""
Make an example answer for each operation, which the sandbox gives until a test wants another.

An example that the description holds is taken where it is valid; the rest is made of the schemas.
"""

import contextlib
import functools
import itertools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hypothesis import find, settings
from hypothesis.errors import HypothesisException
from hypothesis.strategies import from_regex
from openapi_schema_validator import OAS30ReadValidator, OAS31Validator

from pipeline.roundtrip.marks import OMITTED, Extra
from pipeline.roundtrip.samples import Sampler
from pipeline.roundtrip.schemas import resolved
from pipeline.spec import operations

__all__ = ["EXAMPLES", "examples", "write"]

EXAMPLES = "examples.json"
# How many variants of a schema are tried.
TURNS = 6
_SUCCESSES = {*map(str, range(200, 300)), "2XX"}
_ROOTS = ("components", "paths")
_LIMITS = {"maxItems", "maxLength", "minItems", "minLength", "multipleOf", "pattern"}
_ENDS = ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum")


def write(spec: dict[str, Any], package: Path) -> list[str]:
    """
    Write the examples of *spec* into the folder of the generated *package*.

    Returns:
        A line for each operation of which none can be made.
    """
    made, missing = examples(spec)
    text = json.dumps(made, indent=2, ensure_ascii=False) + "\n"
    (package / EXAMPLES).write_text(text, encoding="utf-8")
    return missing


def examples(spec: dict[str, Any]) -> tuple[list[dict[str, Any]], list[str]]:
    """Return what the sandbox answers, and a line for each operation of *spec* without that."""
    spec = _readable(spec)
    made, missing = list[dict[str, Any]](), list[str]()
    for method, path in operations(spec):
        responses = resolved(spec, spec["paths"][path])[method.lower()].get("responses") or {}
        answer = next(_answers(spec, responses), None)
        if answer is None:
            missing.append(f"{method} {path}: no example of its answer can be made; give it one")
        else:
            made.append({"method": method, "path": path, "answer": answer})
    return made, missing


def _readable(node: Any) -> Any:
    """Return *node* without the patterns of other dialects, by which nothing here can judge."""
    if isinstance(node, dict):
        return {k: _readable(v) for k, v in node.items() if k != "pattern" or not _is_foreign(v)}
    return [_readable(one) for one in node] if isinstance(node, list) else node


def _is_foreign(pattern: Any) -> bool:
    try:
        re.compile(pattern) if isinstance(pattern, str) else None
    except re.error:
        return True
    return False


def _answers(spec: dict[str, Any], responses: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield answers that are valid, the best first."""
    good = sorted(code for code in map(str, responses) if code.upper() in _SUCCESSES)
    for code in good or [code for code in responses if code == "default"]:
        response = resolved(spec, responses[code])
        headers = dict(_headers(spec, response.get("headers") or {}))
        head = {"status": int(code) if code.isdigit() else 200, "headers": headers}
        content = response.get("content") or {}
        if not content:
            yield head
        for name in sorted(content, key=lambda name: "json" not in name):
            media_type = "application/json" if name in ("*/*", "application/*") else name
            head["headers"] = headers | {"content-type": media_type.replace("*", "plain")}
            for value in _values(spec, content[name]):
                if "json" in media_type:
                    yield head | {"json": value}
                elif isinstance(value, str):
                    yield head | {"body": value}


def _headers(spec: dict[str, Any], headers: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for name, one in headers.items():
        header = resolved(spec, one)
        value = next(_values(spec, header), None)
        if name.lower() != "content-type" and isinstance(value, str | int | float):
            yield name.lower(), json.dumps(value).strip('"')


def _values(spec: dict[str, Any], media: dict[str, Any]) -> Iterator[Any]:
    """Yield values of *media*, a media type or a header, that are valid and not null."""
    schema = media.get("schema", {})
    given = [resolved(spec, one).get("value") for one in (media.get("examples") or {}).values()]
    makers = [_Maker(spec, mode, turn) for mode in ("most", "least") for turn in range(TURNS)]
    made = (maker.value(schema) for maker in makers)
    for value in itertools.chain([media.get("example")], given, made):
        if value is not None and value is not OMITTED and makers[0].is_valid(schema, value):
            yield value


class _Maker(Sampler):
    """Makes values of schemas as an answer has them, within their limits."""

    def __init__(self, spec: dict[str, Any], mode: str, turn: int) -> None:
        super().__init__(spec, mode, turn, is_sent=False)

    def is_valid(self, schema: Any, value: Any) -> bool:
        """Tell whether *value* is what *schema* describes."""
        kind = OAS31Validator if self.spec["openapi"].startswith("3.1") else OAS30ReadValidator
        # References lead from the root, which is the schema here.
        rooted = {**resolved(self.spec, schema), **{key: self.spec.get(key) for key in _ROOTS}}
        plain = json.loads(json.dumps(value))
        valid: bool = kind(rooted, format_checker=OAS30ReadValidator.FORMAT_CHECKER).is_valid(plain)
        return valid

    def value(
        self,
        schema: Any,
        refs: tuple[str, ...] = (),
        depth: int = 0,
        must: frozenset[str] = frozenset(),
    ) -> Any:
        """Return a valid example that *schema* holds, or else a made one."""
        meant = resolved(self.spec, schema)
        if isinstance(meant, dict):
            held = [meant.get("example"), meant.get("default"), *(meant.get("examples") or ())]
            for value in held:
                if value is not None and self.is_valid(meant, value):
                    return value
        made = super().value(schema, refs, depth, must)
        return self._fitted(meant, made) if isinstance(meant, dict) else made

    def _object(self, *args: Any, **kwargs: Any) -> Any:
        found = super()._object(*args, **kwargs)
        # A key that no property has is there only to show that it may be.
        return {key: found[key] for key in found if len(found) == 1 or not isinstance(key, Extra)}

    def _fitted(self, schema: dict[str, Any], made: Any) -> Any:
        """Return *made*, or something like it that keeps to the limits of *schema*."""
        if not schema.keys() & _LIMITS.union(_ENDS) or made is OMITTED:
            return made
        others: list[Any] = []
        if isinstance(made, str):
            others = _texts(schema, made)
        elif isinstance(made, int | float) and not isinstance(made, bool):
            others = _numbers(schema)
        elif isinstance(made, list):
            more = [self.value(schema.get("items", {})) for _ in range(schema.get("minItems", 0))]
            others = [made[: schema.get("maxItems")], [*made, *more][: schema.get("minItems")]]
        return next((one for one in [made, *others] if self.is_valid(schema, one)), made)


def _texts(schema: dict[str, Any], made: str) -> list[str]:
    least, most = schema.get("minLength", 0), schema.get("maxLength", 1 << 20)
    matching = _matching(schema["pattern"], least, most) if "pattern" in schema else []
    return [made.ljust(least, "x")[:most], *matching]


@functools.cache
def _matching(pattern: str, least: int, most: int) -> list[str]:
    def fits(text: str) -> bool:
        return least <= len(text) <= most and text.isprintable()  # `$` takes the end of a line

    quickly = settings(database=None, derandomize=True, max_examples=200)
    with contextlib.suppress(HypothesisException):  # there is none, or it is too much to ask
        return [find(from_regex(pattern), fits, settings=quickly)]
    return []


def _numbers(schema: dict[str, Any]) -> list[float]:
    # In OpenAPI 3.0 the exclusive ones are no numbers, but tell of the others.
    ends = [schema[key] for key in _ENDS if not isinstance(schema.get(key, True), bool)] or [0]
    step = schema.get("multipleOf", 1)
    near = [end // step * step + by * step for end in ends for by in (0, 1, -1)]
    return [*ends, *near, sum(ends) / len(ends)]
