"""The recipes for web servers, each in the server that people use."""

import contextlib
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from setle.testing import Answer, Sandbox
from tests.support.examples import RECIPES
from tests.support.processes import Start, listening

FASTAPI = RECIPES["FastAPI"]
DJANGO = RECIPES["Django"]
FLASK = RECIPES["Flask, under gunicorn"]

# What `django-admin startproject` writes, as far as the views need it.
PROJECT = {
    "settings.py": """
SECRET_KEY = "for the test"
ALLOWED_HOSTS = ["*"]
DEBUG = True
ROOT_URLCONF = "urls"
""",
    "urls.py": """
import views
from django.urls import path

urlpatterns = [path("estates", views.estates), path("async", views.estates_async)]
""",
    "asgi.py": "from django.core.asgi import get_asgi_application as get\n\napplication = get()\n",
    "wsgi.py": "from django.core.wsgi import get_wsgi_application as get\n\napplication = get()\n",
}


@contextlib.contextmanager
def serving(
    start: Start, *command: str, **variables: str
) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Run a server, and yield where it is and its process."""
    with listening() as (fd, url):
        options = {"UVICORN_FD": str(fd), "GUNICORN_CMD_ARGS": f"--bind fd://{fd} --workers 2"}
        yield url, start("-m", *command, pass_fds=(fd,), **options, **variables)


def answers(url: str, count: int = 8) -> list[httpx.Response]:
    """Return the answers to some requests at once."""
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(lambda _: httpx.get(url, timeout=20), range(count)))


def test_fastapi(start: Start, sandbox: Sandbox, tmp_path: Path) -> None:
    """Handlers share a client and a token; a missing one is logged and a 503; the end closes it."""
    FASTAPI.write(tmp_path)
    command, variables = FASTAPI.typed
    variables["PYTHONWARNINGS"] = "default"
    with serving(start, *command, **variables) as (url, server):
        assert {answer.status_code for answer in answers(f"{url}/estates")} == {200}
        assert sandbox.token_requests == 1
        sandbox.revoke()
        sandbox.script_token(Answer(403))
        refused = httpx.get(f"{url}/estates", timeout=20)
        server.terminate()
    log = server.communicate(timeout=30)[0]
    assert "ResourceWarning" not in log
    assert "Setle refused the client credentials" in log
    assert refused.status_code == 503
    assert 15 <= int(refused.headers["Retry-After"]) <= 60


@pytest.mark.parametrize(
    "command", [("uvicorn", "--lifespan", "off", "asgi:application"), ("gunicorn", "wsgi")]
)
def test_django(start: Start, sandbox: Sandbox, tmp_path: Path, command: tuple[str, ...]) -> None:
    """Views of both kinds share one token, in both kinds of server; no page shows the secret."""
    DJANGO.write(tmp_path)
    for name, content in PROJECT.items():
        (tmp_path / name).write_text(content)
    variables = {"DJANGO_SETTINGS_MODULE": "settings", "SETLE_TOKEN_STORE": "file"}
    with serving(start, *command, **variables) as (url, _):
        for path in ("estates", "async"):
            assert {answer.status_code for answer in answers(f"{url}/{path}")} == {200}
        assert sandbox.token_requests == 1
        sandbox.revoke()
        sandbox.script_token(Answer(403))
        page = httpx.get(f"{url}/{path}", timeout=20)
        assert "TokenRejectedError" in page.text
        assert sandbox.client_secret not in page.text


def test_django_commands_need_no_credentials(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A command that sends nothing looks at the views all the same."""
    DJANGO.write(tmp_path)
    for name, content in PROJECT.items():
        (tmp_path / name).write_text(content)
    monkeypatch.delenv("SETLE_CLIENT_ID")
    check = start("-m", "django", "check", DJANGO_SETTINGS_MODULE="settings")
    assert "no issues" in check.communicate(timeout=30)[0]


@pytest.mark.parametrize("preload", [True, False])
def test_flask_under_gunicorn(
    start: Start, sandbox: Sandbox, tmp_path: Path, preload: bool
) -> None:
    """Its workers, forked from a process that has the client or not, share one token."""
    FLASK.write(tmp_path)
    if not preload:
        config = tmp_path / "gunicorn.conf.py"
        config.write_text(config.read_text().replace("preload_app = True", "preload_app = False"))
    command, variables = FLASK.typed
    with serving(start, *command, **variables) as (url, _):
        assert {answer.status_code for answer in answers(f"{url}/estates", 32)} == {200}
    assert sandbox.api_requests == 32
    assert sandbox.token_requests == 1
