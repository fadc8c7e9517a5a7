"""
What openapi-python-client does not check itself.

It goes on without a word when ruff has another version, when a key of its
configuration is misspelt, when an override of a class name matches nothing,
and when two operations end up in one module.
"""

import ast
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from openapi_python_client.config import ConfigFile
from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from pipeline import PipelineError
from pipeline.spec import read_text

__all__ = ["check_overrides", "check_versions", "check_wrapper", "load_config"]


def check_versions(pyproject: Path, path: str) -> None:
    """
    Compare the generator and ruff with their pins: each version writes other code.

    Args:
        pyproject: The file with the pins, in ``[dependency-groups] dev``.
        path: The folders to look for ruff in, as in ``PATH``.

    Raises:
        PipelineError: One of them is missing, not pinned or of another version.
    """
    try:
        pins = tomllib.loads(read_text(pyproject))["dependency-groups"]["dev"]
    except (tomllib.TOMLDecodeError, KeyError) as error:
        raise PipelineError(f"{pyproject.name} has no dev dependencies: {error}") from error
    for name, found in (
        ("openapi-python-client", _generator_version()),
        ("ruff", _ruff_version(path)),
    ):
        pinned = [pin.removeprefix(f"{name}==") for pin in pins if pin.startswith(f"{name}==")]
        if pinned != [found]:
            raise PipelineError(
                f"{name} is {found or 'missing'}, {pyproject.name} pins "
                f"{', '.join(pinned) or 'no version'}: pin one version there and run make setup"
            )


def load_config(path: Path) -> dict[str, Any]:
    """
    Return the generator's configuration at *path*.

    Raises:
        PipelineError: It has a key the generator does not know, or a value it
            does not take.
    """
    try:
        config = YAML(typ="safe").load(read_text(path))
        ConfigFile.model_validate(config, extra="forbid")
    except YAMLError as error:
        raise PipelineError(f"{path.name} is not YAML: {error}; correct it") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the whole"
        raise PipelineError(f"{path.name}, {place}: {first['msg']}; correct it") from error
    return dict(config)


def check_overrides(config: dict[str, Any], spec: dict[str, Any], package: Path) -> None:
    """
    Look for the outcome of every class override of *config* in the generated *package*.

    Raises:
        PipelineError: An override matched nothing.
    """
    classes = {
        (module.stem, name)
        for module in package.glob("models/*.py")
        for name in re.findall(r"^class (\w+)", module.read_text(encoding="utf-8"), re.MULTILINE)
    }
    # A schema that upstream itself has given the name we want makes it look as
    # if the override had matched.
    published = spec.get("components", {}).get("schemas", {})
    for old, override in (config.get("class_overrides") or {}).items():
        new = override.get("class_name") or old
        module = override.get("module_name")
        matched = any(name == new and module in {None, stem} for stem, name in classes)
        if not matched or (new != old and new in published):
            raise PipelineError(
                f"class override {old} matches no schema: upstream moved; "
                "adapt or drop it in generator-config.yaml"
            )


def check_wrapper(wrapper: Path, package: Path) -> None:
    """
    Look in the generated *package* for what the modules below *wrapper* import from it.

    Raises:
        PipelineError: Something is gone: ``import setle`` would fail.
    """
    for module in sorted(wrapper.rglob("*.py")):
        for source, name in _imports(module, package.name):
            if not _has(package.joinpath(*source.split(".")[1:]), name):
                raise PipelineError(
                    f"{module.relative_to(wrapper.parents[1]).as_posix()} imports {name} from "
                    f"{source}, where it is no longer: keep tag and names in "
                    "openapi.overlay.yaml, or adapt the import"
                )


def _imports(module: Path, package: str) -> Iterator[tuple[str, str]]:
    code = module.read_bytes()
    if package.encode() not in code:
        return  # to parse all of them would take longer than all the other checks
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom) and not node.level:
            source = node.module or ""
            if source.split(".")[0] == package:
                yield from ((source, name.name) for name in node.names)


def _has(place: Path, name: str) -> bool:
    if (place / f"{name}.py").is_file() or (place / name).is_dir():
        return True
    module = place / "__init__.py" if place.is_dir() else place.with_suffix(".py")
    return module.is_file() and bool(re.search(rf"\b{name}\b", module.read_text(encoding="utf-8")))


def _generator_version() -> str:
    try:
        return version("openapi-python-client")
    except PackageNotFoundError:
        return ""


def _ruff_version(path: str) -> str:
    ruff = shutil.which("ruff", path=path)
    if ruff is None:
        return ""
    result = subprocess.run([ruff, "--version"], capture_output=True, encoding="utf-8", check=False)
    return result.stdout.strip().removeprefix("ruff ")
