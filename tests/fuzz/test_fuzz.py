"""The short form of `make fuzz`."""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.fuzz.targets import REDIS, TARGETS
from tests.support.valkey import Valkey


@pytest.fixture(scope="module", autouse=True)
def _server() -> Iterator[None]:
    with Valkey() as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv(REDIS, server.url)
        yield


@pytest.mark.parametrize("target", TARGETS)
def test_fuzz(target: str) -> None:
    """Whatever comes from outside, nothing but our own typed errors comes of it."""
    short = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
    short(TARGETS[target])()
