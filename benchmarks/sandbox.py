"""
The sandbox in a process of its own, so that it does not compete for our interpreter.

Prints a line of JSON when it serves. Reads lines of JSON, each an object of attributes to set
on the sandbox, and answers each with two numbers so far: the token requests, and the secrets that
came to where a redirect points. Two names are none of its attributes: `script` is a bad answer for
all token requests to come, empty for none; `revoke` ends all tokens. Ends with its input.
"""

import argparse
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch

import httpx

import setle
from setle_api import AuthenticatedClient


class Address:
    """
    Where a sandbox is; all that it takes to ask it for tokens.

    Args:
        where: Its URL, client id and client secret, as a line of JSON.
    """

    def __init__(self, where: str) -> None:
        self.where = where
        self.base_url, client_id, client_secret = json.loads(where)
        self.credentials = setle.ClientCredentials(client_id, client_secret)
        self.tls = httpx.create_ssl_context()

    def source(self, store: setle.TokenStore | None = None) -> setle.TokenSource:
        """Return a source that shares with nobody, unless by *store*."""
        return setle.TokenSource(
            self.credentials,
            base_url=self.base_url,
            store=store or setle.MemoryTokenStore(),
            verify_ssl=self.tls,
            httpx_args={"trust_env": False},
        )

    def aged_source(self, store: setle.TokenStore, *, refresh_in: float) -> setle.TokenSource:
        """
        Return a source that has found an old token in *store*.

        Its early refresh begins with the first call *refresh_in* seconds from now, at least
        0.5; callers would wait 2 seconds later.
        """
        value = self.source().get_token().value
        # Of 20 s, the early refresh is due at random between 3 and 2 s before the end, but not
        # within 0.5 s of loading the token, and callers wait from 1 s before the end.
        ends = datetime.now(UTC) + timedelta(seconds=3.0 + refresh_in)
        key = self.credentials.key(self.base_url)
        store.save(key, setle.AccessToken(value, ends, 20.0))
        source = self.source(store)
        with patch("random.random", return_value=1.0):  # as early as can be
            source.get_token()
        return source

    def connect(self, **arguments: Any) -> AuthenticatedClient:
        """Return what a user makes, but for settings that a machine may have."""
        arguments = {"httpx_args": {"trust_env": False}, **arguments}
        return setle.connect(
            self.credentials,
            base_url=self.base_url,
            store=setle.MemoryTokenStore(),
            verify_ssl=self.tls,
            **arguments,
        )

    def client(self, auth: httpx.Auth | None = None, token: str | None = None) -> httpx.Client:
        """Return a client that carries *auth*, or else a fixed header with *token*."""
        headers = {"Authorization": f"Bearer {token}"} if token else None
        return httpx.Client(
            base_url=self.base_url, auth=auth, headers=headers, verify=self.tls, trust_env=False
        )

    def async_client(self, token: str) -> httpx.AsyncClient:
        """Return an async one with a fixed header."""
        headers = {"Authorization": f"Bearer {token}"}
        return httpx.AsyncClient(
            base_url=self.base_url, headers=headers, verify=self.tls, trust_env=False
        )


class RemoteSandbox(Address):
    """A sandbox that another process runs."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdin
        assert process.stdout
        self._ask, self._answers = process.stdin, process.stdout
        super().__init__(self._answers.readline())

    def token_requests(self) -> int:
        """Return how often it was asked for a token so far."""
        return self._say({})[0]

    def secrets_elsewhere(self) -> int:
        """Return how many requests with a secret came to where the redirect points."""
        return self._say({})[1]

    def set(self, **settings: float | str) -> None:
        """Set attributes of the sandbox from now on; see above for `script` and `revoke`."""
        self._say(settings)

    def _say(self, settings: dict[str, float | str]) -> tuple[int, int]:
        self._ask.write(json.dumps(settings) + "\n")
        self._ask.flush()
        token_requests, secrets = json.loads(self._answers.readline())
        return token_requests, secrets


@contextmanager
def remote_sandbox(*, delay: float = 0.0, down: bool = False) -> Iterator[RemoteSandbox]:
    """
    Run a sandbox until the block ends.

    Its token endpoint takes *delay* seconds; if it is *down*, it answers 503.
    """
    command = [sys.executable, "-m", "benchmarks.sandbox", "--delay", str(delay)]
    if down:
        command.append("--down")
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield RemoteSandbox(process)


def main() -> None:
    """Serve until the input ends."""
    from benchmarks.peers.answers import bad_answers
    from setle.testing import Answer, Sandbox

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that started this
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--delay", type=float, default=0.0)
    parser.add_argument("--down", action="store_true")
    options = parser.parse_args()
    with Sandbox(delay=options.delay) as sandbox:
        if options.down:
            sandbox.script_token(*[Answer(503)] * 10_000)
        elsewhere = sandbox.route("POST", "/elsewhere", {})
        answers = bad_answers(sandbox.base_url)
        where = [sandbox.base_url, sandbox.client_id, sandbox.client_secret]
        print(json.dumps(where), flush=True)
        for line in sys.stdin:
            for name, value in json.loads(line).items():
                if name == "script":
                    sandbox._token_script.clear()  # what of the last one nobody has asked for
                    sandbox.script_token(*[answers[value]] * 1_000 if value else [])
                elif name == "revoke":
                    sandbox.revoke()
                else:
                    setattr(sandbox, name, value)
            secrets = sum("x-setle-client-secret" in asked.headers for asked in elsewhere.requests)
            print(json.dumps([sandbox.token_requests, secrets]), flush=True)


if __name__ == "__main__":
    main()
