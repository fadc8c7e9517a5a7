"""Parse OpenAPI documents from elsewhere, and write them in one form."""

import io
import json
import sys
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.constructor import SafeConstructor
from ruamel.yaml.error import YAMLError
from ruamel.yaml.events import AliasEvent, CollectionEndEvent, CollectionStartEvent, NodeEvent
from ruamel.yaml.scalarstring import DoubleQuotedScalarString, LiteralScalarString

from pipeline import PipelineError

__all__ = ["dump", "is_json", "parse", "read_yaml"]

MAX_VALUES = 200_000
"""How many values a document may hold once its aliases are written out."""


class _Constructor(SafeConstructor):
    """Leaves dates the strings that they are in JSON."""


_Constructor.add_constructor("tag:yaml.org,2002:timestamp", _Constructor.construct_yaml_str)


def is_json(text: str) -> bool:
    """Tell JSON from YAML."""
    return text.lstrip("\ufeff \r\n\t").startswith("{")


def parse(text: str, name: str) -> dict[str, Any]:
    """
    Return the OpenAPI document *text*, which is YAML or JSON.

    Raises:
        PipelineError: It is neither, its aliases are too many, or it is not
            OpenAPI 3.
    """
    try:
        if is_json(text):
            document = json.loads(text.lstrip("\ufeff"), object_pairs_hook=_object)
        else:
            if "*" in text:
                _check_aliases(text)
            document = read_yaml(text)
    except (YAMLError, ValueError, RecursionError) as error:
        said = " ".join(str(error).split())
        reason = "nested too deeply" if isinstance(error, RecursionError) else said
        raise PipelineError(
            f"{name} is not the YAML or JSON of a description: {reason}; vendor a file that is"
        ) from None
    if not isinstance(document, dict) or "openapi" not in document:
        raise PipelineError(
            f"{name} has no `openapi` key, so it is not OpenAPI 3 (old exports of Mintlify are "
            "not); vendor an OpenAPI file"
        )
    return document


def read_yaml(text: str) -> Any:
    """
    Return what the YAML *text* holds, dates as the strings that they are in JSON.

    Raises:
        YAMLError: It is no YAML.
    """
    yaml = YAML(typ="safe")
    yaml.Constructor = _Constructor
    return yaml.load(text)


def dump(document: dict[str, Any]) -> str:
    """Return *document* as YAML: the same data in the same order is the same text."""
    yaml = YAML()
    yaml.width = sys.maxsize
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.representer.ignore_aliases = lambda _: True
    text = io.StringIO()
    yaml.dump(_readable(document), text)
    return text.getvalue()


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(key for number, (key, _) in enumerate(pairs) if key in dict(pairs[:number]))
        raise ValueError(f"it has the key {twice!r} twice in one object")
    return found


def _check_aliases(text: str) -> None:
    # On the events, because a bomb made of merge keys goes off while objects
    # are built of them.
    sizes = dict[str, int]()
    open_ones = list[tuple[str | None, int]]()
    total = 0
    for event in YAML(typ="safe", pure=True).parse(text):
        if isinstance(event, AliasEvent):
            if event.anchor not in sizes:
                raise ValueError(f"the alias {event.anchor} stands within what it means")
            total += sizes[event.anchor]
        elif isinstance(event, NodeEvent):
            if isinstance(event, CollectionStartEvent):
                open_ones.append((event.anchor, total))
            elif event.anchor:
                sizes[event.anchor] = 1
            total += 1
        elif isinstance(event, CollectionEndEvent):
            anchor, before = open_ones.pop()
            if anchor:
                sizes[anchor] = total - before
        if total > MAX_VALUES:
            raise ValueError(f"its aliases stand for more than {MAX_VALUES:,} values")


def _readable(value: Any) -> Any:
    if isinstance(value, dict):
        return {_readable(key): _readable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_readable(item) for item in value]
    if isinstance(value, str) and not value.replace("\n", "").isprintable():
        return DoubleQuotedScalarString(value)  # escapes what other styles would lose
    return LiteralScalarString(value) if isinstance(value, str) and "\n" in value else value
