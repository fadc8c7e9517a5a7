"""Compare values: what is described with what was seen."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import httpx

from pipeline.roundtrip.hints import conforms, hints_of
from pipeline.roundtrip.marks import Default, Extra, Variant
from pipeline.roundtrip.names import attribute
from pipeline.roundtrip.requests import Request, is_form, text
from pipeline.roundtrip.values import NOTHING, is_same, is_same_text, to_json, told

__all__ = ["Difference", "of_parsed", "of_requests"]


class Difference(NamedTuple):
    """What differs, and where."""

    place: str
    described: str
    seen: str


def of_requests(described: Request, seen: Request, media: str) -> Iterator[Difference]:
    """Yield how the request *seen* differs from the one *described*; *media* is the body's type."""
    for where in ("path", "cookie"):
        sent = getattr(seen, where)
        for name, value in getattr(described, where).items():
            yield from _of_texts(f"{where} {name}", value, sent.get(name, NOTHING))
    sent = httpx.Headers(seen.header)
    for name, value in described.header.items():
        # Two that differ in case are one.
        alike = [one for key, one in described.header.items() if key.lower() == name.lower()]
        want = ", ".join(alike) if len(alike) > 1 else value
        yield from _of_texts(f"header {name}", want, sent.get(name, NOTHING))
    yield from _of_queries(described.query, seen.query)
    if described.body is None and seen.body is None:
        return
    sent_media = seen.header.get("content-type", "")
    if sent_media.partition(";")[0].strip() != media.partition(";")[0].strip():
        yield Difference("body", f"the content type {media}", sent_media or "none")
    elif is_form(media):
        yield from _of_forms(described.body, seen.body or {})
    else:
        yield from of_json("body", described.body, seen.body)


def of_json(place: str, described: Any, seen: Any) -> Iterator[Difference]:
    """Yield how the JSON *seen* differs from the one *described*."""
    if isinstance(described, Default):
        if seen is not NOTHING:
            yield from of_json(place, described.value, seen)
    elif isinstance(described, dict) and isinstance(seen, dict):
        for key, value in described.items():
            yield from of_json(f"{place}.{key}", value, seen.get(key, NOTHING))
        for key in seen.keys() - described.keys():
            yield Difference(f"{place}.{key}", "nothing", told(seen[key]))
    elif isinstance(described, list) and isinstance(seen, list) and len(described) == len(seen):
        for number, (one, other) in enumerate(zip(described, seen, strict=True)):
            yield from of_json(f"{place}[{number}]", one, other)
    elif not is_same(described, seen):
        yield Difference(place, told(described), told(seen))


def of_parsed(place: str, described: Any, parsed: Any) -> Iterator[Difference]:
    """Yield how *parsed*, of the generated code, differs from the JSON *described*."""
    fields = getattr(parsed, "__attrs_attrs__", None)
    if isinstance(described, Variant) or not isinstance(described, dict) or fields is None:
        if (
            isinstance(described, list)
            and isinstance(parsed, list)
            and len(described) == len(parsed)
        ):
            for number, (one, other) in enumerate(zip(described, parsed, strict=True)):
                yield from of_parsed(f"{place}[{number}]", one, other)
        else:
            yield from of_json(place, described, to_json(parsed))
        return
    names = [field.name for field in fields if field.name != "additional_properties"]
    more = dict(getattr(parsed, "additional_properties", {}))
    for key, value in described.items():
        if isinstance(key, Extra):
            yield from of_parsed(f"{place}.{key}", value, more.pop(key, NOTHING))
        elif (name := attribute(key, names)) is None:
            yield Difference(
                f"{place}.{key}", "a field for it", f"{type(parsed).__name__} has none"
            )
            more.pop(key, None)
        else:
            names.remove(name)
            field = getattr(parsed, name)
            if not conforms(field, hints_of(type(parsed))[name]):
                kind = hints_of(type(parsed))[name]
                yield Difference(f"{place}.{key}", f"parsed to {kind}", type(field).__name__)
            yield from of_parsed(f"{place}.{key}", value, field)
    for name in names:
        if to_json(getattr(parsed, name)) is not NOTHING:
            yield Difference(f"{place}.{name}", "nothing", told(to_json(getattr(parsed, name))))
    for key, value in more.items():
        yield Difference(f"{place}.{key}", "nothing", told(to_json(value)))


def _of_queries(
    described: list[tuple[str, Any]], seen: list[tuple[str, str]]
) -> Iterator[Difference]:
    names = dict.fromkeys([*(name for name, _ in described), *(name for name, _ in seen)])
    for name in names:
        want = [value for key, value in described if key == name]
        got = [value for key, value in seen if key == name]
        if all(isinstance(value, Default) for value in want):
            want = [value.value for value in want] if got else []
        if len(want) != len(got) or not all(map(is_same_text, want, got)):
            yield Difference(
                f"query {name}", ", ".join(want) or "nothing", ", ".join(got) or "nothing"
            )


def _of_texts(place: str, described: Any, seen: Any) -> Iterator[Difference]:
    if isinstance(described, Default):
        if seen is NOTHING:
            return
        described = described.value
    if seen is NOTHING or not is_same_text(described, seen):
        yield Difference(place, described, "nothing" if seen is NOTHING else seen)


def _of_forms(described: Any, seen: dict[str, list[Any]]) -> Iterator[Difference]:
    for name, given in described.items():
        is_assumed = isinstance(given, Default)
        value = given.value if is_assumed else given
        want = value if isinstance(value, list) else [value]
        want = [one for one in want if one is not None]
        got = seen.get(name, [])
        if is_assumed and not got:
            continue
        if len(want) != len(got):
            yield Difference(f"body.{name}", told(want), told(got))
            continue
        for one, other in zip(want, got, strict=True):
            if isinstance(one, dict):
                yield from of_json(f"body.{name}", one, other)
            elif not (one == other or (isinstance(other, str) and is_same_text(text(one), other))):
                yield Difference(f"body.{name}", told(one), told(other))
    for name in seen.keys() - described.keys():
        yield Difference(f"body.{name}", "nothing", told(seen[name]))
