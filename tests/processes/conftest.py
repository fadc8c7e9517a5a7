from collections.abc import Iterator
from pathlib import Path

import pytest

from setle.testing import Sandbox
from tests.support.examples import ROOT
from tests.support.processes import Start, programs


@pytest.fixture
def start(sandbox: Sandbox, tmp_path: Path) -> Iterator[Start]:
    """Start programs that share one folder; end them, and whatever they started, at the end."""
    settings = {
        "SETLE_BASE_URL": sandbox.base_url,
        "SETLE_CLIENT_ID": sandbox.client_id,
        "SETLE_CLIENT_SECRET": sandbox.client_secret,
        "SETLE_TOKEN_STORE": f"file:{tmp_path / 'tokens'}",
        "PYTHONWARNINGS": "error",
    }
    with programs(ROOT, settings) as start:
        yield start
