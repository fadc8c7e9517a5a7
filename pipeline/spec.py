"""Read the vendored OpenAPI description: corrected by the overlay, and then valid."""

import json
import re
from functools import lru_cache
from pathlib import Path
from typing import Any

from ruamel.yaml.error import YAMLError

from pipeline import PipelineError, overlay
from pipeline.document import is_json, read_yaml
from pipeline.faults import stop
from pipeline.overlay import OVERLAY
from pipeline.validate import faults

__all__ = [
    "NOT_OPERATIONS",
    "OVERLAY",
    "SPEC",
    "corrected_spec",
    "described",
    "load",
    "operations",
    "read_text",
]

SPEC = "openapi.yaml"

# Whatever else stands in a path item counts as an operation: a method unknown
# here, or a $ref, would otherwise drop out of the client without a word.
NOT_OPERATIONS = {"summary", "description", "servers", "parameters"}


def described(root: Path) -> dict[str, Any]:
    """
    Return what is described below *root*: the vendored text with our corrections.

    Raises:
        PipelineError: It is no description, an action of the overlay no longer
            fits, or what comes of it is not valid; all faults are named at once.
    """
    spec = load(read_text(root / SPEC), SPEC, remedy="restore it, or vendor it anew")
    overlay.apply(spec, read_text(root / OVERLAY))
    stop(faults(spec))
    return spec


def corrected_spec(root: Path) -> str:
    """Return what is described below *root* as text, for whoever reads descriptions himself."""
    return json.dumps(described(root))


def load(text: str, name: str, *, remedy: str) -> dict[str, Any]:
    """
    Parse *text*, an OpenAPI document in YAML or JSON, which need not be valid.

    Args:
        text: The document.
        name: What to call it in an error.
        remedy: What to do when it is none.

    Raises:
        PipelineError: It is neither YAML nor OpenAPI 3.0 or 3.1.
    """
    try:
        spec = json.loads(_as_json(text))
    except (YAMLError, ValueError) as error:
        raise PipelineError(f"{name} is not YAML: {_in_a_line(error)}; {remedy}") from error
    if not isinstance(spec, dict):
        raise PipelineError(f"{name} is {'not a mapping' if spec else 'empty'}; {remedy}")
    if not re.match(r"3\.[01]\.", version := str(spec.get("openapi"))):
        raise PipelineError(
            f"{name} is not valid OpenAPI: {_version(version)}, "
            f"and 3.0 and 3.1 are what the generator reads; {remedy}"
        )
    return spec


def operations(spec: dict[str, Any]) -> list[tuple[str, str]]:
    """Return method, in capitals, and path of every operation in *spec*."""
    return [
        (key.upper(), path)
        for path, item in (spec.get("paths") or {}).items()
        for key in item or ()
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


@lru_cache(maxsize=4)
def _as_json(text: str) -> str:
    # Keys that YAML takes for numbers, dates, and one object at two places become
    # what they are in JSON; which is read again in no time.
    return json.dumps(json.loads(text) if is_json(text) else read_yaml(text), default=str)


def _in_a_line(error: Exception) -> str:
    return " ".join(str(error).split())


def _version(version: str) -> str:
    return "it names no version" if version == "None" else f"it says version {version}"
