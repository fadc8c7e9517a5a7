"""Sharing a token among the processes of one user on one machine."""

import errno
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

from filelock import FileLock
from platformdirs import user_cache_path

from .._errors import ConfigurationError
from .._token import AccessToken
from .record import read, written

_LARGEST_FILE = 1 << 16
_FOREIGN = "it belongs to somebody else"

# Windows has neither: there all files are user 0's, and the folder's own access list has to do.
_user = getattr(os, "geteuid", int)
_OTHERS = stat.S_IWGRP | stat.S_IWOTH if hasattr(os, "geteuid") else 0


class FileTokenStore:
    """
    Shares tokens among the processes of one user on one machine.

    Each token is a file of its own, readable and writable by its owner only, in a folder of
    the same kind. It holds the token, in plain text, and never the secret: whoever may read
    the owner's files may use the token until it ends.

    Args:
        directory: Where the files are; ``~`` is the user's home. Default: ``setle`` in the
            user's cache folder.

    Attributes:
        place: That folder.

    Raises:
        ConfigurationError: The user has no home, or the process no working folder.
    """

    def __init__(self, directory: str | os.PathLike[str] | None = None) -> None:
        try:
            folder = Path(directory or user_cache_path("setle", appauthor=False)).expanduser()
            self.place: Path = folder.absolute()  # wherever the process goes later
        except (OSError, RuntimeError):
            missing = "there is no home (HOME, passwd) or no working folder"
            problem = f"the file store has no folder: {missing}; use file:/DIRECTORY"
            raise ConfigurationError(problem) from None

    def load(self, key: str) -> AccessToken | None:
        """
        Return the token saved under *key*, or None.

        Raises:
            OSError: It cannot be read, is not a token, or others may have written it.
        """
        path = self.place / f"{key}.json"
        # Not through a link, and without waiting for somebody to open the other end of a pipe.
        flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
        try:
            _check(self.place, self.place.stat())
            with open(path, "rb", opener=lambda name, _: os.open(name, flags)) as file:
                _check(path, os.fstat(file.fileno()))
                token = read(file.read(_LARGEST_FILE))
        except FileNotFoundError:
            return None
        if token is None:
            raise OSError(errno.EINVAL, "it holds no token, and will be replaced", path)
        return token

    def save(self, key: str, token: AccessToken) -> None:
        """
        Save *token* under *key* in place of what was there.

        Raises:
            OSError: The disk is full or read-only, or others may write to the folder.
        """
        self._prepare()
        # Who saves has the lock, but for rare cases: another process was killed at these.
        for left in self.place.glob(f"{key}.*.new"):
            left.unlink(missing_ok=True)
        path = self.place / f"{key}.json"
        with _named(path):
            # Aside, then renamed: whoever reads sees all of the old file or all of the new one.
            descriptor, name = tempfile.mkstemp(".new", f"{key}.", self.place)
            os.close(descriptor)
            aside = Path(name)
            try:
                aside.chmod(0o600)  # whatever the umask took off
                aside.write_text(written(token))
                aside.replace(path)
            finally:
                aside.unlink(missing_ok=True)

    @contextmanager
    def lock(self, key: str, timeout: float) -> Iterator[None]:
        """
        Hold the lock of *key*; the system releases it when the process dies.

        Raises:
            TimeoutError: Another process held it for longer than *timeout* seconds.
            OSError: The disk is read-only, or others may write to the folder.
        """
        self._prepare()
        # The file stays: removing it would let two processes lock two files of one name.
        path = self.place / f"{key}.lock"
        # A system without flock has none: a file as a lock would outlast a killed process.
        lock = FileLock(path, timeout, mode=0o600, poll_interval=0.02, fallback_to_soft=False)
        with _named(path):
            lock.acquire()
        try:
            yield
        finally:
            lock.release()

    def _prepare(self) -> None:
        """Make the folder if need be, and make sure that it is nobody else's."""
        for above, folder in pairwise((*reversed(self.place.parents), self.place)):
            if not folder.exists():
                # As root by sudo, in a user's home: the user could not use what is made there.
                if above.stat().st_uid not in (0, _user()):
                    raise OSError(errno.EPERM, _FOREIGN, above)
                folder.mkdir(0o700, exist_ok=True)  # never open to others, not even for an instant
                folder.chmod(0o700)  # whatever the umask took off
        _check(self.place, self.place.stat())


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Let errors of the system name *path*, which tells people more than a file of our own."""
    try:
        yield
    except OSError as error:
        error.filename = path
        raise


def _check(path: Path, status: os.stat_result) -> None:
    if status.st_uid != _user():
        raise OSError(errno.EPERM, _FOREIGN, path)
    if status.st_mode & _OTHERS:
        raise OSError(errno.EPERM, "others may write to it; use chmod go-w", path)
