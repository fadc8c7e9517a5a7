"""What happens to the stores that the workers share."""

import os
import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.soak.faults import lane

if TYPE_CHECKING:
    from tests.soak.soak import Soak


@contextmanager
def _entries(soak: "Soak") -> Iterator[tuple[Any, list[bytes]]]:
    with soak.valkey.client(socket_timeout=5.0) as client:
        yield client, list(client.scan_iter())


@lane("stores")
def _flush(soak: "Soak", chance: random.Random) -> None:
    """Valkey flushed."""
    soak.valkey.flush()


@lane("stores")
def _freeze(soak: "Soak", chance: random.Random) -> None:
    """Valkey stopped and continued."""
    soak.valkey.freeze()
    soak.rest(chance.uniform(0.2, 6.0))
    soak.valkey.thaw()


@lane("stores")
def _client_pause(soak: "Soak", chance: random.Random) -> None:
    """Valkey paused by CLIENT PAUSE."""
    seconds = chance.uniform(0.2, 3.0)
    with soak.valkey.client() as client:
        client.client_pause(int(1000 * seconds))
    soak.rest(seconds)


@lane("stores")
def _kill_valkey(soak: "Soak", chance: random.Random) -> None:
    """Valkey killed and started again."""
    soak.valkey.kill()
    soak.rest(chance.uniform(0.1, 3.0))
    soak.valkey.start()


@lane("stores")
def _lose_leases(soak: "Soak", chance: random.Random) -> None:
    """Leases in Valkey evicted."""
    with _entries(soak) as (client, names):
        for name in names:
            if name.endswith(b":lease"):
                client.delete(name)


@lane("stores")
def _garbage_in_valkey(soak: "Soak", chance: random.Random) -> None:
    """Entries in Valkey replaced by garbage."""
    with _entries(soak) as (client, names):
        for name in names:
            client.set(name, chance.randbytes(40), px=60_000)


@lane("stores")
def _lists_in_valkey(soak: "Soak", chance: random.Random) -> None:
    """Entries in Valkey replaced by lists."""
    with _entries(soak) as (client, names):
        for name in names:
            client.delete(name)
            client.rpush(name, "a", "b")
            client.pexpire(name, 3_000)


def _each_file(soak: "Soak", change: Callable[[Path], object]) -> None:
    for path in soak.files.glob("*.json"):
        with suppress(OSError):  # it has been replaced meanwhile, or is a folder by now
            change(path)


@lane("stores")
def _garbage_in_files(soak: "Soak", chance: random.Random) -> None:
    """Stored files filled with garbage."""
    _each_file(soak, lambda path: path.write_bytes(chance.randbytes(40)))


@lane("stores")
def _half_a_file(soak: "Soak", chance: random.Random) -> None:
    """Stored files cut in half."""
    _each_file(soak, lambda path: os.truncate(path, path.stat().st_size // 2))


@lane("stores")
def _no_file(soak: "Soak", chance: random.Random) -> None:
    """Stored files removed."""
    _each_file(soak, Path.unlink)


@lane("stores")
def _writable_files(soak: "Soak", chance: random.Random) -> None:
    """Stored files that others may write to."""
    _each_file(soak, lambda path: path.chmod(0o666))


@lane("stores")
def _unreadable_files(soak: "Soak", chance: random.Random) -> None:
    """Stored files made unreadable to all but root."""
    _each_file(soak, lambda path: path.chmod(0))


@lane("stores")
def _linked_files(soak: "Soak", chance: random.Random) -> None:
    """Stored files replaced by links to nowhere."""

    def link(path: Path) -> None:
        path.unlink()
        path.symlink_to("nowhere")

    _each_file(soak, link)


@lane("stores")
def _folders_as_files(soak: "Soak", chance: random.Random) -> None:
    """Stored files replaced by folders, for a while."""

    def replace(path: Path) -> None:
        path.unlink()
        path.mkdir()

    _each_file(soak, replace)
    soak.rest(chance.uniform(0.5, 3.0))
    _each_file(soak, Path.rmdir)


@lane("stores")
def _no_folder(soak: "Soak", chance: random.Random) -> None:
    """Folder of the file store removed, locks and all."""
    shutil.rmtree(soak.files, ignore_errors=True)


@lane("stores")
def _open_folder(soak: "Soak", chance: random.Random) -> None:
    """Folder of the file store open to others, for a while."""
    with suppress(FileNotFoundError):  # as nobody has asked since it was removed
        soak.files.chmod(0o777)
        soak.rest(chance.uniform(0.5, 3.0))
        soak.files.chmod(0o700)


@lane("stores")
def _file_as_folder(soak: "Soak", chance: random.Random) -> None:
    """Folder of the file store replaced by a file, for a while."""
    shutil.rmtree(soak.files, ignore_errors=True)
    with suppress(OSError):  # somebody was faster
        soak.files.touch(exist_ok=False)
        soak.rest(chance.uniform(0.5, 3.0))
        soak.files.unlink()
