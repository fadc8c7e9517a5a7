"""A scratch copy of what the pipeline reads and writes: no test runs it on the working tree."""

import shutil
from pathlib import Path

import pytest

from pipeline.processes import PRELOADED, preload
from tests.pipeline import serving

preload([*PRELOADED, "tests.pipeline.templates_once"])

ROOT = Path(__file__).parents[2]


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    """Return the root of a copy with sources and generated client."""
    root = tmp_path / "scratch"
    ignore = shutil.ignore_patterns("__pycache__")
    for name in ("generated", "wrapper"):
        shutil.copytree(ROOT / name, root / name, ignore=ignore)
    for name in ("openapi.yaml", "openapi.overlay.yaml", "generator-config.yaml", "pyproject.toml"):
        shutil.copy(ROOT / name, root)
    return root


@pytest.fixture
def one_endpoint(scratch: Path) -> Path:
    """Return the root of a copy that describes the token endpoint alone, whatever is vendored."""
    (scratch / "openapi.yaml").write_bytes(serving.token_endpoint_alone().encode())
    return scratch
