"""Run the generator, and tell what it says."""

import json
import os
import re
import sys
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

from pipeline import PipelineError
from pipeline.alias import reveal
from pipeline.checks import check_versions, load_config
from pipeline.processes import processes
from pipeline.spec import OVERLAY

__all__ = ["CONFIG", "HEADER", "PACKAGE", "render"]

CONFIG = "generator-config.yaml"
PACKAGE = Path("generated/setle_api")
HEADER = (
    "# Generated from openapi.yaml and openapi.overlay.yaml; do not edit, run `make generate`.\n\n"
)

# What no description can bring the generator to.
_MENDS = (
    # httpx sends no file without a form in asyncio, nor again after a 401.
    (r'"content"\] = body\.payload\n', '"content"] = body.payload.read()\n'),
    # Python has no name for a status like 520, which was told before it could be raised.
    (r"( +status_code=HTTPStatus\(.*\n(?:.*\n){2})( +parsed=_parse_response\(.*\n)", r"\2\1"),
)
# An optional body that is one of several is sent where there is none.
_OPTIONAL_BODY = re.compile(r"^    body: .* Unset = UNSET,$", re.MULTILINE)
_ELSE = ("    else:\n        _kwargs", "    elif not isinstance(body, Unset):\n        _kwargs")
# What the generator reads.
_INPUT = "openapi.json"
# What it prints in place of a piece of the spec.
_OBJECT = re.compile(r" <openapi_python_client\S* object at 0x\w+>")
# What it prints around the matter: the data it was reading, frames of a
# traceback, where to report bugs.
_NOISE = re.compile(
    r"$|[\s{}\[\]]|Traceback|(Warning|Error)\(s\) encountered|If you believe|For further|"
    r"Failure to process schema has|/components/|NotImplemented"
)
# Where the next matter begins.
_MATTER = re.compile(
    r"(?:WARNING|ERROR) parsing (\S+ \S+) within .*|Unable to \w+ schema (\S+?):?$"
)


def render(
    root: Path, ruled: dict[str, Any], aside: Path, *, strict: bool = True
) -> tuple[Path, list[str]]:
    """
    Let the generator write its package for the description *ruled* below *aside*, an empty folder.

    Args:
        root: Where configuration and pins stand.
        ruled: What the rules made of a description.
        aside: Where to write.
        strict: Whether to stop at what it leaves out.

    Returns:
        The folder of the package, and what it leaves out.

    Raises:
        PipelineError: It is not the one pinned below *root*, or said anything.
    """
    load_config(root / CONFIG)
    # The post hooks look ruff up on PATH; ours stands beside the interpreter.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    check_versions(root / "pyproject.toml", path)

    package = aside / PACKAGE.name
    (aside / _INPUT).write_text(json.dumps(ruled), encoding="utf-8")
    said = _run_generator(package, root / CONFIG, path)
    # With its warnings it writes all the rest.
    if said and (strict or not package.is_dir()):
        raise PipelineError("\n".join(said))
    for module in package.rglob("*.py"):
        code = reveal(module.read_text(encoding="utf-8"))
        for old, new in _MENDS:
            code = re.sub(old, new, code)
        if _OPTIONAL_BODY.search(code) and "isinstance(body, Unset)" not in code:
            code = code.replace(*_ELSE)
        module.write_text(HEADER + code, encoding="utf-8")
    (package / "py.typed").touch()
    return package, said


def _run_generator(package: Path, config: Path, path: str) -> list[str]:
    command = ["generate", "--fail-on-warning", "--config", str(config.resolve())]
    command += ["--meta", "none", "--path", _INPUT, "--output-path", package.name]
    with processes(1, _begin, package.parent, path) as pool:
        try:
            status, said = pool.submit(_generate, command).result()
        except Exception as error:  # noqa: BLE001 - whatever the generator raised, or died of
            status, said = 1, f"{type(error).__name__}: {error}"
    # Python's own warnings come with status 0.
    if not status and not said.strip():
        return []
    causes = list(_causes(said)) or [said.strip() or f"status {status}"]
    remedy = f"correct the spec in {OVERLAY}, or {CONFIG}"
    return [f"openapi-python-client: {reveal(cause)}; {remedy}" for cause in causes]


def _begin(folder: Path, path: str) -> None:
    os.chdir(folder)
    os.environ["PATH"] = path


def _generate(command: list[str]) -> tuple[int, str]:
    """Return the status of the generator's *command*, and what it says on stderr."""
    from openapi_python_client.cli import app

    said = StringIO()
    with redirect_stdout(StringIO()), redirect_stderr(said):
        return app(command, standalone_mode=False) or 0, said.getvalue()


def _causes(said: str) -> list[str]:
    """Return a line for each matter of what the generator *said*, which holds half the spec."""
    causes = [""]
    for told in said.splitlines():
        line = _OBJECT.sub("", told)
        if match := _MATTER.match(line):
            causes.append(f"{match[1] or match[2].replace('/components/schemas/', 'schema ')}:")
        elif not _NOISE.match(line):
            causes[-1] = f"{causes[-1]} {line}".strip()
    return list(dict.fromkeys(cause for cause in causes if cause.rstrip(":")))
