from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

import setle
import setle_api
from setle.testing import Sandbox
from tests.support.worlds import World, connect_to


@pytest.fixture(params=["sync", "asyncio", "trio"])
def world(request: pytest.FixtureRequest) -> World:
    """Each of the places that a client is used in."""
    return World(request.param)


@pytest.fixture
def connect(sandbox: Sandbox) -> Iterator[Callable[..., setle_api.AuthenticatedClient]]:
    """What makes clients for the sandbox, which are closed after the test."""
    made: list[setle_api.AuthenticatedClient] = []

    def make(**more: Any) -> setle_api.AuthenticatedClient:
        made.append(connect_to(sandbox, **more))
        return made[-1]

    yield make
    for client in made:
        with suppress(setle.ConfigurationError):  # its transport is async: nothing sync is open
            client.get_httpx_client().close()
