"""The pytest fixture, registered for everybody who installs the distribution."""

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
