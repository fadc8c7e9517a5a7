"""The sandbox answers as Setle does."""

import re
import uuid
from typing import Any

import httpx
import openapi_core
import pytest
from openapi_core.testing import MockRequest, MockResponse

from setle.testing import Sandbox

UNAUTHORIZED = {"statusCode": 401, "message": "Unauthorized"}
HEADERS = ("x-setle-client-id", "x-setle-client-secret")


def ask(sandbox: Sandbox, client: httpx.Client, **headers: str) -> httpx.Response:
    credentials = dict(zip(HEADERS, (sandbox.client_id, sandbox.client_secret), strict=True))
    return client.post("/v1/oauth/token", headers=credentials | headers)


def token(sandbox: Sandbox, client: httpx.Client) -> str:
    return str(ask(sandbox, client).raise_for_status().json()["access_token"])


def estates(client: httpx.Client, value: str, scheme: str = "Bearer") -> httpx.Response:
    return client.get("/v1/estate/list", headers={"authorization": f"{scheme} {value}"})


def check(spec: openapi_core.OpenAPI, response: httpx.Response) -> None:
    request = MockRequest("https://public-api.setle.app", "post", "/v1/oauth/token")
    spec.validate_response(
        request,
        MockResponse(
            response.content,
            response.status_code,
            dict(response.headers),
            response.headers["content-type"],
        ),
    )


def test_credentials() -> None:
    """Credentials look like Setle's and are made anew for each sandbox."""
    one, other = Sandbox(), Sandbox()
    assert str(uuid.UUID(one.client_id)) == one.client_id != other.client_id
    assert re.fullmatch("[0-9a-f]{64}", one.client_secret)
    assert one.client_secret != other.client_secret


def test_token(sandbox: Sandbox, client: httpx.Client, spec: openapi_core.OpenAPI) -> None:
    """The right credentials get a new token, as the description says."""
    response = ask(sandbox, client)
    assert response.status_code == 200
    check(spec, response)
    body = response.json()
    assert body.keys() == {"access_token", "expires_in", "token_type"}
    assert (body["expires_in"], body["token_type"]) == (3600, "Bearer")
    assert token(sandbox, client) != body["access_token"]


@pytest.mark.parametrize(("lifetime", "text"), [(5.0, "5"), (0.25, "0.25"), (3600, "3600")])
def test_lifetime_as_number(
    sandbox: Sandbox, client: httpx.Client, lifetime: float, text: str
) -> None:
    """A whole lifetime is written without a fraction, as JavaScript does."""
    sandbox.lifetime = lifetime
    assert f'"expires_in":{text},' in ask(sandbox, client).text


@pytest.mark.parametrize("missing", [HEADERS[:1], HEADERS[1:], HEADERS], ids=str)
def test_missing_header(
    sandbox: Sandbox, client: httpx.Client, spec: openapi_core.OpenAPI, missing: tuple[str, ...]
) -> None:
    """An absent or empty header is a 400 with one message each, as the description says."""
    absent = {"x-setle-client-id": "id", "x-setle-client-secret": "secret"}
    for name in missing:
        del absent[name]
    for response in (
        client.post("/v1/oauth/token", headers=absent),
        ask(sandbox, client, **dict.fromkeys(missing, "")),
    ):
        check(spec, response)
        assert response.status_code == 400
        assert response.json() == {
            "statusCode": 400,
            "message": [f"{name} should not be empty" for name in missing],
            "error": "Bad Request",
        }


@pytest.mark.parametrize("header", HEADERS)
def test_wrong_credentials(sandbox: Sandbox, client: httpx.Client, header: str) -> None:
    """A wrong id or secret is a 401."""
    response = ask(sandbox, client, **{header: "wrong"})
    assert (response.status_code, response.json()) == (401, UNAUTHORIZED)


def test_rotate_secret(sandbox: Sandbox, client: httpx.Client) -> None:
    """A new secret replaces the old one; tokens stay good."""
    old, value = sandbox.client_secret, token(sandbox, client)
    assert sandbox.rotate_secret() == sandbox.client_secret != old
    assert ask(sandbox, client).status_code == 200
    assert ask(sandbox, client, **{HEADERS[1]: old}).status_code == 401
    assert estates(client, value).status_code == 200


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_estates(sandbox: Sandbox, client: httpx.Client, scheme: str) -> None:
    """A live token lists estates with the fields Setle names in public."""
    response = estates(client, token(sandbox, client), scheme)
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json; charset=utf-8"
    items: list[dict[str, Any]] = response.json()
    assert len(items) == 5
    for item in items:
        assert item["estate"]["estate_type"]
        assert item["estate_provider_type"]
        assert item["external_id"]
        assert item["quality_label"] in {"A", "B", "C", "D"}
        assert item["referral_link"].startswith("https://")


def test_other_estates() -> None:
    """What lists the estates can be given, as JSON."""
    some = [{"external_id": "1"}]
    with Sandbox(estates=some) as one, httpx.Client(base_url=one.base_url) as http:
        assert estates(http, token(one, http)).json() == some


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer unknown", "Basic {}", "{}"])
def test_bad_authorization(sandbox: Sandbox, client: httpx.Client, header: str) -> None:
    """Without a live token, or under another scheme, estates are a 401."""
    header = header.format(token(sandbox, client))
    for response in (
        client.get("/v1/estate/list", headers={"authorization": header}),
        client.get("/v1/estate/list"),
    ):
        assert (response.status_code, response.json()) == (401, UNAUTHORIZED)


def test_expired(sandbox: Sandbox, client: httpx.Client) -> None:
    """A token whose lifetime is over is a 401."""
    sandbox.lifetime = 0.0
    assert estates(client, token(sandbox, client)).status_code == 401


def test_revoke(sandbox: Sandbox, client: httpx.Client) -> None:
    """One token can be revoked, or all there are; later ones are good."""
    values = [token(sandbox, client) for _ in range(3)]
    sandbox.revoke(values[0])
    sandbox.revoke("unknown")
    assert [estates(client, value).status_code for value in values] == [401, 200, 200]
    sandbox.revoke()
    assert [estates(client, value).status_code for value in values] == [401, 401, 401]
    assert estates(client, token(sandbox, client)).status_code == 200


def test_same_token(sandbox: Sandbox, client: httpx.Client) -> None:
    """The current token is handed out again, with what is left, until it ends or is revoked."""
    sandbox.same_token = True
    first = ask(sandbox, client).json()
    again = ask(sandbox, client).json()
    assert again["access_token"] == first["access_token"]
    assert again["expires_in"] <= first["expires_in"]
    sandbox.revoke()
    sandbox.lifetime = 0.0
    revoked = token(sandbox, client)
    ended = token(sandbox, client)
    assert len({first["access_token"], revoked, ended}) == 3


def test_reject_api(sandbox: Sandbox, client: httpx.Client) -> None:
    """Every API call is a 401 for as long as the test wants."""
    value = token(sandbox, client)
    sandbox.reject_api = True
    assert estates(client, value).status_code == 401
    sandbox.reject_api = False
    assert estates(client, value).status_code == 200


def test_echo(sandbox: Sandbox, client: httpx.Client) -> None:
    """The echo endpoint returns the body it got, to who has a token."""
    headers = {"authorization": f"Bearer {token(sandbox, client)}", "content-type": "text/plain"}
    response = client.post("/sandbox/echo", content=b"abc", headers=headers)
    assert response.content == b"abc"
    assert response.headers["content-type"] == "text/plain"
    assert client.post("/sandbox/echo", content=b"abc").status_code == 401


def test_not_found(client: httpx.Client) -> None:
    """An unknown path is a 404 as NestJS words it."""
    response = client.get("/v1/nothing?here")
    assert response.json() == {
        "statusCode": 404,
        "message": "Cannot GET /v1/nothing",
        "error": "Not Found",
    }


def test_another_method(client: httpx.Client) -> None:
    """A known path with another method is a 404 as well, as NestJS has it."""
    response = client.get("/v1/oauth/token")
    assert response.status_code == 404
    assert response.json()["message"] == "Cannot GET /v1/oauth/token"


def test_counters(sandbox: Sandbox, client: httpx.Client) -> None:
    """Requests and outcomes are counted; other paths are not."""
    value = token(sandbox, client)
    ask(sandbox, client, **{HEADERS[0]: ""})
    estates(client, value)
    estates(client, "unknown")
    client.get("/")
    assert (sandbox.token_requests, sandbox.tokens_issued) == (2, 1)
    assert (sandbox.api_requests, sandbox.api_rejections) == (2, 1)


def test_log(sandbox: Sandbox, client: httpx.Client) -> None:
    """The log tells who asked what and what came of it, without secret or token."""
    value = token(sandbox, client)
    estates(client, value)
    client.get("/elsewhere")
    issued, listed, lost = sandbox.log
    assert (issued.method, issued.path, issued.status) == ("POST", "/v1/oauth/token", 200)
    assert (listed.method, listed.path, listed.status) == ("GET", "/v1/estate/list", 200)
    assert (lost.path, lost.status, lost.token) == ("/elsewhere", 404, None)
    assert issued.token == listed.token
    assert issued.at <= listed.at <= lost.at
    for hidden in (value, sandbox.client_secret):
        assert hidden not in repr(sandbox.log)
