"""The recipes for jobs: a real worker of Celery, short processes, a notebook in its kernel."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbclient
import nbformat
import pytest

import setle
from setle.testing import Answer, Sandbox
from tests.support.examples import RECIPES, ROOT
from tests.support.processes import Start, said_by
from tests.support.valkey import Valkey
from tests.support.worlds import ESTATES

CELERY = RECIPES["Celery"]
CRON = RECIPES["Cron"]
NOTEBOOK = RECIPES["A notebook"]


@pytest.fixture
def broker() -> Iterator[str]:
    with Valkey() as valkey:
        yield f"{valkey.url}/0"


def test_celery(start: Start, sandbox: Sandbox, tmp_path: Path, broker: str) -> None:
    """Tasks that find no token are tried again when there may be one; all share that."""
    CELERY.write(tmp_path)
    command, variables = CELERY.typed
    sandbox.script_token(Answer(503), Answer(503), Answer(503))
    quiet = ("--without-gossip", "--without-mingle", "--without-heartbeat", "--concurrency", "2")
    start("-m", *command, *quiet, BROKER_URL=broker, **variables)
    submit = ("tests.processes.submit", "tasks.count_estates", "8")
    said = said_by(start("-m", *submit, BROKER=broker, PYTHONPATH=str(ROOT)))
    assert re.fullmatch(r"(returned [1-9]\d*\n){8}", said)
    assert sandbox.tokens_issued == 1
    assert sandbox.token_requests == 4


def test_cron(start: Start, sandbox: Sandbox, tmp_path: Path) -> None:
    """Runs share a token, and one that fails says why in a line; the secret is in a file."""
    CRON.write(tmp_path)
    (tmp_path / "secret").write_text(f"{sandbox.client_secret}\n")
    variables = dict(re.findall(r"^(\w+)=(.*)$", CRON.text, re.MULTILINE))
    assert variables.keys() == {"SETLE_CLIENT_ID", "SETLE_CLIENT_SECRET_FILE"}
    variables["SETLE_CLIENT_ID"] = sandbox.client_id
    variables["SETLE_CLIENT_SECRET_FILE"] = str(tmp_path / "secret")

    def job() -> Any:
        return start("nightly.py", SETLE_CLIENT_SECRET="", **variables)

    for _ in range(2):
        assert re.fullmatch(r"\d+ estates\n", said_by(job()))
    assert sandbox.token_requests == 1
    (tmp_path / "secret").write_text("f" * 64)
    failed = job()
    said, _ = failed.communicate(timeout=30)
    assert failed.returncode == 1
    assert re.fullmatch(r"nightly: Setle refused the client credentials .*\n", said)


def test_a_notebook(sandbox: Sandbox, settings: dict[str, Any]) -> None:
    """Cells await, in a kernel that has the token of another process."""
    setle.TokenSource(store=setle.FileTokenStore()).get_token()
    new: Any = nbformat.v4  # parts of it have no types
    cells = [new.new_code_cell(code) for code in NOTEBOOK.files.values()]
    notebook = new.new_notebook(cells=cells)
    nbclient.NotebookClient(notebook, timeout=20).execute()
    (shown,) = notebook.cells[-1].outputs
    assert shown.data["text/plain"].startswith("{'")
    asked = [(record.path, record.status) for record in sandbox.log]
    assert asked == [("/v1/oauth/token", 200), (ESTATES, 200)]
