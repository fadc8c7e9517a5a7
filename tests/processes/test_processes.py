"""However processes come into being, those that share a store cost one token request."""

import os
import subprocess
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from setle.testing import Sandbox
from tests.support.processes import Start, listening, said_by

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")


def _who_answered(url: str, workers: int) -> set[str]:
    """Send requests, eight at a time, until that many *workers* have answered some."""
    answers = set[str]()

    def ask(_: int) -> str:
        return httpx.get(url, timeout=20).text

    with ThreadPoolExecutor(8) as pool:
        for _ in range(100):
            answers |= set(pool.map(ask, range(16)))
            if len(answers) == workers:
                break
    return answers


def _check(url: str, workers: int, server: subprocess.Popen[str], sandbox: Sandbox) -> None:
    answers = _who_answered(url, workers)
    server.terminate()
    said = said_by(server)
    assert {answer.split()[1] for answer in answers} == {"200"}, said
    assert len(answers) == workers, said
    assert sandbox.token_requests == 1


@pytest.mark.parametrize("options", [(), ("--preload",)], ids=["plain", "preload"])
def test_gunicorn_with_four_workers(start: Start, sandbox: Sandbox, options: tuple[str]) -> None:
    """The cold workers of a web server cost one token request together."""
    sandbox.delay = 0.2  # so that the others come to need one meanwhile
    with listening() as (fd, url):
        server = start(
            *("-m", "gunicorn", "--workers", "4", "--bind", f"fd://{fd}", *options),
            "tests.processes.web:wsgi",
            pass_fds=(fd,),
        )
        _check(url, 4, server, sandbox)


def test_uvicorn_with_two_workers(start: Start, sandbox: Sandbox) -> None:
    """So do those of an async one."""
    sandbox.delay = 0.2
    with listening() as (fd, url):
        server = start(
            *("-m", "uvicorn", "--workers", "2", "--fd", str(fd), "--lifespan", "off"),
            "tests.processes.web:asgi",
            pass_fds=(fd,),
        )
        _check(url, 2, server, sandbox)


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_pool_of_processes(start: Start, sandbox: Sandbox, method: str) -> None:
    """Four processes of multiprocessing that all start cold share one token."""
    sandbox.delay = 0.2
    lines = said_by(start("-m", "tests.processes.pool", method)).split()
    assert len(set(lines[::2])) == 4
    assert len(set(lines[1::2])) == 1
    assert sandbox.token_requests == 1


def test_a_pool_forked_from_a_warm_process(start: Start, sandbox: Sandbox) -> None:
    """Forked processes have the token of their parent without any store."""
    pool = start("-m", "tests.processes.pool", "fork", "warm", SETLE_TOKEN_STORE="memory")
    assert len(set(said_by(pool).split()[1::2])) == 1
    assert sandbox.token_requests == 1


def test_a_burst_of_short_processes(start: Start, sandbox: Sandbox) -> None:
    """Twenty jobs that cron starts in the same second cost one token request."""
    jobs = [start("-m", "tests.processes.cron") for _ in range(20)]
    assert [said_by(job) for job in jobs] == [""] * 20
    assert sandbox.api_requests == 20
    assert sandbox.token_requests == 1
