"""
No import while a refresh runs.

A child that is forked meanwhile would find the import half done, and its lock held for ever.
"""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
import trustme

from setle.testing import Answer, Sandbox
from tests.support.valkey import Valkey

pytestmark = pytest.mark.usefixtures("unmeasured")

PROGRAM = """
import os, sys, setle, time

source = setle.TokenSource(store=os.environ["STORE"])
before = set(sys.modules)
for _ in range(2):
    try:
        source.invalidate(source.get_token())
        print("a token")
    except setle.TokenError as error:
        print(type(error).__name__)
# Nobody is told when a thread ends.
while len(sys._current_frames()) > 1:
    time.sleep(0.01)
print(sorted(set(sys.modules) - before))
"""


@pytest.fixture(scope="module")
def valkey() -> Iterator[Valkey]:
    with Valkey() as running:
        yield running


@pytest.fixture(params=["http", "https"])
def endpoint(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Sandbox]:
    """A sandbox whose certificate the program trusts."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "root.pem"))
    pem = tmp_path / "server.pem"
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(pem))
    with Sandbox(ssl_certfile=pem if request.param == "https" else None) as sandbox:
        yield sandbox


@pytest.mark.parametrize("outcome", ["a token", "503", "nobody listens"])
@pytest.mark.parametrize("store", ["memory", "file", "redis"])
def test_no_import_while_a_refresh_runs(
    store: str, outcome: str, endpoint: Sandbox, valkey: Valkey, tmp_path: Path
) -> None:
    """Whatever comes of it, what it needs was imported when the source was made."""
    base_url, said = endpoint.base_url, "a token"
    if outcome == "503":
        later = format_datetime(datetime.now(UTC) + timedelta(minutes=1), usegmt=True)
        endpoint.script_token(*[Answer(503, headers={"Retry-After": later})] * 2)
        said = "TokenUnavailableError"
    elif outcome == "nobody listens":
        with socket.create_server(("127.0.0.1", 0)) as server:
            base_url = f"{base_url.rpartition(':')[0]}:{server.getsockname()[1]}"
        said = "TokenUnavailableError"
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={
            **os.environ,
            "SETLE_CLIENT_ID": endpoint.client_id,
            "SETLE_CLIENT_SECRET": endpoint.client_secret,
            "SETLE_BASE_URL": base_url,
            "SSL_CERT_FILE": str(tmp_path / "root.pem"),
            "STORE": {"memory": "memory", "file": f"file:{tmp_path}/s"}.get(store, valkey.url),
        },
        capture_output=True,
        text=True,
        timeout=50,
        check=True,
    )
    assert done.stdout.splitlines() == [said, said, "[]"]
    assert done.stderr == ""
