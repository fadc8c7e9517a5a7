"""
Put the descriptions of single pages together, strictly.

Every page repeats what all have in common and the components it uses. The same
thing twice is fine; two things under one name stop it, because whichever were
taken, the client would be wrong for one of the pages.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from pipeline import PipelineError
from pipeline.document import dump, is_json, parse
from pipeline.spec import NOT_OPERATIONS, operations

__all__ = ["Place", "label", "merge", "parts"]

Place = tuple[str, ...]
"""Where in a description a part stands that goes by a name of its own."""

_FIRST = ["openapi", "info", "servers", "security", "tags"]
_LAST = ["paths", "webhooks", "components"]
_REMEDY = "tell Setle, and vendor a file that has it right"


def merge(descriptions: Mapping[str, str]) -> str:
    """
    Return the one description that the texts *descriptions*, by their names, make up.

    The same text under all names comes back byte for byte, unless it is JSON.
    What is put together has one form, whatever the order and the names.

    Raises:
        PipelineError: One of them is no description, or two contradict each other.
    """
    # Each text once, and by the texts, so that neither names nor order have a say.
    names = {text: name for name, text in sorted(descriptions.items(), reverse=True)}
    specs = {}
    for text, name in sorted(names.items()):
        specs[name] = parse(text, name)
        yaml = dump(specs[name]) if is_json(text) else text
    if len(specs) == 1:
        return yaml

    found = dict[Place, tuple[str, Any]]()
    for name, spec in specs.items():
        for place, value in parts(spec).items():
            other, known = found.setdefault(place, (name, value))
            if different := next(_differences(known, value, place), None):
                raise PipelineError(
                    f"{other} and {name} do not say the same at {'/'.join(different)}; {_REMEDY}"
                )
    for name, spec in specs.items():
        for place, (other, _) in found.items():
            if _holds_for_all(place, spec) and place not in parts(spec):
                raise PipelineError(f"{other} has {'/'.join(place)}, {name} has not; {_REMEDY}")
    whole = _assembled({place: value for place, (_, value) in found.items()}, specs)
    if sent := sorted(name for spec in specs.values() for name in _sent_by_webhooks(spec)):
        whole["x-webhooks"] = {name: _webhook(name) for name in sent}
    return dump(whole)


def parts(spec: dict[str, Any]) -> dict[Place, Any]:
    """Return the parts of the description *spec* that go by a name, each with its place."""
    found = dict[Place, Any]()
    for key, value in spec.items():
        if key == "tags" and all(isinstance(tag, dict) and "name" in tag for tag in value or ()):
            found |= {(key, str(tag["name"])): tag for tag in value or ()}
        elif key not in _LAST or not isinstance(value, dict):
            found[key,] = value
        else:
            for name, item in value.items():
                if isinstance(item, dict):
                    found |= {(key, name, inner): part for inner, part in item.items()}
                else:
                    found[key, name] = item
    return found


def label(place: Place) -> str:
    """Return *place* as users call it: an operation by its method and path."""
    if place[0] == "paths" and operations({"paths": {place[1]: {place[-1]: {}}}}):
        return f"{place[-1].upper()} {place[1]}"
    return "/".join(place)


def _holds_for_all(place: Place, spec: dict[str, Any]) -> bool:
    # Left out in one page and given in another, these say different things of
    # the operations: security and servers of the whole, parameters of a path.
    match place:
        case ("paths", path, key):
            return key in NOT_OPERATIONS and path in spec.get("paths", {})
    return len(place) == 1


def _assembled(found: dict[Place, Any], specs: dict[str, Any]) -> dict[str, Any]:
    keys = {key for spec in specs.values() for key in spec}
    rest = sorted(keys - {*_FIRST, *_LAST})
    whole: dict[str, Any] = {}
    for key in [*_FIRST, *rest, *_LAST]:
        if key == "tags" and key in keys:
            whole[key] = [found[place] for place in sorted(found) if place[0] == key]
        elif key in keys:
            whole[key] = found.get((key,), {})
    for place in sorted(found):
        match place:
            case (section, name, inner):
                whole[section].setdefault(name, {})[inner] = found[place]
            case (section, name) if section != "tags":
                whole[section][name] = found[place]
    return whole


def _sent_by_webhooks(spec: dict[str, Any]) -> list[str]:
    # OpenAPI 3.0 has no webhooks: their pages hold what they send, and nothing that says so.
    if spec.get("paths") or spec.get("webhooks"):
        return []
    schemas = (spec.get("components") or {}).get("schemas") or {}
    return [name for name in schemas if f'/schemas/{name}"' not in json.dumps(schemas)]


def _webhook(name: str) -> dict[str, Any]:
    schema = {"$ref": f"#/components/schemas/{name}"}
    body = {"content": {"application/json": {"schema": schema}}}
    return {"post": {"requestBody": body, "responses": {"200": {"description": ""}}}}


def _differences(one: Any, other: Any, place: Place) -> Iterator[Place]:
    if isinstance(one, dict) and isinstance(other, dict):
        for key in [*one, *(key for key in other if key not in one)]:
            if key in one and key in other:
                yield from _differences(one[key], other[key], (*place, str(key)))
            else:
                yield (*place, str(key))
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for number, items in enumerate(zip(one, other, strict=True)):
            yield from _differences(*items, (*place, str(number)))
    # JSON, because to Python 1, 1.0 and True are equal.
    elif json.dumps(one) != json.dumps(other):
        yield place
