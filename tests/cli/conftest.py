"""The command in the process of the tests, with the sandbox in the environment."""

import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import attrs
import pytest

import setle
from setle.cli import main
from setle.testing import Sandbox, forget_everything


@attrs.frozen
class Done:
    """What came of a command."""

    status: int
    out: bytes
    err: str

    @property
    def text(self) -> str:
        return self.out.decode()

    def failed(self, status: int, *words: str) -> bool:
        """Tell whether it ended so, with nothing but one line that holds all *words*."""
        one_line = self.err.startswith("error: ") and self.err.count("\n") == 1
        return self.status == status and one_line and all(word in self.err for word in words)


Run: TypeAlias = Callable[..., Done]


@pytest.fixture
def settings(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Sandbox:
    """The sandbox, as the environment names it, and a cache folder of the test's own."""
    for name in ("base_url", "client_id", "client_secret"):
        monkeypatch.setenv(f"SETLE_{name.upper()}", getattr(sandbox, name))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return sandbox


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> Iterator[Run]:
    """Run the command as a new process would, which knows of no earlier one."""
    logger = logging.getLogger("setle")
    level = logger.level

    def run(*args: str) -> Done:
        forget_everything()
        monkeypatch.setattr(sys, "argv", ["setle", *args])
        with pytest.raises(SystemExit) as caught:
            main()
        out, err = capfdbinary.readouterr()
        status = caught.value.code
        assert isinstance(status, int)
        return Done(status, out, err.decode())

    yield run
    logger.setLevel(level)  # which -v has changed


@pytest.fixture
def on_terminal(run: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Do the same where stdout is a terminal that shows colours."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(os, "isatty", lambda descriptor: descriptor == 1)
    return run


def key_of(sandbox: Sandbox) -> str:
    """Return what tokens for *sandbox* are stored under."""
    credentials = setle.ClientCredentials(sandbox.client_id, sandbox.client_secret)
    return credentials.key(sandbox.base_url)


def start(*args: str, **options: Any) -> "subprocess.Popen[bytes]":
    """Start the command in a process of its own."""
    command = [sys.executable, "-W", "error", "-m", "setle", *args]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, **{**pipes, **options})
