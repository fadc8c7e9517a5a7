"""`make token`: everything about the token but the token."""

import os
import re
import signal
import subprocess
import sys

from setle.testing import Answer, Sandbox

COMMAND = [sys.executable, "-W", "error", "-m", "benchmarks.token"]


def environment(**settings: str) -> dict[str, str]:
    ours = {name: value for name, value in os.environ.items() if not name.startswith("SETLE_")}
    return ours | settings


def settings(sandbox: Sandbox) -> dict[str, str]:
    return environment(
        SETLE_BASE_URL=sandbox.base_url,
        SETLE_CLIENT_ID=sandbox.client_id,
        SETLE_CLIENT_SECRET=sandbox.client_secret,
    )


def ask(env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(COMMAND, env=env, capture_output=True, text=True, check=False)


def test_prints_lifetime_and_fingerprint_but_no_token(setle_sandbox: Sandbox) -> None:
    """With credentials it asks once and says all but the token and the secret."""
    answer = {"access_token": "a-token-of-the-test", "expires_in": 300, "token_type": "Bearer"}
    setle_sandbox.script_token(Answer(json=answer))
    done = ask(settings(setle_sandbox))
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert re.fullmatch(
        r"base URL     http://127\.0\.0\.1:\d+\n"
        r"lifetime     300 s\n"
        r"expires at   \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00\n"
        r"fingerprint  [0-9a-f]{8}\n",
        done.stdout,
    )
    assert "a-token-of-the-test" not in done.stdout
    assert setle_sandbox.client_secret not in done.stdout
    assert setle_sandbox.token_requests == 1


def test_without_credentials_says_what_to_set() -> None:
    """Missing settings are one line on stderr that names them, and status 2."""
    done = ask(environment())
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("error: SETLE_CLIENT_ID is missing")
    assert "SETLE_CLIENT_SECRET_FILE" in done.stderr


def test_refused_credentials_are_one_line(setle_sandbox: Sandbox) -> None:
    """A refusal is one line on stderr without the secret, and status 1."""
    env = settings(setle_sandbox)
    setle_sandbox.rotate_secret()
    done = ask(env)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert "refused" in done.stderr
    assert env["SETLE_CLIENT_SECRET"] not in done.stderr


def test_words_of_the_server_stay_one_plain_line(setle_sandbox: Sandbox) -> None:
    """Line breaks and control codes in the server's message do not reach the terminal."""
    setle_sandbox.script_token(Answer(418, json={"message": "no\ncoffee\x1b[2J"}))
    done = ask(settings(setle_sandbox))
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "no coffee [2J" in done.stderr


def test_interrupt_leaves_one_line(setle_sandbox: Sandbox) -> None:
    """Ctrl-C while the service is slow prints one line, no traceback; status 130."""
    with (
        setle_sandbox.hold(),
        subprocess.Popen(
            COMMAND,
            env=settings(setle_sandbox),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process,
    ):
        setle_sandbox.wait_for(token_requests=1)
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate()
    assert (process.returncode, output, errors) == (130, "", "interrupted\n")
