"""
Everything that this package raises.

SetleError
├── ConfigurationError          a setting is missing or cannot be used
└── TokenError                  no token could be had
    ├── TokenRejectedError      Setle refused the credentials: 400, 401, 403
    ├── TokenUnavailableError   no answer, or 408, 425, 429, 5xx
    └── TokenResponseError      an answer that holds no usable token

What goes wrong in a call of the API itself stays what httpx and ``setle_api`` make of it.
"""

import math
from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")
E = TypeVar("E", bound=Exception)


class SetleError(Exception):
    """
    Base of all errors that this package raises.

    Attributes:
        retry_in: Seconds until the refresh is tried again, None for at the next call.
        held_back: Whether nothing was tried this time, because of an earlier failure.
    """

    # Of the class, so that an error whose constructor does not call ours has them too.
    retry_in: float | None = None
    held_back: bool = False

    def __str__(self) -> str:
        said = super().__str__()
        if self.held_back:
            said = f"a refresh failed before: {said}"
        if self.retry_in is not None:
            said += f"; not asked again for {math.ceil(self.retry_in)} s"
        return said


class ConfigurationError(SetleError):
    """
    A setting is missing or cannot be used.

    The message names the setting and never shows its value.
    """


class TokenError(SetleError):
    """
    No token could be had from the token endpoint.

    Args:
        message: What happened, and what to do about it.
        status_code: HTTP status of the answer, None if there was none.
        messages: What the answer's body said, one string each. The client secret is
            blanked in them.
        retry_after: Seconds that the answer asked to wait, None if it did not.
    """

    status_code: int | None = None
    retry_after: float | None = None

    def __init__(
        self,
        message: str,
        *,
        status_code: int | None = None,
        messages: Iterable[str] = (),
        retry_after: float | None = None,
    ) -> None:
        # Everything but the message has a default and lives in __dict__: that is what
        # lets pickle and copy rebuild any of these errors.
        super().__init__(message)
        self.status_code = status_code
        self.messages: list[str] = list(messages)
        self.retry_after = retry_after


class TokenRejectedError(TokenError):
    """Setle refused the client credentials: status 400, 401 or 403."""


class TokenUnavailableError(TokenError):
    """The token endpoint did not answer in time, or with status 408, 425, 429 or 5xx."""


class TokenResponseError(TokenError):
    """The token endpoint answered with something that is not a usable token."""


for kind in (SetleError, *SetleError.__subclasses__(), *TokenError.__subclasses__()):
    kind.__module__ = "setle"  # a traceback shows what to catch


def twin_of(error: E) -> E:
    """Return the same error without traceback and cause, whose frames may hold the secret."""
    # Not by copy, which calls a constructor that a subclass may have changed; nor by its __new__.
    base: Any = next(each for each in type(error).__mro__ if each.__module__ == "builtins")
    args = base.__reduce__(error)[1]  # of an OSError with its file
    twin: E = base.__new__(type(error), *args)
    base.__init__(twin, *args)  # which takes them, where an OSError's class has one of its own
    twin.__dict__.update(error.__dict__)
    return twin


def without_locals(function: Callable[P, R], kind: type[Exception] = SetleError) -> Callable[P, R]:
    """Let errors of that *kind* leave *function* without any frame that holds its arguments."""

    # Error reporters send what local variables hold.
    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except kind as error:
            failure = twin_of(error)
        finally:
            del args, kwargs  # also where Python itself refuses them
        raise failure

    return call
