"""Read the vendored OpenAPI description: valid, and corrected by the overlay."""

import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from openapi_spec_validator import validate
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from pipeline import PipelineError, overlay

__all__ = [
    "NOT_OPERATIONS",
    "OVERLAY",
    "SPEC",
    "corrected_spec",
    "operations",
    "read_text",
    "validated",
]

SPEC = "openapi.yaml"
OVERLAY = "openapi.overlay.yaml"

# Whatever else stands in a path item counts as an operation: a method unknown
# here, or a $ref, would otherwise drop out of the client without a word.
NOT_OPERATIONS = {"summary", "description", "servers", "parameters"}


def corrected_spec(root: Path) -> str:
    """
    Return the text of the vendored spec below *root*, with our corrections.

    Raises:
        PipelineError: The spec is invalid, as published or as corrected, or an
            action of the overlay no longer fits.
    """
    published = read_text(root / SPEC)
    validated(published, name=SPEC, remedy="restore it, or vendor it anew")
    corrected = overlay.apply(published, read_text(root / OVERLAY))
    validated(corrected, name=f"{SPEC} as corrected", remedy=f"adapt {OVERLAY}")
    return corrected


def validated(text: str, *, name: str, remedy: str) -> dict[str, Any]:
    """
    Parse *text*, an OpenAPI document.

    Args:
        text: YAML, or JSON.
        name: What to call the document in an error.
        remedy: What to do when it is not valid.

    Raises:
        PipelineError: It is not YAML, or not valid OpenAPI.
    """
    try:
        spec = YAML(typ="safe").load(text)
    except YAMLError as error:
        raise PipelineError(f"{name} is not YAML: {error}; {remedy}") from error
    if not isinstance(spec, dict):
        raise PipelineError(f"{name} is {'not a mapping' if spec else 'empty'}; {remedy}")
    if not re.match(r"3\.[01]\.", version := str(spec.get("openapi"))):
        raise PipelineError(
            f"{name} is not valid OpenAPI: {_version(version)}, "
            f"and 3.0 and 3.1 are what the generator reads; {remedy}"
        )
    if keys := list(_keys_that_are_no_strings(spec)):
        raise PipelineError(f"{name} has the key {keys[0]!r}; put it in quotes")
    try:
        validate(spec)
    except Exception as error:  # odd input makes the validator fail in any way
        raise PipelineError(f"{name} is not valid OpenAPI: {_reason(error)}; {remedy}") from error
    return spec


def operations(spec: dict[str, Any]) -> list[tuple[str, str]]:
    """Return method, in capitals, and path of every operation in *spec*."""
    return [
        (key.upper(), path)
        for path, item in spec.get("paths", {}).items()
        for key in item
        if path.startswith("/") and key not in NOT_OPERATIONS and not key.startswith("x-")
    ]


def read_text(path: Path) -> str:
    """
    Return the text of the file at *path*.

    Raises:
        PipelineError: There is no such file, or it is not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PipelineError(f"cannot read {path.name}: {error}; restore it") from error


def _keys_that_are_no_strings(value: Any) -> Iterator[object]:
    # YAML takes an unquoted 200 for a number; the validator dies of it, and no
    # JSONPath finds it.
    if isinstance(value, dict):
        yield from (key for key in value if not isinstance(key, str))
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _keys_that_are_no_strings(item)


def _version(version: str) -> str:
    return "it names no version" if version == "None" else f"it says version {version}"


def _reason(error: Exception) -> str:
    # An error of "one of these schemas" holds the errors of each; the one that
    # got furthest into the document says what is wrong.
    while context := getattr(error, "context", None):
        error = max(context, key=lambda inner: len(inner.absolute_path))
    place = "/".join(map(str, getattr(error, "absolute_path", ())))
    message = getattr(error, "message", str(error))
    return textwrap.shorten(message, 200) + (f" (at {place})" if place else "")
