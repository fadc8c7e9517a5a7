"""Sharing a token among the processes of one user on one machine."""

import errno
import json
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock

from .. import _time
from .._token import AccessToken

_LARGEST_FILE = 1 << 16
_OLD = 60.0  # seconds; no save takes that long, so what is older was left behind by a kill


class FileTokenStore:
    """
    Shares tokens among the processes of one user on one machine.

    Each token is a file of its own, readable and writable by its owner only, in a folder of
    the same kind. It holds the token, in plain text, and never the secret: whoever may read
    the owner's files may use the token until it ends.

    Args:
        directory: Where the files are. Default: ``setle`` in the user's cache folder.
    """

    def __init__(self, directory: str | os.PathLike[str] | None = None) -> None:
        if directory is None:
            from platformdirs import user_cache_path

            directory = user_cache_path("setle", appauthor=False)
        self._directory = Path(directory).absolute()  # wherever the process goes later

    def load(self, key: str) -> AccessToken | None:
        """
        Return the token saved under *key*, or None.

        Raises:
            OSError: It cannot be read, is not a token, or others may have written it.
        """
        # Not through a link, and without waiting for somebody to open the other end of a pipe.
        flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
        try:
            file = open(  # noqa: SIM115 - Path.open takes no opener; closed below
                self._directory / f"{key}.json", "rb", opener=lambda path, _: os.open(path, flags)
            )
        except FileNotFoundError:
            return None
        with file:
            _check(os.fstat(file.fileno()))
            content = file.read(_LARGEST_FILE)
        try:
            record = json.loads(content)
            expires_at = datetime.fromtimestamp(record["expires_at"], UTC)
            return AccessToken(record["access_token"], expires_at, float(record["lifetime"]))
        except (ArithmeticError, LookupError, RecursionError, TypeError, ValueError):
            raise OSError(errno.EINVAL, "it holds no token, and will be replaced") from None

    def save(self, key: str, token: AccessToken) -> None:
        """
        Save *token* under *key* in place of what was there.

        Raises:
            OSError: The disk is full or read-only, or others may write to the folder.
        """
        self._prepare()
        for left in self._directory.glob(f"{key}.*.new"):
            with suppress(FileNotFoundError):  # another process cleared it, or it was renamed
                if left.stat().st_mtime < _time.wall() - _OLD:
                    left.unlink()
        record = {
            "access_token": token.value,
            "expires_at": token.expires_at.timestamp(),
            "lifetime": token.lifetime,
        }
        # Aside, then renamed: whoever reads sees all of the old file or all of the new one.
        descriptor, aside = tempfile.mkstemp(".new", f"{key}.", self._directory)
        try:
            with os.fdopen(descriptor, "w") as file:
                if hasattr(os, "fchmod"):  # pragma: no branch - Windows has none
                    os.fchmod(descriptor, 0o600)  # whatever the umask took off
                json.dump(record, file)
            Path(aside).replace(self._directory / f"{key}.json")
        except BaseException:
            Path(aside).unlink(missing_ok=True)
            raise

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
        with FileLock(
            self._directory / f"{key}.lock", timeout=timeout, mode=0o600, poll_interval=0.02
        ):
            yield None

    def _prepare(self) -> None:
        """Make the folder if need be, and make sure that it is nobody else's."""
        for folder in (*reversed(self._directory.parents), self._directory):
            if not folder.exists():
                folder.mkdir(0o700, exist_ok=True)  # never open to others, not even for an instant
                folder.chmod(0o700)  # whatever the umask took off
        _check(self._directory.stat())


def _check(status: os.stat_result) -> None:
    if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
        raise OSError(errno.EINVAL, "it is neither a file nor a folder")
    # Windows has no such owner; there the folder's own access list has to do.
    if hasattr(os, "geteuid"):  # pragma: no branch - Windows has none
        if status.st_uid != os.geteuid():
            raise PermissionError(errno.EPERM, "it belongs to somebody else")
        if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise PermissionError(errno.EPERM, "others may write to it; use chmod go-w")
