"""The pytest fixtures, registered for everybody who installs the distribution."""

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from . import Sandbox


@pytest.fixture
def setle_sandbox() -> "Iterator[Sandbox]":
    """A running `setle.testing.Sandbox`, new for each test."""
    from . import Sandbox

    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def setle_environment(setle_sandbox: "Sandbox", monkeypatch: pytest.MonkeyPatch) -> "Sandbox":
    """The same, and the environment says so: ``setle.connect()`` talks to it."""
    for name, value in setle_sandbox.environment.items():
        monkeypatch.setenv(name, value)
    return setle_sandbox


@pytest.fixture(autouse=True)
def setle_isolation() -> None:
    """
    Let each test start without a token, a failure or a back-off of another one.

    Tests that are to share a token, with the real service, say, override this fixture by one
    of the same name that does nothing.
    """
    from ._forget import forget_everything

    forget_everything()
