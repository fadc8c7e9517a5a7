"""Client credentials, and where they come from."""

import hashlib
import inspect
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Self, TypeAlias

import attrs

from ._errors import ConfigurationError, SetleError, TokenUnavailableError, without_locals
from ._unpickled import Unpickled

_ID = "SETLE_CLIENT_ID"
_SECRET = "SETLE_CLIENT_SECRET"  # noqa: S105 - the name of a variable
_SECRET_FILE = "SETLE_CLIENT_SECRET_FILE"  # noqa: S105 - the name of a variable
_CALLABLE = "the callable that returns the credentials"

# HTTP strips blanks around a header's value, and httpx puts a value it cannot send into the
# error it raises: neither must ever get that far.
_SENDABLE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")


def checked(setting: str, value: object) -> str:
    """
    Return *value*, without line breaks at its end, if a header can carry it.

    Raises:
        ConfigurationError: It names *setting* and never shows the value.
    """
    if isinstance(value, str):
        value = value.rstrip("\r\n")  # of a mounted file, or of echo
    if not isinstance(value, str):
        problem = "is not a string"
    elif not value.strip():
        problem = "is missing or empty"
    elif "\n" in value or "\r" in value:
        problem = "contains a line break"
    elif not value.isascii():
        problem = "contains a character that is not ASCII"
    elif not _SENDABLE.fullmatch(value):
        problem = "begins or ends with a blank, or contains a control character"
    else:
        return value
    raise ConfigurationError(f"{setting} {problem}; set it to the value that Setle gave you")


@attrs.frozen(init=False)
class ClientCredentials(Unpickled):
    """
    A client id and its secret.

    The secret is not part of ``repr``, and pickling is refused.

    Args:
        client_id: As given by Setle, a UUID.
        client_secret: As given by Setle, 64 hex digits.

    Raises:
        ConfigurationError: One of both is empty or cannot be sent in a header.

    Source: Setle, "Authentication".
    """

    _INSTEAD = (
        "pass a callable that every process calls for itself, such as ClientCredentials.from_env"
    )
    client_id: str
    client_secret: str = attrs.field(repr=False)

    @without_locals
    def __init__(self, client_id: str, client_secret: str) -> None:
        self.__attrs_init__(
            checked("client_id", client_id), checked("client_secret", client_secret)
        )

    @classmethod
    @without_locals
    def from_env(cls) -> "ClientCredentials":
        """
        Return what the environment holds.

        Reads ``SETLE_CLIENT_ID`` and either ``SETLE_CLIENT_SECRET`` or the file that
        ``SETLE_CLIENT_SECRET_FILE`` names; line breaks at the end of either are left off.

        Raises:
            ConfigurationError: A variable is missing, set twice or cannot be used.
        """
        return Environment.read()()

    def key(self, base_url: str) -> str:
        """Return the name that tokens for these credentials at *base_url* are shared under."""
        # None of the three can hold a line break.
        parts = f"{base_url}\n{self.client_id}\n{self.client_secret}"
        return hashlib.sha256(parts.encode()).hexdigest()


CredentialsProvider: TypeAlias = Callable[[], ClientCredentials]
"""Called before each token request, so that rotated secrets are picked up."""


@attrs.frozen
class Environment:
    """
    The way to the credentials that the environment named at one moment.

    A secret's file is read anew at each call. The variables are not: a process may set them
    anew for its next tenant, and a client keeps the tenant it was made for.
    """

    client_id: str
    secret: str = attrs.field(repr=False)
    path: str

    @classmethod
    def read(cls) -> Self:
        """Return what the environment says now."""
        names = (_ID, _SECRET, _SECRET_FILE)
        return cls(*(os.environ.get(name, "").rstrip("\r\n") for name in names))

    def __call__(self) -> ClientCredentials:
        """Return the credentials, or raise a ConfigurationError."""
        client_id = checked(_ID, self.client_id)
        if self.secret and self.path:
            raise ConfigurationError(f"{_SECRET} and {_SECRET_FILE} are both set; unset one")
        if self.path:
            what = f"the content of the file that {_SECRET_FILE} names"
            return ClientCredentials(client_id, checked(what, _content(self.path)))
        return ClientCredentials(client_id, checked(_SECRET, self.secret))


def _content(path: str) -> str:
    try:
        return Path(path).expanduser().read_text("utf-8-sig")
    except (OSError, RuntimeError) as error:  # the second, where there is no home
        problem = f"cannot be read: {getattr(error, 'strerror', error)}"
    except ValueError:
        problem = "is not text in UTF-8"
    # Somebody may have put the secret itself where its file belongs; that is no path.
    shown = f" ({path})" if "/" in path or "\\" in path else ""
    raise ConfigurationError(f"the file that {_SECRET_FILE} names{shown} {problem}")


def told(provider: object) -> str:
    """Return what *provider* is called in messages."""
    if isinstance(provider, Environment):  # nothing else in it can fail to return
        return f"the file that {_SECRET_FILE} names"
    return _CALLABLE


def obtain(credentials: ClientCredentials | CredentialsProvider) -> ClientCredentials:
    """
    Return *credentials*, or what they return if they can be called.

    Raises:
        ConfigurationError: They are of another type.
        TokenUnavailableError: The callable raised what is no error of this package.
    """
    found: object = credentials
    try:
        if callable(found):
            found = found()
    except SetleError:
        raise
    except Exception as error:  # noqa: BLE001 - foreign code
        # Its text is left out: nobody knows what a vault's client puts there.
        raise TokenUnavailableError(f"{_CALLABLE} raised {type(error).__name__}") from None
    if inspect.iscoroutine(found):
        found.close()  # or Python warns that nobody awaited it
    if not isinstance(found, ClientCredentials):
        raise ConfigurationError(
            "credentials must be ClientCredentials or a callable that returns them,"
            f" not {type(found).__name__}"
        )
    return found
