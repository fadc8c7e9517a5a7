"""The token on its way: put on, taken back after a 401, replayed once."""

import io
from collections.abc import AsyncGenerator, AsyncIterator, Iterator

import anyio
import httpx
import pytest

import setle
from setle.testing import Answer, Sandbox
from tests.support import Clock, all_at_once, source_of
from tests.support.faults import asked, fault, saw, times

ESTATES = "/v1/estate/list"
ECHO = "/sandbox/echo"
UNAUTHORIZED = Answer(401, json={"statusCode": 401, "message": "Unauthorized"})


class Api:
    """A client of each kind, behind one face: every test here runs sync and async."""

    def __init__(self, kind: str, source: setle.TokenSource) -> None:
        self.kind, self.source = kind, source

    def send(
        self, method: str, url: str, *, follow_redirects: bool = False, **content: object
    ) -> httpx.Response:
        return self.send_all((method, url), follow_redirects=follow_redirects, **content)[0]

    def send_all(
        self, *requests: tuple[str, str], follow_redirects: bool = False, **content: object
    ) -> list[httpx.Response]:
        """Send *requests* in turn, in one client."""
        options: dict[str, object] = {
            "auth": setle.BearerAuth(self.source),
            "base_url": self.source.base_url,
            "follow_redirects": follow_redirects,
        }
        if self.kind == "sync":
            with httpx.Client(**options) as client:  # type: ignore[arg-type] # a bag of options
                return [client.request(*request, **content) for request in requests]  # type: ignore[arg-type] # the same

        async def main() -> list[httpx.Response]:
            async with httpx.AsyncClient(**options) as client:  # type: ignore[arg-type] # the same
                return [await client.request(*request, **content) for request in requests]  # type: ignore[arg-type] # the same

        return anyio.run(main, backend=self.kind)


@pytest.fixture(params=["sync", "asyncio", "trio"])
def api(request: pytest.FixtureRequest, sandbox: Sandbox) -> Api:
    return Api(request.param, source_of(sandbox))


def test_every_request_carries_the_one_token(api: Api, sandbox: Sandbox) -> None:
    """Twenty calls, one token request, and all are let in."""
    answers = api.send_all(*[("GET", ESTATES)] * 20)
    assert {answer.status_code for answer in answers} == {200}
    assert sandbox.token_requests == 1


@fault(
    "Rejected tokens",
    "the token is revoked",
    "nobody sees the 401: another token, and the call once more",
)
def test_a_rejected_token_is_replaced_and_the_request_replayed(api: Api, sandbox: Sandbox) -> None:
    """A revocation costs one call its first try, and nobody sees a 401."""
    api.source.get_token()
    sandbox.revoke()
    answer = api.send("POST", ECHO, content=b"an estate")
    assert (answer.status_code, answer.content) == (200, b"an estate")
    assert sandbox.token_requests == 2
    assert sandbox.api_requests == 2
    saw(f"the call: {answer.status_code}", asked(sandbox))


@fault(
    "Rejected tokens",
    "the token is revoked, and the call's body cannot be sent again",
    "the caller gets the 401, the next call another token",
)
@pytest.mark.parametrize("kind", ["generator", "file"])
def test_a_body_that_is_spent_is_not_replayed(api: Api, sandbox: Sandbox, kind: str) -> None:
    """The caller gets the 401, and the next call gets another token."""
    api.source.get_token()
    sandbox.revoke()

    def parts() -> Iterator[bytes]:
        yield b"an estate"

    async def async_parts() -> AsyncIterator[bytes]:
        yield b"an estate"

    content: object = io.BytesIO(b"an estate") if kind == "file" else parts()
    if api.kind != "sync":
        content = async_parts()
    first = api.send("POST", ECHO, content=content).status_code
    assert first == 401
    assert sandbox.api_requests == 1
    second = api.send("GET", ESTATES).status_code
    assert second == 200
    assert sandbox.token_requests == 2
    saw(f"the call: {first}, the next one: {second}", asked(sandbox))


def test_a_token_issued_for_the_very_call_is_replaced_in_it(api: Api, sandbox: Sandbox) -> None:
    """Nobody knows whose fault it was, and one more request tells."""
    sandbox.script_api(UNAUTHORIZED)
    assert api.send("GET", ESTATES).status_code == 200
    assert (sandbox.api_requests, sandbox.token_requests) == (2, 2)


def test_a_late_401_is_replayed_with_what_others_got(api: Api, sandbox: Sandbox) -> None:
    """Somebody else's refresh in the meantime is used, and not dropped."""
    stale = api.source.get_token()
    flow = setle.BearerAuth(api.source).sync_auth_flow(
        request := httpx.Request("GET", sandbox.base_url + ESTATES)
    )
    assert next(flow) is request
    sandbox.revoke(stale.value)
    assert api.send("GET", ESTATES).status_code == 200
    requests = sandbox.token_requests
    replayed = flow.send(httpx.Response(401, request=request))
    assert replayed.headers["Authorization"] == f"Bearer {api.source.get_token().value}"
    assert sandbox.token_requests == requests


def test_a_late_401_is_replayed_even_while_rejections_pass(sandbox: Sandbox, clock: Clock) -> None:
    """The hold is for the current token; an older one is replaced all the same."""
    source = source_of(sandbox)
    flow = setle.BearerAuth(source).sync_auth_flow(
        request := httpx.Request("GET", sandbox.base_url + ESTATES)
    )
    next(flow)
    clock.go_on(1)
    sandbox.reject_api = True
    Api("sync", source).send("GET", ESTATES)
    requests = sandbox.token_requests
    replayed = flow.send(httpx.Response(401, request=request))
    assert replayed.headers["Authorization"] == f"Bearer {source.get_token().value}"
    assert sandbox.token_requests == requests


def test_an_api_that_always_rejects_costs_few_token_requests(api: Api, sandbox: Sandbox) -> None:
    """Twenty calls that are all rejected cost at most five token requests."""
    sandbox.reject_api = True
    answers = api.send_all(*[("GET", ESTATES)] * 20)
    assert {answer.status_code for answer in answers} == {401}
    assert sandbox.token_requests <= 5


def test_a_replacement_that_is_rejected_too_starts_a_hold(api: Api, sandbox: Sandbox) -> None:
    """The call is replayed once, and calls after it cost no token request for a second."""
    api.source.get_token()
    sandbox.reject_api = True
    assert api.send("GET", ESTATES).status_code == 401
    assert (sandbox.api_requests, sandbox.token_requests) == (2, 2)
    api.send_all(*[("GET", ESTATES)] * 5)
    assert (sandbox.api_requests, sandbox.token_requests) == (7, 2)


def test_clients_made_per_call_share_the_hold_on_rejections(sandbox: Sandbox) -> None:
    """A new client for each of twenty rejected calls makes no difference."""
    sandbox.reject_api = True
    store = setle.MemoryTokenStore()
    for _ in range(20):
        assert Api("sync", source_of(sandbox, store=store)).send("GET", ESTATES).is_error
    assert sandbox.token_requests <= 5


@fault(
    "Rejected tokens",
    "the API answers 401 to whatever it gets, for ten minutes, a call a second",
    "a token request after 1, 2, 4 … 60 s",
)
def test_the_hold_doubles_up_to_a_minute(sandbox: Sandbox, clock: Clock) -> None:
    """One token request when it ends, each time; for ten minutes of rejections that is few."""
    sandbox.lifetime = 100_000
    source = source_of(sandbox)
    source.get_token()
    clock.go_on(1)
    sandbox.reject_api = True
    asked_at = []
    with httpx.Client(auth=setle.BearerAuth(source), base_url=sandbox.base_url) as client:
        for second in range(600):
            before = sandbox.token_requests
            client.get(ESTATES)
            if sandbox.token_requests > before:
                asked_at.append(second)
            clock.go_on(1)
    assert asked_at == [0, 1, 3, 7, 15, 31, 63, 123, 183, 243, 303, 363, 423, 483, 543]
    saw(f"{times(len(asked_at), 'token request')} for 600 calls")


def test_recovery_after_the_hold_is_complete(sandbox: Sandbox, clock: Clock) -> None:
    """An API that lets tokens in again is served at once, with the token in hand."""
    api = Api("sync", source_of(sandbox))
    sandbox.reject_api = True
    api.send_all(*[("GET", ESTATES)] * 5)
    requests = sandbox.token_requests
    sandbox.reject_api = False
    assert api.send("GET", ESTATES).status_code == 200
    assert sandbox.token_requests == requests
    clock.go_on(1)
    sandbox.revoke()
    assert api.send("GET", ESTATES).status_code == 200


@pytest.mark.parametrize("kind", ["sync", "asyncio", "trio"])
def test_a_revocation_now_and_then_fails_no_call(kind: str, sandbox: Sandbox, clock: Clock) -> None:
    """Each drop holds the next one up, and that is forgotten a minute after it is over."""
    api = Api(kind, source_of(sandbox))
    for wait in (1.1, 2.1, 64.1, 1.1):
        assert api.send("GET", ESTATES).status_code == 200
        sandbox.revoke()
        assert api.send("GET", ESTATES).status_code == 200
        clock.go_on(wait)
    assert sandbox.token_requests == 5


@pytest.mark.usefixtures("clock")  # or else the hold may be over before the ten calls are
def test_a_success_does_not_end_the_hold(api: Api, sandbox: Sandbox) -> None:
    """An API that answers some calls with 401 whatever their token costs no request for each."""
    for _ in range(5):
        assert api.send("GET", ESTATES).status_code == 200
        sandbox.script_api(UNAUTHORIZED)
        api.send("GET", ESTATES)
    assert sandbox.token_requests == 2


def test_invalidate_is_heeded_during_the_hold(api: Api, sandbox: Sandbox) -> None:
    """Whoever calls it knows, and is not held up."""
    for requests in range(1, 5):
        token = api.source.get_token()
        assert sandbox.token_requests == requests
        api.source.invalidate(token)


@fault(
    "Rejected tokens",
    "the token is revoked under 50 calls at once",
    "one token request; all calls are sent again",
)
def test_fifty_rejections_at_once_cost_one_token_request(sandbox: Sandbox) -> None:
    """All drop the same token, one refreshes, and all are replayed."""
    source = source_of(sandbox)
    source.get_token()
    sandbox.revoke()
    with httpx.Client(
        auth=setle.BearerAuth(source),
        base_url=sandbox.base_url,
        limits=httpx.Limits(max_connections=50),
    ) as client:
        futures = all_at_once(50, lambda: client.get(ESTATES).status_code)
    assert {future.result() for future in futures} == {200}
    assert sandbox.token_requests == 2
    good = sum(future.result() == 200 for future in futures)
    saw(f"{good} of 50 calls: 200", asked(sandbox))


def test_a_failure_to_replace_a_rejected_token_is_a_typed_error(api: Api, sandbox: Sandbox) -> None:
    """The caller learns why no other token could be had."""
    api.source.get_token()
    sandbox.revoke()
    sandbox.rotate_secret()
    with pytest.raises(setle.TokenRejectedError):
        api.send("GET", ESTATES)


@fault(
    "Rejected tokens",
    "the endpoint hands the rejected token out again",
    "the call is not sent again in vain",
)
def test_the_same_token_again_is_not_replayed(api: Api, sandbox: Sandbox) -> None:
    """A server that sticks to a rejected token would reject it again."""
    same = Answer(json={"access_token": "same", "expires_in": 60, "token_type": "Bearer"})
    sandbox.script_token(same, same)
    api.source.get_token()
    status = api.send("GET", ESTATES).status_code
    assert status == 401
    assert (sandbox.api_requests, sandbox.token_requests) == (1, 2)
    saw(f"the call: {status}, sent {times(sandbox.api_requests, 'time')}", asked(sandbox))


# trio warns of each of httpx's generators that is left before its end, as it warns users.
@pytest.mark.filterwarnings("ignore:Async generator:ResourceWarning")
def test_a_large_401_is_let_go(api: Api, sandbox: Sandbox) -> None:
    """Its connection is freed for the token request, and its body is not read to the end."""
    sandbox.script_api(Answer(401, body=b"x" * (1 << 20)))
    assert api.send("GET", ESTATES).status_code == 200
    assert (sandbox.api_requests, sandbox.token_requests) == (2, 2)


async def _replayed(flow: AsyncGenerator[httpx.Request, httpx.Response]) -> httpx.Request:
    request = await anext(flow)
    return await flow.asend(httpx.Response(401, request=request))


def test_a_401_that_holds_no_connection_is_replayed_as_well(sandbox: Sandbox) -> None:
    """A transport may answer out of its head."""
    source = source_of(sandbox)
    first = source.get_token()
    request = httpx.Request("GET", sandbox.base_url + ESTATES)
    replayed = anyio.run(_replayed, setle.BearerAuth(source).async_auth_flow(request))
    assert replayed.headers["Authorization"] == f"Bearer {source.get_token().value}"
    assert source.get_token() != first


def test_another_origin_gets_no_authorization_header(api: Api, sandbox: Sandbox) -> None:
    """Not the token, and not the one that the client would send by itself."""
    with Sandbox() as stranger:
        answer = api.send("GET", stranger.base_url + ESTATES, headers={"Authorization": "Bearer x"})
    assert "Authorization" not in answer.request.headers
    assert stranger.log[-1].token is None
    assert sandbox.token_requests == 0


@pytest.mark.parametrize(
    "url", ["http://localhost:{port}/", "https://127.0.0.1:{port}/", "http://127.0.0.1/"]
)
def test_an_origin_is_scheme_host_and_port(sandbox: Sandbox, url: str) -> None:
    """One that differs in either is another one."""
    port = httpx.URL(sandbox.base_url).port
    request = httpx.Request("GET", url.format(port=port))
    next(setle.BearerAuth(source_of(sandbox)).sync_auth_flow(request))
    assert "Authorization" not in request.headers


@fault(
    "Rejected tokens",
    "a redirect to another host, which answers 401",
    "the token stays in use, and is not sent there",
)
def test_a_401_from_another_origin_drops_nothing(api: Api, sandbox: Sandbox) -> None:
    """After a redirect elsewhere a rejection says nothing about the token."""
    token = api.source.get_token()
    with Sandbox() as stranger:
        elsewhere = {"Location": stranger.base_url + ESTATES}
        sandbox.script_api(Answer(307, headers=elsewhere))
        assert api.send("GET", ESTATES, follow_redirects=True).status_code == 401
        assert [record.token for record in stranger.log] == [None]
    assert api.source.get_token() == token
    assert sandbox.token_requests == 1
    sent = [record.token for record in stranger.log if record.token]
    saw(f"{times(len(sent), 'token')} sent there", asked(sandbox))


def test_a_401_without_the_token_drops_nothing(api: Api, sandbox: Sandbox) -> None:
    """Redirected elsewhere and back, the request has lost its token on the way."""
    token = api.source.get_token()
    with Sandbox() as stranger:
        sandbox.script_api(Answer(307, headers={"Location": stranger.base_url + ESTATES}))
        stranger.script_api(Answer(307, headers={"Location": sandbox.base_url + ESTATES}))
        assert api.send("GET", ESTATES, follow_redirects=True).status_code == 401
    assert api.source.get_token() == token
    assert sandbox.token_requests == 1


@pytest.mark.parametrize(
    ("status", "url", "scheme"),
    [(200, ESTATES, "Bearer"), (401, "http://127.0.0.1:1/", "Bearer"), (401, ESTATES, "Basic")],
    ids=["no 401", "elsewhere", "no token"],
)
def test_heed_tells_what_another_token_does_not_mend(
    status: int, url: str, scheme: str, sandbox: Sandbox
) -> None:
    """What is no 401, of another origin, or of no token of ours; it drops nothing."""
    source = source_of(sandbox)
    token = source.get_token()
    sent = httpx.Request(
        "GET",
        httpx.URL(sandbox.base_url).join(url),
        headers={"Authorization": f"{scheme} {token.value}"},
    )
    assert setle.BearerAuth(source).heed(httpx.Response(status, request=sent)) is False
    assert source.current_token() == token


def test_a_401_after_a_redirect_within_the_origin_counts(api: Api, sandbox: Sandbox) -> None:
    """The token went along, so its rejection means what it says."""
    api.source.get_token()
    sandbox.revoke()
    sandbox.script_api(Answer(307, headers={"Location": ESTATES}))
    assert api.send("GET", ESTATES, follow_redirects=True).status_code == 200
    assert sandbox.token_requests == 2
