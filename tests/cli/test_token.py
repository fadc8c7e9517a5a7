"""``setle token``: the stored token, and a new one only when it has to be."""

import json
import os
import subprocess
import sys
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

import setle
from setle._endpoint.base_url import checked_base_url
from setle.testing import Answer, Sandbox
from tests.support import eventually

from .conftest import Run, key_of, start


def stored(sandbox: Sandbox, value: str, *, age: float, lifetime: float = 1000.0) -> None:
    """Put a token into the files of the user that was issued *age* seconds ago."""
    end = datetime.now(UTC) + timedelta(seconds=lifetime - age)
    setle.FileTokenStore().save(key_of(sandbox), setle.AccessToken(value, end, lifetime))


def test_prints_the_token_and_reuses_it(settings: Sandbox, run: Run) -> None:
    """The first call asks, the next ones print the same; there is nothing else on stdout."""
    first, second = run("token"), run("token")
    assert (first.status, second.status) == (0, 0)
    assert first.out == second.out
    assert first.text.strip().isascii()
    assert first.text.count("\n") == 1
    assert first.err == second.err == ""
    assert settings.token_requests == 1


def test_forms(settings: Sandbox, run: Run) -> None:
    """As a header it is ready for curl, as JSON it has its end; the token is the same."""
    value = run("token").text.strip()
    assert run("token", "--header").text == f"Authorization: Bearer {value}\n"
    said = json.loads(run("token", "--json").out)
    assert said["access_token"] == value
    assert 3500 < said["expires_in"] <= 3600
    assert datetime.fromisoformat(said["expires_at"]) > datetime.now(UTC)
    assert settings.token_requests == 1


def test_refresh_gets_another_one(settings: Sandbox, run: Run) -> None:
    """A good stored token is replaced, for one request; the next call prints the new one."""
    old = run("token").out
    new = run("token", "--refresh").out
    assert old != new
    assert run("token").out == new
    assert settings.token_requests == 2


def test_refresh_without_a_stored_token_asks_once(settings: Sandbox, run: Run) -> None:
    """What has just been asked for is not thrown away."""
    assert run("token", "--refresh").status == 0
    assert settings.token_requests == 1


@pytest.mark.parametrize(
    ("age", "reused"),
    [(0, True), (900, True), (975, False), (1001, False), (-60, False)],
    ids=["new", "about to be refreshed", "stale", "ended", "from the future"],
)
def test_a_stored_token_is_used_as_the_package_does(
    settings: Sandbox, run: Run, age: float, reused: bool
) -> None:
    """It is printed as long as a process that starts would send it; else another is got."""
    stored(settings, "the-stored-one", age=age)
    assert (run("token").text == "the-stored-one\n") is reused
    assert settings.token_requests == (not reused)


def test_a_base_url_in_another_form_is_the_same(
    settings: Sandbox, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However the setting is written, the token is shared."""
    first = run("token").out
    monkeypatch.setenv("SETLE_BASE_URL", settings.base_url.replace("http", "HTTP") + "/")
    assert run("token").out == first
    assert settings.token_requests == 1


def test_a_store_that_fails_costs_a_request(settings: Sandbox, run: Run, tmp_path: Path) -> None:
    """What others may have written is not used; a token is printed all the same."""
    stored(settings, "of-others", age=0)
    (tmp_path / "setle" / f"{key_of(settings)}.json").chmod(0o666)
    done = run("token")
    assert done.status == 0
    assert b"of-others" not in done.out
    assert settings.token_requests == 1


def test_the_named_store_wins(
    settings: Sandbox, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files are the default; in memory nothing outlives the command."""
    monkeypatch.setenv("SETLE_TOKEN_STORE", "memory")
    assert run("token").out != run("token").out
    assert not (tmp_path / "setle").exists()
    monkeypatch.setenv("SETLE_TOKEN_STORE", f"file:{tmp_path}/elsewhere")
    assert run("token").out == run("token").out
    assert (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize(
    ("answer", "status", "words"),
    [
        (Answer(401, json={"message": "no\nway\x1b[2J"}), 3, "refused"),
        (Answer(418, json={"message": "no coffee"}), 1, "check the base URL"),
        (Answer(429, headers={"Retry-After": "60"}), 4, "try again later"),
    ],
    ids=["refused", "no token", "unavailable"],
)
def test_the_status_tells_failures_apart(
    settings: Sandbox, run: Run, answer: Answer, status: int, words: str
) -> None:
    """Each kind has its own, and one line with a remedy, which holds no secret."""
    settings.script_token(answer)
    done = run("token")
    assert done.failed(status, words)
    assert done.out == b""
    assert "\x1b" not in done.err
    assert "not asked again" not in done.err
    assert settings.client_secret not in done.err


@pytest.mark.parametrize("name", ["SETLE_CLIENT_ID", "SETLE_CLIENT_SECRET"])
def test_a_missing_setting_is_named(
    settings: Sandbox, run: Run, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Without a terminal nobody is asked for it."""
    monkeypatch.delenv(name)
    assert run("token").failed(2, f"{name} is missing")


@pytest.mark.parametrize(("command", "lines", "issued"), [("token", 1, 1), ("doctor", 8, 0)])
def test_a_missing_secret_is_asked_for_on_a_terminal(
    settings: Sandbox, monkeypatch: pytest.MonkeyPatch, command: str, lines: int, issued: int
) -> None:
    """What is typed is not shown, and stdout holds what the command prints only."""
    for name in os.environ:  # doctor lists them
        if name.startswith("SSL_CERT_") or name.upper().endswith("_PROXY"):
            monkeypatch.delenv(name)
    pty = pytest.importorskip("pty", reason="no pseudo-terminals here")
    termios = pytest.importorskip("termios", reason="no terminals here")
    monkeypatch.delenv("SETLE_CLIENT_SECRET")
    ours, theirs = pty.openpty()
    with start(command, stdin=theirs, stderr=theirs, start_new_session=True) as process:
        os.close(theirs)
        # Whatever is typed before the echo is off is thrown away.
        eventually(lambda: not termios.tcgetattr(ours)[3] & termios.ECHO)
        os.write(ours, settings.client_secret.encode() + b"\n")
        assert process.stdout is not None
        printed = process.stdout.read()
    shown = b""
    with suppress(OSError):  # so ends what a terminal has to say
        while True:
            shown += os.read(ours, 1000)
    os.close(ours)
    assert process.returncode == 0
    assert shown.split() == [b"Secret:"]
    assert len(printed.splitlines()) == lines
    assert settings.client_secret.encode() not in printed
    assert settings.tokens_issued == issued


LOADED = """
import sys

from setle.cli import main

sys.argv[0] = "setle"
try:
    main()
finally:
    print(*sorted(sys.modules), sep="\\n", file=sys.stderr)
"""


@pytest.mark.parametrize("args", [["--help"], ["token", "--help"], ["token"]], ids=" ".join)
def test_no_http_stack_is_started_for_nothing(settings: Sandbox, run: Run, args: list[str]) -> None:
    """Neither help nor a stored token loads httpx, the generated client, TLS or asyncio."""
    run("token")
    command = [sys.executable, "-c", LOADED, *args]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    loaded = set(done.stderr.split())
    assert "click" in loaded
    assert not loaded & {"httpx", "httpcore", "setle_api", "ssl", "asyncio", "anyio", "redis"}
    assert not loaded & {"setle._source", "uvicorn", "starlette"}
    if args != ["token"]:
        assert not loaded & {"filelock", "logging"}
    assert settings.token_requests == 1


PARTS = st.sampled_from(
    [
        *(
            "https://",
            "HTTP://",
            "http://",
            "//",
            "a.example",
            "A.EXAMPLE",
            "localhost",
            "127.0.0.1",
        ),
        *("[::1]", "[fe80::1%25eth0]", "user:pw@", "@", ":443", ":0", ":99999", ":٣", "/", "/.."),
        *("/%2e%2e", "?", "#", "\\", " ", "\t", "é", "xn--bcher-kva.example", ".", "%41", "/a/./b"),
    ]
)


class Saved:
    """A store with a token for one base URL only, and that a checked one."""

    def __init__(self, key: str) -> None:
        self._key = key

    def load(self, key: str) -> setle.AccessToken | None:
        end = datetime.now(UTC) + timedelta(hours=1)
        return setle.AccessToken("a-token", end, 3600.0) if key == self._key else None


@given(st.lists(PARTS, min_size=1, max_size=5).map("".join))
@example("https://a.example//")
@example(" https://a.example ")
@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_no_unchecked_base_url_finds_a_token(
    monkeypatch: pytest.MonkeyPatch, base_url: str
) -> None:
    """What is found without httpx is found with it, as the setting itself was accepted by it."""
    from setle.cli._token import _at_hand

    monkeypatch.setenv("SETLE_BASE_URL", base_url)
    credentials = setle.ClientCredentials("an-id", "a-secret")
    try:
        checked = checked_base_url(None)
    except setle.ConfigurationError:
        return  # nothing is ever saved for it
    assert checked_base_url(checked) == checked
    found = _at_hand(credentials, Saved(credentials.key(checked)))  # type: ignore[arg-type]  # it is only read
    written = base_url.strip().rstrip("/")
    assert (found is not None) is (written == checked or not base_url.strip())
