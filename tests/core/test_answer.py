"""What the token endpoint's answers mean, tried without a server."""

import json
import time
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

import setle
from setle import _time
from setle._endpoint.answer import blanked, failure_of, token_of
from setle._time import Instant
from setle_api.models import AccessTokenResponse
from tests.support.faults import fault, saw

SECRET = "5f0c" * 16
NOON = 1_893_499_200.0  # Tue, 01 Jan 2030 12:00:00 GMT
TEN_YEARS = 315_360_000.0


def failed(
    status: int, body: bytes | str = b"", headers: dict[str, str] | None = None
) -> setle.TokenError:
    content = body.encode() if isinstance(body, str) else body
    return failure_of(httpx.Response(status, headers=headers), content, SECRET)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        ("7", 7.0),
        (" 7 ", 7.0),
        ("1.5", 1.5),
        ("9" * 400, TEN_YEARS),
        ("Tue, 01 Jan 2030 12:02:00 GMT", 120.0),
        ("Tuesday, 01-Jan-30 12:02:00 GMT", 120.0),
        ("Tue Jan  1 12:02:00 2030", 120.0),
        ("Tue, 01 Jan 2030 12:02:00 +0200", 120.0),
        ("Tue, 01 Jan 2030 11:00:00 GMT", 0.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", TEN_YEARS),
    ],
)
def test_retry_after(value: str, seconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Retry-After is read as seconds and as each form of an HTTP date, and bounded."""
    monkeypatch.setattr(_time, "wall", lambda: NOON)
    assert failed(503, headers={"Retry-After": value}).retry_after == seconds


def test_a_date_is_read_as_gmt(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever the machine is."""
    monkeypatch.setattr(_time, "wall", lambda: NOON)
    monkeypatch.setenv("TZ", "XXX+5")
    time.tzset()
    try:
        later = failed(503, headers={"Retry-After": "Tue, 01 Jan 2030 12:02:00 GMT"}).retry_after
    finally:
        monkeypatch.undo()
        time.tzset()
    assert later == 120.0


@fault(
    "Statuses", "503 with a `Retry-After` that is neither seconds nor a date", "it counts as none"
)
@pytest.mark.parametrize(
    "value",
    [
        *("", "soon", "-5", "+5", "1e3", "nan", "inf", "0x1", "5 apples", "120, 130"),
        *("10:00", "12/13", "Mon", "10s", "1.2.3.4.5"),
        "Tue, 99 Jan 2030 12:02:00 GMT",
        "Tue, 1234560000000000000000000000000000m12345678 12:02:00",
    ],
)
def test_retry_after_garbage(value: str) -> None:
    """A Retry-After that is neither seconds nor a date counts as none."""
    assert failed(503, headers={"Retry-After": value}).retry_after is None
    saw(f"retry_after {failed(503, headers={'Retry-After': value}).retry_after}")


def test_retry_after_is_missing() -> None:
    """Without Retry-After there is none."""
    assert failed(503).retry_after is None


def test_every_status() -> None:
    """Each status stands for exactly one class of error, documented or not."""
    rejected, unavailable = {400, 401, 403}, {408, 425, 429, *range(500, 600)}
    for status in range(201, 600):
        error = failed(status)
        assert error.status_code == status
        assert str(status) in str(error)
        if status in rejected:
            assert type(error) is setle.TokenRejectedError
        elif status in unavailable:
            assert type(error) is setle.TokenUnavailableError
        else:
            assert type(error) is setle.TokenResponseError


@pytest.mark.parametrize(
    ("message", "messages"),
    [
        ("Unauthorized", ["Unauthorized"]),
        (["one", "two"], ["one", "two"]),
        ([], []),
        (None, []),
        ([None, "two"], ["two"]),
        ({"reason": "because"}, ['{"reason": "because"}']),
        (
            [{"property": "id"}, {"property": "secret"}],
            ['{"property": "id"}', '{"property": "secret"}'],
        ),
        ([["nested"]], ['["nested"]']),
        (5, ["5"]),
        (True, ["true"]),
        ("", [""]),
        (f"{SECRET} is wrong", ["*** is wrong"]),
        ([f"not {SECRET}", SECRET * 2], ["not ***", "******"]),
        ({"secret": SECRET, "others": [SECRET]}, ['{"secret": "***", "others": ["***"]}']),
        ({SECRET: 1}, ['{"***": 1}']),
        ("x" * 490 + SECRET, ["x" * 490 + "***"]),
        ("x" * 498 + SECRET, ["x" * 498 + "**"]),
        ("x" * 9999, ["x" * 500]),
        (["x"] * 9999, ["x"] * 20),
    ],
)
def test_messages(message: object, messages: list[str]) -> None:
    """Whatever form NestJS sends becomes a list of strings, bounded and without the secret."""
    error = failed(400, json.dumps({"statusCode": 400, "message": message}))
    assert error.messages == messages
    assert SECRET[:8] not in repr(error) + str(error)
    assert all(one in str(error) for one in messages)


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"[]", b"null", b'"message"', b"{}", b'{"message"', b"\xff", b"[" * 100_000],
)
def test_no_messages(body: bytes) -> None:
    """A body without messages has none, whatever it is."""
    assert failed(500, body).messages == []


def test_body_that_was_not_read() -> None:
    """An answer whose body was not read has no messages, and its status counts all the same."""
    unread = httpx.Response(401, stream=httpx.ByteStream(b'{"message": "unread"}'))
    error = failure_of(unread, b"", SECRET)
    assert type(error) is setle.TokenRejectedError
    assert error.messages == []


@pytest.mark.parametrize("secret", ['say "please"', "back\\slash", 'both \\" at once', "/plain/"])
def test_secret_that_json_escapes(secret: str) -> None:
    """A secret is blanked in an object as well, where JSON writes it in another way."""
    body = json.dumps({"message": [{"value": secret}, secret]}).encode()
    error = failure_of(httpx.Response(400), body, secret)
    assert error.messages == ['{"value": "***"}', "***"]


def test_control_characters_are_taken_out() -> None:
    """What a server says can neither forge a line of a log nor steer a terminal."""
    assert blanked("one\r\ntwo\x1b[2J\u2028three", "secret") == "one  two [2J three"


def test_blanked_leaves_the_rest() -> None:
    """A text without the secret stays as it is."""
    assert blanked("nothing here", SECRET) == "nothing here"


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
secrets = st.text(st.characters(codec="ascii", categories=("L", "N", "P", "S")), min_size=12)
headers = st.text(st.characters(min_codepoint=32, max_codepoint=126))


@given(status=st.integers(201, 599), body=st.binary(), retry_after=headers)
def test_any_bytes(status: int, body: bytes, retry_after: str) -> None:
    """Any bytes with any status are one typed error, with or without a time to wait."""
    error = failed(status, body, {"Retry-After": retry_after})
    assert isinstance(error, setle.TokenError)
    assert error.retry_after is None or 0 <= error.retry_after <= TEN_YEARS


@given(day=st.sampled_from(["Mon, ", "Monday, ", "Mon "]), rest=headers)
def test_any_date(day: str, rest: str) -> None:
    """Whatever looks like a date is one, or none."""
    found = failed(503, headers={"Retry-After": f"{day}{rest} 12:00:00"}).retry_after
    assert found is None or 0 <= found <= TEN_YEARS


@given(secret=secrets, before=anything, after=st.text(), as_key=st.booleans())
def test_any_echo(secret: str, before: object, after: str, as_key: bool) -> None:
    """Wherever in a message a server echoes the secret, it is not in the error."""
    echo = {secret: before} if as_key else [before, secret + after]
    error = failure_of(httpx.Response(400), json.dumps({"message": echo}).encode(), secret)
    assert all(isinstance(message, str) for message in error.messages)
    assert secret not in str(error) + "".join(error.messages)


def granted(access_token: Any, expires_in: Any, token_type: Any) -> setle.AccessToken:
    answer = AccessTokenResponse(access_token, expires_in, token_type)
    return token_of(answer, asked_at=Instant(1000.0, NOON))


@pytest.mark.parametrize(
    ("expires_in", "lifetime"),
    [
        (3600, 3600.0),
        (3600.5, 3600.5),
        ("3600", 3600.0),
        ("3600.5", 3600.5),
        ("0003", 3.0),
        (0.001, 0.001),
        (TEN_YEARS + 1, TEN_YEARS),
        (10**400, TEN_YEARS),
        (1e308, TEN_YEARS),
    ],
)
def test_lifetime(expires_in: object, lifetime: float) -> None:
    """A number of seconds is taken in each form, up to ten years."""
    token = granted("a-token", expires_in, "Bearer")
    assert (token.value, token.lifetime) == ("a-token", lifetime)
    assert token.expires_at.timestamp() == NOON + lifetime
    assert token.issued_at().wall == NOON


@given(access_token=anything, expires_in=anything, token_type=st.just("Bearer") | anything)
def test_any_fields(access_token: Any, expires_in: Any, token_type: Any) -> None:
    """Any three fields are a token that can be sent and will end, or one typed error."""
    try:
        token = granted(access_token, expires_in, token_type)
    except setle.TokenResponseError as error:
        problem = error
    else:
        assert token.value == access_token
        assert token.value.isascii()
        assert token.value.isprintable()
        assert 0 < token.lifetime <= TEN_YEARS
        return
    assert problem.status_code == 200
    assert not (isinstance(access_token, str) and len(access_token) > 9) or (
        access_token not in str(problem)
    )


@pytest.mark.parametrize(
    ("status", "message", "text"),
    [
        (401, ["one", "two"], "Setle refused the client credentials (status 401: one; two);"),
        (503, "busy", "the token endpoint is unavailable (status 503: busy);"),
        (503, None, "the token endpoint is unavailable (status 503);"),
        (404, None, "the token endpoint gave no token (status 404);"),
    ],
)
def test_what_is_said_of_a_failure(status: int, message: object, text: str) -> None:
    """What it comes to, the status, and what the answer says, if it says anything."""
    assert str(failed(status, json.dumps({"message": message}))).startswith(text)


@pytest.mark.parametrize(
    ("expires_in", "token_type", "problem"),
    [
        (3600, "mac", "token_type is not Bearer"),
        (0, "Bearer", "expires_in is not a positive, finite number of seconds"),
    ],
)
def test_what_is_said_of_a_field(expires_in: object, token_type: str, problem: str) -> None:
    """The error tells which one cannot be what it has to be."""
    with pytest.raises(setle.TokenResponseError) as caught:
        granted("a-token", expires_in, token_type)
    assert str(caught.value) == f"the token endpoint's answer cannot be used: {problem}"
