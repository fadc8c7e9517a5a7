"""Sharing by file: private, never torn, and never in the way of a call."""

import encodings.idna  # noqa: F401 - who has become somebody else may not read it any more
import errno
import fcntl
import json
import logging
import os
import posix
import pwd
import resource
import shutil
import signal
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import pytest

import setle
from setle import _time
from setle._time import Instant
from setle.testing import Sandbox
from tests.support import credentials_of, eventually, join_refreshes, source_of
from tests.support.faults import asked, fault, named, saw, times, yes
from tests.support.processes import cold_processes, forked

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="tests POSIX permissions")

KEY = "0123456789abcdef" * 4
NOBODY = 65534


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "setle"


@pytest.fixture
def store(folder: Path) -> setle.FileTokenStore:
    return setle.FileTokenStore(folder)


def token(value: str = "t0ken", lifetime: float = 3600.0) -> setle.AccessToken:
    moment = Instant(_time.monotonic(), _time.wall())
    return setle.AccessToken.issued(value, lifetime, at=moment)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


@contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    join_refreshes()  # which tell what came of them at their end
    return [
        record.getMessage()
        for record in caplog.records
        if record.name == "setle" and record.levelno >= logging.WARNING
    ]


def test_nothing_saved(store: setle.FileTokenStore, folder: Path) -> None:
    """An empty store has no token, and looking makes no folder."""
    assert store.load(KEY) is None
    assert not folder.exists()


def test_saved(store: setle.FileTokenStore, folder: Path) -> None:
    """Another store of the same folder has the same token, with the same end."""
    saved = token()
    store.save(KEY, saved)
    loaded = setle.FileTokenStore(str(folder)).load(KEY)
    assert loaded == saved


def test_default_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It is the user's cache folder."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    setle.FileTokenStore().save(KEY, token())
    assert next(tmp_path.rglob(f"{KEY}.json")).parent.name == "setle"


def test_folder_stays_where_it_was(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A process that changes its working folder, as daemons do, keeps its store."""
    monkeypatch.chdir(tmp_path)
    store = setle.FileTokenStore("tokens")
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    store.save(KEY, token())
    assert (tmp_path / "tokens" / f"{KEY}.json").exists()


@pytest.mark.parametrize("mask", [0, 0o022, 0o077, 0o777], ids=oct)
def test_modes(store: setle.FileTokenStore, folder: Path, mask: int) -> None:
    """Whatever the umask, files are for the owner only, in folders for the owner only."""
    with umask(mask):
        with store.lock(KEY, 1):
            store.save(KEY, token())
        assert store.load(KEY) is not None
    assert {path.name: oct(mode(path)) for path in folder.iterdir()} == {
        f"{KEY}.json": "0o600",
        f"{KEY}.lock": "0o600",
    }
    assert [mode(folder), mode(folder.parent)] == [0o700, 0o700]


def test_modes_from_creation(folder: Path) -> None:
    """There is no instant at which others could open a file or put one into the folder."""
    script = f"""
import os, sys
folders, files = [], []
mkdir, open = os.mkdir, os.open
def making(path, mode=0o777, **more):
    mkdir(path, mode, **more)
    folders.append(oct(mode))
def opening(path, flags, mode=0o777, **more):
    if flags & os.O_CREAT and "cache" in str(path):
        files.append(oct(mode))
    return open(path, flags, mode, **more)
os.mkdir, os.open = making, opening
import setle
from datetime import datetime, UTC
store = setle.FileTokenStore({str(folder)!r})
with store.lock("k", 1):
    store.save("k", setle.AccessToken("t0ken", datetime.now(UTC), 60.0))
print(folders, files)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], check=False, capture_output=True, text=True, umask=0
    )
    assert done.stderr == ""
    assert done.stdout == "['0o700', '0o700'] ['0o600', '0o600']\n"


@fault(
    "File store",
    "a process reads while another one saves a thousand times",
    "it reads one whole token each time",
)
def test_never_torn(store: setle.FileTokenStore, folder: Path) -> None:
    """Who reads during a thousand saves always gets one whole token."""
    tokens = {str(n) * (1 + 500 * (n % 7)) for n in range(1, 10)}
    store.save(KEY, token("1"))
    stop = threading.Event()
    seen, loads = set[str](), 0

    def read() -> None:
        nonlocal loads
        while not stop.is_set():
            loaded = store.load(KEY)
            assert loaded is not None
            seen.add(loaded.value)
            loads += 1

    failures: list[BaseException] = []

    def reading() -> None:
        try:
            read()
        except BaseException as error:  # noqa: BLE001 - a thread's failure has to reach the test
            failures.append(error)

    reader = threading.Thread(target=reading)
    reader.start()
    other = setle.FileTokenStore(folder)
    for _ in range(1_000 // len(tokens) + 1):
        for value in tokens:
            other.save(KEY, token(value))
    stop.set()
    reader.join(30)
    assert not failures
    assert seen <= tokens | {"1"}
    assert loads > 100
    saw(times(len(failures), "failure"), f"read, but never saved: {len(seen - tokens - {'1'})}")


def test_no_secret(sandbox: Sandbox, folder: Path) -> None:
    """Neither names nor contents in the folder hold the secret or the client id."""
    source = source_of(sandbox, store=setle.FileTokenStore(folder))
    value = source.get_token().value
    (file,) = folder.glob("*.json")
    assert value in file.read_text()
    everything = "".join(path.name + path.read_text() for path in folder.iterdir())
    assert sandbox.client_secret not in everything
    assert sandbox.client_id not in everything


def other_processes_use(sandbox: Sandbox, folder: Path, count: int) -> list[str]:
    return cold_processes(
        count,
        lambda: source_of(sandbox, store=setle.FileTokenStore(folder)).get_token().fingerprint,
    )


def test_twenty_cold_processes(sandbox: Sandbox, folder: Path) -> None:
    """Set off together they cost one token request."""
    sandbox.delay = 0.2
    fingerprints = other_processes_use(sandbox, folder, 20)
    assert len(set(fingerprints)) == 1
    assert sandbox.token_requests == 1


def test_interpreters_share(
    sandbox: Sandbox, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By SETLE_TOKEN_STORE, a program started after another one makes no token request."""
    monkeypatch.setenv("SETLE_TOKEN_STORE", f"file:{folder}")
    for name in ("base_url", "client_id", "client_secret"):
        monkeypatch.setenv(f"SETLE_{name.upper()}", getattr(sandbox, name))
    script = "import setle; print(setle.TokenSource().get_token().fingerprint)"
    said = {subprocess.check_output([sys.executable, "-c", script]) for _ in range(2)}
    assert len(said) == 1
    assert sandbox.token_requests == 1


# What may be in the place of a token's file.


def _fifo(path: Path) -> None:
    os.mkfifo(path, 0o600)


def _folder(path: Path) -> None:
    path.mkdir(0o700)


def _link(path: Path) -> None:
    elsewhere = path.with_name("elsewhere")
    elsewhere.write_text(json.dumps(_record()))
    elsewhere.chmod(0o600)
    path.symlink_to(elsewhere)


def _dangling_link(path: Path) -> None:
    path.symlink_to(path.with_name("nowhere"))


def _socket(path: Path) -> None:
    # By a short name, as the path of a socket may have 107 bytes at most.
    before = Path.cwd()
    os.chdir(path.parent)
    try:
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind("s")
        Path("s").rename(path.name)
    finally:
        os.chdir(before)


def _others_may_write(path: Path) -> None:
    path.write_text(json.dumps(_record()))
    path.chmod(0o602)


def _group_may_write(path: Path) -> None:
    path.write_text(json.dumps(_record()))
    path.chmod(0o620)


def _foreign(path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give files away")
    path.write_text(json.dumps(_record()))
    path.chmod(0o600)
    os.chown(path, NOBODY, NOBODY)


def _record(**changes: object) -> dict[str, object]:
    record: dict[str, object] = {
        "access_token": "planted",
        "expires_at": _time.wall() + 3600,
        "lifetime": 3600.0,
    }
    return record | changes


CONTENTS: dict[str, bytes] = {
    "empty": b"",
    "binary": bytes(range(256)),
    "cut off": b'{"access_token": "plan',
    "no object": b"[1, 2]",
    "null": b"null",
    "number": b"5",
    "nested": b"[" * 60_000,
    "huge": b'"' + b"x" * (1 << 20) + b'"',
    "incomplete": json.dumps({"access_token": "planted"}).encode(),
    "no value": json.dumps(_record(access_token=None)).encode(),
    "line break": json.dumps(_record(access_token="a\r\nb: c")).encode(),
    "no end": json.dumps(_record(expires_at=None)).encode(),
    "end as text": json.dumps(_record(expires_at="tomorrow")).encode(),
    "end in no year": json.dumps(_record(expires_at=1e300)).encode(),
    "end never": b'{"access_token": "planted", "expires_at": Infinity, "lifetime": 60}',
    "lifetime as list": json.dumps(_record(lifetime=[60])).encode(),
    "lifetime below 0": json.dumps(_record(lifetime=-60)).encode(),
    "lifetime not a number": b'{"access_token": "planted", "expires_at": 9e9, "lifetime": NaN}',
    "lifetime beyond floats": json.dumps(_record(lifetime=10**400)).encode(),
}


def _content(content: bytes) -> Callable[[Path], None]:
    def put(path: Path) -> None:
        path.write_bytes(content)
        path.chmod(0o600)

    return put


PLANTS = {
    **{name: _content(content) for name, content in CONTENTS.items()},
    "FIFO": _fifo,
    "link": _link,
    "dangling link": _dangling_link,
    "socket": _socket,
    "others may write": _others_may_write,
    "group may write": _group_may_write,
    "somebody else's": _foreign,
}


@pytest.fixture
def planted(request: pytest.FixtureRequest, sandbox: Sandbox, folder: Path) -> Path:
    """Put what the test names in the place of the file of the sandbox's token."""
    folder.mkdir(0o700, parents=True)
    path = folder / f"{credentials_of(sandbox).key(sandbox.base_url)}.json"
    PLANTS[request.param](path)
    return path


REPLACED = "not used; one warning, one request, and it is replaced"
FAULTS = {
    **dict.fromkeys(
        CONTENTS,
        fault(
            "File store", "the file is empty, cut off, garbage or huge, or lacks a field", REPLACED
        ),
    ),
    **dict.fromkeys(
        ("FIFO", "link", "dangling link", "socket"),
        fault("File store", "a FIFO, a socket or a link is in the file's place", REPLACED),
    ),
    **dict.fromkeys(
        ("others may write", "group may write", "somebody else's"),
        fault("File store", "others may write the file, or it is somebody else's", REPLACED),
    ),
}


@pytest.mark.parametrize("planted", ["empty"], indirect=True)
def test_planted_among_many(sandbox: Sandbox, folder: Path, planted: Path) -> None:
    """Whoever meets it waits for the lock of who replaces it, each with a store of its own."""
    sources = [source_of(sandbox, store=setle.FileTokenStore(folder)) for _ in range(8)]
    with ThreadPoolExecutor(8) as pool, sandbox.hold():
        futures = [pool.submit(source.get_token) for source in sources]
        sandbox.wait_for(token_requests=1)
        eventually(lambda: all(source._state.flight for source in sources))
    assert len({future.result() for future in futures}) == 1
    assert sandbox.token_requests == 1
    assert planted.read_text()


@pytest.mark.parametrize(
    "planted", [pytest.param(name, marks=FAULTS[name]) for name in PLANTS], indirect=True
)
def test_planted(
    sandbox: Sandbox, folder: Path, planted: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It is not used, costs one warning and one token request, and is replaced."""
    store = setle.FileTokenStore(folder)
    fresh = source_of(sandbox, store=store).get_token()
    assert fresh.value != "planted"
    assert sandbox.token_requests == 1
    assert [line.partition(" ")[0] for line in warnings_of(caplog)] == ["FileTokenStore.load"]
    assert stat.S_ISREG(planted.lstat().st_mode)
    assert mode(planted) == 0o600
    assert store.load(planted.stem) == fresh
    used = fresh.value == "planted"
    saw(f"used: {yes(used)}", times(len(warnings_of(caplog)), "warning"), asked(sandbox))


def test_folder_in_place_of_the_file(
    sandbox: Sandbox, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A folder there cannot be replaced; it is named once, and nothing is left over."""
    path = folder / f"{credentials_of(sandbox).key(sandbox.base_url)}.json"
    path.mkdir(parents=True)
    folder.chmod(0o700)
    source_of(sandbox, store=setle.FileTokenStore(folder)).get_token()
    assert sandbox.token_requests == 1
    assert warnings_of(caplog) == [
        f"FileTokenStore.load failed (Is a directory: {path}); going on without it"
    ]
    assert list(folder.glob("*.new")) == []


counts_descriptors = pytest.mark.skipif(
    not Path("/proc/self/fd").exists(), reason="counts descriptors in /proc"
)


def open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - counts, and closes its own


@counts_descriptors
@pytest.mark.parametrize("plant", [_folder, _fifo, _others_may_write])
def test_no_descriptor_is_lost(
    store: setle.FileTokenStore, folder: Path, plant: Callable[[Path], None]
) -> None:
    """What cannot be used is closed again."""
    folder.mkdir(0o700, parents=True)
    plant(folder / f"{KEY}.json")
    before = open_descriptors()
    for _ in range(10):
        with pytest.raises(OSError, match=r"."):
            store.load(KEY)
    assert open_descriptors() == before


@counts_descriptors
def test_saving_keeps_no_descriptor(store: setle.FileTokenStore) -> None:
    """A process saves each hour, for years."""
    before = open_descriptors()
    for _ in range(10):
        store.save(KEY, token())
    assert open_descriptors() == before


@fault(
    "File store",
    "the file may not be read",
    "one warning, and it is replaced by one for its owner only",
)
@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() != 0, reason="only root can be others")
def test_unreadable_file(sandbox: Sandbox, folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A file that may not be read costs one warning and is replaced."""
    folder.mkdir(0o700, parents=True)
    for parent in (folder, *folder.parents):
        if not mode(parent) & 0o001:
            parent.chmod(0o711 if parent != folder else 0o700)
    path = folder / f"{credentials_of(sandbox).key(sandbox.base_url)}.json"
    path.write_text(json.dumps(_record()))
    path.chmod(0)
    os.chown(path, NOBODY, NOBODY)
    os.chown(folder, NOBODY, NOBODY)

    def run() -> object:
        os.setuid(NOBODY)
        got = source_of(sandbox, store=setle.FileTokenStore(folder)).get_token().value
        return (got != "planted", len(warnings_of(caplog)), oct(mode(path)))

    said, wanted = forked(run, measured=True)(), "(True, 1, '0o600')"
    assert said == wanted
    saw(f"replaced, with one warning: {yes(said == wanted)}")


def _read_only(folder: Path) -> None:
    folder.mkdir(mode=0o500, parents=True)


def _file_in_place(folder: Path) -> None:
    folder.parent.mkdir(parents=True)
    folder.write_text("")


def _file_above(folder: Path) -> None:
    folder.parent.write_text("")


def _all_may_write(folder: Path) -> None:
    folder.mkdir(parents=True)
    folder.chmod(0o777)


def _foreign_folder(folder: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give folders away")
    folder.mkdir(parents=True)
    os.chown(folder, NOBODY, NOBODY)


@fault(
    "File store",
    "a file is in the folder's place or above, all may write it, or it is somebody else's",
    "a request for each process, a warning that names it, no token in there",
)
@pytest.mark.parametrize(
    "plant",
    [_file_in_place, _file_above, _all_may_write, _foreign_folder],
    ids=lambda f: f.__name__,
)
def test_unusable_folder(
    sandbox: Sandbox, folder: Path, caplog: pytest.LogCaptureFixture, plant: Callable[[Path], None]
) -> None:
    """It costs a token request for each store, is named, and holds no token after."""
    plant(folder)
    for count in (1, 2):
        caplog.clear()
        source_of(sandbox, store=setle.FileTokenStore(folder)).get_token()
        assert sandbox.token_requests == count
        assert len(set(warnings_of(caplog))) == len(warnings_of(caplog)) > 0
        assert all(f": {folder}" in line for line in warnings_of(caplog))
    assert not folder.is_dir() or list(folder.iterdir()) == []
    left = list(folder.iterdir()) if folder.is_dir() else []
    saw(f"{times(len(left), 'file')} left there", f"{asked(sandbox)} for 2 processes")


@pytest.mark.parametrize("plant", [_all_may_write, _foreign_folder], ids=lambda f: f.__name__)
def test_a_folder_of_others_is_not_read(
    store: setle.FileTokenStore, folder: Path, plant: Callable[[Path], None]
) -> None:
    """Its files are one's own, but others may have put them there."""
    store.save(KEY, token())
    file = folder / f"{KEY}.json"
    kept = file.read_text()
    file.unlink()
    shutil.rmtree(folder)
    plant(folder)
    file.write_text(kept)
    file.chmod(0o600)
    with pytest.raises(OSError, match=r"others|somebody else"):
        store.load(KEY)


@fault("File store", "the folder is read-only", "a request, a warning that names it, no call")
def test_read_only_folder(sandbox: Sandbox, folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It costs one warning for each method, however often; root is somebody else for that."""
    _read_only(folder)
    if os.geteuid() == 0:
        os.chown(folder, NOBODY, NOBODY)
        for parent in folder.parents:
            if not mode(parent) & 0o001:
                parent.chmod(0o711)

    def run() -> object:
        if os.geteuid() == 0:
            os.setuid(NOBODY)
        source = source_of(sandbox, store=setle.FileTokenStore(folder))
        source.invalidate(source.get_token())
        source.get_token()
        named = [f"Permission denied: {folder}" in line for line in warnings_of(caplog)]
        return named, list(folder.iterdir())

    said = forked(run, measured=True)()
    assert said == "([True, True], [])"
    assert sandbox.token_requests == 2
    saw(
        f"named in {times(said.count('True'), 'warning')}",
        f"a file left: {yes(not said.endswith('[])'))}",
        f"{asked(sandbox)} for 2 tokens",
    )


@fault(
    "File store",
    "the disk is full",
    "what was saved before stays whole; nothing is left over; calls go on",
)
def test_full_disk(sandbox: Sandbox, folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What was saved before stays whole, nothing is left over, and calls go on."""
    store = setle.FileTokenStore(folder)
    key = credentials_of(sandbox).key(sandbox.base_url)
    old = token("old", lifetime=1e-6)
    store.save(key, old)
    before = (folder / f"{key}.json").read_text()

    def run() -> object:
        _, largest = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20, largest))
        source_of(sandbox, store=store).get_token()
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))  # for what coverage saves
        return warnings_of(caplog)

    path = folder / f"{key}.json"
    assert forked(run, measured=True)().startswith(
        f"['FileTokenStore.save failed (File too large: {path})"
    )
    assert path.read_text() == before
    assert list(folder.glob("*.new")) == []
    left = len(list(folder.glob("*.new")))
    saw(f"as before: {yes(path.read_text() == before)}", f"{times(left, 'file')} left over")


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() != 0, reason="only root can be others")
def test_home_of_somebody_else(
    sandbox: Sandbox,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Root with a user's HOME makes nothing in there, says whose folder it is, and calls go on."""
    home = tmp_path / "home"
    home.mkdir()
    os.chown(home, NOBODY, NOBODY)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    source_of(sandbox, store=setle.FileTokenStore()).get_token()
    assert list(home.iterdir()) == []
    assert warnings_of(caplog) == [
        f"FileTokenStore.lock failed (it belongs to somebody else: {home}); going on without it"
    ]


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() != 0, reason="only root can be others")
def test_below_a_folder_for_everybody(tmp_path: Path) -> None:
    """A user's store may be made where root lets everybody write, as in /tmp."""
    everybodys = tmp_path / "tmp"
    everybodys.mkdir()
    everybodys.chmod(0o1777)
    for parent in tmp_path.parents:
        if not mode(parent) & 0o001:
            parent.chmod(0o711)
    tmp_path.chmod(0o711)

    def run() -> object:
        os.setuid(NOBODY)
        store = setle.FileTokenStore(everybodys / "mine" / "setle")
        store.save(KEY, token())
        return store.load(KEY) is not None

    assert forked(run, measured=True)() == "True"


def test_folder_of_its_own_below_somebody_elses(
    sandbox: Sandbox, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A folder that was made by hand is used, whoever owns the ones above."""
    folder.mkdir(0o700, parents=True)
    if os.geteuid() == 0:
        os.chown(folder.parent, NOBODY, NOBODY)
    source_of(sandbox, store=setle.FileTokenStore(folder)).get_token()
    assert len(list(folder.glob("*.json"))) == 1
    assert warnings_of(caplog) == []


def test_home_in_the_name(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ~ of file:~/x is the user's home, wherever the process runs."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    source_of(sandbox, store="file:~/x").get_token()
    assert len(list((tmp_path / "home" / "x").glob("*.json"))) == 1
    assert not (tmp_path / "~").exists()


@pytest.mark.parametrize("name", ["file", "file:~/x", "file:~nobody-of-this-name/x"])
def test_no_home(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without HOME and an entry in passwd the error says so, when the source is made."""

    def no_entry(_: object) -> NoReturn:
        raise KeyError

    for variable in ("HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", no_entry)
    monkeypatch.setenv("SETLE_TOKEN_STORE", name)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(setle.ConfigurationError, match=r"SETLE_TOKEN_STORE: .*no home") as caught:
        setle.TokenSource(setle.ClientCredentials("id", "secret"))
    assert "file:/DIRECTORY" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="Windows removes no folder that is in use")
def test_no_working_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What is named from a folder that was removed meanwhile is told as well."""
    (tmp_path / "removed").mkdir()
    monkeypatch.chdir(tmp_path / "removed")
    (tmp_path / "removed").rmdir()
    with pytest.raises(setle.ConfigurationError, match=r"^store: .*no working folder"):
        setle.TokenSource(setle.ClientCredentials("id", "secret"), store="file:tokens")


def test_no_home_but_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who names a folder needs no home, nor does who has XDG_CACHE_HOME."""

    def no_entry(_: object) -> NoReturn:
        raise KeyError

    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr(pwd, "getpwuid", no_entry)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    for store in (setle.FileTokenStore(), setle.FileTokenStore(tmp_path / "tokens")):
        store.save(KEY, token())
    assert len(list(tmp_path.rglob(f"{KEY}.json"))) == 2


@fault(
    "File store",
    "the file system has no locks",
    "one warning; nothing is left that keeps others out",
)
@pytest.mark.parametrize("number", [errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK])
def test_no_flock(
    sandbox: Sandbox,
    folder: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
) -> None:
    """Where the system has no locks there is none, nor a file that a killed process leaves."""

    def no_flock(*_: object) -> NoReturn:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", no_flock)
    store = setle.FileTokenStore(folder)
    before = _time.monotonic()
    source_of(sandbox, store=store).get_token()
    assert _time.monotonic() - before < 2
    assert len(warnings_of(caplog)) == 1
    assert f"({os.strerror(number)}: {folder}" in caplog.text
    assert {path.suffix for path in folder.iterdir()} <= {".json", ".lock"}
    monkeypatch.undo()
    with store.lock(KEY, 0.0):  # nothing is left that would keep others out
        is_free = True
    assert sandbox.token_requests == 1
    saw(f"lock free: {yes(is_free)}", times(len(warnings_of(caplog)), "warning"), asked(sandbox))


@fault(
    "Signals",
    "Ctrl-C in the middle of a save to the file store",
    "it goes on to the caller, and leaves nothing behind",
)
def test_interrupted_save(
    store: setle.FileTokenStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An interrupt goes on, and leaves nothing behind."""

    def interrupted(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt) as caught:
        store.save(KEY, token())
    assert list(folder.iterdir()) == []
    saw(caught.type.__name__, f"{times(len(list(folder.iterdir())), 'file')} left over")


@fault(
    "Kills",
    "`kill -9` in the middle of a save to the file store",
    "the rest is cleared by a later save, and nothing else is",
)
def test_left_behind_files_are_cleared(store: setle.FileTokenStore, folder: Path) -> None:
    """What a kill left in the middle of a save goes with a later one, and nothing else does."""
    store.save(KEY, token())
    left, other = (folder / f"{name}.new" for name in (f"{KEY}.a", "other.c"))
    for path in (left, other):
        path.write_text("")
    store.save(KEY, token("new"))
    assert [left.exists(), other.exists()] == [False, True]
    loaded = store.load(KEY)
    assert loaded is not None
    assert loaded.value == "new"
    saw(f"cleared: {yes(not left.exists())}", f"another file cleared: {yes(not other.exists())}")


def test_a_killed_save_is_cleared_by_the_next_one(
    store: setle.FileTokenStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a process leaves that dies just before it would rename is known by its name."""

    def killed() -> None:
        monkeypatch.setattr(Path, "replace", lambda *_: posix._exit(0))
        store.save(KEY, token())

    forked(killed)()
    assert len(list(folder.iterdir())) == 1
    store.save(KEY, token())
    assert [path.name for path in folder.iterdir()] == [f"{KEY}.json"]


def test_what_another_process_cleared_meanwhile_is_not_missed(
    store: setle.FileTokenStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither what was left behind, nor the own file of a save that took too long."""
    gone = folder / f"{KEY}.gone.new"
    monkeypatch.setattr(Path, "glob", lambda *_: iter([gone]))
    store.save(KEY, token())
    replace = Path.replace

    def late(aside: Path, target: Path) -> Path:
        aside.unlink()
        return replace(aside, target)

    monkeypatch.setattr(Path, "replace", late)
    with pytest.raises(FileNotFoundError) as caught:
        store.save(KEY, token("new"))
    assert caught.value.filename == folder / f"{KEY}.json"


def test_a_folder_that_another_process_makes_meanwhile_will_do(
    store: setle.FileTokenStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look at it and the making."""
    exists = Path.exists

    def make_then(path: Path) -> bool:
        there = exists(path)
        if path == folder:
            path.mkdir(exist_ok=True)
        return there

    monkeypatch.setattr(Path, "exists", make_then)
    store.save(KEY, token())
    assert mode(folder) == 0o700


def test_errors_are_those_of_the_system(store: setle.FileTokenStore, folder: Path) -> None:
    """Who uses a store without a source can tell them apart by number and file."""
    store.save(KEY, token())
    path = folder / f"{KEY}.json"
    path.write_text("none")
    with pytest.raises(OSError, match="it holds no token") as caught:
        store.load(KEY)
    assert (caught.value.errno, caught.value.filename) == (errno.EINVAL, path)
    folder.chmod(0o777)
    with pytest.raises(PermissionError, match="others may write to it"):
        store.save(KEY, token())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give folders away")
def test_folders_of_somebody_else(
    store: setle.FileTokenStore, folder: Path, tmp_path: Path
) -> None:
    """Both the folder itself and the one that it would be made in are refused by name."""
    os.chown(tmp_path, NOBODY, NOBODY)
    with pytest.raises(PermissionError, match="it belongs to somebody else") as caught:
        store.save(KEY, token())
    assert caught.value.filename == tmp_path
    os.chown(tmp_path, 0, 0)
    store.save(KEY, token())
    os.chown(folder, NOBODY, NOBODY)
    with pytest.raises(PermissionError, match="it belongs to somebody else") as caught:
        store.save(KEY, token())
    assert caught.value.filename == folder


# The lock.


@contextmanager
def held_elsewhere(folder: Path, then: Callable[[int], object] = lambda pid: None) -> Iterator[int]:
    """Let another process hold the lock of KEY; *then* is done to it before the block runs."""
    script = (
        "import setle, sys\n"
        f"with setle.FileTokenStore({str(folder)!r}).lock({KEY!r}, 10):\n"
        "    print('held', flush=True)\n"
        "    sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == b"held\n"
            then(process.pid)
            yield process.pid
        finally:
            process.kill()


def test_lock_excludes(store: setle.FileTokenStore, folder: Path) -> None:
    """While another process holds the lock, waiting for it ends with a TimeoutError."""
    with held_elsewhere(folder), pytest.raises(TimeoutError), store.lock(KEY, 0.05):
        pass


def test_lock_excludes_within_the_process(store: setle.FileTokenStore, folder: Path) -> None:
    """Two stores of one folder keep each other out, too."""
    other = setle.FileTokenStore(folder)
    with store.lock(KEY, 1), pytest.raises(TimeoutError), other.lock(KEY, 0.05):
        pass


def test_locks_of_other_keys_are_free(store: setle.FileTokenStore, folder: Path) -> None:
    """Other credentials do not wait."""
    with held_elsewhere(folder), store.lock("another key", 0.05) as extend:
        assert extend is None


@fault("Kills", "`kill -9` of the process that holds the file's lock", "the next one has the lock")
def test_killed_holder(store: setle.FileTokenStore, folder: Path) -> None:
    """The system releases the lock of a process that is killed."""

    def kill(pid: int) -> None:
        os.kill(pid, signal.SIGKILL)

    locked = False
    with held_elsewhere(folder, kill), store.lock(KEY, 10):
        locked = True
    saw(f"locked: {yes(locked)}")


@fault(
    "Kills",
    "`kill -9` of the lock's holder, whose forked child lives on",
    "the child keeps nothing locked",
)
def test_forked_child_does_not_keep_the_lock(store: setle.FileTokenStore, folder: Path) -> None:
    """A holder's child that lives on after the holder was killed holds nothing."""
    script = f"""
import os, setle, sys
with setle.FileTokenStore({str(folder)!r}).lock({KEY!r}, 10):
    if os.fork() == 0:
        print("child", flush=True)
        sys.stdin.read()
        os._exit(0)
    sys.stdin.read()
"""
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"child\n"
        with pytest.raises(TimeoutError), store.lock(KEY, 0.0):
            pass
        parent.kill()
        parent.wait(30)
        with store.lock(KEY, 1):
            locked = True
    saw(f"locked: {yes(locked)}")


@fault(
    "Suspends",
    "the holder of the file's lock is stopped (SIGSTOP)",
    "two thirds of the deadline and a warning, no call",
)
def test_stuck_lock(sandbox: Sandbox, folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A holder that was stopped costs two thirds of the deadline and a warning, not the call."""
    store = Locking(folder)
    source = source_of(sandbox, store=store, timeout=4.0)

    def freeze(pid: int) -> None:
        os.kill(pid, signal.SIGSTOP)
        os.waitpid(pid, os.WUNTRACED)

    with held_elsewhere(folder, freeze):
        before = _time.monotonic()
        got = source.get_token()
        assert 2.6 < _time.monotonic() - before < 4.0
    assert len(warnings_of(caplog)) == 1
    assert sandbox.token_requests == 1
    told = times(len(warnings_of(caplog)), "warning")
    saw(f"{named(got)} within the deadline", told, asked(sandbox))


class Locking(setle.FileTokenStore):
    """Locks KEY, whatever the credentials: the lock that another process holds."""

    def lock(self, key: str, timeout: float):  # type: ignore[no-untyped-def] # as the parent's
        return super().lock(KEY, timeout)


def test_nothing_but_the_lock_stays(store: setle.FileTokenStore, folder: Path) -> None:
    """Its file is never removed: two processes could hold two files of one name."""
    with store.lock(KEY, 1):
        first = (folder / f"{KEY}.lock").stat().st_ino
    with store.lock(KEY, 1):
        assert (folder / f"{KEY}.lock").stat().st_ino == first
