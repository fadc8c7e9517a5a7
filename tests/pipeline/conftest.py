"""A scratch copy of what the pipeline reads and writes: no test runs it on the working tree."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import coverage
import pytest

from tests.pipeline import serving

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module", autouse=True)
def _unmeasured() -> Iterator[None]:
    """Coverage is measured of the wrapper alone, and takes a third of what the pipeline takes."""
    measuring = coverage.Coverage.current()
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("COVERAGE_")]:
            patch.delenv(name)
        if measuring is not None:
            measuring.stop()
        yield
        if measuring is not None:
            measuring.start()


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
