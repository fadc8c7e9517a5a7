"""What goes in with a secret, what comes out without one, and errors that stay what they are."""

import asyncio
import copy
import gc
import inspect
import pickle
import traceback
import weakref
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, NoReturn

import attrs
import httpx
import pytest

import setle
from setle.testing import Answer, Sandbox
from tests.support import Clock, all_at_once, credentials_of, source_of
from tests.support.faults import fault, saw, yes
from tests.support.worlds import ESTATES, connect_to

pytestmark = pytest.mark.usefixtures("no_jitter")

ID = "875307d2-88ce-44bb-a825-66a8a6cc3c97"
SECRET = "5f0c" * 16
PASSWORD = "p4ssw0rd"
REDIS = f"redis://user:{PASSWORD}@127.0.0.1:9/0"
PROXY = f"http://user:{PASSWORD}@127.0.0.1:9"


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\n\n", "\r"])
@pytest.mark.parametrize(
    "name",
    ["SETLE_CLIENT_ID", "SETLE_CLIENT_SECRET", "SETLE_CLIENT_SECRET_FILE", "argument", "file"],
)
def test_line_breaks_at_the_end_are_left_off(
    name: str, ending: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mounted secret ends in one, and so does what echo writes."""
    values = {"SETLE_CLIENT_ID": ID, "SETLE_CLIENT_SECRET": SECRET}
    if name in values:
        values[name] += ending
    elif "file" in name.lower():
        file = tmp_path / "X"
        file.write_bytes((SECRET + (ending if name == "file" else "")).encode())
        path = str(file) + ("" if name == "file" else ending)
        values = {"SETLE_CLIENT_ID": ID, "SETLE_CLIENT_SECRET_FILE": path}
    for variable, value in values.items():
        monkeypatch.setenv(variable, value)
    if name == "argument":
        found = setle.ClientCredentials(ID + ending, SECRET + ending)
    else:
        found = setle.ClientCredentials.from_env()
    assert found == setle.ClientCredentials(ID, SECRET)
    assert found.client_secret == SECRET


@pytest.mark.parametrize("value", [f"5f0c\n{SECRET}", f"\n{SECRET}", f"{SECRET}\r\n5f0c", "\n"])
def test_line_breaks_elsewhere_are_refused(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has pasted two lines learns of it, and sees neither of them."""
    monkeypatch.setenv("SETLE_CLIENT_ID", ID)
    monkeypatch.setenv("SETLE_CLIENT_SECRET", value)
    for make in (
        setle.ClientCredentials.from_env,
        setle.connect,
        lambda: setle.ClientCredentials(ID, value),
    ):
        with pytest.raises(setle.ConfigurationError) as caught:
            make()
        assert "5f0c" not in str(caught.value)


def test_credentials_are_copied() -> None:
    """By copy, deepcopy, attrs.evolve and attrs.asdict, alone and in what holds them."""
    credentials: Any = setle.ClientCredentials(ID, SECRET)
    assert copy.copy(credentials) == credentials
    assert copy.deepcopy({"tenants": [credentials]}) == {"tenants": [credentials]}
    assert attrs.asdict(credentials) == {"client_id": ID, "client_secret": SECRET}
    assert attrs.astuple(credentials) == (ID, SECRET)
    other = attrs.evolve(credentials, client_secret="new\n")
    assert other == setle.ClientCredentials(ID, "new")
    assert credentials.client_secret == SECRET

    @attrs.define
    class Settings:
        setle: setle.ClientCredentials

    assert attrs.asdict(Settings(credentials))["setle"]["client_id"] == ID
    assert SECRET not in repr(Settings(credentials))
    with pytest.raises(setle.ConfigurationError):
        attrs.evolve(credentials, client_secret="")


def frames(error: BaseException | None) -> Iterator[str]:
    """Return every local variable of our own frames in all that *error* hangs on to."""
    package = Path(inspect.getfile(setle)).parent
    seen: set[int] = set()
    links = [error]
    while links:
        link = links.pop()
        if link is None or id(link) in seen:
            continue
        seen.add(id(link))
        links += [link.__cause__, link.__context__]
        yield f"{link} {link!r} {vars(link)}"
        for frame, _ in traceback.walk_tb(link.__traceback__):
            # Frames of others as well, but for the tests' own.
            if package in Path(frame.f_code.co_filename).parents:
                yield from (f"{name} = {value!r}" for name, value in frame.f_locals.items())


def shown(call: Callable[[], object], kind: type[Exception] = setle.SetleError) -> str:
    """Return all that an error reporter would send of the error that *call* raises."""
    try:
        call()
    except kind as error:
        traceback.TracebackException.from_exception(error, capture_locals=True)
        return "\n".join(frames(error))
    pytest.fail("nothing went wrong")


def both_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SETLE_CLIENT_ID", ID)
    monkeypatch.setenv("SETLE_CLIENT_SECRET", SECRET)
    monkeypatch.setenv("SETLE_CLIENT_SECRET_FILE", f"/nowhere/{SECRET}"[:8])


def blank_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SETLE_CLIENT_ID", ID)
    monkeypatch.setenv("SETLE_CLIENT_SECRET", SECRET + " ")


def no_client_id(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SETLE_CLIENT_SECRET", SECRET)


def secret_for_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SETLE_CLIENT_ID", ID)
    monkeypatch.setenv("SETLE_CLIENT_SECRET_FILE", SECRET)


@fault(
    "Secrets",
    "an environment that cannot be used, and an error reporter that sends local variables",
    "no secret and no password in any frame of the package",
)
@pytest.mark.parametrize("store", [None, REDIS])
@pytest.mark.parametrize("make", [setle.connect, setle.TokenSource])
@pytest.mark.parametrize(
    "environment", [both_set, blank_at_the_end, no_client_id, secret_for_a_file]
)
def test_no_secret_in_the_frames_of_an_unusable_environment(
    environment: Callable[[pytest.MonkeyPatch], None],
    make: Callable[..., object],
    store: str | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Error reporters send what local variables hold: not the secret, a URL or a proxy's."""
    environment(monkeypatch)
    if store is not None:
        monkeypatch.setenv("SETLE_TOKEN_STORE", store)
    text = shown(lambda: make(httpx_args={"proxy": PROXY}))
    assert "SETLE_CLIENT_" in text
    assert SECRET not in text
    assert PASSWORD not in text
    saw(f"secret shown: {yes(SECRET in text)}", f"password shown: {yes(PASSWORD in text)}")


@pytest.mark.parametrize(
    "environment", [both_set, blank_at_the_end, no_client_id, secret_for_a_file]
)
def test_no_secret_in_the_frames_of_from_env(
    environment: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same for whoever reads the environment themselves."""
    environment(monkeypatch)
    assert SECRET not in shown(setle.ClientCredentials.from_env)


@pytest.mark.parametrize("value", [SECRET + " ", f"{SECRET}\n5", f"{SECRET}é"])
def test_no_secret_in_the_frames_of_refused_credentials(value: str) -> None:
    """Nor of what is passed by hand."""
    assert SECRET not in shown(lambda: setle.ClientCredentials(ID, value))
    assert SECRET not in shown(lambda: setle.ClientCredentials("", client_secret=value))


@pytest.mark.parametrize("make", [setle.connect, setle.TokenSource])
@pytest.mark.parametrize(
    "more",
    [
        {"base_url": f"https://user:{PASSWORD}@setle.example"},
        {"base_url": f"http://user:{PASSWORD}@setle.example"},
        {"store": REDIS.replace("redis:", "rediss+:")},
        {"store": REDIS.replace(":9/", ":port/")},
        {"store": REDIS, "httpx_args": {"proxy": PROXY, "transport": 7}},
        {"store": REDIS, "httpx_args": {"proxy": f"http://u:{PASSWORD}#@127.0.0.1:9"}},
        {"store": REDIS, "httpx_args": {"proxy": PROXY, "verify": "/nowhere/ca.pem"}},
        {"store": REDIS, "httpx_args": {"proxy": PROXY, "cert": "/nowhere/c.pem"}},
    ],
)
@pytest.mark.filterwarnings("ignore:.*deprecated:DeprecationWarning")
def test_no_secret_in_the_frames_of_an_unusable_argument(
    make: Callable[..., object], more: dict[str, Any]
) -> None:
    """Whatever is wrong, and whatever else was passed."""
    credentials = setle.ClientCredentials(ID, SECRET)
    text = shown(lambda: make(credentials, **more))
    assert SECRET not in text
    assert PASSWORD not in text


@pytest.mark.parametrize("url", [REDIS.replace(":9/", ":port/"), REDIS + "?socket_timeout=soon"])
def test_no_secret_in_the_frames_of_an_unusable_store(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the argument, the variable or the class itself."""
    monkeypatch.setenv("SETLE_TOKEN_STORE", url)
    credentials = setle.ClientCredentials(ID, SECRET)
    for make in (
        lambda: setle.connect(credentials),
        lambda: setle.connect(credentials, store=url),
        lambda: setle.TokenSource(credentials),
        lambda: setle.RedisTokenStore.from_url(url),
    ):
        assert PASSWORD not in shown(make)


def test_no_secret_in_the_frames_of_a_misspelt_argument() -> None:
    """A TypeError is Python's own, and our frame in it holds nothing."""
    wrong: dict[str, Any] = {"store": REDIS, "timeuot": 1.0}
    credentials = setle.ClientCredentials(ID, SECRET)
    assert PASSWORD not in shown(lambda: setle.connect(credentials, **wrong), TypeError)
    assert PASSWORD not in shown(lambda: setle.TokenSource(credentials, **wrong), TypeError)
    named: dict[str, Any] = {"client_id": ID, "secret": SECRET}
    assert SECRET not in shown(lambda: setle.ClientCredentials(**named), TypeError)


@pytest.mark.parametrize(
    "answer",
    [
        Answer(401, json={"message": SECRET}),
        Answer(503),
        Answer(200, json=[SECRET]),
        Answer(200, body=SECRET.encode()),
        Answer(hang_up=True),
    ],
)
def test_no_secret_in_the_frames_of_a_call_without_a_token(
    sandbox: Sandbox, answer: Answer
) -> None:
    """Sync and async, fresh and held back, through connect() and a source."""
    sandbox.client_secret = SECRET
    sandbox.script_token(*[answer] * 12)
    args = {
        "headers": {"X-Key": PASSWORD},
        "mounts": {"https://": httpx.HTTPTransport(proxy=PROXY)},
    }
    with connect_to(sandbox, httpx_args=args, token_timeout=1.0) as client:
        source = source_of(sandbox, timeout=1.0)

        async def call() -> None:
            async with client:
                await client.get_async_httpx_client().get(ESTATES)

        for failing in (
            lambda: client.get_httpx_client().get(ESTATES),
            source.get_token,
            lambda: asyncio.run(source.aget_token()),
        ):
            for _ in range(2):
                text = shown(failing, setle.TokenError)
                assert SECRET not in text
                assert PASSWORD not in text


def test_no_secret_in_the_frames_of_what_a_callable_raises(sandbox: Sandbox) -> None:
    """Neither its words nor its frames, as nobody knows what a vault's client puts there."""

    def credentials() -> NoReturn:
        secret = SECRET
        raise OSError(f"vault: {secret}")

    text = shown(source_of(sandbox, credentials=credentials).get_token)
    assert "OSError" in text
    assert SECRET not in text


@pytest.mark.parametrize(
    "wrong",
    [{"value": f"{SECRET}\n"}, {"lifetime": Decimal(60)}, {"expires_at": 0.0}],
    ids=lambda wrong: next(iter(wrong)),
)
def test_no_token_in_the_frames_of_one_that_cannot_be(wrong: dict[str, Any]) -> None:
    """As a store of the user's may make one of what it has read."""
    parts = {"value": SECRET, "expires_at": datetime.now(UTC), "lifetime": 60.0, **wrong}
    assert SECRET not in shown(lambda: setle.AccessToken(**parts), ValueError)


class Watched(setle.TokenSource):
    """A source whose subclass looks at it before it is made."""

    __slots__ = ("seen",)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.seen = repr(self)
        super().__init__(*args, **kwargs)


def test_a_half_made_source_can_be_shown(sandbox: Sandbox) -> None:
    """Debuggers and error reporters do so while it is being made, and after that has failed."""
    source = Watched(credentials_of(sandbox), base_url=sandbox.base_url)
    assert source.seen == "<TokenSource base_url=None>"
    assert repr(source) == f"<TokenSource base_url={sandbox.base_url!r}>"
    with pytest.raises(setle.ConfigurationError) as caught:
        Watched(credentials_of(sandbox), base_url="nowhere")
    traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    assert "base_url=None" in repr(setle.TokenSource.__new__(setle.TokenSource))


class VaultError(setle.SetleError):
    """An error of the user's, made in a way of its own."""

    def __init__(self, tenant: str, *, code: int) -> None:
        super().__init__(f"no secret for {tenant}")
        self.tenant, self.code = tenant, code


class QuotaError(setle.TokenError):
    """One that takes nothing, and is a token error."""

    def __init__(self) -> None:
        super().__init__("quota", status_code=499)


class SilentError(setle.TokenUnavailableError):
    """One that leaves the constructor of ours out."""

    def __init__(self, tenant: str) -> None:
        self.tenant = tenant


class MadeError(setle.SetleError):
    """One that is made of more than it says."""

    def __new__(cls, tenant: str, code: int) -> "MadeError":
        return super().__new__(cls, tenant, code)

    def __init__(self, tenant: str, code: int) -> None:
        super().__init__(f"{tenant} has {code}")


class DiskError(setle.SetleError, OSError):
    """One that is an error of the system, too."""


class DownError(setle.TokenUnavailableError, ConnectionError):
    """The same, with a constructor of ours."""


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: VaultError("a", code=7), "no secret for a"),
        (QuotaError, "quota"),
        (lambda: SilentError("a"), "a"),
        (lambda: MadeError("a", 7), "a has 7"),
        (lambda: DiskError(28, "is full", "/x"), "[Errno 28] is full: '/x'"),
        (lambda: DownError("vault is down"), "vault is down"),
    ],
)
def test_an_error_of_the_users_own_reaches_everybody_as_it_is(
    sandbox: Sandbox, make: Callable[[], setle.SetleError], words: str
) -> None:
    """Its type, text and attributes, for every waiter in threads and tasks."""
    raised: list[setle.SetleError] = []

    def credentials() -> NoReturn:
        raised.append(make())
        raise raised[-1]

    source = source_of(sandbox, credentials=credentials)
    errors = [future.exception() for future in all_at_once(8, source.get_token)]

    async def gather() -> list[Any]:
        waiting = [source.aget_token() for _ in range(8)]
        return await asyncio.gather(*waiting, return_exceptions=True)

    for error in [*errors, *asyncio.run(gather())]:
        assert type(error) is type(raised[0])
        assert words in str(error)
        ours = {"retry_in", "held_back"}
        for name, value in vars(raised[0]).items():
            assert name in ours or getattr(error, name) == value


@pytest.mark.parametrize(
    "copied",
    [copy.copy, copy.deepcopy, lambda error: pickle.loads(pickle.dumps(error))],
    ids=["copy", "deepcopy", "pickle"],
)
def test_copies_of_errors_keep_what_they_say(
    sandbox: Sandbox, copied: Callable[[Exception], Exception]
) -> None:
    """Also how long nothing is asked, and that nothing was: pools send errors in pickles."""
    source = source_of(sandbox)
    sandbox.rotate_secret()
    for held_back in (False, True):
        with pytest.raises(setle.TokenRejectedError) as caught:
            source.get_token()
        error = caught.value
        twin = copied(error)
        assert isinstance(twin, setle.TokenRejectedError)
        assert error.held_back is held_back
        assert vars(twin) == vars(error)
        assert str(twin) == str(error)
        assert twin.retry_in is not None
        assert 25 < twin.retry_in <= 60


def test_retry_in_counts_down_and_tells_when_the_endpoint_is_asked(
    sandbox: Sandbox, clock: Clock
) -> None:
    """Whoever waits for as long as it says is answered by the endpoint, and not sooner."""
    source = source_of(sandbox)
    secret = sandbox.client_secret
    sandbox.rotate_secret()
    with pytest.raises(setle.TokenRejectedError) as caught:
        source.get_token()
    first = caught.value
    assert first.retry_in is not None
    assert "not asked again for" in str(first)
    assert "a refresh failed before" not in str(first)
    clock.go_on(10)
    with pytest.raises(setle.TokenRejectedError) as caught:
        source.get_token()
    assert caught.value.held_back
    assert str(caught.value).startswith("a refresh failed before: ")
    assert caught.value.retry_in == pytest.approx(first.retry_in - 10)
    assert sandbox.token_requests == 1
    sandbox.client_secret = secret
    clock.go_on(first.retry_in - 10 + 0.001)
    assert source.get_token().value
    assert sandbox.token_requests == 2


def test_settings_of_any_kind_back_off(sandbox: Sandbox) -> None:
    """Also those that cannot be compared by a hash, as a certificate in a list."""
    source = setle.TokenSource(
        credentials_of(sandbox),
        base_url=sandbox.base_url,
        store=setle.MemoryTokenStore(),
        timeout=1.0,
        httpx_args={"cert": ["client.pem", "key.pem"]},
    )
    sandbox.script_token(*[Answer(hang_up=True)] * 3)
    for held_back in (False, True):
        with pytest.raises(setle.TokenUnavailableError) as caught:
            source.get_token()
        assert caught.value.held_back is held_back


def test_nothing_holds_on_to_the_frames_of_an_error(sandbox: Sandbox) -> None:
    """A failed call leaves nothing of its caller behind in the back-off."""

    class Local:
        """What a caller has in a frame of theirs."""

    source = source_of(sandbox)
    sandbox.rotate_secret()

    def call() -> "weakref.ref[Local]":
        mine = Local()
        with pytest.raises(setle.TokenRejectedError):
            source.get_token()
        return weakref.ref(mine)

    left = call()
    gc.collect()
    assert left() is None


def test_token_requests_stay_on_http_1(sandbox: Sandbox) -> None:
    """As the package that HTTP/2 takes logs headers; without that package, asking for it fails."""
    source = setle.TokenSource(
        credentials_of(sandbox),
        base_url=sandbox.base_url,
        store=setle.MemoryTokenStore(),
        httpx_args={"http2": True},
    )
    assert source.get_token().value
