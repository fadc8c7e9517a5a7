"""``setle sandbox``: a Setle in the foreground, with the settings to copy."""

import signal
import socket
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest

from .conftest import Run, start


def test_runs_until_interrupted(tmp_path: Path) -> None:
    """It prints the settings, gives tokens and the estates given, and logs without secrets."""
    (tmp_path / "estates.json").write_text('[{"external_id": "1"}]')
    process = start(
        *("sandbox", "--lifetime", "5", "--delay", "0.01"),
        *("--estates", str(tmp_path / "estates.json")),
    )
    assert process.stdout is not None
    lines = [process.stdout.readline().decode() for _ in range(3)]
    assert all(line.startswith("export SETLE_") for line in lines)
    settings = dict(line.removeprefix("export ").rstrip().split("=") for line in lines)
    credentials = {
        "x-setle-client-id": settings["SETLE_CLIENT_ID"],
        "x-setle-client-secret": settings["SETLE_CLIENT_SECRET"],
    }
    with httpx.Client(base_url=settings["SETLE_BASE_URL"], trust_env=False) as client:
        grant = client.post("/v1/oauth/token", headers=credentials).json()
        headers = {"Authorization": f"Bearer {grant['access_token']}"}
        assert client.get("/v1/estate/list", headers=headers).json() == [{"external_id": "1"}]
    assert grant["expires_in"] == 5
    process.send_signal(signal.SIGINT)
    out, err = process.communicate()
    assert (process.returncode, out) == (130, b"")
    first, second = err.decode().split("\n")[:2]
    assert first.startswith("POST /v1/oauth/token 200 in ")
    assert second.startswith("GET /v1/estate/list 200 in ")
    assert first.split()[-1] == second.split()[-1]  # the fingerprint
    assert settings["SETLE_CLIENT_SECRET"] not in err.decode()
    assert grant["access_token"] not in err.decode()


@pytest.fixture
def interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Interrupt it as soon as it is up."""

    class Interrupted:
        def wait(self) -> None:
            raise KeyboardInterrupt

    monkeypatch.setattr("setle.cli._sandbox.threading", SimpleNamespace(Event=Interrupted))


@pytest.mark.usefixtures("interrupted")
def test_the_first_page_shows_what_it_prints(run: Run) -> None:
    """Whoever has no credentials yet is told to copy these lines, and sees no others."""
    page = (Path(__file__).parents[2] / "docs" / "index.md").read_text("utf-8")
    shown = page.partition("$ setle sandbox\n")[2].partition("```")[0]
    printed = run("sandbox").text
    assert [line.partition("=")[0] for line in shown.splitlines()] == [
        line.partition("=")[0] for line in printed.splitlines()
    ]


@pytest.mark.usefixtures("interrupted")
def test_an_interrupt_frees_the_port(run: Run) -> None:
    """Once it is interrupted, another one can be there at once."""
    first = run("sandbox")
    port = first.text.splitlines()[0].rpartition(":")[2]
    again = run("sandbox", "--port", port)
    assert (first.status, again.status) == (130, 130)
    assert first.text.splitlines()[0] == again.text.splitlines()[0]


def test_a_port_that_is_taken(run: Run) -> None:
    """It is named, with what to do."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert run("sandbox", "--port", str(port)).failed(2, str(port), "0 is any free port")


@pytest.mark.parametrize("content", ["[", "5"])
def test_estates_that_are_no_json_list(run: Run, tmp_path: Path, content: str) -> None:
    """The option is named, and what is wrong with the file."""
    (tmp_path / "estates.json").write_text(content)
    assert run("sandbox", "--estates", str(tmp_path / "estates.json")).failed(2, "--estates")
