"""The exception tree, and that errors survive every way of being passed on."""

import copy
import pickle
import traceback
from collections.abc import Callable

import pytest

import setle
from setle._errors import twin_of

TREE: dict[type[Exception], type[Exception]] = {
    setle.SetleError: Exception,
    setle.ConfigurationError: setle.SetleError,
    setle.TokenError: setle.SetleError,
    setle.TokenRejectedError: setle.TokenError,
    setle.TokenUnavailableError: setle.TokenError,
    setle.TokenResponseError: setle.TokenError,
}
TOKEN_ERRORS = [kind for kind in TREE if issubclass(kind, setle.TokenError)]
COPIES: dict[str, Callable[[Exception], Exception]] = {
    **{
        f"pickle {protocol}": lambda error, protocol=protocol: pickle.loads(  # type: ignore[misc] # mypy sees no type for the default
            pickle.dumps(error, protocol)
        )
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1)
    },
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
}
copies = pytest.mark.parametrize("copied", COPIES.values(), ids=list(COPIES))


@pytest.mark.parametrize(("kind", "base"), TREE.items())
def test_tree(kind: type[Exception], base: type[Exception]) -> None:
    """Each error has its one place in the tree, and says what it stands for."""
    assert kind.__bases__ == (base,)
    assert kind.__doc__


@pytest.mark.parametrize("kind", TREE)
def test_a_traceback_shows_what_to_catch(kind: type[Exception]) -> None:
    """Its last line holds the name that users import, and no module of ours."""
    (line,) = traceback.format_exception_only(kind("it broke"))
    assert line == f"setle.{kind.__name__}: it broke\n"


@pytest.mark.parametrize("kind", TOKEN_ERRORS)
def test_defaults(kind: type[setle.TokenError]) -> None:
    """Without an answer an error has neither status nor messages."""
    error = kind("no answer")
    assert str(error) == "no answer"
    assert (error.status_code, error.messages, error.retry_after) == (None, [], None)


@copies
@pytest.mark.parametrize("kind", TOKEN_ERRORS)
def test_copy_of_a_token_error(
    kind: type[setle.TokenError], copied: Callable[[Exception], Exception]
) -> None:
    """A copy has the type, the text and all attributes of the original."""
    error = kind("try again", status_code=503, messages=["one", "two"], retry_after=1.5)
    twin = copied(error)
    assert type(twin) is kind
    assert isinstance(twin, setle.TokenError)
    assert str(twin) == "try again"
    assert (twin.status_code, twin.messages, twin.retry_after) == (503, ["one", "two"], 1.5)


@copies
@pytest.mark.parametrize("kind", [setle.SetleError, setle.ConfigurationError])
def test_copy_of_another_error(
    kind: type[Exception], copied: Callable[[Exception], Exception]
) -> None:
    """A copy has the type and the text of the original."""
    twin = copied(kind("base_url is not a URL"))
    assert type(twin) is kind
    assert str(twin) == "base_url is not a URL"


class DownError(setle.TokenUnavailableError, ConnectionError):
    """An error of a user's that is the system's as well."""


class SilentError(setle.TokenError):
    """One of a user's, whose constructor does not call ours."""

    def __init__(self, tenant: str) -> None:
        self.tenant = tenant


@pytest.mark.parametrize(
    "error", [DownError("vault is down"), SilentError("a"), OSError(28, "is full", "/x")], ids=str
)
def test_twin_of_an_error_of_any_base(error: Exception) -> None:
    """The twin says the same and holds the same, whatever the class of the error has for a base."""
    twin = twin_of(error)
    assert twin is not error
    assert (type(twin), str(twin), vars(twin)) == (type(error), str(error), vars(error))


def test_a_silent_token_error() -> None:
    """Its status_code and retry_after are None, as those of an error without an answer."""
    error = SilentError("a")
    assert (error.status_code, error.retry_after, error.retry_in) == (None, None, None)


def test_copy_has_no_past() -> None:
    """A copy has neither traceback nor cause of the original, whose frames hold the secret."""
    try:
        try:
            raise OSError("inner")
        except OSError as inner:
            raise setle.TokenUnavailableError("outer") from inner
    except setle.TokenUnavailableError as error:
        twin = copy.copy(error)
    assert (twin.__cause__, twin.__context__, twin.__traceback__) == (None, None, None)


def test_messages_are_the_errors_own() -> None:
    """The messages do not change with the list they were made from."""
    messages = ["one"]
    error = setle.TokenError("failed", messages=messages)
    messages.append("two")
    assert error.messages == ["one"]
