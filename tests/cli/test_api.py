"""``setle api``: requests with the token, and answers as they are or for the eyes."""

import gzip
import io
import json
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from setle.testing import Answer, Sandbox
from tests.support.raw import RawEndpoint, token_answer

from .conftest import Run, start

ESTATES, ECHO = "/v1/estate/list", "/sandbox/echo"


class Seen(RawEndpoint):
    """An endpoint that gives a token, and keeps what else is asked."""

    def __init__(self) -> None:
        super().__init__(self.reply)
        self.head, self.body = "", b""

    def reply(self, connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            request = b""
            while b"\r\n\r\n" not in request:
                request += connection.recv(65536)
            head, _, body = request.partition(b"\r\n\r\n")
            if head.startswith(b"POST /v1/oauth/token "):
                connection.sendall(token_answer())
                return
            self.head = head.decode()
            lengths = [line for line in self.head.lower().split("\r\n") if "content-length" in line]
            while len(body) < int(lengths[0].partition(":")[2] if lengths else 0):
                body += connection.recv(65536)
            self.body = body
            self.reply(connection)


@pytest.fixture
def seen(settings: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[Seen]:
    """What the request looks like that goes over the wire."""
    with Seen() as endpoint:
        monkeypatch.setenv("SETLE_BASE_URL", endpoint.base_url)
        yield endpoint


def test_prints_the_answer_byte_for_byte(settings: Sandbox, run: Run) -> None:
    """In a pipe it is what the server sent, whatever that is."""
    body = bytes(range(256)) * 100
    settings.script_api(Answer(body=body, headers={"Content-Type": "image/png"}))
    done = run("api", ESTATES)
    assert (done.status, done.out, done.err) == (0, body, "")


def test_unpacks_the_answer(settings: Sandbox, run: Run) -> None:
    """What was packed for the way comes out as it is."""
    packed = Answer(body=gzip.compress(b"an answer"), headers={"Content-Encoding": "gzip"})
    settings.script_api(packed)
    assert run("api", ESTATES).out == b"an answer"


def test_reuses_the_token(settings: Sandbox, run: Run) -> None:
    """Calls share the stored token, and one that was revoked is replaced."""
    assert run("api", ESTATES).status == 0
    assert run("api", ESTATES).status == 0
    assert settings.token_requests == 1
    settings.revoke()
    assert run("api", ESTATES).status == 0
    assert settings.token_requests == 2


def test_fields_are_a_json_body(seen: Seen, run: Run) -> None:
    """With fields it is a POST, and all of them are strings."""
    assert run("api", "/v1/x", "-f", "name=Søren", "-f", "size=3=4").status == 0
    assert seen.head.startswith("POST /v1/x HTTP/1.1\r\n")
    assert "\r\nContent-Type: application/json\r\n" in seen.head + "\r\n"
    assert json.loads(seen.body) == {"name": "Søren", "size": "3=4"}


def test_fields_of_a_get_are_a_query(seen: Seen, run: Run) -> None:
    """They come after the query that the path has, and repeat."""
    assert run("api", "/v1/x?a=1", "-X", "get", "-f", "b=2 3", "-f", "b=&").status == 0
    assert seen.head.startswith("GET /v1/x?a=1&b=2+3&b=%26 HTTP/1.1\r\n")
    assert seen.body == b""


@pytest.mark.parametrize("source", ["file", "stdin"])
def test_a_body_of_ones_own(
    seen: Seen, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    """It is sent as it is, by POST; fields then go into the query."""
    path = tmp_path / "body"
    path.write_bytes(b"\x00\xff")
    stdin = io.TextIOWrapper(io.BytesIO(b"\x00\xff"))
    monkeypatch.setattr(sys, "stdin", stdin)
    given = str(path) if source == "file" else "-"
    header = "content-type: image/png"
    assert run("api", "/v1/x", "--input", given, "-f", "a=1", "-H", header).status == 0
    assert seen.head.startswith("POST /v1/x?a=1 HTTP/1.1\r\n")
    assert seen.head.lower().count("content-type") == 1
    assert "image/png" in seen.head
    assert seen.body == b"\x00\xff"


def test_headers(seen: Seen, run: Run) -> None:
    """They are sent as given, as often as given, beside our own."""
    assert run("api", "/v1/x", "-H", "X-A: 1", "-H", "X-A:2", "-X", "DELETE").status == 0
    assert seen.head.startswith("DELETE /v1/x ")
    for line in ("X-A: 1", "X-A: 2", "Authorization: Bearer a-token"):
        assert line in seen.head.split("\r\n")


@pytest.mark.parametrize(
    "args",
    [
        ["-H", "Authorization: Bearer shown"],
        ["-H", "host: shown.example"],
        ["-H", "shown"],
        ["-H", ": shown"],
        ["-f", "shown"],
        ["-H", "X: shown\r\nY: 1"],
        ["-H", "X Y: shown"],
        ["-H", "X: shöwn"],
        ["-X", "SH OWN"],
        ["-X", "GET", "-f", "city=shown\udce8"],  # what is no UTF-8 on the command line
        ["--input", "/shown/nowhere"],
    ],
)
def test_what_cannot_be_sent(settings: Sandbox, run: Run, args: list[str]) -> None:
    """It is refused as a fault of usage before anything is sent to the API."""
    assert run("api", ESTATES, *args).failed(2)
    assert settings.api_requests == 0


def test_a_path_that_no_url_can_hold(settings: Sandbox, run: Run) -> None:
    """httpx takes none that is longer."""
    assert run("api", "/" + 65_536 * "x").failed(2)
    assert settings.api_requests == 0


@pytest.mark.parametrize("header", ["X: shown\r\nY: 1", "X: shöwn"])
def test_a_header_that_cannot_be_sent_is_not_shown(
    settings: Sandbox, run: Run, header: str
) -> None:
    """It may hold a key, and is in no traceback either."""
    done = run("--debug", "api", ESTATES, "-H", header)
    assert done.status == 2
    assert "Traceback" in done.err
    assert header[3:8] not in done.err


@pytest.mark.parametrize(
    "path",
    [
        *("//{}/x", "http://{}/x", "HTTP:/{}/x", "\\\\{}\\x", "/\\{}/x", "{}/x", "@{}/x", ":@{}/x"),
        *("/x\\@{}", "/x#@{}", "", " /x", "/x y", "/x\r\nHost: {}", "/é", "\t//{}/x", "///{}/x"),
    ],
)
def test_a_path_names_no_host(settings: Sandbox, run: Run, path: str) -> None:
    """What is no path, or looks like another host, is refused; nobody hears of it."""
    with Sandbox() as other:
        assert run("api", path.format(other.base_url.removeprefix("http://"))).failed(2, "PATH")
        assert other.log == []
    assert settings.log == []


@given(st.text(st.sampled_from("/\\@:?#%2fF5cC.;&=\t []x"), max_size=12))
@hypothesis_settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_whatever_the_path_it_goes_to_no_other_host(
    settings: Sandbox, run: Run, other: Sandbox, path: str
) -> None:
    """Before the address of another server, in it and after it: that one is never asked."""
    for form in (f"{path}{other.base_url[7:]}", f"/{path}{other.base_url}", f"/{path}"):
        assert run("api", form).status in (0, 1, 2)
    assert other.log == []


@pytest.fixture(scope="module")
def other() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


def test_a_redirect_is_not_followed(settings: Sandbox, run: Run, other: Sandbox) -> None:
    """It counts as an error, and -i shows where it leads."""
    answer = Answer(302, headers={"Location": f"{other.base_url}/x"})
    settings.script_api(answer, answer)
    assert run("api", ESTATES).failed(1, "302 Found")
    assert f"location: {other.base_url}/x\n" in run("api", ESTATES, "-i").text
    assert other.log == []


def test_status_and_headers(settings: Sandbox, run: Run) -> None:
    """They come before the answer; a header that may hold a token is left out."""
    headers = {"X-Answer": "an\x1b[2J answer", "Proxy-Authorization": "Bearer shown"}
    settings.script_api(Answer(201, body=b"the body", headers=headers))
    head, _, body = run("api", ESTATES, "-i").text.partition("\n\n")
    assert body == "the body"
    assert head.splitlines()[0] == "HTTP/1.1 201 Created"
    assert "x-answer: an\\x1b[2J answer" in head
    assert "uthorization" not in head


@pytest.mark.parametrize("status", [400, 403, 404, 500, 503])
def test_an_error_of_the_api(settings: Sandbox, run: Run, status: int) -> None:
    """The answer is printed, one line says what it was, and the status is 1."""
    settings.script_api(Answer(status, json={"message": "no"}))
    done = run("api", f"{ESTATES}?secret=shown")
    assert done.failed(1, f"GET {ESTATES} answered {status}")
    assert done.out == b'{"message":"no"}'
    assert "shown" not in done.err


def test_nobody_answers(settings: Sandbox, run: Run) -> None:
    """A connection that is cut counts as not available, and the doctor is named."""
    settings.script_api(Answer(hang_up=True))
    assert run("api", ESTATES).failed(4, "no answer from 127.0.0.1", "setle doctor")


def test_refused_credentials(settings: Sandbox, run: Run) -> None:
    """They have a status of their own here, too."""
    settings.rotate_secret()
    assert run("api", ESTATES).failed(3, "refused")


def test_a_terminal_gets_json_laid_out_and_coloured(settings: Sandbox, on_terminal: Run) -> None:
    """Names are coloured, whatever the values look like; nothing is lost."""
    value = {"a": 'x": ":', ":b": [1, 1.5, None, "é\\"], "c\x9b": "\u202e"}
    settings.script_api(Answer(json=value))
    text = on_terminal("api", ESTATES).text
    lines = text.splitlines()
    assert lines[1] == '  \x1b[34m"a"\x1b[39m: "x\\": \\":",'
    assert lines[2] == '  \x1b[34m":b"\x1b[39m: ['
    assert '"é\\\\"' in text
    assert "\x9b" not in text
    assert "\u202e" not in text
    assert text.count("\x1b[34m") == 3


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_a_terminal_without_colours(
    settings: Sandbox, on_terminal: Run, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    """Whoever wants none gets none, and the rest stays."""
    monkeypatch.setenv(name, value)
    settings.script_api(Answer(json={"a": 1}))
    assert on_terminal("api", ESTATES).text == '{\n  "a": 1\n}\n'


@pytest.mark.parametrize(
    ("body", "content_type", "shown"),
    [
        (b"two\r\nlines\x1b[2J", "text/plain", "two\nlines\\x1b[2J\n"),
        ("é".encode("latin-1"), "text/plain; charset=latin-1", "é\n"),
        (b"[" * 100_000, "application/json", "[" * 100_000 + "\n"),
        (b"", "text/plain", ""),
    ],
    ids=["text", "another charset", "too deep", "nothing"],
)
def test_a_terminal_gets_text(
    settings: Sandbox, on_terminal: Run, body: bytes, content_type: str, shown: str
) -> None:
    """Text is shown without what the terminal would obey."""
    settings.script_api(Answer(body=body, headers={"Content-Type": content_type}))
    assert on_terminal("api", ESTATES).text == shown


def test_a_terminal_gets_no_binary(settings: Sandbox, on_terminal: Run) -> None:
    """It says how to get it instead."""
    settings.script_api(Answer(body=b"\x89PNG\xff", headers={"Content-Type": "image/png"}))
    done = on_terminal("api", ESTATES)
    assert done.failed(2, "binary", ">")
    assert done.out == b""


def test_nobody_reads_on(settings: Sandbox) -> None:
    """Where the pipe is closed, as by head, it ends quietly, with the shell's status for that."""
    settings.script_api(Answer(body=b"x" * 1_000_000))
    process = start("api", ESTATES)
    assert process.stdout is not None
    assert process.stdout.read(10) == b"x" * 10
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait() == 141


def test_an_interrupt(settings: Sandbox) -> None:
    """Ctrl-C while it waits for an answer ends it, without a traceback."""
    with settings.hold():
        process = start("api", ESTATES)
        settings.wait_for(token_requests=1)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate()
    assert (process.returncode, out, err.strip()) == (130, b"", b"")
