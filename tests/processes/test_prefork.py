"""Workers that are forked from a process that has called already, by servers that people use."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import httpx
import pytest
import redis
import rq
import trustme

from setle.testing import Sandbox
from tests.chaos.conftest import LONG
from tests.support import join_refreshes, source_of
from tests.support.processes import Start, forked, listening, said_by
from tests.support.valkey import Valkey

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork"),
    pytest.mark.timeout(240 if LONG else 60),
]

CALLS = 200 if LONG else 20
UWSGI = ("-c", "import sys, pyuwsgi; pyuwsgi.run(sys.argv[1:])", "--need-app", "--disable-logging")

needs_uwsgi = pytest.mark.skipif(
    sys.platform != "linux" or sys.version_info >= (3, 13), reason="no wheel of uWSGI 2.0.26"
)


@pytest.fixture(params=["http", "https"])
def sandbox(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Sandbox]:
    """A sandbox with and without TLS."""
    pem = tmp_path / "server.pem"
    ca = trustme.CA()
    ca.issue_cert("127.0.0.1", "localhost").private_key_and_cert_chain_pem.write_to_path(str(pem))
    ca.cert_pem.write_to_path(str(tmp_path / "root.pem"))
    with Sandbox(ssl_certfile=pem if request.param == "https" else None) as running:
        yield running
        join_refreshes()


@pytest.fixture
def settings(sandbox: Sandbox, tmp_path: Path) -> dict[str, str]:
    """What a program finds in its environment beside, to trust the sandbox."""
    root = {"SSL_CERT_FILE": str(tmp_path / "root.pem")}
    return root if sandbox.base_url.startswith("https") else {}


def answers(url: str, workers: int) -> dict[str, set[str]]:
    """Return what the *workers* have said: a process id, and how many answers were crossed."""
    said = dict[str, set[str]]()

    def ask(_: int) -> list[str]:
        return httpx.get(f"{url}?{CALLS}", timeout=120).text.split()

    with ThreadPoolExecutor(workers) as pool:
        for _ in range(20):
            for pid, wrong in pool.map(ask, range(workers)):
                said.setdefault(pid, set()).add(wrong)
            if len(said) == workers:
                break
    return said


def test_gunicorn(start: Start, sandbox: Sandbox, settings: dict[str, str]) -> None:
    """Preloaded workers of gunicorn get their own answers, and cost one token request."""
    with listening() as (fd, url):
        server = start(
            *("-m", "gunicorn", "--preload", "--workers", "4", "--bind", f"fd://{fd}"),
            *("--timeout", "120", "tests.processes.warm:wsgi"),
            pass_fds=(fd,),
            **settings,
        )
        said = answers(url, 4)
        server.terminate()
    assert list(said.values()) == [{"0"}] * 4, said_by(server)
    assert sandbox.token_requests == 1


@needs_uwsgi
@pytest.mark.parametrize("threads", [(), ("--enable-threads",)], ids=["no threads", "threads"])
def test_uwsgi(
    start: Start, sandbox: Sandbox, settings: dict[str, str], threads: tuple[str, ...]
) -> None:
    """So do those of uWSGI, which forks without a word to Python."""
    with listening() as (fd, url):
        server = start(
            *(*UWSGI, *threads, "--master", "--processes", "4", "--die-on-term"),
            *("--http-socket", f"fd://{fd}", "--module", "tests.processes.warm:wsgi"),
            pass_fds=(fd,),
            **settings,
        )
        said = answers(url, 4)
    # Not by a word to uWSGI, whose workers no longer hear it: asyncio.run() takes SIGINT over.
    os.killpg(server.pid, signal.SIGKILL)
    assert list(said.values()) == [{"0"}] * 4, server.communicate(timeout=30)[0]
    assert sandbox.token_requests == 1


@pytest.fixture
def broker() -> Iterator[str]:
    with Valkey() as valkey:
        yield f"{valkey.url}/0"


def celery(start: Start, *command: str, **settings: str) -> subprocess.Popen[str]:
    """Start a worker of Celery, or what gives it tasks."""
    return start("-m", *command, PYTHONWARNINGS="ignore", **settings)  # some are Celery's own


def worker(start: Start, *options: str, **settings: str) -> subprocess.Popen[str]:
    """Start a worker of Celery."""
    command = ("celery", "--app", "tests.processes.tasks", "worker", "--loglevel", "WARNING")
    quiet = ("--without-gossip", "--without-mingle", "--without-heartbeat")
    return celery(start, *command, *quiet, *options, **settings)


def results(start: Start, *task: str, **settings: str) -> list[str]:
    """Return what came of that many of that *task*: its name, the number, and an argument."""
    printed = said_by(celery(start, "tests.processes.submit", *task, **settings))
    lines = [line.partition(" ") for line in printed.splitlines()]
    said = [text for word, _, text in lines if word == "returned"]
    assert len(said) == int(task[1]), printed
    return said


def test_celery(start: Start, sandbox: Sandbox, settings: dict[str, str], broker: str) -> None:
    """So do those of Celery."""
    settings["BROKER"] = broker
    worker(start, "--concurrency", "4", **settings)
    said = dict[str, set[str]]()
    while len(said) < 4:
        for returned in results(start, "crossed", "8", str(CALLS), **settings):
            pid, wrong = returned.split()
            said.setdefault(pid, set()).add(wrong)
    assert list(said.values()) == [{"0"}] * 4
    assert sandbox.token_requests == 1


# Jobs that end soon after their only call.


LIFETIME, LIVES = (4.0, 6) if LONG else (2.0, 2)


def check_cost(sandbox: Sandbox, began: float) -> None:
    """Compare the token requests since *began* with one at each stale point, and the first."""
    lives = (time.monotonic() - began) / (0.95 * LIFETIME)
    assert 2 <= sandbox.token_requests <= 1 + lives
    assert sandbox.tokens_issued == sandbox.token_requests


def lives() -> Iterator[None]:
    """Go on for some lives of a token after the first job, which waits for its worker."""
    yield
    end = time.monotonic() + LIVES * LIFETIME
    while time.monotonic() < end:
        yield


@pytest.fixture
def slow(sandbox: Sandbox) -> float:
    """Let tokens live for seconds only, and their endpoint take its time; return when that was."""
    sandbox.lifetime, sandbox.delay = LIFETIME, 0.15 * LIFETIME
    return time.monotonic()


@pytest.mark.parametrize("sandbox", ["http"], indirect=True)
def test_jobs_of_cron(start: Start, sandbox: Sandbox, slow: float) -> None:
    """Jobs that never run for longer than one call cost one request in each lifetime."""
    for _ in lives():
        assert said_by(start("-m", "tests.processes.cron")) == ""
    check_cost(sandbox, slow)


@pytest.mark.parametrize("sandbox", ["http"], indirect=True)
def test_jobs_of_celery(start: Start, sandbox: Sandbox, slow: float, broker: str) -> None:
    """So do tasks of Celery, each in a child of its own."""
    worker(start, "--concurrency", "2", "--max-tasks-per-child", "1", BROKER=broker)
    pids: list[str] = []
    for _ in lives():
        pids += results(start, "job", "4", BROKER=broker)
    assert len(set(pids)) == len(pids)
    check_cost(sandbox, slow)


@pytest.mark.parametrize("sandbox", ["http"], indirect=True)
def test_jobs_of_rq(start: Start, sandbox: Sandbox, slow: float, broker: str) -> None:
    """So do jobs of RQ, which forks for each and ends it by os._exit()."""
    start("-m", "rq.cli", "worker", "--quiet", "--url", broker, PYTHONWARNINGS="ignore")
    with redis.Redis.from_url(broker) as connection:
        queue, jobs = rq.Queue(connection=connection), list[rq.job.Job]()
        for _ in lives():
            job = queue.enqueue("tests.processes.jobs.job")
            jobs.append(job)
            while not job.is_finished:
                assert not job.is_failed, job.latest_result()
                time.sleep(0.02)  # nobody is told when a job ends
        assert len({job.return_value() for job in jobs}) == len(jobs)
    check_cost(sandbox, slow)


@pytest.mark.parametrize("sandbox", ["http"], indirect=True)
def test_workers_of_one_parent_draw_for_themselves(sandbox: Sandbox) -> None:
    """Children of a warm process, alone each with its memory, refresh at instants of their own."""
    sandbox.lifetime = LIFETIME
    source = source_of(sandbox)
    old = source.get_token()

    def run() -> float:
        while source.get_token() == old:
            time.sleep(0.002)  # a call now and then
        return time.monotonic()

    instants = sorted(float(outcome()) for outcome in [forked(run) for _ in range(12)])
    assert sandbox.token_requests == 13
    assert instants[-1] - instants[0] > LIFETIME / 200


# Threads that stand still between requests.


def _text(url: str) -> str:
    return httpx.get(url, timeout=20).text


@needs_uwsgi
@pytest.mark.parametrize("sandbox", ["http"], indirect=True)
def test_uwsgi_without_threads(start: Start, sandbox: Sandbox, slow: float) -> None:
    """No refresh is left standing there, and the log says what would help."""
    urls: list[str] = []
    servers = []
    with ExitStack() as listeners:
        for _ in range(2):  # of one worker each, so that it is known who answers
            fd, url = listeners.enter_context(listening())
            urls.append(url)
            servers.append(
                start(
                    *(*UWSGI, "--http-socket", f"fd://{fd}", "--processes", "1"),
                    *("--module", "tests.processes.web:wsgi"),
                    pass_fds=(fd,),
                )
            )
        first, second = (partial(_text, url) for url in urls)
        for _ in range(LIVES):
            second()
            first()
            asked, issued = sandbox.token_requests, sandbox.log[-1].at
            # Up to an early refresh, if there is one, and then never again.
            while sandbox.token_requests == asked and time.monotonic() < issued + 0.94 * LIFETIME:
                first()
            time.sleep(max(0.0, issued + LIFETIME - time.monotonic()))
            before = time.monotonic()
            assert second().endswith(" 200")
            assert time.monotonic() - before < 3
            assert first().endswith(" 200")
    for server in servers:
        os.killpg(server.pid, signal.SIGKILL)
        printed, _ = server.communicate(timeout=30)
        assert printed.count("set enable-threads = true") == 1
