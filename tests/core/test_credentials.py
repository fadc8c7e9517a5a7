"""Client credentials: what is taken, what is refused without being shown, and from where."""

import codecs
import contextvars
import copy
import os
import pickle
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import attrs
import pytest

import setle
from setle._credentials import Environment
from setle.testing import Sandbox
from tests.support import Clock, credentials_of, join_refreshes, secret_file_of
from tests.support.faults import asked, fault, named, naming, saw, times, yes

ID = "875307d2-88ce-44bb-a825-66a8a6cc3c97"
SECRET = "5f0c" * 16

# What cannot be sent, and what is said of it.
BAD_VALUES = [
    ("", "is missing or empty"),
    (" ", "is missing or empty"),
    ("\n", "is missing or empty"),
    ("sho\nwn", "contains a line break"),
    ("sho\rwn", "contains a line break"),
    ("\nshown", "contains a line break"),
    ("shown \n", "begins or ends with a blank"),
    ("shöwn", "is not ASCII"),
    ("shown\u200b", "is not ASCII"),
    (" shown", "begins or ends with a blank"),
    ("shown ", "begins or ends with a blank"),
    ("shown\t", "begins or ends with a blank"),
    ("sho\x00wn", "contains a control character"),
    ("sho\x7fwn", "contains a control character"),
]
bad_values = pytest.mark.parametrize(("value", "problem"), BAD_VALUES)
# No variable can hold a null byte.
bad_variables = pytest.mark.parametrize(
    ("value", "problem"), [pair for pair in BAD_VALUES if "\x00" not in pair[0]]
)


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start without the developer's own settings."""
    for name in [name for name in os.environ if name.startswith("SETLE_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def env(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, object], None]:
    """Return a function that sets a variable."""
    return lambda name, value: monkeypatch.setenv(name, str(value))


def refused(make: Callable[[], object]) -> str:
    with pytest.raises(setle.ConfigurationError) as caught:
        make()
    assert shown(str(caught.value)) == "value shown: no"
    return str(caught.value)


def shown(message: str) -> str:
    return f"value shown: {yes(any(piece in message for piece in ('sho', 'own', SECRET)))}"


def source_of(credentials: Any, sandbox: Sandbox) -> setle.TokenSource:
    return setle.TokenSource(
        credentials, base_url=sandbox.base_url, store=setle.MemoryTokenStore(), verify_ssl=False
    )


@pytest.mark.parametrize("value", ["a", "a b", "XaX", "a:b=c/d+e~", '"\\', SECRET])
def test_good_value(value: str) -> None:
    """Whatever a header can carry unchanged is taken as it is."""
    credentials = setle.ClientCredentials(value, value)
    assert (credentials.client_id, credentials.client_secret) == (value, value)


@bad_values
def test_bad_argument(value: str, problem: str) -> None:
    """A value that no header can carry is refused by the argument's name, and not shown."""
    message = refused(lambda: setle.ClientCredentials(value, SECRET))
    assert message.startswith("client_id ")
    assert problem in message
    message = refused(lambda: setle.ClientCredentials(ID, value))
    assert message.startswith("client_secret ")
    assert problem in message


@pytest.mark.parametrize("value", [None, 5, b"shown", ["shown"]])
def test_no_string(value: Any) -> None:
    """A value that is no string is refused."""
    assert "client_id is not a string" in refused(lambda: setle.ClientCredentials(value, SECRET))
    assert "client_secret is not a string" in refused(lambda: setle.ClientCredentials(ID, value))


def test_variables(env: Callable[[str, object], None]) -> None:
    """Both come from the environment."""
    env("SETLE_CLIENT_ID", ID)
    env("SETLE_CLIENT_SECRET", SECRET)
    assert setle.ClientCredentials.from_env() == setle.ClientCredentials(ID, SECRET)


@pytest.mark.parametrize("beginning", [b"", codecs.BOM_UTF8], ids=["", "a mark of UTF-8"])
@pytest.mark.parametrize("ending", ["", "\n", "\r\n", "\n\n"])
@pytest.mark.parametrize("other", [None, ""])
def test_secret_file(
    beginning: bytes,
    ending: str,
    other: str | None,
    tmp_path: Path,
    env: Callable[[str, object], None],
) -> None:
    """The secret comes from a file, without what editors put around it."""
    file = tmp_path / "secret"
    file.write_bytes(beginning + (SECRET + ending).encode())
    env("SETLE_CLIENT_ID", ID)
    env("SETLE_CLIENT_SECRET_FILE", file)
    if other is not None:
        env("SETLE_CLIENT_SECRET", other)
    assert setle.ClientCredentials.from_env().client_secret == SECRET


def test_secret_file_in_the_home(
    tmp_path: Path, env: Callable[[str, object], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tilde stands for the home, as in the name of a store."""
    (tmp_path / "secret").write_text(SECRET)
    monkeypatch.setenv("HOME", str(tmp_path))
    env("SETLE_CLIENT_ID", ID)
    env("SETLE_CLIENT_SECRET_FILE", "~/secret")
    assert setle.ClientCredentials.from_env().client_secret == SECRET


def test_secret_file_in_no_home(env: Callable[[str, object], None]) -> None:
    """A home that there is not is an error that names the setting."""
    env("SETLE_CLIENT_ID", ID)
    env("SETLE_CLIENT_SECRET_FILE", "~nobody-of-this-name/secret")
    message = refused(setle.ClientCredentials.from_env)
    assert "SETLE_CLIENT_SECRET_FILE names (~nobody-of-this-name/secret) cannot be read" in message
    assert "Could not determine home directory" in message


def test_secret_file_is_read_anew(tmp_path: Path, env: Callable[[str, object], None]) -> None:
    """A secret that was rotated in its file is picked up."""
    file = tmp_path / "secret"
    env("SETLE_CLIENT_ID", ID)
    env("SETLE_CLIENT_SECRET_FILE", file)
    file.write_text("old")
    assert setle.ClientCredentials.from_env().client_secret == "old"
    file.write_text("new")
    assert setle.ClientCredentials.from_env().client_secret == "new"


@fault(
    "Configuration",
    "a variable with credentials that is empty, of two lines, or has a blank at its end",
    "refused by the variable's name, and not shown",
)
@bad_variables
@pytest.mark.parametrize("name", ["SETLE_CLIENT_ID", "SETLE_CLIENT_SECRET"])
def test_bad_variable(
    name: str, value: str, problem: str, env: Callable[[str, object], None]
) -> None:
    """A variable that cannot be used is named, and its value is not shown."""
    env("SETLE_CLIENT_ID", ID)
    env("SETLE_CLIENT_SECRET", SECRET)
    env(name, value)
    message = refused(setle.ClientCredentials.from_env)
    assert message.startswith(name + " ")
    assert problem in message
    saw("ConfigurationError", naming(message, name), shown(message))


@fault(
    "Configuration",
    "`SETLE_CLIENT_ID` or `SETLE_CLIENT_SECRET` is not set",
    "refused by the variable's name",
)
@pytest.mark.parametrize("name", ["SETLE_CLIENT_ID", "SETLE_CLIENT_SECRET"])
def test_missing_variable(name: str, env: Callable[[str, object], None]) -> None:
    """A variable that is missing is named."""
    for other in {"SETLE_CLIENT_ID", "SETLE_CLIENT_SECRET"} - {name}:
        env(other, "a")
    message = refused(setle.ClientCredentials.from_env)
    assert message.startswith(f"{name} is missing")
    saw("ConfigurationError", naming(message, name))


@fault(
    "Configuration",
    "the secret's file is empty, of two lines, not UTF-8, or has a byte order mark",
    "the file's variable is named, and its content not shown",
)
@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "is missing or empty"),
        (b"\r\n", "is missing or empty"),
        (b"sho\nwn\n", "contains a line break"),
        (b"shown \n", "begins or ends with a blank"),
        ("shown\ufeff".encode(), "is not ASCII"),
        (b"sho\xffwn", "is not text in UTF-8"),
        (b"sho\x00wn", "contains a control character"),
    ],
)
def test_bad_secret_file(
    content: bytes,
    problem: str,
    tmp_path_factory: pytest.TempPathFactory,
    env: Callable[[str, object], None],
) -> None:
    """A file that holds no secret is named by its variable, and its content is not shown."""
    file = tmp_path_factory.mktemp("mounted") / "secret"
    file.write_bytes(content)
    env("SETLE_CLIENT_ID", ID)
    env("SETLE_CLIENT_SECRET_FILE", file)
    message = refused(setle.ClientCredentials.from_env)
    assert "the file that SETLE_CLIENT_SECRET_FILE names " in message
    assert problem in message
    saw("ConfigurationError", naming(message, "SETLE_CLIENT_SECRET_FILE"), shown(message))


def test_empty_secret_file(tmp_path: Path, env: Callable[[str, object], None]) -> None:
    """It is the file that lacks something; nobody is led to put the secret into the variable."""
    file = tmp_path / "secret"
    file.touch()
    env("SETLE_CLIENT_ID", ID)
    env("SETLE_CLIENT_SECRET_FILE", file)
    message = refused(setle.ClientCredentials.from_env)
    assert message.startswith("the content of the file that SETLE_CLIENT_SECRET_FILE names is")


@fault(
    "Configuration",
    "`SETLE_CLIENT_SECRET_FILE` names no file, a folder, or is the secret itself",
    "the variable is named; what is no path is not shown",
)
@pytest.mark.parametrize(
    ("path", "problem"),
    [("shown", "No such file"), (".", "Is a directory"), (SECRET * 10, "File name too long")],
)
def test_unreadable_secret_file(
    path: str, problem: str, env: Callable[[str, object], None]
) -> None:
    """What is no path is not shown: somebody may have put the secret there."""
    env("SETLE_CLIENT_ID", ID)
    env("SETLE_CLIENT_SECRET_FILE", path)
    message = refused(setle.ClientCredentials.from_env)
    assert "SETLE_CLIENT_SECRET_FILE names cannot be read" in message
    assert problem in message
    saw("ConfigurationError", naming(message, "SETLE_CLIENT_SECRET_FILE"), shown(message))


@pytest.mark.parametrize("path", ["/run/secrets/setle", "secrets/setle", "secrets\\setle"])
def test_path_of_an_unreadable_secret_file(path: str, env: Callable[[str, object], None]) -> None:
    """What is a path is shown, so that the file that is missing can be put there."""
    env("SETLE_CLIENT_ID", ID)
    env("SETLE_CLIENT_SECRET_FILE", path)
    message = refused(setle.ClientCredentials.from_env)
    assert f"SETLE_CLIENT_SECRET_FILE names ({path}) cannot be read: No such file" in message


def test_the_environment_shows_no_secret(env: Callable[[str, object], None]) -> None:
    """Nor does what a client remembers of it."""
    env("SETLE_CLIENT_SECRET", SECRET)
    assert SECRET not in repr(Environment.read())


def test_both_set(tmp_path: Path, env: Callable[[str, object], None]) -> None:
    """Two secrets are one too many."""
    env("SETLE_CLIENT_ID", ID)
    env("SETLE_CLIENT_SECRET", SECRET)
    env("SETLE_CLIENT_SECRET_FILE", tmp_path)
    message = refused(setle.ClientCredentials.from_env)
    assert "SETLE_CLIENT_SECRET and SETLE_CLIENT_SECRET_FILE are both set" in message


def test_missing_at_once(setle_sandbox: Sandbox) -> None:
    """A source without credentials says so when it is made."""
    assert refused(lambda: source_of(None, setle_sandbox)).startswith("SETLE_CLIENT_ID ")


@fault(
    "Configuration", "the environment changes between two clients", "no tenant gets another's token"
)
def test_a_source_keeps_the_variables_it_was_made_with(
    setle_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Variables that change later are those of the next source: no tenant gets another's token."""
    tokens = []
    sources = []
    for client_id in (setle_sandbox.client_id, ID):
        setle_sandbox.client_id = client_id
        monkeypatch.setenv("SETLE_CLIENT_ID", client_id)
        monkeypatch.setenv("SETLE_CLIENT_SECRET", setle_sandbox.client_secret)
        sources.append(source_of(None, setle_sandbox))
        tokens.append(sources[-1].get_token())
    assert [source.get_token() for source in sources] == tokens
    assert tokens[0] != tokens[1]
    monkeypatch.delenv("SETLE_CLIENT_ID")
    sources[1].invalidate(tokens[1])
    sources[1].get_token()
    assert setle_sandbox.tokens_issued == 3
    saw(f"{len({*tokens})} tokens for {len(sources)} tenants, each kept its own")


@fault(
    "Configuration",
    "the secret is rotated, and its file later",
    "refused until the file has changed, then taken at once",
)
def test_a_secret_file_that_is_rotated_is_picked_up(
    setle_sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A source reads the file again for each token request, and after a refusal at once."""
    file = secret_file_of(setle_sandbox, tmp_path, monkeypatch)
    source = source_of(None, setle_sandbox)
    source.invalidate(source.get_token())
    setle_sandbox.rotate_secret()
    for _ in range(2):
        with pytest.raises(setle.TokenRejectedError) as caught:
            source.get_token()
    file.write_text(setle_sandbox.client_secret)
    token = source.get_token()
    assert setle_sandbox.token_requests == 3
    saw(f"{named(caught.value)}, then {named(token)}", asked(setle_sandbox))


Shared: TypeAlias = Callable[..., setle.TokenSource]


@pytest.fixture
def shared(setle_sandbox: Sandbox) -> Shared:
    """Return a function that makes sources with one store."""
    return partial(
        setle.TokenSource, base_url=setle_sandbox.base_url, store=setle.MemoryTokenStore()
    )


def test_a_token_of_the_secret_before_is_dropped(
    setle_sandbox: Sandbox, shared: Shared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a leak, though another source has taken it over with the new secret."""
    file = secret_file_of(setle_sandbox, tmp_path, monkeypatch)
    source = shared()
    leaked = source.get_token()
    setle_sandbox.rotate_secret()
    file.write_text(setle_sandbox.client_secret)
    other = shared()
    assert other.current_token() == leaked
    source.invalidate(leaked)
    assert other.current_token() is source.current_token() is None
    assert source.get_token() == other.get_token() != leaked
    assert setle_sandbox.token_requests == 2


def test_a_source_that_has_not_asked_yet_drops_the_token(
    setle_sandbox: Sandbox, shared: Shared
) -> None:
    """It is the one that the same callable has led another source to."""
    provide = partial(credentials_of, setle_sandbox)
    first, second = (shared(provide) for _ in range(2))
    token = first.get_token()
    assert second.current_token() == token
    second.invalidate(token)
    assert first.get_token() != token


def test_a_token_that_its_callable_has_left_behind_is_dropped(
    setle_sandbox: Sandbox, shared: Shared, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """An early refresh has led to another client; the token before is served till it is stale."""
    provide = partial(credentials_of, setle_sandbox)
    source = shared(provide)
    before = source.get_token()
    clock.go_on(3425)
    setle_sandbox.client_id = ID
    source.get_token()
    join_refreshes()
    assert source.get_token() == before != source.current_token()
    caplog.set_level("INFO", "setle")
    assert source.report_rejection(before.value)
    assert f"access token {before.fingerprint} dropped" in caplog.text
    assert source.get_token() == source.current_token() != before
    assert setle_sandbox.token_requests == 2


def test_invalidate_drops_a_token_left_behind_soon_after_another(
    setle_sandbox: Sandbox, shared: Shared, clock: Clock
) -> None:
    """As above, and the one before it was dropped a moment ago, by a source that stayed."""
    provide = partial(credentials_of, setle_sandbox)
    stayed = provide()
    fixed = shared(stayed)
    source = shared(provide)
    source.get_token()
    clock.go_on(3425)
    setle_sandbox.client_id = ID
    source.get_token()
    join_refreshes()
    setle_sandbox.client_id = stayed.client_id
    fixed.invalidate(fixed.get_token())
    token = fixed.get_token()
    assert source.get_token() == token
    source.invalidate(token)
    assert fixed.current_token() is None


@pytest.mark.usefixtures("no_jitter")
def test_a_source_that_is_made_with_a_mended_file_is_not_held_back(
    setle_sandbox: Sandbox, shared: Shared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its way to the credentials has just read the file, and follow clears the failure."""
    file = secret_file_of(setle_sandbox, tmp_path, monkeypatch)
    source = shared()
    file.unlink()
    with pytest.raises(setle.ConfigurationError):
        source.get_token()
    file.write_text(setle_sandbox.client_secret)
    assert shared().get_token() == source.get_token()


@fault(
    "Configuration",
    "the secret's file goes away while the process runs",
    "named when a token is needed; nothing is sent",
)
def test_a_secret_file_that_goes_later(
    setle_sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that is gone when a token is needed is a configuration error there."""
    file = tmp_path / "secret"
    file.write_text(SECRET)
    monkeypatch.setenv("SETLE_CLIENT_ID", ID)
    monkeypatch.setenv("SETLE_CLIENT_SECRET_FILE", str(file))
    source = source_of(None, setle_sandbox)
    file.unlink()
    with pytest.raises(setle.ConfigurationError, match="SETLE_CLIENT_SECRET_FILE names") as caught:
        source.get_token()
    assert setle_sandbox.token_requests == 0
    saw(named(caught.value), asked(setle_sandbox))


@pytest.mark.parametrize("credentials", ["shown", ("shown", SECRET), {"shown": SECRET}, 5])
def test_wrong_type(credentials: Any, setle_sandbox: Sandbox) -> None:
    """What is neither credentials nor a callable is refused by the name of its type."""
    message = refused(lambda: source_of(credentials, setle_sandbox))
    assert message.endswith(f"not {type(credentials).__name__}")


def test_key_has_nothing_to_guess() -> None:
    """The name under which tokens are shared is a hash of URL, id and secret."""
    keys = {
        setle.ClientCredentials(*pair).key(url)
        for pair in [("a", "b"), ("a", "c"), ("b", "b"), ("ab", "b")]
        for url in ("https://one.example", "https://two.example")
    }
    assert len(keys) == 8
    assert all(len(key) == 64 and set(key) <= set("0123456789abcdef") for key in keys)


def test_repr_has_no_secret() -> None:
    """The representation shows the id and not the secret."""
    credentials = setle.ClientCredentials(ID, SECRET)
    assert ID in repr(credentials)
    for text in (repr(credentials), str(credentials), f"{credentials}", repr([credentials])):
        assert SECRET not in text


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
def test_copies_are_the_same(copied: Callable[[object], object]) -> None:
    """Nothing in credentials changes, so that settings which hold them may be copied."""
    credentials = setle.ClientCredentials(ID, SECRET)
    assert copied({"credentials": credentials}) == {"credentials": credentials}
    assert copied(credentials) is credentials
    assert attrs.asdict(credentials) == {"client_id": ID, "client_secret": SECRET}


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_no_pickle(protocol: int) -> None:
    """Pickling is refused, saying what to do instead."""
    with pytest.raises(TypeError, match="from_env"):
        pickle.dumps(setle.ClientCredentials(ID, SECRET), protocol)


def test_frozen() -> None:
    """Credentials do not change; others are other credentials."""
    credentials = setle.ClientCredentials(ID, SECRET)
    with pytest.raises(AttributeError):
        credentials.client_secret = "other"  # type: ignore[misc] # the mistake
    assert credentials == setle.ClientCredentials(ID, SECRET)
    assert credentials != setle.ClientCredentials(ID, "other")


def test_callable_is_called_for_each_request(setle_sandbox: Sandbox) -> None:
    """A callable is called before each token request and not for a fresh token."""
    calls: list[None] = []

    def provide() -> setle.ClientCredentials:
        calls.append(None)
        return credentials_of(setle_sandbox)

    source = source_of(provide, setle_sandbox)
    assert calls == []
    for expected in (1, 2):
        token = source.get_token()
        assert source.get_token() is token
        assert len(calls) == setle_sandbox.token_requests == expected
        source.invalidate(token)


def test_callable_runs_elsewhere(setle_sandbox: Sandbox) -> None:
    """A callable runs in another thread, without the context variables of whoever came first."""
    variable = contextvars.ContextVar("variable", default="unset")
    variable.set("the caller's")
    seen: list[object] = []

    def provide() -> setle.ClientCredentials:
        seen.extend([variable.get(), threading.current_thread()])
        return credentials_of(setle_sandbox)

    source_of(provide, setle_sandbox).get_token()
    value, thread = seen
    assert value == "unset"
    assert thread is not threading.current_thread()


@fault(
    "Callables and foreign code",
    "your callable raises an error whose text holds the secret",
    "one typed error that tells its type alone",
)
def test_callable_raises(setle_sandbox: Sandbox) -> None:
    """What a callable raises is told by its type alone, as its text may hold anything."""

    def provide() -> setle.ClientCredentials:
        raise LookupError(f"no vault for {SECRET}")

    source = source_of(provide, setle_sandbox)
    with pytest.raises(setle.TokenUnavailableError, match="raised LookupError") as caught:
        source.get_token()
    assert SECRET not in str(caught.value)
    assert setle_sandbox.token_requests == 0
    saw(named(caught.value), shown(str(caught.value)), asked(setle_sandbox))


@fault(
    "Callables and foreign code",
    "a vault behind your callable is down, and 50 calls",
    "it is asked once, and again after a second",
)
@pytest.mark.parametrize("known", [False, True])
def test_a_callable_that_fails_backs_off(setle_sandbox: Sandbox, clock: Clock, known: bool) -> None:
    """A vault that is down is not asked by each call, whether it has ever answered or not."""
    calls: list[None] = []
    down = not known

    def provide() -> setle.ClientCredentials:
        calls.append(None)
        if down:
            raise OSError
        return credentials_of(setle_sandbox)

    source = source_of(provide, setle_sandbox)
    if known:
        source.invalidate(source.get_token())
        calls.clear()
        down = True
    errors = []
    for _ in range(50):
        with pytest.raises(setle.TokenUnavailableError, match="raised OSError") as caught:
            source.get_token()
        errors.append(caught.value)
    assert len(calls) == 1
    assert [error.held_back for error in errors] == [False] + [True] * 49
    down = False
    clock.go_on(1)
    token = source.get_token()
    assert len(calls) == 2
    saw(
        f"{times(len(errors), 'call')}: {named(errors[0])}",
        f"then {named(token)}",
        f"the vault was asked {times(len(calls), 'time')}",
    )


class SilentError(setle.TokenUnavailableError):
    """One of a user's, whose constructor does not call ours."""

    def __init__(self) -> None: ...


BUSY = setle.TokenUnavailableError("the vault is busy", status_code=503, retry_after=60.0)


@pytest.mark.parametrize("error", [OSError, SilentError, BUSY])
def test_a_callable_that_fails_holds_no_other_up(setle_sandbox: Sandbox, error: Any) -> None:
    """Its back-off is its own, though the token would be the same."""
    good = credentials_of(setle_sandbox)
    store = setle.MemoryTokenStore()
    down = False

    def provide() -> setle.ClientCredentials:
        if down:
            raise error
        return good

    vault, fixed = (
        setle.TokenSource(credentials, base_url=setle_sandbox.base_url, store=store)
        for credentials in (provide, good)
    )
    vault.invalidate(vault.get_token())
    down = True
    with pytest.raises(setle.TokenUnavailableError):
        vault.get_token()
    token = fixed.get_token()
    assert vault.get_token() == token
    assert setle_sandbox.token_requests == 2


@fault(
    "Callables and foreign code",
    "your callable returns None, a text or a tuple",
    "a configuration error that names the type",
)
@pytest.mark.parametrize("result", [None, "shown", ("shown", SECRET), object()])
def test_callable_returns_something_else(result: Any, setle_sandbox: Sandbox) -> None:
    """A callable that returns no credentials is a configuration error."""
    source = source_of(lambda: result, setle_sandbox)
    said = refused(source.get_token)
    assert f"returns them, not {type(result).__name__};" in said
    assert setle_sandbox.token_requests == 0
    saw("ConfigurationError", naming(said, type(result).__name__), asked(setle_sandbox))


def test_callable_is_async(setle_sandbox: Sandbox) -> None:
    """Nobody awaits what an async callable returns, and Python does not complain either."""

    async def provide() -> setle.ClientCredentials:
        raise AssertionError("never awaited")

    assert "returns them, not coroutine;" in refused(source_of(provide, setle_sandbox).get_token)


class VaultError(setle.ConfigurationError):
    """As a package around this one may have."""


class DownError(setle.TokenUnavailableError, ConnectionError):
    """The same, of an error that is the system's as well."""


@pytest.mark.usefixtures("no_jitter")
@pytest.mark.parametrize("kind", [VaultError, DownError])
def test_callable_raises_an_error_of_ours(
    setle_sandbox: Sandbox, kind: type[setle.SetleError]
) -> None:
    """It reaches the caller as it is, and holds the next call up."""

    def provide() -> setle.ClientCredentials:
        raise kind("no such path")

    source = source_of(provide, setle_sandbox)
    for words in (r"^no such path", r"^a refresh failed before: no such path"):
        with pytest.raises(kind, match=rf"{words}; not asked again for 1 s$"):
            source.get_token()


def test_rotated_secret(setle_sandbox: Sandbox) -> None:
    """A rotated secret is picked up with the next token request."""
    source = source_of(lambda: credentials_of(setle_sandbox), setle_sandbox)
    token = source.get_token()
    setle_sandbox.rotate_secret()
    source.invalidate(token)
    assert source.get_token().value != token.value
    assert setle_sandbox.tokens_issued == setle_sandbox.token_requests == 2


def test_refusal_holds_until_the_credentials_change(setle_sandbox: Sandbox) -> None:
    """Refused credentials are not tried again at once, others are."""
    secrets = ["wrong", setle_sandbox.client_secret]
    source = source_of(
        lambda: setle.ClientCredentials(setle_sandbox.client_id, secrets[0]), setle_sandbox
    )
    for _ in range(3):
        with pytest.raises(setle.TokenRejectedError):
            source.get_token()
    assert setle_sandbox.token_requests == 1
    del secrets[0]
    source.get_token()
    assert setle_sandbox.token_requests == 2
