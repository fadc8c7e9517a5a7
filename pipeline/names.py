"""
What a new generated package means for the code that imports it.

griffe compares names and parameters; it neither lists what is new nor looks at
annotations, so both are done here. What users write counts: endpoint modules,
whose four functions share their parameters, and what `models` exports. The
rest of the package does not come from the description.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import griffe
from openapi_python_client.strings import ClassName, PythonIdentifier

from pipeline.spec import operations

__all__ = ["compare", "listed"]

_GONE = griffe.BreakageKind.OBJECT_REMOVED


def compare(old: Path, new: Path) -> Iterator[tuple[bool, str]]:
    """Yield whether it breaks, and what, for each change from package *old* to *new*."""
    before, after = _load(old), _load(new)
    places, others = _places(before), _places(after)
    sent = _sent(places) | _sent(others)
    for path in sorted(places.keys() | others.keys()):
        if path not in others:
            yield True, f"`{path}` is gone"
        elif path not in places:
            yield False, f"`{path}` is new"
        else:
            # Once, though it holds for each of the four functions of an endpoint.
            yield from dict.fromkeys(_changes(path, places[path], others[path], sent))


def listed(spec: dict[str, Any]) -> set[str]:
    """Return the names that the description *spec* gives to endpoints and models."""
    found = {
        f"setle_api.models.{ClassName(name, 'field_')}"
        for name in (spec.get("components") or {}).get("schemas") or ()
    }
    for method, path in operations(spec):
        operation = spec["paths"][path].get(method.lower())
        if isinstance(operation, dict):
            tag = PythonIdentifier(str((operation.get("tags") or ["default"])[0]), "tag")
            name = str(operation.get("operationId") or f"{method}_{path}")
            found.add(f"setle_api.api.{tag}.{PythonIdentifier(name, 'field_')}")
    return found


def _load(package: Path) -> Any:
    return griffe.load(
        package.name,
        search_paths=[package.parent],
        try_relative_path=False,
        allow_inspection=False,
        resolve_aliases=True,
    )


def _places(package: Any) -> dict[str, Any]:
    models = package["models"]
    found = {f"{models.path}.{name}": models[name].final_target for name in models.exports or ()}
    for tag in package["api"].modules.values():
        found |= {module.path: module for module in tag.modules.values()}
    return found


def _sent(places: dict[str, Any]) -> set[str]:
    # The models that users make, because a parameter or a field of one takes them.
    models = {path.rpartition(".")[2]: place for path, place in places.items() if place.is_class}
    left = {
        word
        for place in places.values()
        if place.is_module
        for function in place.functions.values()
        if not function.name.startswith("_")
        for parameter in function.parameters
        for word in re.findall(r"\w+", str(parameter.annotation))
    }
    found: set[str] = set()
    while left:
        if (name := left.pop()) in models and name not in found:
            found.add(name)
            for field in models[name].attributes.values():
                left.update(re.findall(r"\w+", str(field.annotation)))
    return {f".{name}" for name in found}


def _changes(path: str, old: Any, new: Any, sent: set[str]) -> Iterator[tuple[bool, str]]:
    for breakage in griffe.find_breaking_changes(old, new):
        if breakage.kind is _GONE:
            yield True, f"`{path}.{breakage.obj.name}` is gone"
        else:
            parameter = getattr(breakage.old_value or breakage.new_value, "name", None)
            what = f"`{path}`, `{parameter}`" if parameter else f"`{path}`"
            yield True, f"{what}: {breakage.kind.value.lower()}"
    is_sent = old.is_class and path[path.rindex(".") :] in sent
    for name, member in new.members.items():
        if not member.is_public:
            continue
        if name not in old.members:
            must = is_sent and member.is_attribute and member.value is None
            yield must, f"`{path}.{name}` is new{' and must be given' if must else ''}"
        elif member.is_attribute:
            yield from _field(f"{path}.{name}", old[name], member, is_sent=is_sent)
        elif member.is_function and new.is_module:
            yield from _parameters(path, old[name], member)


def _field(path: str, old: Any, new: Any, *, is_sent: bool) -> Iterator[tuple[bool, str]]:
    if str(old.annotation) != str(new.annotation):
        # Code reads it, and with a model that is sent makes it too.
        breaks = is_sent or not _pieces(new.annotation) < _pieces(old.annotation)
        yield breaks, f"`{path}`: type is `{new.annotation}`, was `{old.annotation}`"
    elif new.annotation is None and str(old.value) != str(new.value):
        yield True, f"`{path}`: value is `{new.value}`, was `{old.value}`"


def _parameters(path: str, old: Any, new: Any) -> Iterator[tuple[bool, str]]:
    before = {parameter.name: parameter for parameter in old.parameters}
    for parameter in new.parameters:
        what = f"`{path}`, `{parameter.name}`"
        if (was := before.get(parameter.name)) is None:
            if not parameter.required:
                yield False, f"{what}: parameter is new and optional"
        elif str(was.annotation) != str(parameter.annotation):
            breaks = not _pieces(was.annotation) < _pieces(parameter.annotation)
            yield breaks, f"{what}: type is `{parameter.annotation}`, was `{was.annotation}`"
    # The other functions return the same, parsed or awaited.
    if new.name == "sync_detailed" and str(old.returns) != str(new.returns):
        breaks = not _pieces(new.returns) < _pieces(old.returns)
        yield breaks, f"`{path}`: returns `{new.returns}`, was `{old.returns}`"


def _pieces(annotation: Any) -> set[str]:
    inner = re.sub(r"^Response\[(.*)\]$", r"\1", str(annotation))
    return set(inner.split(" | "))
