"""
What a change of the description means on the wire, as Redocly CLI rates it.

Redocly CLI runs by npx in a folder of its own; nothing is installed.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline import PipelineError

__all__ = ["REDOCLY", "WireSkippedError", "changes", "compare"]

# Exact: later versions want a newer Node, and each rates in its own way.
REDOCLY = "@redocly/cli@2.77.0"

# Words and names for people and generators: no request and no answer holds them.
_WORDS = {"description", "example", "examples", "operationId", "summary", "tags", "title"}


class WireSkippedError(Exception):
    """There is no Node here, or npm cannot be reached; the message is the reason."""


def compare(old: str, new: str, aside: Path) -> list[tuple[bool, str]]:
    """
    Return whether it breaks, and what, for each change from spec *old* to *new*.

    Args:
        old: The text of a valid description.
        new: The text of another.
        aside: An empty folder to work in.

    Raises:
        WireSkippedError: Redocly CLI cannot be had.
        PipelineError: It failed.
    """
    npx = shutil.which("npx")
    if npx is None or shutil.which("node") is None:
        raise WireSkippedError("there is no Node with npx here")
    (aside / "old.yaml").write_text(old, encoding="utf-8")
    (aside / "new.yaml").write_text(new, encoding="utf-8")
    command = [npx, "--yes", REDOCLY, "diff", "old.yaml", "new.yaml"]
    environment = {"REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true"}
    # By itself npm goes on for minutes where there is no network.
    environment |= {"npm_config_fetch_retries": "0", "npm_config_fetch_timeout": "20000"}
    try:
        result = subprocess.run(
            [*command, "--format=json", "--fail-on=none"],
            cwd=aside,
            env={**os.environ, **environment},
            capture_output=True,
            encoding="utf-8",
            check=False,
            timeout=120,
        )
    except subprocess.TimeoutExpired as error:
        raise WireSkippedError(f"npx took longer than {error.timeout:g} s") from error
    if result.returncode:
        said = [line.strip() for line in result.stderr.splitlines()]
        if npm := [line for line in said if line.lower().startswith(("npm err", "npm error"))]:
            raise WireSkippedError(f"npm cannot be reached or refuses ({npm[0]})")
        said = [line for line in said if "error" in line.lower()] or said or ["no output"]
        raise PipelineError(f"{REDOCLY}: {said[-1]}; try its `diff` by hand")
    return list(changes(result.stdout))


def changes(output: str) -> Iterator[tuple[bool, str]]:
    """
    Yield whether it breaks, and what, for each change in the JSON *output* of Redocly CLI.

    Raises:
        PipelineError: It is not what the pinned version writes.
    """
    try:
        for change in json.loads(output)["changes"]:
            if change["impact"] == "major" or not _is_wording(change):
                breaks = change["impact"] == "major"
                yield breaks, f"{_place(change['path'])}: {_what(change)}"
    except (ValueError, KeyError, TypeError) as error:
        raise PipelineError(
            f"the output of {REDOCLY} cannot be read: {error!r}; run its `diff` by hand"
        ) from error


def _is_wording(change: Any) -> bool:
    # A new name for a schema is one too; what uses the schema is told where it is used.
    parts = change["path"].split("/")
    named = change["kind"] != "modified" and parts[1:3] == ["components", "schemas"]
    return change.get("property") in _WORDS or parts[-1] in _WORDS or (named and len(parts) == 4)


def _what(change: Any) -> str:
    if messages := [verdict["message"] for verdict in change["verdicts"]]:
        return " ".join(messages)
    subject = f"`{change['property']}` " if "property" in change else ""
    was, now = (change.get(side, {}).get("value") for side in ("base", "revision"))
    if change["kind"] == "modified" and not isinstance(was or now, dict):
        return f"{subject}is {json.dumps(now)}, was {json.dumps(was)}"
    return f"{subject}{change['kind']}"


def _place(pointer: str) -> str:
    first, *rest = pointer.removeprefix("#/").split("/")
    names = [name.replace("~1", "/").replace("~0", "~") for name in (first, *rest)]
    if first != "paths":
        return f"`{'/'.join(names) or 'the whole'}`"
    if len(names) < 3:
        return f"`{names[-1]}`"
    where = f"`{names[2].upper()} {names[1]}`"
    return f"{where}, `{'/'.join(names[3:])}`" if names[3:] else where
