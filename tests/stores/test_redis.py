"""Sharing by Redis: leases, remaining times, and servers that die, freeze, fill up and forget."""

import logging
import os
import re
import select
import socket
import ssl
import sys
import threading
import traceback
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import redis
import redis.asyncio
import redis.sentinel
import trustme

import setle
from setle import _time
from setle._time import Instant
from setle.testing import Answer, Sandbox
from tests.support import Clock, credentials_of, eventually, join_refreshes, source_of
from tests.support.faults import asked, fault, named, naming, saw, times, yes
from tests.support.processes import cold_processes
from tests.support.valkey import SERVERS, Valkey, free_port

KEY = "0123456789abcdef" * 4
DOCUMENT = Path(__file__).parents[2] / "docs" / "stores.md"


@pytest.fixture(scope="module", params=SERVERS)
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    """A server that tests share, of either kind."""
    with Valkey(program=request.param) as running:
        yield running.url


@pytest.fixture(scope="module", params=SERVERS)
def program(request: pytest.FixtureRequest) -> str:
    """What to run for a server, of either kind."""
    program: str = request.param
    return program


@pytest.fixture
def valkey() -> Iterator[Valkey]:
    """A server of the test's own, to do with as it likes."""
    with Valkey() as running:
        yield running


@pytest.fixture
def client(url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(url) as client:
        yield client


@pytest.fixture
def prefix(client: redis.Redis) -> Iterator[str]:
    """What no other test's keys begin with."""
    prefix = f"setle-test-{uuid.uuid4().hex}"
    yield prefix
    for name in client.scan_iter(f"{prefix}:*"):
        client.delete(name)


@contextmanager
def store_at(url: str, **settings: Any) -> Iterator[setle.RedisTokenStore]:
    store = setle.RedisTokenStore.from_url(url, **settings)
    with closing(store._client):
        yield store


@pytest.fixture
def store(url: str, prefix: str) -> Iterator[setle.RedisTokenStore]:
    with store_at(url, prefix=prefix) as store:
        yield store


@pytest.fixture
def other(url: str, prefix: str) -> Iterator[setle.RedisTokenStore]:
    """The same from another process, as far as the server can tell."""
    with store_at(url, prefix=prefix) as store:
        yield store


def token(value: str = "t0ken", lifetime: float = 3600.0) -> setle.AccessToken:
    moment = Instant(_time.monotonic(), _time.wall())
    return setle.AccessToken.issued(value, lifetime, at=moment)


def names(prefix: str, key: str = KEY) -> tuple[str, str]:
    return f"{prefix}:{{{key}}}:token", f"{prefix}:{{{key}}}:lease"


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    join_refreshes()  # which tell what came of them at their end
    return [
        record.getMessage()
        for record in caplog.records
        if record.name == "setle" and record.levelno >= logging.WARNING
    ]


# Entries.


def test_nothing_saved(store: setle.RedisTokenStore, client: redis.Redis, prefix: str) -> None:
    """An empty database has no token, and an entry of another type is none."""
    assert store.load(KEY) is None
    client.rpush(names(prefix)[0], "t0ken")
    client.pexpire(names(prefix)[0], 60_000)
    assert store.load(KEY) is None


def test_saved(store: setle.RedisTokenStore, other: setle.RedisTokenStore) -> None:
    """Others have the same token, with the same end but for the time of the way."""
    store.save(KEY, saved := token())
    loaded = other.load(KEY)
    assert loaded is not None
    assert loaded.value == saved.value
    assert loaded.lifetime == 3600.0
    assert abs((saved.expires_at - loaded.expires_at).total_seconds()) < 1


def test_entry_lives_as_long_as_the_token(
    store: setle.RedisTokenStore, client: redis.Redis, prefix: str
) -> None:
    """The server removes it when the token ends."""
    store.save(KEY, token(lifetime=100))
    assert 98_000 < client.pttl(names(prefix)[0]) <= 100_000


def test_time_since_the_request_counts(
    store: setle.RedisTokenStore, client: redis.Redis, prefix: str
) -> None:
    """A token that took a while to be saved has that much less to live."""
    moment = Instant(_time.monotonic() - 40, _time.wall() - 40)
    store.save(KEY, setle.AccessToken.issued("t0ken", 100, at=moment))
    assert 58_000 < client.pttl(names(prefix)[0]) <= 60_000


def test_ended_token_is_not_saved(
    store: setle.RedisTokenStore, client: redis.Redis, prefix: str
) -> None:
    """Nothing is left, nor of an earlier one: `setle forget` saves what has as good as ended."""
    store.save(KEY, token())
    moment = Instant(_time.monotonic() - 100, _time.wall() - 100)
    store.save(KEY, setle.AccessToken.issued("t0ken", 100, at=moment))
    assert not client.exists(names(prefix)[0])


@fault(
    "Clocks",
    "the wall clock of a machine that shares by Redis is a day off",
    "the token lasts for it as long as for all others",
)
@pytest.mark.parametrize("skew", [-86_400.0, 86_400.0])
def test_wall_clocks_do_not_matter(
    store: setle.RedisTokenStore,
    other: setle.RedisTokenStore,
    client: redis.Redis,
    prefix: str,
    monkeypatch: pytest.MonkeyPatch,
    skew: float,
) -> None:
    """A machine that is a day off has the token for as long as all others do."""
    store.save(KEY, token(lifetime=100))
    true = _time.wall
    monkeypatch.setattr(_time, "wall", lambda: true() + skew)
    loaded = other.load(KEY)
    assert loaded is not None
    assert 98 < loaded.expires_at.timestamp() - _time.wall() <= 100
    other.save(KEY, token(lifetime=100))
    assert 98_000 < client.pttl(names(prefix)[0]) <= 100_000
    left = loaded.expires_at.timestamp() - _time.wall()
    saw(f"98 to 100 s left of 100: {yes(98 < left <= 100)}")


def test_clients_that_decode(url: str, prefix: str) -> None:
    """A client that returns str instead of bytes will do."""
    with redis.Redis.from_url(url, decode_responses=True) as client:
        store = setle.RedisTokenStore(client, prefix=prefix)
        with store.lock(KEY, 1) as extend:
            extend()
            store.save(KEY, token())
        assert store.load(KEY) is not None
        assert client.exists(names(prefix)[1]) == 0


def test_names_give_nothing_away(
    sandbox: Sandbox, client: redis.Redis, url: str, prefix: str
) -> None:
    """Keys and entries hold neither secret nor client id, and share one slot of a cluster."""
    with store_at(url, prefix=prefix) as store:
        value = source_of(sandbox, store=store).get_token().value
        key = credentials_of(sandbox).key(sandbox.base_url)
        with store.lock(key, 1):
            found = sorted(name.decode() for name in client.scan_iter(f"{prefix}:*"))
    assert found == sorted(names(prefix, key))
    entry = client.get(names(prefix, key)[0])
    assert isinstance(entry, bytes)
    assert value.encode() in entry
    everything = entry.decode() + "".join(found)
    assert sandbox.client_secret not in everything
    assert sandbox.client_id not in everything


ENTRIES: list[str | bytes] = [
    "",
    "\0\N{BYTE ORDER MARK}",
    b"\xff\xfe\xfd\xfc",
    "planted",
    "null",
    "[]",
    '{"access_token": "plan',
    "[" * 60_000,
    '{"access_token": "planted"}',
    '{"lifetime": 60}',
    '{"access_token": null, "lifetime": 60}',
    '{"access_token": "a\\r\\nb: c", "lifetime": 60}',
    '{"access_token": "planted", "lifetime": null}',
    '{"access_token": "planted", "lifetime": NaN}',
    '{"access_token": "planted", "lifetime": -60}',
    f'{{"access_token": "planted", "lifetime": {10**400}}}',
]


def _entry(entry: str | bytes, milliseconds: int | None = 60_000) -> Callable[[Any, str], object]:
    return lambda client, name: client.set(name, entry, px=milliseconds)


GOOD = '{"access_token": "planted", "lifetime": 60}'
GARBAGE: list[Callable[[Any, str], object]] = [
    *map(_entry, ENTRIES),
    _entry(GOOD, None),
    lambda client, name: (client.rpush(name, "planted"), client.expire(name, 60)),
    lambda client, name: (client.hset(name, "access_token", "planted"), client.expire(name, 60)),
    _entry(GOOD, 10**17),
]


@fault(
    "Redis and Valkey",
    "the entry is garbage, of another type, without an end, or lacks a field",
    "it counts as none; the next token takes its place",
)
@pytest.mark.parametrize("plant", GARBAGE, ids=range(len(GARBAGE)))
def test_garbage(
    sandbox: Sandbox,
    store: setle.RedisTokenStore,
    client: redis.Redis,
    prefix: str,
    caplog: pytest.LogCaptureFixture,
    plant: Callable[[Any, str], object],
) -> None:
    """It counts as none, without a warning, and the next token takes its place."""
    key = credentials_of(sandbox).key(sandbox.base_url)
    plant(client, names(prefix, key)[0])
    assert store.load(key) is None
    fresh = source_of(sandbox, store=store).get_token()
    assert sandbox.token_requests == 1
    assert warnings_of(caplog) == []
    loaded = store.load(key)
    assert loaded is not None
    assert loaded.value == fresh.value
    used = fresh.value == "planted"
    saw(f"used: {yes(used)}", times(len(warnings_of(caplog)), "warning"), asked(sandbox))


# The lease.


def test_lease_has_an_owner_and_a_limit(
    store: setle.RedisTokenStore, client: redis.Redis, prefix: str
) -> None:
    """Each holder writes another value, which ends by itself, and is gone when released."""
    owners = set[object]()
    for _ in range(2):
        with store.lock(KEY, 1):
            owners.add(client.get(names(prefix)[1]))
            assert 5_000 < client.pttl(names(prefix)[1]) <= 6_000
        assert not client.exists(names(prefix)[1])
    assert len(owners) == 2


def test_lease_excludes(store: setle.RedisTokenStore, other: setle.RedisTokenStore) -> None:
    """Others wait for it as long as they were told, and get a TimeoutError."""
    with store.lock(KEY, 1), pytest.raises(TimeoutError), other.lock(KEY, 0.1):
        pass


def test_leases_of_other_keys_are_free(
    store: setle.RedisTokenStore, other: setle.RedisTokenStore
) -> None:
    """Other credentials do not wait."""
    with store.lock(KEY, 1), other.lock("another key", 0.0):
        pass


def test_released_only_by_its_owner(
    store: setle.RedisTokenStore, client: redis.Redis, prefix: str
) -> None:
    """Who lost the lease to somebody else leaves it alone, and does not complain."""
    with store.lock(KEY, 1):
        client.set(names(prefix)[1], "somebody else", px=60_000)
    assert client.get(names(prefix)[1]) == b"somebody else"


def test_expired_lease(store: setle.RedisTokenStore, client: redis.Redis, prefix: str) -> None:
    """A lease that ran out is released by nobody, and that is no failure."""
    with store.lock(KEY, 1):
        client.delete(names(prefix)[1])
    with store.lock(KEY, 1):
        pass


def test_extended(url: str, client: redis.Redis, prefix: str) -> None:
    """Before each attempt the lease gets its whole time again, however long that is."""
    with store_at(url, prefix=prefix, lease=9.0) as store, store.lock(KEY, 1) as extend:
        client.pexpire(names(prefix)[1], 1_000)
        extend()
        assert 8_000 < client.pttl(names(prefix)[1]) <= 9_000


def test_lost_lease_is_not_extended(
    store: setle.RedisTokenStore, client: redis.Redis, prefix: str
) -> None:
    """Who lost the lease learns it, and does not lengthen somebody else's."""
    with store.lock(KEY, 1) as extend:
        client.set(names(prefix)[1], "somebody else", px=1_000)
        with pytest.raises(OSError, match="LockNotOwnedError"):
            extend()
        assert client.pttl(names(prefix)[1]) <= 1_000


def test_refresh_extends_before_each_attempt(
    sandbox: Sandbox, store: setle.RedisTokenStore, client: redis.Redis, prefix: str
) -> None:
    """The lease outlives the pauses between attempts."""
    lease = names(prefix, credentials_of(sandbox).key(sandbox.base_url))[1]
    sandbox.script_token(Answer(503))
    source = source_of(sandbox, store=store)
    with sandbox.hold():
        waiting = threading.Thread(target=source.get_token)
        waiting.start()
        sandbox.wait_for(token_requests=1)
        client.pexpire(lease, 60_000)  # as a mark that the next attempt takes away
    with sandbox.hold():
        sandbox.wait_for(token_requests=2)
        assert client.pttl(lease) <= 6_000
    waiting.join(30)


def test_lost_lease_costs_no_call(
    sandbox: Sandbox, store: setle.RedisTokenStore, client: redis.Redis, prefix: str
) -> None:
    """A token that comes after the lease ran out is used and shared all the same."""
    key = credentials_of(sandbox).key(sandbox.base_url)
    source = source_of(sandbox, store=store)
    with sandbox.hold():
        waiting = threading.Thread(target=source.get_token)
        waiting.start()
        sandbox.wait_for(token_requests=1)
        client.delete(names(prefix, key)[1])
    waiting.join(30)
    loaded = store.load(key)
    assert loaded is not None
    assert loaded.value == source.get_token().value


@fault(
    "Kills", "a process dies with the lease in Redis", "the others wait for the lease's end at most"
)
def test_dead_holder(url: str, prefix: str, sandbox: Sandbox) -> None:
    """A process that died with the lease delays others by no more than the lease."""
    with store_at(url, prefix=prefix, lease=0.5) as store:
        key = credentials_of(sandbox).key(sandbox.base_url)
        store._client.lock(names(prefix, key)[1], timeout=0.5).acquire()
        before = _time.monotonic()
        got = source_of(sandbox, store=store).get_token()
        # Not half the deadline, which is how long a lease that lasts is waited for.
        assert 0.3 < _time.monotonic() - before < 7.5
    assert sandbox.token_requests == 1
    saw(f"{named(got)} once the lease has ended", asked(sandbox))


def test_twenty_cold_processes(sandbox: Sandbox, url: str, prefix: str) -> None:
    """Set off together they cost one token request."""
    sandbox.delay = 0.2

    def run() -> str:
        store = setle.RedisTokenStore.from_url(url, prefix=prefix)
        return source_of(sandbox, store=store).get_token().fingerprint

    assert len(set(cold_processes(20, run))) == 1
    assert sandbox.token_requests == 1


def test_fast_calls_never_touch_the_server(sandbox: Sandbox, valkey: Valkey) -> None:
    """The server counts not one command for a thousand calls."""
    with store_at(valkey.url) as store, valkey.client() as client:
        source = source_of(sandbox, store=store)
        source.get_token()
        client.config_resetstat()
        for _ in range(1_000):
            source.get_token()
        commands = client.info("commandstats")
    assert set(commands) <= {"cmdstat_config|resetstat", "cmdstat_info"}


# Which clients, and which URLs.


def test_async_client() -> None:
    """It is refused: refreshes run in a thread without an event loop."""
    with pytest.raises(setle.ConfigurationError, match="sync client"):
        setle.RedisTokenStore(redis.asyncio.Redis())


def test_a_url_in_place_of_a_client() -> None:
    """The error says where it belongs; neither it nor a frame of ours holds the password."""
    with pytest.raises(setle.ConfigurationError, match="from_url") as caught:
        setle.RedisTokenStore("redis://:p4ssw0rd@127.0.0.1")
    report = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    held = [frame.locals for frame in report.stack]
    assert len(held) > 1
    assert "p4ssw0rd" not in f"{caught.value}{held}"


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("unix://user:s3cret@/run/valkey.sock", "/run/valkey.sock"),
        ("unix:///run/redis@1/redis.sock", "/run/redis@1/redis.sock"),
        ("redis://user:s3cret@cache.example:6380", "cache.example:6380"),
        ("redis://cache.example:6380?username=a@b", "cache.example:6380"),
    ],
)
def test_place(url: str, place: str) -> None:
    """Errors name the socket, or host and port, and no password."""
    assert setle.RedisTokenStore.from_url(url).place == place


@fault(
    "Configuration", "a Redis URL, and redis-py is not installed", "the extra to install is named"
)
def test_without_redis_py(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the extra to install."""
    monkeypatch.setitem(sys.modules, "redis", None)
    with pytest.raises(
        setle.ConfigurationError, match=r"^RedisTokenStore needs redis-py"
    ) as caught:
        setle.RedisTokenStore.from_url("redis://127.0.0.1")
    saw(named(caught.value), naming(caught.value, "setle-client[redis]"))


@pytest.mark.parametrize(
    "bad",
    [
        "http://user:s3cret@host",
        "user:s3cret@host",
        "redis://user:s3cret@host:port/0",
        "redis://user:s3cret@host/0?socket_timeout=long",
        "redis://user:s3cret@host/0?protocol=9",
        "redis://user:s3cret@host/0?unknown=9",
        "redis://user:s3cret@[host/0",
        "redis://user:s3cret@host:99999/0",
        "redis://user:1/s3cret@host",
        "redis://user:1#s3cret@host",
        "redis://user:1?s3cret@host",
        "unix://user:1/s3cret@/run/redis.sock",
        None,
        5,
        "rediss://user:s3cret@host/0?ssl_cert_reqs=perhaps",
        pytest.param(
            "rediss://user:s3cret@host/0?ssl_min_version=perhaps",
            marks=pytest.mark.skipif(
                "ssl_min_version" not in redis.connection.URL_QUERY_ARGUMENT_PARSERS,
                reason="older versions of redis-py do not read it before they connect",
            ),
        ),
    ],
)
def test_unusable_url(bad: Any) -> None:
    """It is refused at once, without showing what is in it."""
    with pytest.raises(setle.ConfigurationError, match="Redis URL cannot be used") as caught:
        setle.RedisTokenStore.from_url(bad)
    assert "s3cret" not in str(caught.value)
    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    "options",
    [{"password": "pass"}, {"user": "alice", "password": "pass"}, {"unix": True}],
    ids=["password", "ACL user", "unix"],
)
def test_ways_to_log_in(sandbox: Sandbox, options: dict[str, Any]) -> None:
    """A password, a user who may touch our keys only, and a Unix socket work by URL."""
    with Valkey(**options) as valkey, store_at(valkey.url) as store:
        first = source_of(sandbox, store=store).get_token()
        second = source_of(sandbox, store=store).get_token()
    assert first.value == second.value
    assert sandbox.token_requests == 1


@fault("Redis and Valkey", "a wrong password", "one warning that does not show it; calls go on")
def test_wrong_password(sandbox: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    """It costs one warning that does not show it, and no call."""
    with Valkey(password="pass") as valkey, store_at(valkey.url.replace("pass", "s3cret")) as store:
        source = source_of(sandbox, store=store)
        for _ in range(2):
            source.invalidate(source.get_token())
    assert sandbox.token_requests == 2
    assert len(warnings_of(caplog)) == 1
    assert "s3cret" not in caplog.text
    shown = "s3cret" in caplog.text
    saw(times(len(warnings_of(caplog)), "warning"), f"password shown: {yes(shown)}", asked(sandbox))


class TlsInFront:
    """Takes TLS off on the way to a server that has none built in."""

    def __init__(self, port: int, folder: Path) -> None:
        ca = trustme.CA()
        self.ca = folder / "ca.pem"
        ca.cert_pem.write_to_path(self.ca)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        ca.issue_cert("127.0.0.1").configure_cert(context)
        self._behind = port
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self._context = context
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        # shutdown wakes the accepting thread, which close alone does not.
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                threading.Thread(
                    target=self._serve, args=self._listening.accept()[:1], daemon=True
                ).start()

    def _serve(self, raw: socket.socket) -> None:
        with (
            suppress(OSError),
            raw,
            self._context.wrap_socket(raw, server_side=True) as front,
            socket.create_connection(("127.0.0.1", self._behind)) as back,
        ):
            while True:
                # What TLS has taken off already, select does not see.
                ready = [front] if front.pending() else select.select([front, back], [], [])[0]
                for one in ready:
                    said = one.recv(65_536)
                    if not said:
                        return
                    (back if one is front else front).sendall(said)


def test_tls(sandbox: Sandbox, valkey: Valkey, tmp_path: Path) -> None:
    """rediss:// checks the certificate against the authority that the URL names."""
    with closing(TlsInFront(valkey.port, tmp_path)) as front:
        url = f"rediss://127.0.0.1:{front.port}?ssl_ca_certs={front.ca}"
        with store_at(url) as store:
            first = source_of(sandbox, store=store).get_token()
            second = source_of(sandbox, store=store).get_token()
    assert first.value == second.value
    assert sandbox.token_requests == 1


@fault(
    "TLS", "a Redis server whose certificate nobody vouches for", "it gets no token; one warning"
)
def test_untrusted_certificate(
    sandbox: Sandbox, valkey: Valkey, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A server that nobody vouches for gets no token, and costs one warning."""
    with (
        closing(TlsInFront(valkey.port, tmp_path)) as front,
        store_at(f"rediss://127.0.0.1:{front.port}") as store,
    ):
        source_of(sandbox, store=store).get_token()
    with valkey.client() as client:
        size = client.dbsize()
    assert size == 0
    assert len(warnings_of(caplog)) == 1
    saw(f"{times(size, 'token')} there", times(len(warnings_of(caplog)), "warning"), asked(sandbox))


@contextmanager
def cluster_of_one(program: str) -> Iterator[Valkey]:
    """A cluster of one, which is to hold all slots."""
    # Its own choice of a second port may be beyond the last there is.
    options = ("--cluster-enabled", "yes", "--cluster-port", str(free_port()))
    with Valkey(*options, program=program) as running:
        with running.client() as client:
            client.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16_383)
        yield running


@pytest.fixture(scope="module")
def ready_cluster(program: str) -> Iterator[Valkey]:
    """One that takes commands, which it does after two seconds."""
    with cluster_of_one(program) as running:
        with running.client() as client:
            eventually(lambda: client.cluster("info")["cluster_state"] == "ok")
        yield running


@pytest.fixture
def cluster(ready_cluster: Valkey) -> Valkey:
    """An empty cluster."""
    ready_cluster.flush()
    return ready_cluster


def test_cluster(sandbox: Sandbox, cluster: Valkey) -> None:
    """A cluster's client works: each transaction stays within a slot."""
    with closing(redis.RedisCluster("127.0.0.1", cluster.port)) as client:
        store = setle.RedisTokenStore(client)
        first = source_of(sandbox, store=store).get_token()
        second = source_of(sandbox, store=store).get_token()
        with store.lock(KEY, 1) as extend, pytest.raises(TimeoutError), store.lock(KEY, 0.0):
            extend()
    assert first.value == second.value
    assert sandbox.token_requests == 1


@fault(
    "Redis and Valkey",
    "the primary dies, and a sentinel appoints its replica",
    "the token is there, too",
)
def test_sentinel(sandbox: Sandbox, tmp_path: Path, program: str) -> None:
    """A sentinel's client works, and goes on at the new primary when the old one has died."""
    config = tmp_path / "sentinel.conf"
    with (
        Valkey("--repl-diskless-sync-delay", "0", program=program) as primary,
        Valkey("--replicaof", f"127.0.0.1 {primary.port}", program=program) as replica,
        replica.client() as there,
    ):
        eventually(lambda: there.info("replication")["master_link_status"] == "up")
        config.write_text(
            f"sentinel monitor ours 127.0.0.1 {primary.port} 1\n"
            "sentinel down-after-milliseconds ours 500\n"
        )
        with Valkey(config=config, program=program) as watching:
            sentinel = redis.sentinel.Sentinel(  # type: ignore[no-untyped-call] # it has no types
                [("127.0.0.1", watching.port)], socket_timeout=0.5
            )
            master: Any = sentinel.master_for  # it has no types
            with closing(master("ours", socket_timeout=0.5)) as client:
                stores = [setle.RedisTokenStore(client) for _ in range(2)]
                tokens = {source_of(sandbox, store=each).get_token().value for each in stores}
                assert len(tokens) == sandbox.token_requests == 1
                eventually(there.dbsize)  # until the replica has the token
                primary.kill()
                eventually(lambda: _port_of_the_primary(sentinel) == replica.port)
                store = setle.RedisTokenStore(client)
                assert source_of(sandbox, store=store).get_token().value in tokens
            for each in sentinel.sentinels:
                each.close()
    assert sandbox.token_requests == 1
    saw(asked(sandbox))


def _port_of_the_primary(sentinel: Any) -> int | None:
    with suppress(redis.sentinel.MasterNotFoundError):
        port: int = sentinel.discover_master("ours")[1]
        return port
    return None


def rules(place: str) -> list[str]:
    """Return the rights that the documentation names, as they stand there."""
    (line,) = [line for line in DOCUMENT.read_text().splitlines() if f"| {place} |" in line]
    return line.split("`")[1].replace("\\|", "|").split()


@contextmanager
def user_with(valkey: Valkey, rights: list[str]) -> Iterator[redis.Redis]:
    """Let app, with the password pass, do what *rights* say, and nothing else."""
    with valkey.client(decode_responses=True) as admin:
        admin.execute_command("ACL", "SETUSER", "app", "on", ">pass", "-@all", *rights)
        yield admin
        refused = [entry["object"] for entry in admin.acl_log()]
        assert set(refused) <= {"client|setinfo", "client"}  # by which redis-py tells its name


@pytest.mark.parametrize("query", ["", "?prefix=app1", "/1?prefix=app1"])
def test_documented_rights(sandbox: Sandbox, program: str, query: str) -> None:
    """A user with exactly these shares, extends and releases, and the server refuses nothing."""
    rights = rules("rights it needs")
    if "prefix" in query:
        rights[0] = "~app1:*"
    if query.startswith("/1"):
        rights.append("+select")
    with Valkey(program=program) as valkey, user_with(valkey, rights) as admin:
        sandbox.script_token(Answer(503))
        url = valkey.url.replace("//", "//app:pass@") + query
        for _ in range(2):
            with store_at(url) as store:
                source_of(sandbox, store=store).get_token()
                join_refreshes()
        admin.select(1 if query.startswith("/1") else 0)
        (name,) = map(str, admin.keys("*"))
        assert name.startswith("app1:" if query else "setle:")
        assert name.endswith(":token")  # the lease was released
    assert sandbox.token_requests == 2


def test_documented_rights_in_a_cluster(sandbox: Sandbox, cluster: Valkey) -> None:
    """So does one in a cluster, with the two that its client needs beside."""
    rights = rules("rights it needs") + rules("rights in a cluster, beside")
    with user_with(cluster, rights) as admin:
        for _ in range(2):
            with closing(
                redis.RedisCluster("127.0.0.1", cluster.port, username="app", password="pass")
            ) as client:
                source_of(sandbox, store=setle.RedisTokenStore(client)).get_token()
                join_refreshes()
        assert len(admin.keys("*")) == 1
    assert sandbox.token_requests == 1


def test_prefix_in_the_variable(
    sandbox: Sandbox, valkey: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SETLE_TOKEN_STORE takes one, which counts more than the argument of from_url."""
    monkeypatch.setenv("SETLE_TOKEN_STORE", f"{valkey.url}?prefix=app1")
    setle.TokenSource(credentials_of(sandbox), base_url=sandbox.base_url).get_token()
    with valkey.client(decode_responses=True) as client:
        assert [str(name).partition(":")[0] for name in client.keys("*")] == ["app1"]
    with store_at(f"{valkey.url}?prefix=app1", prefix="other") as store:
        source_of(sandbox, store=store).get_token()
    assert sandbox.token_requests == 1


def test_retry_after_longer_than_a_lease(sandbox: Sandbox, valkey: Valkey) -> None:
    """Who waits for the endpoint keeps the lease meanwhile, and others take the token it gets."""
    sandbox.script_token(Answer(429, headers={"Retry-After": "3"}))

    def run() -> str:
        store = setle.RedisTokenStore.from_url(valkey.url, lease=1.5)
        return source_of(sandbox, store=store).get_token().fingerprint

    assert len(set(cold_processes(4, run))) == 1
    assert sandbox.tokens_issued == 1
    assert sandbox.token_requests == 2


# Trouble.


def roll_over(source: setle.TokenSource) -> None:
    """Make *source* get another token."""
    source.invalidate(source.get_token())
    source.get_token()


TROUBLE: dict[str, Callable[[Valkey], object]] = {"down": Valkey.kill, "frozen": Valkey.freeze}


@pytest.mark.parametrize(
    "trouble",
    [
        pytest.param(
            trouble,
            id=name,
            marks=fault(
                "Redis and Valkey", f"the server is {name}", "one warning, a request for each token"
            ),
        )
        for name, trouble in TROUBLE.items()
    ],
)
def test_unanswering_server(
    sandbox: Sandbox,
    valkey: Valkey,
    caplog: pytest.LogCaptureFixture,
    trouble: Callable[[Valkey], object],
) -> None:
    """It is asked once, and costs one warning and a token request for each roll-over."""
    with store_at(valkey.url) as store:
        source = source_of(sandbox, store=store)
        source.get_token()
        trouble(valkey)
        roll_over(source)
        left_alone_until = store._left_alone_until
        for _ in range(3):
            roll_over(source)
        assert store._left_alone_until == left_alone_until  # it was not asked again
    assert sandbox.token_requests == 5
    assert len(warnings_of(caplog)) == 1
    saw(times(len(warnings_of(caplog)), "warning"), f"{asked(sandbox)} for 5 tokens")


def test_left_alone_for_five_seconds(valkey: Valkey, clock: Clock) -> None:
    """A server that is back is used again after that, not before."""
    with store_at(valkey.url) as store:
        valkey.kill()
        with pytest.raises(OSError, match="ConnectionError"):
            store.load(KEY)
        valkey.start()
        clock.go_on(4.9)
        with pytest.raises(OSError, match="ConnectionError"):
            store.load(KEY)
        clock.go_on(0.2)
        assert store.load(KEY) is None


def test_frozen_while_a_token_is_saved(valkey: Valkey) -> None:
    """What a server is asked for before it freezes, and does later, keeps no token alive longer."""
    saved = token(lifetime=100)
    with store_at(valkey.url) as store, store_at(valkey.url) as other:
        assert store.load(KEY) is None
        valkey.freeze()
        with pytest.raises(OSError, match="Timeout"):
            store.save(KEY, saved)
        valkey.thaw()
        loaded = other.load(KEY)
        assert loaded is None or loaded.expires_at <= saved.expires_at


def test_frozen_while_the_lease_is_held(valkey: Valkey) -> None:
    """A server that freezes then costs half a second once, not at each attempt."""
    with store_at(valkey.url) as store, ExitStack() as held:
        extend = held.enter_context(store.lock(KEY, 1))
        valkey.freeze()
        before = _time.monotonic()
        for again in (extend, extend, held.close):
            with pytest.raises(OSError, match="TimeoutError"):
                again()
        assert 0.5 <= _time.monotonic() - before < 1.0


@fault(
    "Redis and Valkey",
    "the server is down or frozen, and a client of yours has long time-outs",
    "a third of the deadline, once",
)
@pytest.mark.parametrize("trouble", TROUBLE.values(), ids=TROUBLE)
def test_client_with_the_defaults(
    sandbox: Sandbox,
    valkey: Valkey,
    caplog: pytest.LogCaptureFixture,
    trouble: Callable[[Valkey], object],
) -> None:
    """A client that tries ten times for five seconds each costs a third of the deadline, once."""
    with redis.Redis(port=valkey.port) as client:
        source = source_of(sandbox, store=setle.RedisTokenStore(client), timeout=3.0)
        source.get_token()
        trouble(valkey)
        before, threads = _time.monotonic(), threading.active_count()
        for _ in range(4):
            roll_over(source)
        assert _time.monotonic() - before < 2.5
        assert len(os.listdir("/proc/self/task")) <= threads + 3  # noqa: PTH208 - counts threads
        assert sandbox.token_requests == 5
        if trouble == Valkey.freeze:
            valkey.thaw()
        else:
            valkey.start()
        # Older clients try only three times, which may be over before the deadline's third.
        why = rf"it does not return|ConnectionError: localhost:{valkey.port}"
        said = rf"RedisTokenStore\.load failed \(({why})\); going on without it"
        assert re.fullmatch(said, warnings_of(caplog)[0])
    saw(f"{asked(sandbox)} for 5 tokens")


@fault(
    "DNS", "the look-up of the Redis server's host never returns", "a third of the deadline, once"
)
def test_name_server_that_never_answers(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No timeout of a client holds for that; it costs a third of the deadline, once."""
    answered = threading.Event()
    usual = socket.getaddrinfo

    def ask(host: Any, *more: Any, **named: Any) -> Any:
        if host == "valkey.example":
            assert answered.wait(60)
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return usual(host, *more, **named)

    monkeypatch.setattr(socket, "getaddrinfo", ask)
    with store_at("redis://valkey.example:6379") as store:
        source = source_of(sandbox, store=store, timeout=3.0)
        before = _time.monotonic()
        for _ in range(4):
            source.invalidate(source.get_token())
        assert _time.monotonic() - before < 2.0
        assert sandbox.token_requests == 4
        answered.set()
        assert warnings_of(caplog)[0] == (
            "RedisTokenStore.load failed (it does not return); going on without it"
        )
        source.get_token()
        assert "(ConnectionError: valkey.example:6379)" in caplog.text
    saw(f"{asked(sandbox)} for 5 tokens")


def warning_of(
    valkey: Valkey, sandbox: Sandbox, caplog: pytest.LogCaptureFixture, **settings: Any
) -> list[str]:
    """Return the warnings that a cold source's call brings."""
    caplog.clear()
    with store_at(valkey.url, **settings) as store:
        source_of(sandbox, store=store).get_token()
        return warnings_of(caplog)


@fault(
    "Redis and Valkey",
    "too few replicas; a read-only replica; one cut off; a user without rights",
    "a warning with the server's own word; calls go on",
)
def test_first_word_of_the_server(
    sandbox: Sandbox, valkey: Valkey, caplog: pytest.LogCaptureFixture
) -> None:
    """A warning says with the server's first word what is wrong, and where."""
    with valkey.client() as client:
        place = f"127.0.0.1:{valkey.port}"
        client.config_set("min-replicas-to-write", 1)
        assert warning_of(valkey, sandbox, caplog) == [
            f"RedisTokenStore.lock failed (NOREPLICAS: {place}); going on without it"
        ]
        client.config_set("min-replicas-to-write", 0)
        client.replicaof("127.0.0.1", free_port())
        client.config_set("replica-serve-stale-data", "yes")
        (said,) = warning_of(valkey, sandbox, caplog)
        assert re.search(rf"lock failed \((READONLY|ReadOnlyError): {place}\)", said)
        client.config_set("replica-serve-stale-data", "no")
        said = warning_of(valkey, sandbox, caplog)[0]
        assert re.search(rf"load failed \((MASTERDOWN|MasterDownError): {place}\)", said)
        client.replicaof("NO", "ONE")
        client.execute_command("ACL", "SETUSER", "default", "-set")
        # Older versions of redis-py keep the word of an error that they know to themselves.
        word = "NOPERM" if hasattr(redis.RedisError(), "status_code") else "NoPermissionError"
        assert warning_of(valkey, sandbox, caplog) == [
            f"RedisTokenStore.lock failed ({word}: {place}); going on without it"
        ]
    assert sandbox.token_requests == 4
    saw(f"{asked(sandbox)} for 4 processes")


@fault(
    "Redis and Valkey",
    "the server is busy with somebody's endless script",
    "a warning, and it is not waited for",
)
def test_busy_server(sandbox: Sandbox, valkey: Valkey, caplog: pytest.LogCaptureFixture) -> None:
    """A server that is busy with somebody's script says BUSY, and is not waited for."""

    def loop() -> None:
        with valkey.client() as client, suppress(redis.ResponseError):  # it is killed below
            client.eval("while true do end", 0)

    with valkey.client() as client:
        client.config_set("busy-reply-threshold", 1)
        looping = threading.Thread(target=loop)
        looping.start()
        with suppress(redis.ResponseError):
            eventually(lambda: not client.ping())
        (said,) = warning_of(valkey, sandbox, caplog)
        assert f"load failed (BUSY: 127.0.0.1:{valkey.port})" in said
        client.script_kill()
        looping.join(30)
    assert sandbox.token_requests == 1
    saw(f"warned of BUSY: {yes('(BUSY:' in said)}", asked(sandbox))


@fault("Redis and Valkey", "the server cannot write its disk", "a warning; calls go on")
def test_server_that_cannot_save(
    sandbox: Sandbox, valkey: Valkey, caplog: pytest.LogCaptureFixture
) -> None:
    """One whose disk fails takes no entries, and says MISCONF."""
    with valkey.client(decode_responses=True) as client:
        client.config_set("save", "3600 1")
        Path(client.config_get("dir")["dir"], "dump.rdb").mkdir()
        client.bgsave()
        eventually(lambda: client.info("persistence")["rdb_last_bgsave_status"] == "err")
        (said,) = warning_of(valkey, sandbox, caplog)
        assert f"lock failed (MISCONF: 127.0.0.1:{valkey.port})" in said
    assert sandbox.token_requests == 1
    saw(f"warned of MISCONF: {yes('(MISCONF:' in said)}", asked(sandbox))


@fault("Redis and Valkey", "the server is full (OOM)", "one warning; requests instead of sharing")
def test_full_server(sandbox: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    """A server that takes no more entries costs one warning, and requests instead of sharing."""
    with (
        Valkey("--maxmemory", "1", "--maxmemory-policy", "noeviction") as valkey,
        store_at(valkey.url) as store,
    ):
        source = source_of(sandbox, store=store)
        source.get_token()
        for _ in range(3):
            roll_over(source)
    assert sandbox.token_requests == 4
    assert len(warnings_of(caplog)) == 1
    saw(times(len(warnings_of(caplog)), "warning"), f"{asked(sandbox)} for 4 tokens")


def test_lease_is_released_when_saving_fails(sandbox: Sandbox, valkey: Valkey) -> None:
    """A server that fills up during the request does not make others wait for the lease."""
    key = credentials_of(sandbox).key(sandbox.base_url)
    with store_at(valkey.url) as store, valkey.client() as client:
        source = source_of(sandbox, store=store)
        with sandbox.hold():
            waiting = threading.Thread(target=source.get_token)
            waiting.start()
            sandbox.wait_for(token_requests=1)
            client.config_set("maxmemory", 1)
        waiting.join(30)
        join_refreshes()
        assert not client.exists(names("setle", key)[1])


@fault(
    "Redis and Valkey",
    "the server is flushed",
    "its holders go on with the token; a new process asks once",
)
def test_flushed_server(sandbox: Sandbox, valkey: Valkey) -> None:
    """Who has a token goes on with it; who has none pays one token request."""
    with store_at(valkey.url) as store:
        source = source_of(sandbox, store=store)
        held = source.get_token()
        valkey.flush()
        same = source.get_token() == held
        assert same
        with store_at(valkey.url) as elsewhere:
            assert source_of(sandbox, store=elsewhere).get_token() != held
    assert sandbox.token_requests == 2
    saw(f"the token in use: {yes(same)}", asked(sandbox))


def test_restarted_server(
    sandbox: Sandbox, valkey: Valkey, caplog: pytest.LogCaptureFixture
) -> None:
    """Connections that it cut, and scripts that it forgot, cost no call."""
    with store_at(valkey.url) as store:
        source = source_of(sandbox, store=store)
        source.get_token()
        valkey.restart()
        roll_over(source)
        assert sandbox.token_requests == 2
        assert len(warnings_of(caplog)) <= 1


def test_dead_cluster_is_left_alone(program: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a cluster's client raises then is no RedisError."""
    with ExitStack() as ends:
        cluster = ends.enter_context(cluster_of_one(program))
        client = redis.RedisCluster("127.0.0.1", cluster.port, socket_timeout=0.5)
        ends.enter_context(closing(client))
        store = setle.RedisTokenStore(client)
        cluster.kill()
        with pytest.raises(OSError, match=r"Exception|Error"):
            store.load(KEY)
        commands: list[object] = []
        monkeypatch.setattr(client, "pipeline", lambda **_: commands.append("asked"))
        with pytest.raises(OSError, match=r"Exception|Error"):
            store.load(KEY)
        assert commands == []


def test_back_again(sandbox: Sandbox, valkey: Valkey, caplog: pytest.LogCaptureFixture) -> None:
    """After trouble has ended it is shared again, and new trouble is warned of anew."""
    with store_at(valkey.url) as store:
        source = source_of(sandbox, store=store)
        for count in (1, 2):
            valkey.kill()
            store._left_alone_until = 0.0
            roll_over(source)
            assert len(warnings_of(caplog)) == count
            valkey.start()
            store._left_alone_until = 0.0
            roll_over(source)
            assert source_of(sandbox, store=store).get_token().value == source.get_token().value


@fault(
    "Forks",
    "four children of a process whose Redis store was in use",
    "none gets another one's answer",
)
def test_forked_children_have_connections_of_their_own(
    sandbox: Sandbox, url: str, prefix: str
) -> None:
    """A store made before the fork serves all children, who do not mix their answers up."""
    with store_at(url, prefix=prefix) as store:
        for number in range(20):
            store.save(f"{number}", token(f"value-{number}"))

        def run() -> object:
            return all(
                (loaded := store.load(f"{n}")) is not None and loaded.value == f"value-{n}"
                for n in list(range(20)) * 5
            )

        said = cold_processes(4, run)
    assert said == ["True"] * 4
    saw(f"{said.count('True')} of {len(said)} children got their own")
