import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.chaos.fleet import HEADLINE, Report
from tests.support.valkey import Valkey

LONG = os.environ.get("SETLE_CHAOS") == "long"
_ROWS = list[str]()


@pytest.fixture(scope="session", autouse=True)
def _table() -> Iterator[None]:
    yield
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    print("\n", HEADLINE, *_ROWS, f"load average at the end: {load}", sep="\n")


@pytest.fixture
def note(request: pytest.FixtureRequest) -> Callable[[Report], None]:
    """Put what came of a run into the table."""
    return lambda report: _ROWS.append(f"{request.node.name.removeprefix('test_'):44} {report}")


@pytest.fixture
def valkey() -> Iterator[Valkey]:
    with Valkey() as running:
        yield running


@pytest.fixture(params=["file", "redis"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Each store, as SETLE_TOKEN_STORE names it."""
    if request.param == "file":
        return f"file:{tmp_path / 'tokens'}"
    valkey: Valkey = request.getfixturevalue("valkey")
    return valkey.url
