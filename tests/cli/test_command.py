"""What all commands share: help, errors in one line, statuses, completion, the missing extra."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import setle
from setle.cli._command import group
from setle.testing import Sandbox

from .conftest import Run, start

PAGE = Path(__file__).parents[2] / "docs" / "cli.md"
COMMANDS = ["", *sorted(group.commands)]


@pytest.mark.parametrize("command", COMMANDS)
def test_the_page_holds_the_help(run: Run, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the documentation shows is what the command says."""
    monkeypatch.setenv("COLUMNS", "80")
    said = run(*command.split(), "--help")
    assert said.status == 0
    shown = f"```text\n$ setle {command} --help\n".replace("  ", " ") + f"{said.text}```\n"
    assert shown in PAGE.read_text("utf-8")


def test_without_a_command_it_helps(run: Run) -> None:
    """Whoever types nothing else gets the list of commands."""
    done = run()
    assert (done.status, done.err) == (0, "")
    assert done.out == run("--help").out == run("-h").out


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["tokn"], ["tokn", "setle --help"]),
        (["--tokn"], ["--tokn", "setle --help"]),
        (["token", "x"], ["unexpected", "setle token --help"]),
        (["api"], ["PATH", "setle api --help"]),
        (["sandbox", "--lifetime", "long"], ["--lifetime", "setle sandbox --help"]),
    ],
)
def test_usage(run: Run, args: list[str], words: list[str]) -> None:
    """A fault of usage is one line that names the help."""
    assert run(*args).failed(2, *words)


@pytest.mark.parametrize("args", [["--debug", "token"], ["token", "--debug"]], ids=" ".join)
def test_debug_shows_where_an_error_comes_from(
    settings: Sandbox, run: Run, args: list[str]
) -> None:
    """Wherever it stands, there is a traceback before the line, without a secret."""
    settings.rotate_secret()
    done = run(*args)
    assert done.status == 3
    assert "Traceback" in done.err
    assert done.err.splitlines()[-1].startswith("error: ")
    assert settings.client_secret not in done.err


def test_verbose_shows_the_log(settings: Sandbox) -> None:
    """On stderr, so that stdout stays what it is, and without a token."""
    process = start("token", "-v")
    out, err = process.communicate()
    assert process.returncode == 0
    assert b"from the endpoint" in err
    assert out.strip() not in err
    assert settings.client_secret.encode() not in err


def test_what_nobody_expected(settings: Sandbox, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault of the command itself is one line, too, without its text, which may hold anything."""

    def fail(*args: object, **more: object) -> None:
        raise KeyError(settings.client_secret)

    monkeypatch.setattr(setle, "TokenSource", fail)
    done = run("token")
    assert done.failed(1, "KeyError", "--debug")
    assert settings.client_secret not in done.err


def test_a_full_disk(settings: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be printed is one line, too."""
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)  # which would print it at once
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("no /dev/full here")
    with full.open("wb") as nowhere:
        process = start("token", stdout=nowhere)
        _, err = process.communicate()
    assert err.startswith(b"error: No space left on device")
    assert err.count(b"\n") == 1, err
    assert process.returncode == 2


def test_without_a_stdout(settings: Sandbox, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a service has none, what prints nothing works."""
    monkeypatch.setattr(sys, "stdout", None)
    assert run("forget").status == 0


def test_its_version(run: Run) -> None:
    """It is that of the package."""
    assert run("--version").text == f"setle {setle.__version__}\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(run: Run, monkeypatch: pytest.MonkeyPatch, shell: str) -> None:
    """Each shell gets its script, and completes commands."""
    monkeypatch.setenv("_SETLE_COMPLETE", f"{shell}_source")
    assert "_SETLE_COMPLETE" in run().text
    monkeypatch.setenv("_SETLE_COMPLETE", f"{shell}_complete")
    monkeypatch.setenv("COMP_WORDS", "setle to")
    monkeypatch.setenv("COMP_CWORD", "to" if shell == "fish" else "1")
    assert "token" in run().text


WITHOUT = """
import sys

sys.modules[sys.argv[1]] = None
del sys.argv[1]
from setle.cli import main

main()
"""


@pytest.mark.parametrize(
    ("module", "args", "extra"), [("click", [], "cli"), ("starlette", ["sandbox"], "sandbox")]
)
def test_without_an_extra(module: str, args: list[str], extra: str) -> None:
    """One line says how to get what is missing."""
    command = [sys.executable, "-c", WITHOUT, module, *args]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ")
    assert done.stderr.endswith(f" needs {module}: pip install 'setle-client[{extra}]'\n")
    assert done.stderr.count("\n") == 1


def test_an_interrupt_before_it_has_begun(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C while it starts ends it like any other time."""

    def interrupt(args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("setle.cli._command.run", interrupt)
    done = run("token")
    assert (done.status, done.out, done.err) == (130, b"", "")


def test_the_entry_point() -> None:
    """``setle`` is installed as a command, and `python -m setle` is the same."""
    text = (Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8")
    assert re.search(r'^setle = "setle.cli:main"$', text, re.MULTILINE)
    process = start("--version")
    out, _ = process.communicate()
    assert out == f"setle {setle.__version__}\n".encode()
