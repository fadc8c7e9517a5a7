"""The store that every process has, and which objects pass for a store."""

import os
import sys
import threading
import time
import traceback
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from typing import Any

import pytest

import setle
from setle import _time
from setle._time import Instant
from setle.stores import resolve_store
from setle.testing import Sandbox
from tests.support import credentials_of, source_of
from tests.support.faults import fault, saw, yes
from tests.support.processes import forked


class Slotted:
    __slots__ = ()

    def load(self, key: str) -> setle.AccessToken | None:
        raise NotImplementedError

    def save(self, key: str, token: setle.AccessToken) -> None:
        raise NotImplementedError

    def lock(self, key: str, timeout: float) -> AbstractContextManager[None]:
        return nullcontext()


class Minimal(Slotted):
    """Has everything that the protocol asks for."""


def token(value: str, *, lifetime: float = 60.0) -> setle.AccessToken:
    moment = Instant(_time.monotonic(), _time.wall())
    return setle.AccessToken.issued(value, lifetime, at=moment)


def test_nothing_saved() -> None:
    """An empty store has no token."""
    assert setle.MemoryTokenStore().load("a key") is None


def test_saved() -> None:
    """A token is loaded under its own key and no other."""
    store = setle.MemoryTokenStore()
    one, other = token("one"), token("other")
    store.save("a key", one)
    store.save("another key", other)
    assert store.load("a key") is one
    assert store.load("another key") is other


def test_replaced() -> None:
    """The last token saved under a key is the one that is loaded."""
    store = setle.MemoryTokenStore()
    store.save("a key", token("old"))
    store.save("a key", new := token("new"))
    assert store.load("a key") is new


def test_stores_are_apart() -> None:
    """Two stores share nothing."""
    store = setle.MemoryTokenStore()
    store.save("a key", token("one"))
    assert setle.MemoryTokenStore().load("a key") is None


def test_ended_tokens_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tokens of credentials that are no longer used do not add up."""
    monkeypatch.setattr(_time, "monotonic", lambda: 1000.0)
    monkeypatch.setattr(_time, "wall", lambda: 5000.0)
    store = setle.MemoryTokenStore()
    store.save("short", token("short", lifetime=10))
    store.save("long", long := token("long", lifetime=1000))
    monkeypatch.setattr(_time, "monotonic", lambda: 1010.0)
    store.save("a key", token("one"))
    assert store.load("short") is None
    assert store.load("long") is long


@pytest.mark.parametrize("timeout", [0.0, 0.05])
def test_lock_excludes(timeout: float) -> None:
    """Others wait for it as long as they were told, and get a TimeoutError."""
    store = setle.MemoryTokenStore()
    with store.lock("a key", 0.0):
        before = time.monotonic()
        with pytest.raises(TimeoutError), store.lock("a key", timeout):
            pass
        assert time.monotonic() - before >= timeout


@fault("Memory store", "the holder of the lock raises", "the next one has the lock")
def test_lock_is_released() -> None:
    """Who waits for it has it when its holder is done, also by an error."""
    store = setle.MemoryTokenStore()
    entered, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with suppress(ZeroDivisionError), store.lock("a key", 0.0):
            entered.set()
            leave.wait(30)
            raise ZeroDivisionError

    holder = threading.Thread(target=hold)
    holder.start()
    entered.wait(30)
    threading.Timer(0.05, leave.set).start()
    with store.lock("a key", 30):
        locked = leave.is_set()
    assert locked
    holder.join(30)
    saw(f"locked once it was released: {yes(locked)}")


def test_locks_of_other_keys_and_stores_are_free() -> None:
    """Other credentials do not wait, nor do those who share nothing."""
    store = setle.MemoryTokenStore()
    with (
        store.lock("a key", 0.0),
        store.lock("another key", 0.0),
        setle.MemoryTokenStore().lock("a key", 0.0),
    ):
        pass


@fault(
    "Memory store",
    "a fork while the lock is held",
    "the child has the tokens, and a lock of its own",
)
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_inherits_no_lock() -> None:
    """A child has the tokens of its parent, and a lock of its own."""
    store = setle.MemoryTokenStore()
    store.save("a key", token("one"))

    def run() -> object:
        with store.lock("a key", 0.0):
            loaded = store.load("a key")
        return loaded and loaded.value

    with store.lock("a key", 0.0):
        said = forked(run, measured=True)()
    assert said == "one"
    saw(f"the child locked and read: {yes(said == 'one')}")


def test_cleared() -> None:
    """A store that was cleared has no token, and no lock that an earlier holder has left."""
    store = setle.MemoryTokenStore()
    store.save("a key", token("one"))
    with store.lock("a key", 0.0):
        store.clear()
        with store.lock("a key", 0.0):
            pass
    assert store.load("a key") is None


def test_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a setting there is one store for the whole process."""
    monkeypatch.delenv("SETLE_TOKEN_STORE", raising=False)
    store = resolve_store(None)
    assert isinstance(store, setle.MemoryTokenStore)
    assert resolve_store(None) is store


@pytest.mark.parametrize("name", ["memory", "memory\r", "", "\n"])
def test_variable(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process's own store can be asked for by name; an empty name counts as none."""
    default = resolve_store(None)
    monkeypatch.setenv("SETLE_TOKEN_STORE", name)
    assert resolve_store(None) is default


@pytest.mark.parametrize("name", ["X", "X "])
def test_only_line_breaks_are_left_off(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Of the name of a store; a folder's may end in anything else."""
    monkeypatch.setenv("SETLE_TOKEN_STORE", f"file:{tmp_path}/{name}\r\n")
    store: Any = resolve_store(None)
    assert store.place == tmp_path / name


@pytest.mark.parametrize("name", ["Memory", "shown", "shown://user:password@host"])
def test_unknown_variable(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unknown name is a configuration error that does not show it."""
    monkeypatch.setenv("SETLE_TOKEN_STORE", name)
    with pytest.raises(setle.ConfigurationError, match=r"^SETLE_TOKEN_STORE: ") as caught:
        resolve_store(None)
    assert name not in str(caught.value)


@pytest.mark.parametrize(
    "name", ["file", "file:tokens", "redis://127.0.0.1:1", "rediss://127.0.0.1:1", "unix:///no"]
)
def test_one_store_for_all_who_name_it(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Each connect() gets the same object, so that they share in memory too."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("SETLE_TOKEN_STORE", name)
    store = resolve_store(None)
    assert resolve_store(None) is store
    kind = setle.FileTokenStore if name.startswith("file") else setle.RedisTokenStore
    assert isinstance(store, kind)


def test_connects_share_the_store_of_the_variable(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A connect() per web request costs one token request, and the folder is the one named."""
    monkeypatch.setenv("SETLE_TOKEN_STORE", f"file:{tmp_path / 'tokens'}")
    for _ in range(3):
        with setle.connect(credentials_of(sandbox), base_url=sandbox.base_url) as client:
            assert client.get_httpx_client().get("/v1/estate/list").status_code == 200
    assert sandbox.token_requests == 1
    assert len(list((tmp_path / "tokens").glob("*.json"))) == 1


@pytest.mark.parametrize(
    "name",
    [
        "redis://user:s3cret@host:port",
        "rediss://user:s3cret@host?ssl_cert_reqs=perhaps",
        "s3cret://host",
        "file:",
        "File:/s3cret",
    ],
)
def test_unusable_variable(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the variable and shows nothing of what is in it."""
    monkeypatch.setenv("SETLE_TOKEN_STORE", name)
    with pytest.raises(setle.ConfigurationError, match=r"^SETLE_TOKEN_STORE") as caught:
        resolve_store(None)
    assert "s3cret" not in "".join(traceback.format_exception(caught.value))


def test_redis_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where redis-py is missing, the error says what to install."""
    monkeypatch.setitem(sys.modules, "redis", None)
    monkeypatch.setenv("SETLE_TOKEN_STORE", "redis://127.0.0.1:2")
    with pytest.raises(setle.ConfigurationError, match=r"^SETLE_TOKEN_STORE.*client\[redis\]"):
        resolve_store(None)


@pytest.mark.parametrize("store", [setle.MemoryTokenStore(), Minimal()])
def test_argument(store: setle.TokenStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Any object with the protocol's methods is a store, and wins over the variable."""
    monkeypatch.setenv("SETLE_TOKEN_STORE", "unknown")
    assert resolve_store(store) is store


@pytest.mark.parametrize("store", [{}, b"memory", 5, object(), Minimal, setle.MemoryTokenStore])
def test_no_store(store: Any) -> None:
    """An object without the methods, or the class of a store, is refused by its type's name."""
    with pytest.raises(setle.ConfigurationError, match=f"not {type(store).__name__}$"):
        resolve_store(store)


def test_named_by_the_argument(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The argument takes what the variable takes, and wins over it."""
    monkeypatch.setenv("SETLE_TOKEN_STORE", "unknown")
    for _ in range(2):
        source_of(sandbox, store=f"file:{tmp_path / 'tokens'}").get_token()
    assert sandbox.token_requests == 1
    assert len(list((tmp_path / "tokens").glob("*.json"))) == 1


def test_unknown_name_in_the_argument() -> None:
    """The error names the argument, and shows nothing of what is in it."""
    with pytest.raises(setle.ConfigurationError, match=r"^store: ") as caught:
        resolve_store("s3cret://host")
    assert "s3cret" not in str(caught.value)


def test_store_without_weak_references(sandbox: Sandbox) -> None:
    """A store that can be neither hashed nor referenced weakly will do."""

    class Listed(list[object]):
        __slots__ = ()

        def load(self, key: str) -> setle.AccessToken | None:
            return None

        def save(self, key: str, token: setle.AccessToken) -> None:
            self.append(token)

        def lock(self, key: str, timeout: float) -> AbstractContextManager[None]:
            return nullcontext()

    store = Listed()
    tokens = {source_of(sandbox, store=store).get_token().value for _ in range(2)}
    assert len(tokens) == len(store) == sandbox.token_requests == 1


def test_refused_by_the_source() -> None:
    """A source checks its store when it is made."""
    credentials = setle.ClientCredentials("id", "secret")
    with pytest.raises(setle.ConfigurationError, match="store"):
        setle.TokenSource(credentials, store={})  # type: ignore[arg-type] # the mistake
