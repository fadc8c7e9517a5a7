"""
Rebuild the low-level client: ``python -m pipeline.generate [--check]``.

Everything happens in a folder aside. The tree changes in one swap at the very
end, or not at all. ``--check`` compares instead of swapping.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from ruamel.yaml import YAML

from pipeline import PipelineError, run
from pipeline.checks import (
    check_endpoints,
    check_overrides,
    check_versions,
    check_wrapper,
    load_config,
)
from pipeline.compare import differences
from pipeline.losses import check_losses
from pipeline.spec import OVERLAY, SPEC, corrected_spec

__all__ = ["CONFIG", "PACKAGE", "build", "check", "generate", "inspect", "render"]

CONFIG = "generator-config.yaml"
PACKAGE = Path("generated/setle_api")
WRAPPER = Path("wrapper/setle")
HEADER = (
    "# Generated from openapi.yaml and openapi.overlay.yaml; do not edit, run `make generate`.\n\n"
)

# What the generator prints in place of a piece of the spec.
_OBJECT = re.compile(r" <openapi_python_client\S* object at 0x\w+>")
# What it prints around the matter: the data it was reading, frames of a
# traceback, where to report bugs.
_NOISE = re.compile(r"$|[\s{}]|Traceback|(Warning|Error)\(s\) encountered|If you believe")


def generate(root: Path) -> None:
    """
    Replace ``generated/setle_api`` below *root* by a new build.

    Raises:
        PipelineError: A step failed; nothing was changed.
    """
    target = root / PACKAGE
    target.parent.mkdir(exist_ok=True)
    # Beside the target, because a rename does not cross file systems.
    with TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent) as aside:
        _swap(build(root, Path(aside)), target)


def check(root: Path) -> None:
    """
    Print how ``generated/setle_api`` below *root* differs from a new build.

    Raises:
        PipelineError: It does, or a step of the build failed.
    """
    with TemporaryDirectory() as aside:
        lines = differences(root / PACKAGE, build(root, Path(aside)))
    if lines:
        print("\n".join(lines))
        raise PipelineError(f"{PACKAGE} is not what its sources give: run make generate")


def build(root: Path, aside: Path) -> Path:
    """
    Generate the client below *aside*, an empty folder, and check it.

    Returns:
        The folder of the new package.

    Raises:
        PipelineError: A step failed. *root* is only read.
    """
    text = corrected_spec(root)
    check_losses(YAML(typ="safe").load(text))
    package = render(root, text, aside)
    inspect(root, text, package)
    for module in package.rglob("*.py"):
        module.write_text(HEADER + module.read_text(encoding="utf-8"), encoding="utf-8")
    (package / "py.typed").touch()
    return package


def render(root: Path, text: str, aside: Path) -> Path:
    """
    Let the generator write its package for the spec *text* below *aside*, an empty folder.

    Raises:
        PipelineError: It is not the one pinned below *root*, or said anything.
    """
    load_config(root / CONFIG)
    # The post hooks look ruff up on PATH; ours stands beside the interpreter.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    check_versions(root / "pyproject.toml", path)

    package = aside / PACKAGE.name
    (aside / SPEC).write_text(text, encoding="utf-8")
    _run_generator(package, root / CONFIG, path)
    return package


def inspect(root: Path, text: str, package: Path) -> None:
    """
    Look in the generated *package* for all that the spec *text* and the wrapper ask of it.

    Raises:
        PipelineError: Something is lost.
    """
    spec = YAML(typ="safe").load(text)
    check_endpoints(spec, package)
    check_overrides(load_config(root / CONFIG), spec, package)
    check_wrapper(root / WRAPPER, package)


def main() -> None:
    """Read the command line and rebuild, or compare."""
    parser = argparse.ArgumentParser(prog="python -m pipeline.generate", description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare only; fail on a difference")
    parser.add_argument(
        "--root", type=Path, default=Path(__file__).parents[1], help="the repository to work on"
    )
    arguments = parser.parse_args()
    (check if arguments.check else generate)(arguments.root)


def _run_generator(package: Path, config: Path, path: str) -> None:
    command = [sys.executable, "-m", "openapi_python_client", "generate", "--fail-on-warning"]
    command += ["--meta", "none", "--path", SPEC, "--output-path", package.name]
    result = subprocess.run(
        [*command, "--config", str(config.resolve())],
        cwd=package.parent,
        # A plain traceback: its last line is the error, the boxed one wraps it.
        env={**os.environ, "PATH": path, "PYTHONUTF8": "1", "TYPER_STANDARD_TRACEBACK": "1"},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    # Python's own warnings come with status 0.
    if result.returncode or result.stderr.strip():
        said = " ".join(line for line in result.stderr.splitlines() if not _NOISE.match(line))
        said = _OBJECT.sub("", said)
        said = said or result.stderr.strip() or f"status {result.returncode}"
        raise PipelineError(
            f"openapi-python-client: {said}; correct the spec in {OVERLAY}, or {CONFIG}"
        )


def _swap(new: Path, target: Path) -> None:
    # Outside the temporary folder, which is deleted whatever happens.
    old = target.with_name(f".{target.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    try:
        if target.exists():
            target.rename(old)
        new.rename(target)
    except BaseException:  # Ctrl-C between the two as well
        if old.exists() and not target.exists():
            old.rename(target)
        raise
    shutil.rmtree(old, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(run(main))
