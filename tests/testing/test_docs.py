"""Every block of the page on testing runs as it stands, by the runner that it is for."""

import io
import os
import re
import subprocess
import sys
import types
import unittest
from pathlib import Path

import pytest

from setle.testing import Sandbox

pytest_plugins = ["pytester"]

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "testing.md").read_text("utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
(OF_UNITTEST,) = [block for block in BLOCKS if "(unittest.TestCase)" in block]
(OF_DJANGO,) = [block for block in BLOCKS if "SimpleTestCase" in block]
(RECORDED,) = [block for block in BLOCKS if "import vcr" in block]
(SHARING,) = [block for block in BLOCKS if "def setle_isolation" in block]
OTHERS = [one for one in BLOCKS if one not in (OF_UNITTEST, OF_DJANGO, RECORDED, SHARING)]


def run(pytester: pytest.Pytester, **files: str) -> pytest.RunResult:
    pytester.makepyfile(**files)
    # What this very run has loaded is not to be set up once more.
    return pytester.runpytest_inprocess("-W", "error", "-p", "no:xdist", "-p", "no:timeout")


def test_the_blocks_for_pytest(pytester: pytest.Pytester) -> None:
    """The tests in them pass, all in one run, and without a warning."""
    files = {f"test_{number}": block for number, block in enumerate(OTHERS)}
    run(pytester, **files).assert_outcomes(passed=len(OTHERS))


def test_the_blocks_for_the_real_service(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A token is shared where that is asked for; a cassette holds no secret, and is played."""
    with Sandbox() as real:
        for name, value in real.environment.items():
            monkeypatch.setenv(name, value)
        run(pytester, test_first=SHARING, test_then=RECORDED).assert_outcomes(passed=3)
        assert real.token_requests == 2
        (pytester.path / "test_first.py").unlink()
        told = (pytester.path / "cassettes" / "estates.yaml").read_text("utf-8")
        tokens = {
            request.headers["authorization"].removeprefix("Bearer ")
            for request in real.route("GET", "/v1/estate/list").requests
        }
        assert not [
            hidden for hidden in (*tokens, real.client_id, real.client_secret) if hidden in told
        ]
    for name in ("ID", "SECRET"):
        monkeypatch.setenv(f"SETLE_CLIENT_{name}", "some")
    run(pytester, test_then=RECORDED).assert_outcomes(passed=1)
    assert real.token_requests == 2


def test_a_block_for_unittest() -> None:
    """Its tests pass under unittest's own runner."""
    module = types.ModuleType("block")
    exec(OF_UNITTEST, vars(module))
    told = io.StringIO()
    tests = unittest.defaultTestLoader.loadTestsFromModule(module)
    result = unittest.TextTestRunner(told).run(tests)
    assert (result.testsRun, result.wasSuccessful()) == (1, True), told.getvalue()


def test_a_block_for_django(tmp_path: Path) -> None:
    """Its tests pass under Django's own runner."""
    (tmp_path / "tests.py").write_text(OF_DJANGO, "utf-8")
    (tmp_path / "settings.py").write_text("SECRET_KEY = 'x'\n", "utf-8")
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-m", "django", "test"],
        cwd=tmp_path,
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "settings", "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        check=False,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    assert "Ran 1 test" in ran.stderr
