import os
import signal
from collections.abc import Iterator

import pytest
import trustme

import setle._source
import setle._time
from setle.testing import Sandbox
from tests.support import Clock, join_refreshes

# Whoever starts the tests in the background may have SIGINT ignored, and what the tests start
# and interrupt would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def _one_root(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Trust one authority instead of the 140 that take 20 ms and more to load, each time."""
    root = tmp_path_factory.mktemp("tls") / "root.pem"
    trustme.CA().cert_pem.write_to_path(str(root))
    root.parent.chmod(0o755)  # some tests are somebody else for a while
    os.environ["SSL_CERT_FILE"] = str(root)


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing in the environment of whoever runs the tests has a say."""
    for name in (
        "SETLE_BASE_URL",
        "SETLE_CLIENT_ID",
        "SETLE_CLIENT_SECRET",
        "SETLE_CLIENT_SECRET_FILE",
        "SETLE_TOKEN_STORE",
        "ALL_PROXY",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "all_proxy",
        "http_proxy",
        "https_proxy",
    ):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running
        join_refreshes()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Both clocks of the package, standing still until the test moves them."""
    clock = Clock()
    for module in (setle._time, setle._source):  # the source binds them for its fast path
        monkeypatch.setattr(module, "monotonic", lambda: clock.monotonic)
        monkeypatch.setattr(module, "wall", lambda: clock.wall)
    return clock
