import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from setle.testing import Sandbox
from tests.chaos.fleet import ROOT, plain_environment

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(sandbox: Sandbox, tmp_path: Path) -> Iterator[Start]:
    """Start programs that share one folder; end them, and whatever they started, at the end."""
    settings = {
        "SETLE_BASE_URL": sandbox.base_url,
        "SETLE_CLIENT_ID": sandbox.client_id,
        "SETLE_CLIENT_SECRET": sandbox.client_secret,
        "SETLE_TOKEN_STORE": f"file:{tmp_path / 'tokens'}",
        "PYTHONWARNINGS": "error",
    }

    def end(process: subprocess.Popen[str]) -> None:
        with suppress(ProcessLookupError):  # all have ended
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=30)

    with ExitStack() as ends:

        def start(
            *command: str, pass_fds: tuple[int, ...] = (), **more: str
        ) -> subprocess.Popen[str]:
            process = subprocess.Popen(
                [sys.executable, *command],
                cwd=ROOT,
                env=plain_environment() | settings | more,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                pass_fds=pass_fds,
                start_new_session=True,
            )
            ends.callback(end, process)
            return process

        yield start
