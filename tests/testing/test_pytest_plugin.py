"""The pytest fixture, and what importing costs."""

import subprocess
import sys

import pytest

import setle.testing

pytest_plugins = ["pytester"]


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=False, text=True, timeout=30
    )


def test_fixture(pytester: pytest.Pytester) -> None:
    """`setle_sandbox` is there without further ado, running, and new for each test."""
    pytester.makepyfile(
        """
        import httpx, pytest

        seen = set()

        @pytest.mark.parametrize("turn", range(2))
        def test(setle_sandbox, turn):
            assert setle_sandbox.base_url not in seen
            seen.add(setle_sandbox.base_url)
            assert httpx.post(setle_sandbox.base_url + "/v1/oauth/token").status_code == 400
        """
    )
    pytester.runpytest_subprocess("-W", "error").assert_outcomes(passed=2)


def test_plugin_is_cheap() -> None:
    """Loading the plugin loads no web server."""
    ran = python(
        "import sys, setle.testing.pytest_plugin; print({'starlette', 'uvicorn'} & {*sys.modules})"
    )
    assert (ran.stdout, ran.stderr) == ("set()\n", "")


@pytest.mark.parametrize("absent", ["starlette", "uvicorn"])
def test_extra_missing(absent: str) -> None:
    """Without the extra the plugin loads, and the sandbox says what to install."""
    ran = python(
        f"import sys; sys.modules[{absent!r}] = None\n"
        "import setle.testing.pytest_plugin\n"
        "from setle.testing import Sandbox"
    )
    assert ran.returncode == 1
    assert ran.stderr.splitlines()[-1] == (
        f"ImportError: setle.testing needs {absent}: pip install 'setle-client[sandbox]'"
    )


def test_names() -> None:
    """The public names are these, and a wrong one is an ordinary error."""
    assert setle.testing.__all__ == ["Answer", "Record", "Sandbox"]
    assert all(getattr(setle.testing, name) for name in setle.testing.__all__)
    with pytest.raises(AttributeError, match="no attribute 'Sandcastle'"):
        _ = setle.testing.Sandcastle
