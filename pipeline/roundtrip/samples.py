"""
Make values of a description's schemas: the least, the most, and nulls.

Patterns and lengths are left out: no client looks at them. Recursion stops at
the second time.
"""

import base64
import uuid
from typing import Any

from pipeline.roundtrip.marks import OMITTED, Default, Extra, Variant, joined
from pipeline.roundtrip.schemas import resolved, takes_null, types_of

__all__ = ["Sampler"]

DEPTH = 8
_SAYS_SOMETHING = {"$ref", "additionalProperties", "allOf", "anyOf", "const", "enum", "items"}
_SAYS_SOMETHING |= {"oneOf", "prefixItems", "properties", "type"}


class Sampler:
    """
    Makes values of one kind.

    Args:
        spec: The description.
        mode: ``least``, ``most``, or ``null`` for the most with null where allowed.
        turn: Which of several variants to take, modulo their number.
        is_sent: Whether for a request; else for an answer.
        has_bytes: Whether a binary value is bytes; in JSON it is text.
    """

    def __init__(
        self, spec: Any, mode: str, turn: int, *, is_sent: bool, has_bytes: bool = False
    ) -> None:
        self.spec, self.mode, self.turn, self.is_sent = spec, mode, turn, is_sent
        self.has_bytes = has_bytes
        self.variants = 1
        """How many variants there are where there are most."""
        self.nulls = 0
        self._count = turn

    def value(
        self,
        schema: Any,
        refs: tuple[str, ...] = (),
        depth: int = 0,
        must: frozenset[str] = frozenset(),
    ) -> Any:
        """Return a value of *schema* with the properties it *must* have, or ``OMITTED``."""
        if isinstance(schema, dict) and isinstance(ref := schema.get("$ref"), str):
            if refs.count(ref) > 1:
                return OMITTED
            refs = (*refs, ref)
        schema = resolved(self.spec, schema)
        self._count += 1
        if not isinstance(schema, dict):
            return "anything"
        if self.mode == "null" and takes_null(self.spec, schema):
            self.nulls += 1
            return None
        found: Any = OMITTED
        # What one part requires may stand in another.
        parts = [(part, resolved(self.spec, part)) for part in schema.get("allOf") or ()]
        must = must.union(
            schema.get("required") or (), *(p.get("required") or () for _, p in parts)
        )
        for part, meant in parts:
            if meant.keys() & _SAYS_SOMETHING:
                found = joined(found, self.value(part, refs, depth, must))
        variants = [
            one
            for one in [*(schema.get("anyOf") or ()), *(schema.get("oneOf") or ())]
            if resolved(self.spec, one).get("type") != "null"
            and resolved(self.spec, one).keys() - {"required", "not", "title", "description"}
        ]
        if variants:
            chosen = self.value(self._turned(variants), refs, depth, must)
            if len(variants) > 1 and isinstance(chosen, dict):
                chosen = Variant(chosen)
            found = joined(found, chosen)
        if found is OMITTED and (schema.get("allOf") or variants):
            return OMITTED
        own = self._own(schema, refs, depth, must)
        return joined(found, own) if found is not OMITTED else own

    def _own(self, schema: Any, refs: tuple[str, ...], depth: int, must: frozenset[str]) -> Any:
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            values = [value for value in schema["enum"] if value is not None]
            return values[self._count % len(values)] if values else None
        is_composed = bool({"allOf", "anyOf", "oneOf"} & schema.keys())
        types = types_of(schema)
        kind = self._turned(types) if types else ""
        if kind == "object":
            return self._object(schema, refs, depth, must, is_composed=is_composed)
        if is_composed:
            return OMITTED
        if kind == "array":
            return self._array(schema, refs, depth)
        return self._scalar(kind, schema.get("format")) if kind else f"anything {self._count}"

    def _object(
        self,
        schema: Any,
        refs: tuple[str, ...],
        depth: int,
        required: frozenset[str],
        *,
        is_composed: bool,
    ) -> Any:
        found = dict[str, Any]()
        is_least = self.mode == "least" or depth > DEPTH
        properties = schema.get("properties") or {}
        for name, inner in properties.items():
            meant = resolved(self.spec, inner)
            if meant.get("readOnly" if self.is_sent else "writeOnly"):
                continue
            if name not in required and is_least:
                if self.is_sent and meant.get("default") is not None:
                    found[name] = Default(meant["default"])
                continue
            value = self.value(inner, refs, depth + 1)
            if value is OMITTED and name in required:
                value = None if takes_null(self.spec, meant) else {}
            if value is not OMITTED:
                found[name] = value
        more = schema.get("additionalProperties")
        if more is None and not properties and not is_composed:
            more = True
        if more not in (None, False) and not is_least:
            value = "more" if more in (True, {}) else self.value(more, refs, depth + 1)
            if value is not OMITTED:
                found[Extra("extra key")] = value
        return found

    def _array(self, schema: Any, refs: tuple[str, ...], depth: int) -> Any:
        if self.mode == "least" or depth > DEPTH:
            return []
        items = schema.get("prefixItems") or [schema.get("items", {})] * 2
        values = [self.value(one, refs, depth + 1) for one in items]
        return [value for value in values if value is not OMITTED]

    def _scalar(self, kind: str, form: object) -> Any:
        number = self._count
        if kind == "boolean":
            return number % 2 == 0
        if kind == "integer":
            return 1000 + number
        if kind == "number":
            return 1000.5 + number
        if kind == "null":
            return None
        if form == "binary" and self.has_bytes:
            return b"\x89\x00\xff %d" % number
        made = {
            "byte": base64.b64encode(b"%d" % number).decode(),
            "date": f"2026-11-{number % 28 + 1:02}",
            "date-time": f"2026-11-23T{number % 24:02}:{number % 60:02}:07Z",
            "email": f"a{number}@example.com",
            "uri": f"https://example.com/{number}?a=b",
            "uuid": str(uuid.UUID(int=number + (4 << 76) + (8 << 60))),
        }
        return made.get(str(form), f"text {number}")

    def _turned(self, variants: list[Any]) -> Any:
        self.variants = max(self.variants, len(variants))
        return variants[self.turn % len(variants)]
