"""
Nothing that watches a program through a day of faults gets to see a secret or a token.

The program is tests/chaos/day.py, on a terminal; this side arranges the faults, and looks
afterwards. `make chaos` gives it a minute.
"""

import base64
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from urllib.parse import quote, quote_plus

import attrs
import pytest
import trustme

from setle.testing import Answer, Sandbox
from tests.chaos.conftest import LONG
from tests.support import eventually
from tests.support.examples import RECIPES, ROOT
from tests.support.faults import fault, saw, times
from tests.support.leaks import PASSWORD, SECRET, TOKEN, leaks, made_up
from tests.support.processes import plain_environment
from tests.support.proxying import running_proxy
from tests.support.valkey import Valkey

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no pseudo-terminals"),
    pytest.mark.timeout(300 if LONG else 60),
]


@attrs.define
class Terminal:
    """The far end of a pseudo-terminal: records all that is shown, and types."""

    end: int = -1
    near: int = -1
    shown: bytearray = attrs.field(factory=bytearray)

    def __attrs_post_init__(self) -> None:
        self.end, self.near = os.openpty()

    def record(self) -> None:
        try:
            while seen := os.read(self.end, 1 << 16):
                self.shown += seen
        except OSError:  # on Linux, the end of it
            pass

    def type(self, text: str) -> None:
        os.write(self.end, text.encode())


@attrs.define
class Day:
    """The real parts, and what is done to them."""

    folder: Path
    sandbox: Sandbox
    elsewhere: Sandbox
    valkey: Valkey
    terminal: Terminal
    names: set[str] = attrs.field(factory=set)

    def write(self, name: str, text: str) -> None:
        path = self.folder / "places" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)

    def rotate(self) -> None:
        self.sandbox.client_secret = made_up(SECRET)
        self.write("secret", f"{self.sandbox.client_secret}\n")
        self.write("secret-broken", self.sandbox.client_secret + "\n.\n")

    def arrange(self, name: str, ends: ExitStack) -> int:
        """Arrange what *name* stands for, until *ends* ends; return how many calls it is for."""
        script, sandbox = self.sandbox.script_token, self.sandbox
        said = sandbox.client_secret
        match name:
            case "rotate and revoke":
                self.rotate()
                sandbox.revoke()
                script(Answer(401, json={"message": sandbox.client_secret}))
            case "revoke":
                sandbox.revoke()
            case "revoke and kill Valkey":
                with self.valkey.client() as client:
                    self.names |= {name.decode() for name in client.scan_iter()}
                sandbox.revoke()
                self.valkey.kill()
                ends.callback(self.valkey.start)
            case "slow":
                script(*[Answer(delay=1)] * 3)
            case "answers of the token endpoint":
                soon = {"access_token": made_up(TOKEN), "expires_in": "soon"}
                bodies = [
                    Answer(500, json={"message": said}),
                    Answer(429, json={"message": [said]}, headers={"Retry-After": "9"}),
                    Answer(403, json={"message": {"secret": said}}),
                    Answer(200, body=f"<html>{said}</html>"),
                    Answer(200, json={"access_token": said, "expires_in": 1e999}),
                    Answer(200, json=soon),
                    Answer(418, json={"message": "x" * 490 + said}),
                ]
                script(*bodies)
                return len(bodies)
            case "headers":
                script(*[Answer(400, headers={"X-Secret": said, "Retry-After": said})] * 2)
            case "hooked":
                sandbox.reject_api = True
                ends.callback(setattr, sandbox, "reject_api", False)
            case "redirect":
                sandbox.script_api(Answer(307, headers={"Location": self.elsewhere.base_url}))
            case "token redirect":
                script(*[Answer(308, headers={"Location": self.elsewhere.base_url})] * 2)
            case "answers of the API":
                page = made_up(TOKEN)
                answers = [
                    Answer(500, json={"message": page}),
                    Answer(404, body=f"<html>{page}</html>"),
                    Answer(json=[page], hang_up=True),
                    Answer(401, json={"message": page}),
                ]
                sandbox.script_api(*answers)
                return len(answers)
            case "interrupted":
                ends.enter_context(sandbox.hold())
                self.when({"token_requests": sandbox.token_requests + 1}, "\x03")
            case "interrupted in a call":
                sandbox.script_api(Answer(delay=2))
                self.when({"api_requests": sandbox.api_requests + 1}, "\x03")
            case "dumped":
                ends.enter_context(sandbox.hold())
            case "commands":
                before = self.terminal.shown.count(b"Secret: ")
                self.after(
                    lambda: eventually(lambda: self.terminal.shown.count(b"Secret: ") > before),
                    f"{said}\n",
                )
                script(
                    Answer(403, json={"message": said}), *[Answer(503, json={"message": said})] * 3
                )
        return 1

    def when(self, counts: dict[str, int], keys: str) -> None:
        self.after(lambda: self.sandbox.wait_for(**counts), keys)

    def after(self, wait: Callable[[], None], keys: str) -> None:
        """Type *keys* when *wait* has returned."""

        def run() -> None:
            wait()
            self.terminal.type(keys)

        threading.Thread(target=run).start()

    def run(self, seconds: float) -> None:
        """Let the program live through it, and arrange what it asks for."""
        (asked, asks), (answered, answers) = os.pipe(), os.pipe()
        variables = {
            "DAY": str(self.folder),
            "DAY_SECONDS": str(seconds),
            "PYTHONPATH": str(ROOT),
            "SETLE_BASE_URL": self.sandbox.base_url,
            "SETLE_CLIENT_ID": self.sandbox.client_id,
            "SETLE_CLIENT_SECRET_FILE": str(self.folder / "places" / "secret"),
            "SETLE_TOKEN_STORE": f"file:{self.folder / 'files'}",
        }
        for line in RECIPES["OpenTelemetry"].commands[0].splitlines():
            name, _, value = line.removeprefix("export ").partition("=")
            variables[name] = value.strip("'")
        command = [sys.executable, "-X", "dev", "-W", "always", "-m", "tests.chaos.day"]
        process = subprocess.Popen(
            [*command, str(asks), str(answered)],
            cwd=ROOT,
            env=plain_environment() | variables,
            stdin=self.terminal.near,
            stdout=self.terminal.near,
            stderr=self.terminal.near,
            pass_fds=(asks, answered),
            start_new_session=True,
        )
        for end in (self.terminal.near, asks, answered):
            os.close(end)
        recording = threading.Thread(target=self.terminal.record)
        recording.start()
        ends = ExitStack()
        try:
            with os.fdopen(asked) as faults, os.fdopen(answers, "w") as replies:
                for line in faults:
                    if line == "\n":
                        ends.close()
                        self.sandbox._token_script.clear()
                        self.sandbox._api_script.clear()
                    count = self.arrange(line.rstrip(), ends)
                    print(count, file=replies, flush=True)
            assert process.wait(30) == 1
        finally:
            ends.close()
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(30)
            recording.join(30)
            os.close(self.terminal.end)


@pytest.fixture
def day(
    tmp_path: Path, valkey_with_password: Valkey, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Day]:
    authority = trustme.CA()
    pem = tmp_path / "server.pem"
    authority.issue_cert("127.0.0.1", "setle.example").private_key_and_cert_chain_pem.write_to_path(
        str(pem)
    )
    monkeypatch.setattr("setle.testing._ledger.secrets.token_urlsafe", lambda _: made_up(TOKEN))
    valkey = valkey_with_password
    with (
        Sandbox() as sandbox,
        Sandbox() as elsewhere,
        Sandbox(ssl_certfile=pem) as untrusted,
        running_proxy() as proxy,
    ):
        day = Day(tmp_path, sandbox, elsewhere, valkey, Terminal())
        (tmp_path / "seen").mkdir()
        day.rotate()
        day.write("wrong", made_up(SECRET))
        day.write("valkey", valkey.url)
        day.write("untrusted", untrusted.base_url)
        day.write("far", untrusted.base_url.replace("127.0.0.1", "setle.example"))
        day.write("proxy", proxy.url(password=PASSWORD))
        yield day


@pytest.fixture
def valkey_with_password() -> Iterator[Valkey]:
    with Valkey(password=PASSWORD) as valkey:
        yield valkey


@pytest.mark.parametrize("mark", [*SECRET, *TOKEN, PASSWORD])
def test_whoever_searches_finds(mark: str) -> None:
    """In JSON within JSON, in a representation, URL or Base64, wherever in there it begins."""
    held = f"x{mark}x"
    said = [json.dumps(json.dumps(held)), repr(repr(held)), quote(held), quote_plus(held)]
    for before in ("", "i", "id"):
        coded = f"{before}{mark}:".encode()
        said += [base64.b64encode(coded).decode(), base64.urlsafe_b64encode(coded).decode()]
    assert [text for text in said if not leaks("", text.encode())] == []
    assert leaks("", held[1:].removesuffix("x").encode())
    assert not leaks("", held[4:-4].encode())


TOLD = {
    "401 while it is rotated",
    "answer of the API",
    "body",
    "down",
    "echoed in a header",
    "first of two",
    "hooked",
    "in a child",
    "interrupted before a call",
    "interrupted in a call",
    "pickle",
    "proxy",
    "redirect",
    "settings",
    "slow",
    "stacks",
    "token redirect",
    "untrusted",
    "vault",
    "wrong credentials",
}
SEEN = {
    "environment": ["SETLE_CLIENT_SECRET_FILE="],
    "log": ["send_request_headers", "setle access token", "Using selector", "Traceback"],
    "pickles": ["TokenRejectedError"],
    "sentry": ['"vars": {"', "receive_response_headers", "KeyboardInterrupt", "fingerprint"],
    "spans": ["/v1/oauth/token", "[REDACTED]"],
    "terminal": [
        "407 Proxy",
        "CERTIFICATE_VERIFY_FAILED",
        "KeyboardInterrupt",
        "RedisTokenStore",
        "Secret: ",
        "Timeout (0:00:00",
        "error: Setle refused the client credentials (status 403: ***)",
        "make = <function call",
        "ok  token",
        "raised OSError",
    ],
}


@fault(
    "Secrets",
    "20 faults in one process, seen by Sentry, OpenTelemetry, logs, a terminal, a file "
    "store and Valkey",
    "no part of a secret, token or password anywhere",
)
def test_a_day_of_faults(day: Day) -> None:
    """No report, span, log, file of a store or what the terminal shows holds a part of one."""
    day.run(60 if LONG else 0)
    (day.folder / "seen" / "terminal").write_bytes(day.terminal.shown)  # for who looks into it
    seen = {path.name: path.read_bytes() for path in (day.folder / "seen").iterdir()}
    files = list((day.folder / "files").iterdir())
    places = {
        **seen,
        "names in Valkey": " ".join(day.names).encode(),
        "names of files": " ".join(file.name for file in files).encode(),
        **{file.name: file.read_bytes() for file in files if file.suffix != ".json"},
    }
    found = [leak for name, content in places.items() for leak in leaks(name, content)]
    assert found == []
    # All of it has come to pass, and was seen.
    told = {name for each in seen if each.startswith("told") for name in json.loads(seen[each])}
    assert told == TOLD
    for each, words in SEEN.items():
        content = b"".join(seen[name] for name in seen if name.startswith(each))
        assert [word for word in words if word.encode() not in content] == []
    saw(f"{times(len(found), 'leak')} after {len(told)} faults")
