"""Each answer leaves a record, and is told at once to who wants to hear."""

import re

import httpx
import pytest

from setle.testing import Answer, Record, Sandbox

TOKEN = "/v1/oauth/token"
ESTATES = "/v1/estate/list"


def test_each_answer_is_told_at_once() -> None:
    """The hook gets the records of the log, in order, before the answers arrive."""
    told: list[Record] = []
    with Sandbox(on_answer=told.append) as sandbox, httpx.Client(base_url=sandbox.base_url) as http:
        for number, path in enumerate((TOKEN, ESTATES, "/nowhere"), 1):
            http.post(path)
            assert len(told) == number
        assert told == sandbox.log


def test_a_record_is_a_line_without_a_secret(sandbox: Sandbox, client: httpx.Client) -> None:
    """It holds method, path, status, seconds and the token's fingerprint, whatever is asked."""
    headers = {
        "x-setle-client-id": sandbox.client_id,
        "x-setle-client-secret": sandbox.client_secret,
    }
    token = client.post(TOKEN, headers=headers).json()["access_token"]
    client.get("/v1%0A/é", headers={"authorization": f"Bearer {token}"})
    client.get(ESTATES, headers={"authorization": f"Bearer {token}"})
    issued, odd, listed = map(str, sandbox.log)
    fingerprint = sandbox.log[0].token
    assert re.fullmatch(rf"POST {TOKEN} 200 in 0\.\d{{3}} s token {fingerprint}", issued)
    assert re.fullmatch(r"GET /v1%0A/%C3%A9 404 in 0\.\d{3} s", odd)
    assert listed.endswith(f"token {fingerprint}")
    assert token not in issued + odd + listed


def test_a_record_says_that_there_was_no_answer(sandbox: Sandbox, client: httpx.Client) -> None:
    """A connection that was closed unanswered has no status."""
    sandbox.script_token(Answer(hang_up=True))
    with pytest.raises(httpx.RemoteProtocolError):
        client.post(TOKEN)
    assert f"POST {TOKEN} no answer in 0." in str(sandbox.log[0])


def test_a_record_tells_how_long_it_took(sandbox: Sandbox, client: httpx.Client) -> None:
    """The seconds run from the request's arrival, delays included."""
    sandbox.delay = 0.05
    client.post(TOKEN)
    client.post("/nowhere")
    assert [0.05 <= record.seconds < 5 for record in sandbox.log] == [True, False]
