"""The pytest fixtures, and what importing costs."""

import subprocess
import sys
from collections.abc import Callable

import anyio
import pytest

import setle
import setle.testing
from setle.testing import Answer, Sandbox, forget_everything
from tests.support import credentials_of, join_refreshes, source_of

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
    pytester.runpytest_inprocess("-W", "error").assert_outcomes(passed=2)


def test_environment(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """With `setle_environment` plain `connect()` talks to the sandbox, whatever was set before."""
    monkeypatch.setenv("SETLE_BASE_URL", "https://elsewhere.example")
    monkeypatch.setenv("SETLE_TOKEN_STORE", "redis://elsewhere.example")
    monkeypatch.setenv("SETLE_CLIENT_SECRET_FILE", "/nowhere")
    pytester.makepyfile(
        """
        import os, setle

        def test(setle_environment, setle_sandbox):
            with setle.connect() as client:
                assert client.get_httpx_client().get("/v1/estate/list").status_code == 200
            assert setle_environment is setle_sandbox
            assert setle_environment.token_requests == 1

        def test_after():
            assert os.environ["SETLE_BASE_URL"] == "https://elsewhere.example"
        """
    )
    pytester.runpytest_inprocess("-W", "error").assert_outcomes(passed=2)


MOCKED = """
import httpx, pytest, setle

SETLE = {"status": 200}


def answer(request):
    if request.url.path != "/v1/oauth/token":
        return httpx.Response(200, json=[], headers={"X-Sent": request.headers["Authorization"]})
    grant = {"access_token": SETLE["token"], "expires_in": 3600, "token_type": "Bearer"}
    return httpx.Response(SETLE["status"], json=grant)


def connected():
    return setle.connect(
        setle.ClientCredentials("id", "secret"),
        httpx_args={"transport": httpx.MockTransport(answer)},
    )


@pytest.fixture(params=["a client for each test", "a client for all of them"])
def client(request):
    return connected() if "each" in request.param else CLIENT


CLIENT = connected()
"""


def test_a_mocked_refusal_does_not_fail_the_next_test(pytester: pytest.Pytester) -> None:
    """After a test in which Setle refuses the credentials, another one is given a token."""
    pytester.makepyfile(
        MOCKED
        + """
@pytest.mark.parametrize("status", [401, 200, 503, 200, 418, 200])
def test(client, status):
    SETLE.update(status=status, token="value")
    if status == 200:
        assert client.get_httpx_client().get("/v1/estate/list").status_code == 200
    else:
        with pytest.raises(setle.TokenError) as caught:
            client.get_httpx_client().get("/v1/estate/list")
        assert caught.value.status_code == status
        assert not caught.value.held_back
"""
    )
    pytester.runpytest_inprocess("-W", "error").assert_outcomes(passed=12)


def test_a_mocked_token_does_not_reach_the_next_test(pytester: pytest.Pytester) -> None:
    """Each test sends the token that its own mock gave out."""
    pytester.makepyfile(
        MOCKED
        + """
@pytest.mark.parametrize("token", ["first", "second"])
def test(client, token):
    SETLE.update(status=200, token=token)
    sent = client.get_httpx_client().get("/v1/estate/list").headers["X-Sent"]
    assert sent == f"Bearer {token}"
"""
    )
    pytester.runpytest_inprocess("-W", "error").assert_outcomes(passed=4)


def test_tests_may_share_a_token(pytester: pytest.Pytester) -> None:
    """A fixture of the same name that does nothing keeps the token from test to test."""
    pytester.makepyfile(
        MOCKED
        + """
@pytest.fixture(autouse=True)
def setle_isolation():
    pass


@pytest.mark.parametrize("token", ["first", "second"])
def test(token):
    SETLE.update(status=200, token=token)
    sent = CLIENT.get_httpx_client().get("/v1/estate/list").headers["X-Sent"]
    assert sent == "Bearer first"
"""
    )
    pytester.runpytest_inprocess("-W", "error").assert_outcomes(passed=2)


def test_a_callable_that_failed_is_called_again(sandbox: Sandbox) -> None:
    """What a callable raised is forgotten, by sources that were made before as well."""
    working: list[setle.ClientCredentials] = []

    def provider() -> setle.ClientCredentials:
        return working[0]

    source = source_of(sandbox, credentials=provider)
    with pytest.raises(setle.TokenUnavailableError, match="raised IndexError"):
        source.get_token()
    working.append(credentials_of(sandbox))
    forget_everything()
    assert source.get_token().lifetime == 3600


def given(sandbox: Sandbox) -> setle.ClientCredentials:
    return credentials_of(sandbox)


def called(sandbox: Sandbox) -> Callable[[], setle.ClientCredentials]:
    return lambda: credentials_of(sandbox)


@pytest.mark.parametrize("credentials", [given, called])
def test_a_late_answer_reaches_no_later_test(
    sandbox: Sandbox,
    credentials: Callable[
        [Sandbox], setle.ClientCredentials | Callable[[], setle.ClientCredentials]
    ],
) -> None:
    """A token that was on its way when everything was forgotten is nobody's."""
    source = source_of(sandbox, credentials=credentials(sandbox))

    async def ask_and_give_up() -> None:
        with anyio.move_on_after(0):
            await source.aget_token()

    with sandbox.hold():
        anyio.run(ask_and_give_up)
        sandbox.wait_for(token_requests=1)
        forget_everything()
    join_refreshes()
    assert source.current_token() is None
    sandbox.script_token(Answer(401))
    with pytest.raises(setle.TokenRejectedError):
        source.get_token()


def test_forgets_where_there_is_nothing_to_forget() -> None:
    """Without a source it does nothing, and loads neither httpx nor the core."""
    ran = python(
        "import sys; from setle.testing import forget_everything; forget_everything();"
        " print({'httpx', 'setle._refresh', 'starlette'} & {*sys.modules})"
    )
    assert (ran.stdout, ran.stderr) == ("set()\n", "")


def test_plugin_is_cheap(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run in which nobody uses the package loads no web server, no httpx and no core of it."""
    pytester.makepyfile(
        """
        import sys

        def test():
            heavy = {"starlette", "uvicorn", "httpx", "setle._refresh", "setle.testing._sandbox"}
            assert "setle.testing.pytest_plugin" in sys.modules
            assert not heavy & {*sys.modules}
        """
    )
    # Other plugins load what they like.
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    alone = ("-p", "setle.testing.pytest_plugin", "-p", "no:pytester")
    pytester.runpytest_subprocess("-W", "error", *alone).assert_outcomes(passed=1)


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
    assert setle.testing.__all__ == [
        "Answer",
        "Record",
        "Request",
        "Route",
        "Sandbox",
        "forget_everything",
    ]
    assert all(getattr(setle.testing, name) for name in setle.testing.__all__)
    with pytest.raises(AttributeError, match="no attribute 'Sandcastle'"):
        _ = setle.testing.Sandcastle


def test_module_is_the_command() -> None:
    """`python -m setle.testing` is `setle sandbox`, options and all."""
    command = [sys.executable, "-m", "setle.testing", "--help"]
    ran = subprocess.run(command, capture_output=True, check=True, text=True, timeout=30)
    assert ran.stdout.startswith("Usage: setle sandbox [OPTIONS]")


def test_a_frozen_test_that_is_the_first_to_use_the_package_still_gives_up(
    pytester: pytest.Pytester,
) -> None:
    """What waits binds the real clock before any test freezes it."""
    pytester.makepyfile(
        """
        import threading

        import freezegun
        import pytest


        @freezegun.freeze_time("2020-01-01")
        def test_first():
            import setle

            returns = threading.Event()
            source = setle.TokenSource(
                lambda: returns.wait(5), base_url="http://127.0.0.1:1", timeout=0.2
            )
            with pytest.raises(setle.TokenUnavailableError, match="has not returned"):
                source.get_token()
            returns.set()
        """
    )
    pytester.runpytest_subprocess().assert_outcomes(passed=1)
