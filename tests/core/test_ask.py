"""The token request over a real connection: what every answer comes to, attempts, deadlines."""

import random
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import setle
from setle import _source, _time
from setle._endpoint.ask import ask
from setle.testing import Answer, Sandbox
from tests.support import Clock, join_refreshes
from tests.support.faults import asked, fault, named, naming, saw, times, yes

pytestmark = pytest.mark.usefixtures("no_jitter")

# Making one takes some 20 ms, and none of these tests needs its own.
TLS = ssl.create_default_context()
GOOD = {"access_token": "a-token", "expires_in": 3600, "token_type": "Bearer"}
SECRET = "5f0c" * 16
REJECTED = setle.TokenRejectedError
UNAVAILABLE = setle.TokenUnavailableError
UNUSABLE = setle.TokenResponseError


class RecordingStore(setle.MemoryTokenStore):
    """Remembers what was saved, and how often its lock was extended."""

    def __init__(self) -> None:
        super().__init__()
        self.saved: list[str] = []
        self.extended = 0

    def save(self, key: str, token: setle.AccessToken) -> None:
        self.saved.append(token.value)
        super().save(key, token)

    @contextmanager
    def lock(self, key: str, timeout: float) -> Iterator[Callable[[], object]]:  # type: ignore[override] # a protocol's method, which may return any context manager
        yield self.extend

    def extend(self) -> None:
        self.extended += 1


def source_of(sandbox: Sandbox, **more: Any) -> setle.TokenSource:
    credentials = setle.ClientCredentials(sandbox.client_id, sandbox.client_secret)
    options: dict[str, Any] = {"store": RecordingStore(), "verify_ssl": TLS}
    options |= {"base_url": sandbox.base_url, **more}
    return setle.TokenSource(credentials, **options)


def outcome_of(source: setle.TokenSource) -> setle.AccessToken | setle.TokenError:
    try:
        return source.get_token()
    except setle.TokenError as error:
        return error


def refused(source: setle.TokenSource) -> setle.TokenError:
    with pytest.raises(setle.TokenError) as caught:
        source.get_token()
    return caught.value


def body(**changes: object) -> Answer:
    return Answer(json={**GOOD, **changes})


def without(name: str) -> Answer:
    return Answer(json={key: value for key, value in GOOD.items() if key != name})


def raw(content: bytes, **headers: str) -> Answer:
    return Answer(body=content, headers=headers)


BAD_ANSWERS: dict[str, tuple[Answer, type[setle.TokenError], int | None]] = {
    "expires_in missing": (without("expires_in"), UNUSABLE, 200),
    **{
        f"expires_in {value!r:.20}": (body(expires_in=value), UNUSABLE, 200)
        for value in (
            *(None, True, False, 0, -1, -0.5, float("nan"), float("inf"), float("-inf")),
            *("", "0", "-5", "abc", "NaN", "inf", "1e3", " 3600", "3600 ", "٣٦٠٠", "9" * 400),
            *([3600], {"seconds": 3600}),
        )
    },
    "expires_in 1e400": (
        raw(b'{"access_token":"a","expires_in":1e400,"token_type":"Bearer"}'),
        UNUSABLE,
        200,
    ),
    "expires_in of 5,000 digits": (
        raw(b'{"access_token":"a","token_type":"Bearer","expires_in":' + b"9" * 5000 + b"}"),
        UNUSABLE,
        200,
    ),
    "access_token missing": (without("access_token"), UNUSABLE, 200),
    **{
        f"access_token {value!r}": (body(access_token=value), UNUSABLE, 200)
        for value in (
            *(None, True, 5, "", " ", "a b", " a", "a ", "a\r\nX-Evil: 1", "a\n", "a\tb", "a\x00"),
            *("é", "\ud800", ["a"], {"a": "b"}),
        )
    },
    "token_type missing": (without("token_type"), UNUSABLE, 200),
    **{
        f"token_type {value!r}": (body(token_type=value), UNUSABLE, 200)
        for value in (None, True, 5, "", "string", "mac", "Bearer ", "Bearer x", ["Bearer"])
    },
    "empty": (raw(b""), UNUSABLE, 200),
    "HTML": (raw(b"<!doctype html><p>Welcome</p>", **{"content-type": "text/html"}), UNUSABLE, 200),
    "half of it": (raw(b'{"access_token": "a-to'), UNUSABLE, 200),
    "no UTF-8": (raw(b'{"access_token": "\xff"}'), UNUSABLE, 200),
    "a list": (Answer(json=[GOOD]), UNUSABLE, 200),
    "a list of pairs": (Answer(json=[list(pair) for pair in GOOD.items()]), UNUSABLE, 200),
    "a string": (Answer(json="a-token"), UNUSABLE, 200),
    "a number": (raw(b"7"), UNUSABLE, 200),
    "null": (raw(b"null"), UNUSABLE, 200),
    "an empty object": (raw(b"{}"), UNUSABLE, 200),
    "nested too deep": (raw(b"[" * 100_000), UNUSABLE, 200),
    "not what its encoding says": (raw(b"junk", **{"content-encoding": "gzip"}), UNUSABLE, 200),
    "too large": (raw(b" " * (1 << 20) + b"{}"), UNUSABLE, 200),
    "hung up": (Answer(hang_up=True), UNAVAILABLE, None),
    "cut off": (Answer(json=GOOD, hang_up=True), UNAVAILABLE, None),
    **{
        f"status {status}": (Answer(status), UNUSABLE, status)
        for status in (201, 202, 204, 205, 206, 299, 300, 301, 302, 303, 304, 307, 308, 399)
    },
    **{
        f"status {status}": (Answer(status, json=GOOD), UNUSABLE, status)
        for status in (402, 404, 405, 406, 409, 410, 411, 418, 422, 424, 426, 451, 499)
    },
    **{f"status {status}": (Answer(status), REJECTED, status) for status in (400, 401, 403)},
    **{
        f"status {status}": (Answer(status), UNAVAILABLE, status)
        for status in (408, 425, 429, 500, 501, 502, 503, 504, 520, 555, 599)
    },
    "503 in HTML": (Answer(503, body=b"<html>"), UNAVAILABLE, 503),
    "400 in HTML": (Answer(400, body=b"<html>"), REJECTED, 400),
    "500 as a list": (Answer(500, json=[1]), UNAVAILABLE, 500),
    "401 cut off": (Answer(401, json=GOOD, hang_up=True), REJECTED, 401),
    "401 too large": (Answer(401, body=b" " * (1 << 20) + b"{}"), REJECTED, 401),
    "503 not what its encoding says": (
        Answer(503, body=b"junk", headers={"content-encoding": "gzip"}),
        UNAVAILABLE,
        503,
    ),
}
bad_answers = pytest.mark.parametrize(
    ("answer", "kind", "status"), BAD_ANSWERS.values(), ids=list(BAD_ANSWERS)
)
ONCE, AGAIN = "one typed error, and no second request", "up to three attempts, then one typed error"
NO_OBJECT = fault("Answers", "an empty answer, half of one, or JSON that is no object", ONCE)
NOT_OURS = fault("Statuses", "201, 204, 404, 422 or another status that is none of its own", ONCE)
PASSING = fault("Statuses", "408, 425, 429, or any 5xx", AGAIN)
FAULTS = {
    "expires_in ": fault(
        "Answers", "`expires_in` is missing, null, zero, negative, infinite, text or a list", ONCE
    ),
    "access_token ": fault(
        "Answers", "`access_token` is missing, null, empty, no text, or fits into no header", ONCE
    ),
    "token_type ": fault("Answers", "`token_type` is missing or another one than Bearer", ONCE),
    "HTML": fault("Answers", "a web page with 200, as of a portal that wants a login", ONCE),
    "too large": fault("Answers", "an answer of more than 1 MiB", ONCE),
    "hung up": fault("Network", "the endpoint hangs up without an answer", AGAIN),
    "cut off": fault("Network", "the connection ends in the middle of the body", AGAIN),
    **dict.fromkeys(
        ("status 400", "status 401", "status 403"),
        fault("Statuses", "400, 401 or 403: the credentials are refused", ONCE),
    ),
    **dict.fromkeys(("empty", "half of it", "no UTF-8", "a ", "null", "an ", "nested "), NO_OBJECT),
    **dict.fromkeys(("status 2", "status 4"), NOT_OURS),
    **dict.fromkeys(("status 408", "status 425", "status 429", "status 5"), PASSING),
}


def fault_of(name: str) -> list[pytest.MarkDecorator]:
    """Return the row that a bad answer belongs to, by the longest of its beginnings."""
    named = [beginning for beginning in FAULTS if name.startswith(beginning)]
    return [FAULTS[max(named, key=len)]] if named else []


@pytest.mark.parametrize(
    ("answer", "kind", "status"),
    [pytest.param(*case, id=name, marks=fault_of(name)) for name, case in BAD_ANSWERS.items()],
)
def test_bad_answer(
    answer: Answer, kind: type[setle.TokenError], status: int | None, setle_sandbox: Sandbox
) -> None:
    """A bad answer is one typed error with its status, asked for again only if that may help."""
    setle_sandbox.script_token(answer, answer, answer)
    error = refused(source_of(setle_sandbox))
    assert type(error) is kind
    assert error.status_code == status
    assert setle_sandbox.token_requests == (3 if kind is UNAVAILABLE else 1)
    saw(type(error).__name__, asked(setle_sandbox))


@fault(
    "Answers",
    "any of the bad answers and statuses here, to an early refresh",
    "the token in use stays in use, and nothing is saved",
)
@bad_answers
def test_bad_answer_to_an_early_refresh(
    answer: Answer,
    kind: type[setle.TokenError],
    status: int | None,
    setle_sandbox: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A bad answer leaves a usable token in use and never gets into the store."""
    store = RecordingStore()
    source = source_of(setle_sandbox, store=store)
    token = source.get_token()
    for name, clock in (("monotonic", time.monotonic), ("wall", time.time)):
        later = lambda clock=clock: clock() + 3500  # noqa: E731 - one for each clock
        monkeypatch.setattr(_time, name, later)
        monkeypatch.setattr(_source, name, later)
    setle_sandbox.script_token(answer, answer, answer)
    served = [source.get_token()]
    join_refreshes()
    assert setle_sandbox.token_requests == (4 if kind is UNAVAILABLE else 2)
    served.append(source.get_token())
    assert all(each is token for each in served)
    assert store.saved == [token.value]
    saw(
        f"{times(len(served), 'call')} served with the token in use",
        f"{times(len(store.saved), 'token')} saved",
    )


@pytest.mark.parametrize(
    ("answer", "lifetime"),
    [
        (body(expires_in=3600), 3600.0),
        (body(expires_in=3600.5), 3600.5),
        (body(expires_in="3600"), 3600.0),
        (body(expires_in="3600.5"), 3600.5),
        (body(expires_in=10**30), 315_360_000.0),
        (body(token_type="bearer"), 3600.0),
        (body(token_type="BEARER"), 3600.0),
        (body(scope="all", refresh_token=None), 3600.0),
        (raw(b'{"access_token":"a-token","expires_in":3600,"token_type":"Bearer"}'), 3600.0),
    ],
)
def test_good_answer(answer: Answer, lifetime: float, setle_sandbox: Sandbox) -> None:
    """A usable answer gives its token, whatever form the lifetime has."""
    setle_sandbox.script_token(answer)
    token = source_of(setle_sandbox).get_token()
    assert (token.value, token.lifetime, token.token_type) == ("a-token", lifetime, "Bearer")


def test_answer_of_exactly_one_mebibyte(setle_sandbox: Sandbox) -> None:
    """An answer as large as the limit is still read."""
    content = Answer(json=GOOD).content
    setle_sandbox.script_token(raw(content.ljust(1 << 20)))
    assert source_of(setle_sandbox).get_token().value == "a-token"


def test_answer_larger_than_one_mebibyte(setle_sandbox: Sandbox) -> None:
    """One byte more is too much."""
    content = Answer(json=GOOD).content
    setle_sandbox.script_token(raw(content.ljust((1 << 20) + 1)))
    with pytest.raises(UNUSABLE, match="answer is larger than 1 MiB"):
        source_of(setle_sandbox).get_token()


scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.just(f"not {SECRET}")
)
anything = st.recursive(
    scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=10
)
grants = st.fixed_dictionaries(
    {},
    optional={
        "access_token": scalars | st.text("abc.-_ \r\n", min_size=1),
        "expires_in": scalars | st.integers(1, 10**6) | st.floats(0.5, 10**6).map(str),
        "token_type": scalars | st.sampled_from(["Bearer", "bearer"]),
        "message": anything,
    },
)
# None goes out as no body at all.
bodies = st.one_of(
    st.binary().map(lambda content: {"body": content}),
    (grants | anything).map(lambda value: {"json": value}),
)
# A 204 or a 304 has no body on the wire.
statuses = st.just(200) | st.sampled_from([s for s in range(200, 600) if s not in (204, 304)])


# None that is really waited for.
retry_afters = st.sampled_from([None, "0", "99", "9" * 400]) | st.text(" .:,GMTon-")


@settings(max_examples=150, deadline=None)
@given(status=statuses, content=bodies, retry_after=retry_afters)
def test_any_answer(status: int, content: dict[str, Any], retry_after: str | None) -> None:
    """Any answer is either a token that is saved, or one typed error and nothing saved."""
    headers = {} if retry_after is None else {"retry-after": retry_after.strip()}
    store = RecordingStore()
    with Sandbox() as sandbox:
        sandbox.client_secret = SECRET
        sandbox.script_token(*[Answer(status, headers=headers, **content)] * 3)
        outcome = outcome_of(source_of(sandbox, store=store))
    if isinstance(outcome, setle.TokenError):
        assert type(outcome) in (REJECTED, UNAVAILABLE, UNUSABLE)
        assert outcome.status_code == status
        assert all(isinstance(message, str) for message in outcome.messages)
        assert SECRET not in str(outcome) + repr(outcome) + str(outcome.messages)
        assert store.saved == []
    else:
        assert status == 200
        assert content["json"]["access_token"] == outcome.value
        assert store.saved == [outcome.value]


@fault(
    "Statuses",
    "429 or 503, then a cut connection, then a token",
    "a failure that passes costs an attempt, not the call",
)
@pytest.mark.parametrize("status", [429, 503])
def test_retry_that_helps(status: int, setle_sandbox: Sandbox) -> None:
    """After a passing failure, the next attempt brings the token."""
    setle_sandbox.script_token(Answer(status), Answer(hang_up=True))
    token = source_of(setle_sandbox).get_token()
    assert setle_sandbox.token_requests == 3
    saw(named(token), asked(setle_sandbox))


def test_pauses_are_drawn(setle_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """From nothing up to half a second before the second attempt, and a second before the third."""
    longest = []

    def drawn(least: float, most: float) -> float:
        longest.extend([most] * (least == 0))
        return least

    monkeypatch.setattr(random, "uniform", drawn)
    setle_sandbox.script_token(Answer(503), Answer(503))
    source_of(setle_sandbox).get_token()
    assert longest == [0.5, 1.0]
    assert setle_sandbox.log[2].at - setle_sandbox.log[0].at < 1.5  # nothing was drawn


def test_retry_after_is_waited_for(setle_sandbox: Sandbox) -> None:
    """The next attempt comes no sooner than the answer asked for."""
    setle_sandbox.script_token(Answer(503, headers={"Retry-After": "0.4"}))
    source_of(setle_sandbox).get_token()
    first, second = setle_sandbox.log
    assert second.at - first.at >= 0.4


@fault(
    "Statuses",
    "429 with `Retry-After: 16`, where a call waits 15 s",
    "an error at once that says when; nothing is asked meanwhile",
)
def test_retry_after_beyond_the_deadline(setle_sandbox: Sandbox) -> None:
    """A wait that would outlast the deadline ends the refresh at once, and the next too."""
    setle_sandbox.script_token(Answer(429, headers={"Retry-After": "16"}))
    source = source_of(setle_sandbox)
    began = time.monotonic()
    errors = [refused(source), refused(source)]
    assert [error.retry_after for error in errors] == [16.0] * 2
    assert time.monotonic() - began < 10
    assert setle_sandbox.token_requests == 1
    (said,) = {f"{named(error)} with retry_after {error.retry_after}" for error in errors}
    saw(f"{times(len(errors), 'call')}: {said}, at once", asked(setle_sandbox))


def test_an_attempt_with_no_time_left_is_out_of_time(setle_sandbox: Sandbox) -> None:
    """A callable or a store may have spent it; a timeout of 0 would mean not to wait at all."""
    route = source_of(setle_sandbox)._refresher.route
    credentials = setle.ClientCredentials(setle_sandbox.client_id, setle_sandbox.client_secret)
    clock = Clock()
    deadline = _time.Deadline(15.0, clock=lambda: clock.monotonic)
    clock.go_on(15.0)
    with setle_sandbox.hold(), pytest.raises(UNAVAILABLE, match="Timeout: timed out"):
        ask(route, credentials, deadline, lambda seconds: False)


@fault(
    "Network",
    "the endpoint takes the request and stays silent",
    "one patient request; the error comes at the deadline",
)
def test_a_server_that_never_answers_is_asked_once(setle_sandbox: Sandbox) -> None:
    """Reading gets all that is left of the deadline, so that no second attempt fits in."""
    source = source_of(setle_sandbox, timeout=1.0)
    began = time.monotonic()
    with setle_sandbox.hold():
        error = refused(source)
        assert 0.9 <= time.monotonic() - began < 1.5
        join_refreshes()
    assert (type(error), error.status_code) == (UNAVAILABLE, None)
    assert setle_sandbox.token_requests == 1
    saw(f"{named(error)} at the deadline", asked(setle_sandbox))


@fault("Network", "the answer takes 1.2 s of the 2 s that a call waits", "slow is not down")
def test_an_endpoint_that_takes_most_of_the_deadline(setle_sandbox: Sandbox) -> None:
    """A slow answer is a token all the same."""
    setle_sandbox.delay = 1.2
    token = source_of(setle_sandbox, timeout=2.0).get_token()
    assert setle_sandbox.token_requests == 1
    saw(named(token), asked(setle_sandbox))


@pytest.mark.parametrize("tries", [1, 2])
def test_connecting_gets_a_third_of_the_deadline(setle_sandbox: Sandbox, tries: int) -> None:
    """A host's first address may be dead, and the second one has to be tried in time."""
    seen: list[dict[str, float]] = []

    class Looking(httpx.HTTPTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            seen.append(request.extensions["timeout"])
            return super().handle_request(request)

    setle_sandbox.script_token(*[Answer(503)] * (tries - 1))
    with Looking() as transport:
        source_of(setle_sandbox, timeout=6.0, httpx_args={"transport": transport}).get_token()
    assert len(seen) == tries
    for timeouts in seen:
        assert timeouts["connect"] == 2.0
        assert 4.0 < timeouts["read"] <= 5.5


def test_dripping_body(setle_sandbox: Sandbox) -> None:
    """A body that drips is given up by the deadline, though no single read times out."""
    setle_sandbox.script_token(*[Answer(json=GOOD, drip=0.3)] * 3)
    began = time.monotonic()
    error = refused(source_of(setle_sandbox, timeout=1.0))
    assert time.monotonic() - began < 5  # the body would take 24 s
    join_refreshes()
    assert time.monotonic() - began < 10  # its thread has ended, too
    assert type(error) is UNAVAILABLE
    assert setle_sandbox.token_requests == 1


def test_life_begins_with_the_request(setle_sandbox: Sandbox) -> None:
    """A slow answer does not make the token look longer-lived."""
    setle_sandbox.script_token(Answer(json=GOOD, delay=0.3))
    token = source_of(setle_sandbox).get_token()
    assert token.expires_at.timestamp() <= time.time() - 0.3 + 3600


@fault(
    "Answers", "a token that has ended when its answer arrives", "it is never handed out or saved"
)
def test_token_that_ends_before_it_comes(setle_sandbox: Sandbox) -> None:
    """A token that has ended when its answer comes is none, and is asked for again."""
    setle_sandbox.script_token(*[Answer(json={**GOOD, "expires_in": 0.05}, delay=0.06)] * 3)
    store = RecordingStore()
    error = refused(source_of(setle_sandbox, store=store))
    assert (type(error), error.status_code) == (UNAVAILABLE, 200)
    assert "0.05 s" in str(error)
    assert setle_sandbox.token_requests == 3
    assert store.saved == []
    saw(f"{named(error)}; {asked(setle_sandbox)}; {times(len(store.saved), 'token')} saved")


@fault("Network", "nobody listens: connection refused", "one typed error that says so")
def test_nobody_listens() -> None:
    """A refused connection is no answer."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    credentials = setle.ClientCredentials("id", "secret")
    source = setle.TokenSource(
        credentials, base_url=f"http://127.0.0.1:{port}", store=RecordingStore()
    )
    error = refused(source)
    assert (type(error), error.status_code) == (UNAVAILABLE, None)
    assert "ConnectError" in str(error)
    saw(named(error), naming(error, f"127.0.0.1:{port}"))


@fault(
    "DNS",
    "a host that no look-up finds, or whose name cannot be one",
    "one typed error within the deadline",
)
@pytest.mark.parametrize("host", ["nonexistent.invalid", "a" * 64 + ".invalid"])
def test_unknown_host(host: str) -> None:
    """A host that no look-up finds, or that none can be made for, is no answer."""
    credentials = setle.ClientCredentials("id", "secret")
    source = setle.TokenSource(
        credentials, base_url=f"https://{host}", store=RecordingStore(), timeout=2.0, verify_ssl=TLS
    )
    error = refused(source)
    assert (type(error), error.status_code) == (UNAVAILABLE, None)
    saw(named(error))


@fault(
    "Callables and foreign code",
    "a transport of yours raises KeyError, ValueError, RuntimeError or OSError",
    "one typed error that names it",
)
@pytest.mark.parametrize("error", [KeyError("x"), ValueError(), RuntimeError("x"), OSError("x")])
def test_transport_of_the_callers_that_raises(error: Exception, setle_sandbox: Sandbox) -> None:
    """Whatever a transport of the caller's raises is no answer."""

    class Broken(httpx.BaseTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            raise error

    failure = refused(source_of(setle_sandbox, httpx_args={"transport": Broken()}))
    assert (type(failure), failure.status_code) == (UNAVAILABLE, None)
    assert type(error).__name__ in str(failure)
    saw(named(failure), naming(failure, type(error).__name__))


@pytest.mark.parametrize(
    ("status", "kind", "asked"), [(401, REJECTED, 1), (404, UNUSABLE, 1), (503, UNAVAILABLE, 3)]
)
def test_transport_of_the_callers_that_raises_for_a_status(
    status: int, kind: type[setle.TokenError], asked: int, setle_sandbox: Sandbox
) -> None:
    """The answer counts, though it was made an exception of."""

    class Strict(httpx.HTTPTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            response = super().handle_request(request)
            response.request = request
            return response.raise_for_status()

    setle_sandbox.script_token(*[Answer(status, json={"message": SECRET})] * asked)
    with Strict() as transport:
        error = refused(source_of(setle_sandbox, httpx_args={"transport": transport}))
    assert (type(error), error.status_code) == (kind, status)
    assert setle_sandbox.token_requests == asked


@fault(
    "Secrets",
    "a network error quotes the headers of the request",
    "the secret is blanked in the message",
)
def test_secret_in_the_text_of_a_network_error(setle_sandbox: Sandbox) -> None:
    """A network error that quotes the secret is passed on without it."""

    class Indiscreet(httpx.BaseTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            raise httpx.ConnectError(f"could not send {request.headers}, {request.headers.raw!r}")

    source = source_of(setle_sandbox, httpx_args={"transport": Indiscreet()})
    error = refused(source)
    assert setle_sandbox.client_secret not in str(error)
    assert "***" in str(error)
    saw(named(error), f"secret shown: {yes(setle_sandbox.client_secret in str(error))}")


def test_base_url_with_a_path(setle_sandbox: Sandbox) -> None:
    """The token endpoint is looked for below the base URL's path."""
    refused(source_of(setle_sandbox, base_url=setle_sandbox.base_url + "/gateway/"))
    (record,) = setle_sandbox.log
    assert (record.method, record.path) == ("POST", "/gateway/v1/oauth/token")


def test_no_compressed_answer_is_asked_for(setle_sandbox: Sandbox) -> None:
    """The limit of a body's size holds for what comes over the wire, so that is all there is."""
    seen = []

    class Looking(httpx.HTTPTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            seen.append(request.headers["Accept-Encoding"])
            return super().handle_request(request)

    with Looking() as transport:
        source_of(setle_sandbox, httpx_args={"transport": transport}).get_token()
    assert seen == ["identity"]
