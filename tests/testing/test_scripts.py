"""A test can have anything answered, and decide when."""

import contextlib
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from freezegun import freeze_time

from setle.testing import Answer, Sandbox

TOKEN = "/v1/oauth/token"
ESTATES = "/v1/estate/list"


def test_in_order(sandbox: Sandbox, client: httpx.Client) -> None:
    """Scripted answers go out in order; then the endpoint is itself again."""
    sandbox.script_token(Answer(418), Answer(599))
    sandbox.script_token(Answer(204))
    sandbox.script_api(Answer(307, headers={"location": "https://elsewhere.example/"}))
    assert [client.post(TOKEN).status_code for _ in range(4)] == [418, 599, 204, 400]
    assert client.get(ESTATES).headers["location"] == "https://elsewhere.example/"
    assert client.get(ESTATES).status_code == 401


def test_counted(sandbox: Sandbox, client: httpx.Client) -> None:
    """Scripted answers count as the endpoint's own."""
    sandbox.script_token(Answer(), Answer(500), Answer(hang_up=True))
    sandbox.script_api(Answer(401), Answer(503))
    for _ in range(2):
        client.post(TOKEN)
        client.get(ESTATES)
    with pytest.raises(httpx.RemoteProtocolError):
        client.post(TOKEN)
    assert (sandbox.token_requests, sandbox.tokens_issued) == (3, 1)
    assert (sandbox.api_requests, sandbox.api_rejections) == (2, 1)
    assert [record.status for record in sandbox.log] == [200, 401, 500, 503, None]


@pytest.mark.parametrize("status", [199, 600, {"id": "1"}])
def test_impossible_status(status: Any) -> None:
    """What HTTP cannot carry, or is meant as *json*, is refused where the test writes it."""
    with pytest.raises(ValueError, match="'status' must be in range"):
        Answer(status)


def test_json(sandbox: Sandbox, client: httpx.Client) -> None:
    """JSON may hold NaN, and the type can be overridden."""
    sandbox.script_token(
        Answer(json={"expires_in": float("nan")}),
        Answer(json=[], headers={"Content-Type": "text/html"}),
    )
    response = client.post(TOKEN)
    assert response.text == '{"expires_in":NaN}'
    assert response.headers["content-type"] == "application/json; charset=utf-8"
    assert client.post(TOKEN).headers.get_list("content-type") == ["text/html"]


def test_body(sandbox: Sandbox, client: httpx.Client) -> None:
    """Raw bytes go out as they are, with any header."""
    headers = {"Content-Type": "text/html", "Retry-After": "7"}
    sandbox.script_token(Answer(502, body=b"<html>", headers=headers))
    response = client.post(TOKEN)
    assert (response.content, response.headers["retry-after"]) == (b"<html>", "7")


@pytest.mark.parametrize("drip", [0.0, 0.001])
def test_hang_up_midway(sandbox: Sandbox, client: httpx.Client, drip: float) -> None:
    """A hang-up with a body sends that body and cuts what had been announced."""
    sandbox.script_token(Answer(json={"a": 1}, hang_up=True, drip=drip))
    with pytest.raises(httpx.RemoteProtocolError, match="received 7 bytes, expected 8"):
        client.post(TOKEN)


def test_hang_up_after_a_body(sandbox: Sandbox, client: httpx.Client) -> None:
    """A hang-up works for requests that carry a body, too."""
    sandbox.script_api(Answer(hang_up=True))
    with pytest.raises(httpx.RemoteProtocolError, match="without sending a response"):
        client.post("/sandbox/echo", content=b"x" * 100_000)


def test_drip(sandbox: Sandbox, client: httpx.Client) -> None:
    """A dripping body arrives whole, byte by byte."""
    sandbox.script_token(Answer(body=b"slowly", drip=0.01))
    start = time.monotonic()
    with client.stream("POST", TOKEN) as response:
        assert list(response.iter_raw()) == [b"s", b"l", b"o", b"w", b"l", b"y"]
    assert time.monotonic() - start >= 0.05
    sandbox.script_token(Answer(drip=60.0))
    assert client.post(TOKEN).content == b""


def test_delay(sandbox: Sandbox, client: httpx.Client) -> None:
    """Delays hold up the token endpoint and scripted answers, and nothing else."""
    sandbox.delay = 0.05
    sandbox.script_token(Answer(delay=0.05))
    sandbox.script_api(Answer(delay=0.05))
    asked = time.monotonic()
    client.post(TOKEN)
    client.post(TOKEN)
    client.get(ESTATES)
    scripted, own, api = (record.at for record in sandbox.log)
    assert scripted - asked >= 0.1
    assert own - scripted >= 0.05
    assert api - own >= 0.05


def test_delay_in_frozen_time(sandbox: Sandbox, client: httpx.Client) -> None:
    """A delay ends although the clocks of the test stand still."""
    sandbox.delay = 0.01
    with freeze_time():
        assert client.post(TOKEN, timeout=5).status_code == 400


def test_hold(sandbox: Sandbox, client: httpx.Client) -> None:
    """Held token requests wait until all holds are over; API requests go on."""
    with ThreadPoolExecutor() as pool:
        with sandbox.hold():
            with sandbox.hold():
                answers = [pool.submit(client.post, TOKEN) for _ in range(3)]
                sandbox.wait_for(token_requests=3)
            assert client.get(ESTATES).status_code == 401
            assert [record.path for record in sandbox.log] == [ESTATES]
        assert [answer.result().status_code for answer in answers] == [400, 400, 400]


def test_hold_outlives_the_sandbox() -> None:
    """A hold that ends after its sandbox does no harm."""
    with contextlib.ExitStack() as stack, Sandbox() as sandbox:
        stack.enter_context(sandbox.hold())


def test_wait_for(sandbox: Sandbox, client: httpx.Client) -> None:
    """Waiting ends when every counter is there."""
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(sandbox.wait_for, token_requests=1, api_requests=2, api_rejections=2)
        for _ in range(2):
            assert not waiting.done()
            client.get(ESTATES)
        client.post(TOKEN)
        waiting.result()
    sandbox.wait_for(token_requests=1, tokens_issued=0, timeout=0)


def test_wait_for_in_vain(sandbox: Sandbox) -> None:
    """A counter that does not get there in time is a `TimeoutError` that says so."""
    with pytest.raises(TimeoutError, match="'tokens_issued': 1"):
        sandbox.wait_for(tokens_issued=1, timeout=0)
