"""What the tests of the sandbox share."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import hypothesis  # noqa: F401 - or pytest within a test would, with its warnings as errors
import openapi_core
import pytest
from ruamel.yaml import YAML

from pipeline.spec import corrected_spec
from setle.testing import Sandbox

ROOT = Path(__file__).parents[2]


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


@pytest.fixture
def client(sandbox: Sandbox) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=sandbox.base_url, trust_env=False) as running:
        yield running


@pytest.fixture(scope="session")
def spec() -> openapi_core.OpenAPI:
    return openapi_core.OpenAPI.from_dict(YAML(typ="safe").load(corrected_spec(ROOT)))
