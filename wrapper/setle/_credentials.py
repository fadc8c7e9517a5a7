"""Client credentials, and where they come from."""

import hashlib
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn, TypeAlias

import attrs

from ._errors import ConfigurationError, SetleError, TokenUnavailableError

_ID = "SETLE_CLIENT_ID"
_SECRET = "SETLE_CLIENT_SECRET"  # noqa: S105 - the name of a variable
_SECRET_FILE = "SETLE_CLIENT_SECRET_FILE"  # noqa: S105 - the name of a variable

# HTTP strips blanks around a header's value, and httpx puts a value it cannot send into the
# error it raises: neither must ever get that far.
_SENDABLE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")


def checked(setting: str, value: object) -> str:
    """
    Return *value* if a header can carry it.

    Raises:
        ConfigurationError: It names *setting* and never shows the value.
    """
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


@attrs.frozen
class ClientCredentials:
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

    client_id: str = attrs.field()
    client_secret: str = attrs.field(repr=False)

    def __attrs_post_init__(self) -> None:
        checked("client_id", self.client_id)
        checked("client_secret", self.client_secret)

    @classmethod
    def from_env(cls) -> "ClientCredentials":
        """
        Return what the environment holds.

        Reads ``SETLE_CLIENT_ID`` and either ``SETLE_CLIENT_SECRET`` or the file that
        ``SETLE_CLIENT_SECRET_FILE`` names; line breaks at the file's end are left off.

        Raises:
            ConfigurationError: A variable is missing, set twice or cannot be used.
        """
        client_id = checked(_ID, os.environ.get(_ID, ""))
        secret, path = os.environ.get(_SECRET, ""), os.environ.get(_SECRET_FILE, "")
        if secret and path:
            raise ConfigurationError(f"{_SECRET} and {_SECRET_FILE} are both set; unset one")
        if not path:
            return cls(client_id, checked(_SECRET, secret))
        return cls(client_id, checked(_SECRET_FILE, _read(path)))

    def key(self, base_url: str) -> str:
        """Return the name that tokens for these credentials at *base_url* are shared under."""
        # None of the three can hold a line break.
        parts = f"{base_url}\n{self.client_id}\n{self.client_secret}"
        return hashlib.sha256(parts.encode()).hexdigest()

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "ClientCredentials are not pickled, as that would write the secret down; pass a"
            " callable that every process calls for itself, such as ClientCredentials.from_env"
        )


def _read(path: str) -> str:
    # The path is not shown either: somebody may have put the secret itself there.
    try:
        return Path(path).read_text("utf-8").rstrip("\r\n")
    except OSError as error:
        problem = f"cannot be read: {error.strerror}"
    except ValueError:
        problem = "is not text in UTF-8"
    raise ConfigurationError(f"the file that {_SECRET_FILE} names {problem}")


CredentialsProvider: TypeAlias = Callable[[], ClientCredentials]
"""Called before each token request, so that rotated secrets are picked up."""


def obtain(credentials: ClientCredentials | CredentialsProvider | None) -> ClientCredentials:
    """
    Return *credentials*, or what they return if they can be called; None is the environment.

    Raises:
        ConfigurationError: They are of another type, or the environment does not hold any.
        TokenUnavailableError: The callable raised what is no error of this package.
    """
    found: object = ClientCredentials.from_env if credentials is None else credentials
    if callable(found):
        try:
            found = found()
        except SetleError:
            raise
        except Exception as error:  # noqa: BLE001 - foreign code
            # Its text is left out: nobody knows what a vault's client puts there.
            raise TokenUnavailableError(
                f"the callable that returns the credentials raised {type(error).__name__}"
            ) from None
    if not isinstance(found, ClientCredentials):
        raise ConfigurationError(
            "credentials must be ClientCredentials or a callable that returns them,"
            f" not {type(found).__name__}"
        )
    return found
