"""What is wrong with a description, and the action of an overlay that would mend it."""

import io
from collections.abc import Iterable
from typing import Any, NamedTuple

from ruamel.yaml import YAML

from pipeline import PipelineError
from pipeline.overlay import OVERLAY

__all__ = ["Fault", "actions_of", "jsonpath", "pasted", "place_of", "reasons", "removal", "stop"]

Path = tuple[str | int, ...]
_METHODS = {"get", "put", "post", "delete", "options", "head", "patch", "trace"}


class Fault(NamedTuple):
    """One thing that stands in the way."""

    place: str
    """Operation or schema, and where in it."""
    reason: str
    remedy: str
    action: dict[str, Any] | None = None
    """Of an overlay, without its description."""

    def __str__(self) -> str:
        """Return it as one line."""
        return " ".join(f"{self.place}: {self.reason}; {self.remedy}".split())


def stop(faults: Iterable[Fault]) -> None:
    """
    Stop at all *faults* at once.

    Raises:
        PipelineError: There are some.
    """
    if found := reasons(faults := list(faults)):
        raise PipelineError("\n".join(found), actions_of(faults))


def actions_of(faults: Iterable[Fault]) -> list[dict[str, Any]]:
    """Return the actions that would mend *faults*, each once, with their reasons."""
    actions = [
        {"target": fault.action["target"], "description": f"{fault.place}: {fault.reason}."}
        | {key: value for key, value in fault.action.items() if key != "target"}
        for fault in faults
        if fault.action
    ]
    unique = {(one["target"], str(one.get("update"))): one for one in actions}
    # From the back: one that removes an entry of a list leaves the places before it right.
    return list(reversed(unique.values()))


def reasons(faults: Iterable[Fault]) -> list[str]:
    """Return *faults* as lines, each once."""
    return list(dict.fromkeys(map(str, faults)))


def pasted(actions: Iterable[dict[str, Any]]) -> str:
    """Return *actions* as text that can be pasted at the end of the overlay."""
    yaml = YAML()
    yaml.width = 100
    yaml.indent(mapping=2, sequence=4, offset=2)
    text = io.StringIO()
    yaml.dump({"actions": list(actions)}, text)
    body = text.getvalue().partition("\n")[2]
    return f"ready to paste at the end of {OVERLAY}:\n\n{body}"


def jsonpath(path: Path) -> str:
    """Return where *path* leads as a JSONPath."""
    parts = ["$"]
    for key in path:
        if isinstance(key, int):
            parts.append(f"[{key}]")
        elif key.isidentifier() and key.isascii():
            parts.append(f".{key}")
        else:
            quoted = key.replace("\\", "\\\\").replace("'", "\\'")
            parts.append(f"['{quoted}']")
    return "".join(parts)


def removal(path: Path, helps: bool = True) -> dict[str, Any] | None:
    """Return the action that removes what is at *path*, if it *helps*."""
    return {"target": jsonpath(path), "remove": True} if helps else None


def place_of(spec: Any, path: Path) -> str:
    """Return where *path* leads as people call it."""
    match path:
        case ("paths", str(url), str(method), *rest) if method in _METHODS:
            place, node = f"{method.upper()} {url}", _at(spec, path[:3])
        case ("paths", str(url), *rest):
            place, node = str(url), _at(spec, path[:2])
        case ("components", "schemas", str(name), *rest):
            place, node = f"schema {name}", None
        case _:
            return "/".join(map(str, path)) or "the whole"
    words = list(map(str, rest))
    if words[:1] == ["parameters"] and len(words) > 1 and isinstance(node, dict):
        parameter = _at(node, tuple(rest[:2]))
        if isinstance(parameter, dict) and "name" in parameter:
            place += f", {parameter.get('in')} {parameter['name']}"
            words = words[2:]
    return f"{place}, {'/'.join(words)}" if words else place


def _at(node: Any, path: Path) -> Any:
    for key in path:
        try:
            node = node[key]
        except (KeyError, IndexError, TypeError):
            return None
    return node
