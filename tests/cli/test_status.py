"""``setle status`` and ``setle forget``: what is stored, and that nothing is sent for it."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import setle
from setle.testing import Sandbox
from tests.support.valkey import Valkey, free_port

from .conftest import Run, key_of
from .test_token import stored


@pytest.fixture(scope="module")
def valkey() -> Iterator[Valkey]:
    with Valkey(user="someone", password="p4ssw0rd") as running:
        yield running


def test_tells_about_the_token_but_not_the_token(
    settings: Sandbox, run: Run, tmp_path: Path
) -> None:
    """Where it is, which one, and how long it lasts: as lines and as JSON; nothing is sent."""
    stored(settings, "the-stored-one", age=400)
    lines, said = run("status"), json.loads(run("status", "--json").out)
    assert said["base_url"] == settings.base_url
    assert said["store"] == f"FileTokenStore {tmp_path}/setle"
    assert len(said["fingerprint"]) == 8
    assert 590 < said["expires_in"] <= 600
    assert said["issued_at"] < said["expires_at"]
    assert said["next_call_refreshes"] is False
    assert lines.status == 0
    for name, fact in said.items():
        if name != "expires_in":
            assert any(
                line.split(maxsplit=len(name.split("_")))[-1] == str(fact)
                for line in lines.text.splitlines()
            )
    assert "the-stored-one" not in lines.text
    assert settings.log == []


def test_tells_that_the_next_call_gets_another(settings: Sandbox, run: Run) -> None:
    """A stale token is there, and still good for calls when nothing else can be had."""
    stored(settings, "the-stored-one", age=980)
    done = run("status", "--json")
    assert done.status == 0
    assert json.loads(done.out)["next_call_refreshes"] is True


@pytest.mark.parametrize("age", [None, 1001], ids=["nothing", "what has ended"])
def test_without_a_token_the_status_is_1(settings: Sandbox, run: Run, age: float | None) -> None:
    """It says where it looked, and what to do."""
    if age is not None:
        stored(settings, "the-stored-one", age=age)
    done = run("status")
    assert done.failed(1, "'setle token' gets one")
    assert settings.base_url in done.text


def test_forget(settings: Sandbox, run: Run, tmp_path: Path) -> None:
    """The token is gone from the disk and for the next call, which gets another one."""
    value = run("token").text.strip()
    assert run("forget").status == 0
    assert not [path for path in tmp_path.rglob("*.json") if value in path.read_text()]
    assert run("status").status == 1
    assert run("token").text.strip() != value
    assert settings.token_requests == 2


def test_a_server_holds_the_token(
    settings: Sandbox, run: Run, valkey: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is named without its password, and forgets as well."""
    monkeypatch.setenv("SETLE_TOKEN_STORE", valkey.url)
    assert run("token").out == run("token").out
    assert settings.token_requests == 1
    done = run("status")
    assert done.status == 0
    assert f"RedisTokenStore {valkey.url.rpartition('@')[2].partition('/')[0]}" in done.text
    assert "p4ssw0rd" not in done.text
    assert run("token", "--refresh").status == 0
    assert settings.token_requests == 2
    assert run("forget").status == 0
    assert run("status").status == 1


@pytest.mark.parametrize("command", ["status", "forget"])
def test_a_store_that_is_down(
    settings: Sandbox, run: Run, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """It is named, with what to do; the status is that of what is not available."""
    port = free_port()
    monkeypatch.setenv("SETLE_TOKEN_STORE", f"redis://:p4ssw0rd@127.0.0.1:{port}")
    done = run(command)
    assert done.failed(4, f"127.0.0.1:{port}", "SETLE_TOKEN_STORE")
    assert "p4ssw0rd" not in done.err


def test_a_file_that_others_may_write(settings: Sandbox, run: Run, tmp_path: Path) -> None:
    """It is named, with what to do; the status is that of settings."""
    stored(settings, "of-others", age=0)
    path = tmp_path / "setle" / f"{key_of(settings)}.json"
    path.chmod(0o666)
    assert run("status").failed(2, "chmod", str(path))


def test_a_store_that_is_none(settings: Sandbox, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The setting is named, and what it takes."""
    monkeypatch.setenv("SETLE_TOKEN_STORE", "carrier-pigeon")
    assert run("status").failed(2, "SETLE_TOKEN_STORE", "file:DIRECTORY")


def test_what_the_encoding_lacks_is_written_otherwise(
    settings: Sandbox, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder's name that stdout cannot hold does not stop the rest."""
    monkeypatch.setenv("SETLE_TOKEN_STORE", f"file:{tmp_path}/\N{SNOWMAN}")
    setle.FileTokenStore(tmp_path / "\N{SNOWMAN}")
    run("token")
    sys.stdout.reconfigure(encoding="ascii")  # type: ignore[union-attr]  # it is a real one
    done = run("status")
    sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]  # it is a real one
    assert done.status == 0
    assert "\\u2603" in done.text
