"""The short form of `make fuzz`."""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.fuzz.targets import SERVERS, TARGETS


@pytest.fixture(scope="module", autouse=True)
def _servers() -> Iterator[None]:
    with SERVERS:
        yield


@pytest.mark.parametrize("target", TARGETS)
def test_fuzz(target: str) -> None:
    """Whatever comes from outside, nothing but our own typed errors comes of it."""
    short = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
    short(TARGETS[target])()
