"""A store that somebody writes after reading the protocol's docstring, and nothing else."""

from collections.abc import Callable
from pathlib import Path

import pytest

import setle
from setle.testing import Sandbox
from tests.client.test_readme import EXAMPLES
from tests.support import source_of
from tests.support.processes import cold_processes

(EXAMPLE,) = [example for example in EXAMPLES if "class SqliteTokenStore" in example]


@pytest.fixture
def make_store(tmp_path: Path) -> Callable[[], setle.TokenStore]:
    """Return what makes the store of the page on stores."""
    names: dict[str, type[setle.TokenStore]] = {}
    exec(EXAMPLE.partition("\n\n\nsources = ")[0], names)
    make: Callable[[str], setle.TokenStore] = names["SqliteTokenStore"]
    return lambda: make(str(tmp_path / "tokens.db"))


def test_it_fits_into_a_page() -> None:
    """The class has fifteen lines of code."""
    body = EXAMPLE[EXAMPLE.index("class ") : EXAMPLE.index("sources = ")]
    assert len([line for line in body.splitlines() if line.strip()]) <= 15


def test_processes_share(sandbox: Sandbox, make_store: Callable[[], setle.TokenStore]) -> None:
    """Ten that set off together cost one token request."""
    sandbox.delay = 0.1
    make_store()
    said = cold_processes(
        10, lambda: source_of(sandbox, store=make_store()).get_token().fingerprint
    )
    assert len(set(said)) == 1
    assert sandbox.token_requests == 1


def test_no_trouble(
    sandbox: Sandbox, make_store: Callable[[], setle.TokenStore], caplog: pytest.LogCaptureFixture
) -> None:
    """A new token, a second source and a replaced token bring no warning."""
    first, second = (source_of(sandbox, store=make_store()) for _ in range(2))
    token = first.get_token()
    assert second.get_token() == token
    first.invalidate(token)
    assert first.get_token() != token
    assert caplog.text == ""
