import gc
import logging
import os
import random
import signal
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import coverage
import pytest
import trustme

import setle._source
import setle._time
from setle.testing import Sandbox
from setle_api import AuthenticatedClient
from tests.support import Clock, join_refreshes
from tests.support.measuring import unmeasured

pytest_plugins = ["tests.support.faults"]

UNMEASURED = {"benchmarks", "chaos", "demo", "docs", "pipeline", "processes", "recipes", "soak"}

# Whoever starts the tests in the background may have SIGINT ignored, and what the tests start
# and interrupt would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_sessionfinish() -> None:
    """Save what was measured, as xdist kills a worker that takes ten seconds to end."""
    if measuring := coverage.Coverage.current():
        measuring.save()


@pytest.fixture(scope="session", autouse=True)
def _frozen() -> Iterator[None]:
    """Spare each collection of garbage what was imported, which takes 0.2 s each time."""
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(scope="session", autouse=True)
def _one_root(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Trust one authority instead of the 140 that take 20 ms and more to load, each time."""
    root = tmp_path_factory.mktemp("tls") / "root.pem"
    trustme.CA().cert_pem.write_to_path(str(root))
    root.parent.chmod(0o755)  # some tests are somebody else for a while
    os.environ["SSL_CERT_FILE"] = str(root)


@pytest.fixture(name="unmeasured")
def _unmeasured_test() -> Iterator[None]:
    """For a test of many processes, or of places that other tests pass as well."""
    with unmeasured():
        yield


@pytest.fixture(scope="module", autouse=True)
def _unmeasured_folder(request: pytest.FixtureRequest) -> Iterator[None]:
    """Coverage is measured of the wrapper alone, and by the tests of it."""
    folder = request.path.relative_to(Path(__file__).parent).parts[0]
    with unmeasured() if folder in UNMEASURED else nullcontext():
        yield


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


@pytest.fixture(scope="module")
def no_jitter() -> Iterator[None]:
    """Attempts follow each other at once unless the answer says otherwise, and delays are whole."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(random, "uniform", lambda low, high: high if low else low)
        yield


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Both clocks of the package, standing still until the test moves them."""
    clock = Clock()
    for module in (setle._time, setle._source):  # the source binds them for its fast path
        monkeypatch.setattr(module, "monotonic", lambda: clock.monotonic)
        monkeypatch.setattr(module, "wall", lambda: clock.wall)
    return clock


@pytest.fixture
def settings(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[dict[str, Any]]:
    """Put the sandbox into the environment, and yield what an example leaves behind."""
    for name in ("base_url", "client_id", "client_secret"):
        monkeypatch.setenv(f"SETLE_{name.upper()}", getattr(sandbox, name))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (tmp_path / "credentials.txt").write_text(f"{sandbox.client_id} {sandbox.client_secret}\n")
    monkeypatch.chdir(tmp_path)
    levels = {name: logging.getLogger(name).level for name in ("", "setle")}
    names: dict[str, Any] = {"__name__": "__main__"}
    yield names
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)
    if isinstance(names.get("client"), AuthenticatedClient):
        names["client"].get_httpx_client().close()
