"""What goes along with every request, and what can be seen of the token in use."""

import re
from collections.abc import Callable
from importlib.metadata import requires, version
from pathlib import Path
from typing import Any, TypeAlias

import httpx
import pytest

import setle
import setle_api
from setle.testing import Sandbox
from tests.support import Clock, credentials_of, source_of
from tests.support.worlds import ESTATES, World

Connect: TypeAlias = Callable[..., setle_api.AuthenticatedClient]

OURS = f"setle-client/{setle.__version__} python-httpx/{httpx.__version__}"
TOKEN = {"access_token": "mocked", "expires_in": 3600, "token_type": "Bearer"}


class Seen:
    """A transport that keeps the User-Agent of each request."""

    def __init__(self) -> None:
        self.agents: dict[str, list[str]] = {}
        self.transport = httpx.MockTransport(self._note)

    def _note(self, request: httpx.Request) -> httpx.Response:
        agents = self.agents.setdefault(request.url.path, [])
        agents.extend(request.headers.get_list("User-Agent"))
        return httpx.Response(200, json=TOKEN)


@pytest.mark.parametrize("name", ["User-Agent", "user-agent", "USER-AGENT"])
def test_every_request_says_who_sends_it(world: World, connect: Connect, name: str) -> None:
    """One User-Agent on each; the caller's own goes before, for all calls or a single one."""
    seen = Seen()
    client = connect(httpx_args={"transport": seen.transport})
    world.call(client)
    world.call(client, headers={name: "one call"})
    world.call(client.with_headers({name: "derived"}))
    world.call(connect(httpx_args={"transport": seen.transport, "headers": {name: "mine"}}))
    assert seen.agents[ESTATES] == [OURS, "one call", "derived", "mine"]
    assert set(seen.agents["/v1/oauth/token"]) == {OURS}


def test_generated_endpoints_say_who_sends_them(connect: Connect) -> None:
    """As all calls of the client."""
    from setle_api.api.general import create_access_token

    seen = Seen()
    client = connect(httpx_args={"transport": seen.transport})
    create_access_token.sync(client=client, x_setle_client_id="a", x_setle_client_secret="b")
    assert set(seen.agents["/v1/oauth/token"]) == {OURS}


def test_the_version_is_the_distributions() -> None:
    """Told by the package without looking for its metadata."""
    assert setle.__version__ == version("setle-client")
    assert re.fullmatch(r"\d+\.\d+\.\d+\S*", setle.__version__)


def test_httpx_is_new_enough() -> None:
    """Before 0.28 it took *proxies*, and the token request went past the proxy."""
    (bound,) = [line for line in requires("setle-client") or () if line.startswith("httpx")]
    assert ">=0.28" in bound


def test_the_current_token_is_seen_without_a_request(sandbox: Sandbox, clock: Clock) -> None:
    """None before the first and after the end of the last; nothing is asked either way."""

    class Counting(setle.MemoryTokenStore):
        loads = 0

        def load(self, key: str) -> setle.AccessToken | None:
            self.loads += 1
            return super().load(key)

    store = Counting()
    source = source_of(sandbox, store=store)
    assert source.current_token() is None
    assert (sandbox.token_requests, store.loads) == (0, 0)
    token = source.get_token()
    loads = store.loads
    assert source.current_token() == token
    clock.go_on(3599)
    assert source.current_token() == token
    clock.go_on(1)
    assert source.current_token() is None
    assert (sandbox.token_requests, store.loads) == (1, loads)


def test_a_dropped_token_is_not_current(sandbox: Sandbox) -> None:
    """Nor is it for other sources of the same key."""
    store = setle.MemoryTokenStore()
    source, other = source_of(sandbox, store=store), source_of(sandbox, store=store)
    token = source.get_token()
    assert other.current_token() == token
    source.invalidate(token)
    assert source.current_token() is None
    assert other.current_token() is None


def test_a_store_is_named_or_given(
    connect: Connect, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """store takes what SETLE_TOKEN_STORE takes; both mean the same folder."""
    name = f"file:{tmp_path}"
    assert World("sync").call(connect(store=name)).status_code == 200
    assert World("sync").call(connect(store=setle.FileTokenStore(tmp_path))).status_code == 200
    monkeypatch.setenv("SETLE_TOKEN_STORE", name)
    assert World("sync").call(connect(store=None)).status_code == 200
    assert list(tmp_path.glob("*.json"))
    assert sandbox.token_requests == 1


def test_the_store_called_file_is_in_the_users_cache(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Alone it needs no folder's name."""

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    source = setle.TokenSource(credentials_of(sandbox), base_url=sandbox.base_url, store="file")
    token = source.get_token()
    assert [path.parent.name for path in tmp_path.rglob("*.json")] == ["setle"]
    assert source.current_token() == token


def test_the_store_called_file_is_where_the_environment_says_now(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another home is another store, also within one process."""
    for user in ("one", "other"):
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / user))
        (tmp_path / user).mkdir()
        source = setle.TokenSource(credentials_of(sandbox), base_url=sandbox.base_url, store="file")
        source.get_token()
        assert len(list(tmp_path.joinpath(user).rglob("*.json"))) == 1
    assert sandbox.token_requests == 2


@pytest.mark.parametrize("store", ["", "files", "file:", "http://x", "memory ", 7, object])
def test_what_names_no_store_is_refused(sandbox: Sandbox, store: Any) -> None:
    """By the argument's name."""
    with pytest.raises(setle.ConfigurationError, match="store"):
        setle.TokenSource(credentials_of(sandbox), base_url=sandbox.base_url, store=store)


@pytest.mark.parametrize("timeout", [0, -1, float("inf"), float("nan")])
def test_a_token_timeout_is_a_positive_number(connect: Connect, timeout: float) -> None:
    """Whoever wants to wait for ever is told that nobody does."""
    with pytest.raises(setle.ConfigurationError, match="timeout"):
        connect(token_timeout=timeout)


def test_token_timeout_bounds_the_wait(connect: Connect, sandbox: Sandbox) -> None:
    """The call fails when it is over, and says so."""
    client = connect(token_timeout=0.3)
    with sandbox.hold(), pytest.raises(setle.TokenUnavailableError, match=r"0\.3 s|no answer"):
        client.get_httpx_client().get(ESTATES)


def test_the_client_shows_where_it_goes_and_no_token(connect: Connect, sandbox: Sandbox) -> None:
    """Before and after the first call."""
    client = connect()
    for _ in range(2):
        assert sandbox.base_url in repr(client)
        assert "token" not in repr(client)
        assert World("sync").call(client).status_code == 200


@pytest.mark.parametrize(
    "name", ["headers", "cookies", "event_hooks", "transport", "mounts", "proxy", "cert", "params"]
)
def test_an_argument_may_be_none(
    world: World, connect: Connect, sandbox: Sandbox, name: str
) -> None:
    """As httpx takes it, and as settings that were read from somewhere have it."""
    client = connect(httpx_args={name: None})
    assert world.call(client).status_code == 200
    derived = client.with_headers({"X-Tenant": "1"}).with_cookies({"a": "b"})
    sent = world.call(derived).request.headers
    assert (sent["X-Tenant"], sent["Cookie"]) == ("1", "a=b")
    derived.get_httpx_client().close()
