from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
import trustme

from setle.testing import Sandbox
from tests.support import join_refreshes
from tests.support.processes import Start, programs
from tests.support.proxying import Proxy, running_proxy


@pytest.fixture
def start(settings: dict[str, Any], sandbox: Sandbox, tmp_path: Path) -> Iterator[Start]:
    """Start programs in the folder that a recipe's files are in; end them at the end."""
    home = {"HOME": str(tmp_path), "PYTHONPATH": str(tmp_path)}
    with programs(tmp_path, home) as start:
        yield start


@pytest.fixture(scope="module")
def proxy() -> Iterator[Proxy]:
    with running_proxy() as running:
        yield running


@pytest.fixture(autouse=True)
def _no_exceptions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs the tests may exempt hosts from proxies."""
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)


@attrs.frozen
class Company:
    """A sandbox behind a proxy, by a name that only the proxy knows; few trust its authority."""

    sandbox: Sandbox
    authority: trustme.CA

    @property
    def credentials(self) -> tuple[str, str]:
        return self.sandbox.client_id, self.sandbox.client_secret


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def company(
    authority: trustme.CA,
    settings: dict[str, Any],
    proxy: Proxy,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Company]:
    """Such a sandbox, in the environment in place of the usual one, with the proxy."""
    pem = tmp_path / "server.pem"
    server = authority.issue_cert("setle.example")
    server.private_key_and_cert_chain_pem.write_to_path(str(pem))
    authority.cert_pem.write_to_path(str(tmp_path / "company-root.pem"))
    proxy.take_tunnels()
    with Sandbox(ssl_certfile=pem) as sandbox:
        name = sandbox.base_url.replace("127.0.0.1", "setle.example")
        monkeypatch.setenv("SETLE_BASE_URL", name)
        monkeypatch.setenv("SETLE_CLIENT_ID", sandbox.client_id)
        monkeypatch.setenv("SETLE_CLIENT_SECRET", sandbox.client_secret)
        monkeypatch.setenv("HTTPS_PROXY", proxy.url())
        yield Company(sandbox, authority)
        join_refreshes()
