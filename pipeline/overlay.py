"""
Apply an OpenAPI Overlay strictly.

An action whose target is gone, or that changes nothing, is an error: that is
how we learn that upstream moved. The tools that apply overlays let it pass.

Version 1.1, because 1.0 forbids targets that are strings ("MUST be zero or
more objects or arrays"), and the corrections we need remove a ``type`` and
single entries of ``required``. Its ``copy`` is not supported.

Source: Overlay Specification 1.1.0, "Action Object"; RFC 9535 (JSONPath).
"""

import copy
import json
from collections.abc import Iterable
from typing import Any

from jsonpath_rfc9535 import JSONPathError, JSONPathNode, find
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from pipeline import PipelineError

__all__ = ["OVERLAY", "apply"]

OVERLAY = "openapi.overlay.yaml"

_OVERLAY_KEYS = {"overlay", "info", "extends", "actions"}
_ACTION_KEYS = {"target", "description", "update", "remove"}


def apply(document: dict[str, Any], overlay: str, *, unfit: list[str] | None = None) -> None:
    """
    Apply the actions of the YAML text *overlay* to *document*, in place.

    Args:
        document: An OpenAPI description; it need not be valid.
        overlay: YAML.
        unfit: Where the errors of actions go instead of being raised.

    Raises:
        PipelineError: The overlay is malformed, or some of its actions, all of which
            are named, no longer fit the description.
    """
    found = list[str]()
    for number, action in enumerate(_actions(overlay), 1):
        try:
            _apply_action(document, action)
        except _ActionError as error:
            target = action.get("target") if isinstance(action, dict) else action
            found.append(f"overlay action {number} ({target}) {error}")
    if unfit is not None:
        unfit += found
    elif found:
        raise PipelineError("\n".join(found))


class _ActionError(Exception):
    """What is wrong with an action; the caller knows which one it is."""


def _actions(text: str) -> list[Any]:
    try:
        overlay = YAML(typ="safe").load(text)
    except YAMLError as error:
        raise PipelineError(f"{OVERLAY} is not YAML: {error}; correct it") from error
    if not isinstance(overlay, dict) or not str(overlay.get("overlay")).startswith("1.1."):
        raise PipelineError(f"{OVERLAY} does not say `overlay: 1.1.0`, the version applied here")
    if unknown := _unknown(overlay, _OVERLAY_KEYS):
        raise PipelineError(f"{OVERLAY} has unknown keys: {unknown}; correct or drop them")
    actions = overlay.get("actions")
    if not isinstance(actions, list) or not actions:
        raise PipelineError(f"{OVERLAY} has no list of actions; add one, or drop the file")
    return actions


def _unknown(mapping: dict[str, Any], known: set[str]) -> str:
    return ", ".join(str(key) for key in mapping if key not in known and str(key)[:2] != "x-")


def _apply_action(document: Any, action: Any) -> None:
    if not isinstance(action, dict) or not isinstance(action.get("target"), str):
        raise _ActionError("has no target; give it a JSONPath")
    if unknown := _unknown(action, _ACTION_KEYS):
        raise _ActionError(f"has unknown keys: {unknown}; correct or drop them")
    if not str(action.get("description", "")).strip():
        raise _ActionError("has no description; say why it is needed")
    removes = action.get("remove", False)
    if not isinstance(removes, bool) or removes == ("update" in action):
        raise _ActionError("needs either `update` or `remove: true`; give it one of them")
    try:
        nodes = {node.location: node for node in find(action["target"], document)}.values()
    except JSONPathError as error:
        raise _ActionError(f"has no valid target: {error}; correct the JSONPath") from error
    if not nodes:
        raise _ActionError("matches nothing: upstream moved; adapt or drop the action")
    if removes:
        _remove(nodes)
    elif not _update(nodes, action["update"]):
        raise _ActionError("changes nothing: upstream has it now; drop the action")


def _remove(nodes: Iterable[JSONPathNode]) -> None:
    # From the back, so that the indices of the entries still to go stay right.
    for node in sorted(nodes, key=_index, reverse=True):
        if node.parent is None:
            raise _ActionError("removes the whole document; give it a part of it")
        parent: Any = node.parent.value
        del parent[node.location[-1]]


def _index(node: JSONPathNode) -> int:
    last = node.location[-1] if node.location else -1
    return last if isinstance(last, int) else -1


def _update(nodes: Iterable[JSONPathNode], update: Any) -> bool:
    changed = False
    for node in nodes:
        # JSON, because to Python 1, 1.0 and True are equal.
        before = json.dumps(node.value, default=str)
        node.value = _merged(node.value, update, entry=isinstance(node.value, list))
        changed |= json.dumps(node.value, default=str) != before
    return changed


def _merged(old: Any, new: Any, *, entry: bool = False) -> Any:
    # A fresh copy each time: one object at two places becomes a YAML alias.
    new = copy.deepcopy(new)
    if isinstance(old, dict) and isinstance(new, dict):
        for key, value in new.items():
            old[key] = _merged(old[key], value) if key in old else value
        return old
    if isinstance(old, list) and (entry or isinstance(new, list)):
        old.extend(new if isinstance(new, list) else [new])
        return old
    if isinstance(old, dict | list) or isinstance(new, dict | list):
        raise _ActionError("puts one kind of value in place of another; remove the old one first")
    return new
