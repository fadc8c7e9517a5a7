"""A test can have any path answered, with the tokens, scripts and counters of the built-in ones."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from setle.testing import Answer, Request, Sandbox
from setle.testing._routes import Function

ESTATES = "/v1/estate/list"


@pytest.fixture
def http(sandbox: Sandbox) -> Iterator[httpx.Client]:
    """A client with a token that is good."""
    with httpx.Client(base_url=sandbox.base_url, trust_env=False) as client:
        client.headers = token_of(sandbox, client)
        yield client


def token_of(sandbox: Sandbox, client: httpx.Client) -> httpx.Headers:
    headers = {
        "x-setle-client-id": sandbox.client_id,
        "x-setle-client-secret": sandbox.client_secret,
    }
    token = client.post("/v1/oauth/token", headers=headers).json()["access_token"]
    return httpx.Headers({"authorization": f"Bearer {token}"})


def test_an_answer(sandbox: Sandbox, http: httpx.Client) -> None:
    """A route answers as it is told, to its own method."""
    sandbox.route("PUT", "/v1/estate", Answer(201, json={"id": "1"}, headers={"x-more": "2"}))
    answer = http.put("/v1/estate")
    assert (answer.status_code, answer.json(), answer.headers["x-more"]) == (201, {"id": "1"}, "2")
    assert http.get("/v1/estate").status_code == 404


@pytest.mark.parametrize("content", [{"id": "1"}, [], {}], ids=str)
def test_json(sandbox: Sandbox, http: httpx.Client, content: Any) -> None:
    """A dict or list is the JSON of a 200."""
    sandbox.route("get", "/v1/thing", content)
    answer = http.get("/v1/thing")
    assert (answer.status_code, answer.json()) == (200, content)
    assert answer.headers["content-type"] == "application/json; charset=utf-8"


def test_text(sandbox: Sandbox, http: httpx.Client) -> None:
    """A body may be text, which goes out as UTF-8."""
    sandbox.route("GET", "/v1/page", Answer(body="één", headers={"content-type": "text/plain"}))
    assert http.get("/v1/page").text == "één"


def shown(request: Request) -> dict[str, Any]:
    return {
        "method": request.method,
        "path": request.path,
        "path_params": dict(request.path_params),
        "query_params": dict(request.query_params),
        "header": request.headers["X-Trace"],
        "json": request.json(),
        "body": request.body.decode(),
    }


async def shown_later(request: Request) -> Answer:
    await asyncio.sleep(0)
    return Answer(json=shown(request))


class Shown:
    async def __call__(self, request: Request) -> dict[str, Any]:
        return shown(request)


@pytest.mark.parametrize("function", [shown, shown_later, Shown()])
def test_a_function_of_the_request(
    sandbox: Sandbox, http: httpx.Client, function: Function
) -> None:
    """A function, sync or async, is given what was asked, and returns what is answered."""
    sandbox.route("POST", "/v1/estate/{id}/file/{name}.pdf", function)
    answer = http.post(
        "/v1/estate/a%2Fb%20c/file/é.pdf?limit=3&q=x%26y",
        json={"price": 1.5},
        headers={"x-trace": "t"},
    )
    assert answer.json() == {
        "method": "POST",
        "path": "/v1/estate/a/b c/file/é.pdf",
        "path_params": {"id": "a/b c", "name": "é"},
        "query_params": {"limit": "3", "q": "x&y"},
        "header": "t",
        "json": {"price": 1.5},
        "body": '{"price":1.5}',
    }


def test_a_function_may_wait(sandbox: Sandbox, http: httpx.Client) -> None:
    """While one waits for another request, that request is answered."""
    both = threading.Barrier(2)

    def wait(_: Request) -> Answer:
        both.wait(10)
        return Answer(204)

    sandbox.route("GET", "/v1/slow", wait)

    async def ask() -> list[int]:
        async with httpx.AsyncClient(base_url=sandbox.base_url, headers=http.headers) as client:
            answers = await asyncio.gather(*(client.get("/v1/slow") for _ in range(2)))
        return [answer.status_code for answer in answers]

    assert asyncio.run(ask()) == [204, 204]


def test_a_function_that_waits_does_not_keep_the_sandbox_from_stopping() -> None:
    """What a function waits for may come after the end, or never."""
    go_on = threading.Event()

    def wait(_: Request) -> Answer:
        go_on.wait(30)
        return Answer()

    def ask() -> None:
        with pytest.raises(httpx.RemoteProtocolError):
            httpx.get(sandbox.base_url + "/v1/slow", headers=headers, trust_env=False)

    with ThreadPoolExecutor(1) as pool:
        with Sandbox() as sandbox, httpx.Client(base_url=sandbox.base_url) as client:
            sandbox.route("GET", "/v1/slow", wait)
            headers = token_of(sandbox, client)
            asking = pool.submit(ask)
            sandbox.wait_for(api_requests=1)
        asking.result(10)
        assert not go_on.is_set()
        go_on.set()


def test_a_route_needs_a_token(sandbox: Sandbox, http: httpx.Client) -> None:
    """Who has none that is good gets a 401, and the function is not called."""
    called: list[Request] = []

    def answer(request: Request) -> list[Any]:
        called.append(request)
        return []

    route = sandbox.route("GET", "/v1/thing", answer)
    assert http.get("/v1/thing").status_code == 200
    assert http.get("/v1/thing", headers={"authorization": "Bearer no"}).status_code == 401
    sandbox.revoke()
    assert http.get("/v1/thing").status_code == 401
    assert (len(called), len(route.requests)) == (1, 3)
    assert (sandbox.api_requests, sandbox.api_rejections) == (3, 2)


def test_what_varies_less_goes_first(sandbox: Sandbox, http: httpx.Client) -> None:
    """A path in full wins over one with a gap, whichever came first, as in OpenAPI."""
    sandbox.route("GET", "/v1/{kind}/{id}", [2])
    sandbox.route("GET", "/v1/estate/{id}", [1])
    sandbox.route("GET", "/v1/{kind}/{name}", [3])
    assert http.get("/v1/estate/1").json() == [1]
    assert http.get("/v1/house/1").json() == [3]
    assert len(http.get(ESTATES).json()) == 5


def test_the_latest_wins(sandbox: Sandbox, http: httpx.Client) -> None:
    """A path that has an answer can be given another, the built-in ones too."""
    for number in range(2):
        sandbox.route("GET", "/v1/estate/{id}", [number])
        sandbox.route("GET", ESTATES, [number])
        assert http.get("/v1/estate/x").json() == http.get(ESTATES).json() == [number]


def test_the_rest_is_not_found(sandbox: Sandbox, http: httpx.Client) -> None:
    """A gap is one part of a path and is not empty; dots and slashes stand for themselves."""
    sandbox.route("GET", "/v1/a.b/{id}", [])
    asked = ["/v1/a.b/1", "/v1/a.b/1/", "/v1/a.b/", "/v1/a.b/1/2", "/v1/axb/1", "/V1/a.b/1"]
    assert [http.get(path).status_code for path in asked] == [200, 200, 404, 404, 404, 404]


def test_a_script_of_its_own(sandbox: Sandbox, http: httpx.Client) -> None:
    """What is scripted for a route is given there only, and before what is for all of them."""
    listed = sandbox.route("GET", ESTATES)
    listed.script(Answer(503), {"a": 1})
    sandbox.script_api(Answer(418))
    echoed = http.post("/sandbox/echo", content=b"x")
    assert [http.get(ESTATES).status_code for _ in range(2)] == [503, 200]
    assert echoed.status_code == 418
    assert len(http.get(ESTATES).json()) == 5


def test_delays(sandbox: Sandbox, http: httpx.Client) -> None:
    """An answer takes as long as it says."""
    sandbox.route("GET", "/v1/slow", Answer(delay=0.05))
    assert http.get("/v1/slow").status_code == 200
    assert sandbox.log[-1].seconds >= 0.05


def test_requests_are_kept(sandbox: Sandbox, http: httpx.Client) -> None:
    """A test can look at what was sent, the last 1,000 of them, without showing a token."""
    route = sandbox.route("POST", "/v1/estate", {})
    for number in range(2):
        http.post("/v1/estate", json={"number": number})
    assert [request.json() for request in route.requests] == [{"number": 0}, {"number": 1}]
    assert str(http.headers["authorization"]).split()[1] not in repr(route.requests)
    for _ in range(1_000):
        route._taken(route.requests[1], "/v1/estate")  # as if it came over the wire
    assert len(route.requests) == 1_000
    assert route.requests[0].json() == {"number": 1}


def fail(_: Request) -> Answer:
    raise KeyError("id")


async def fail_later(_: Request) -> Answer:
    raise KeyError("id")


@pytest.mark.parametrize("function", [fail, fail_later])
def test_a_function_that_fails(function: Function) -> None:
    """Its caller gets a 500 that says so, and the test the error itself, without the token."""
    token = "none"
    with pytest.raises(KeyError, match="id") as caught, Sandbox() as sandbox:  # noqa: PT012  so it is used
        sandbox.route("GET", "/v1/estate/{id}", function)
        with httpx.Client(base_url=sandbox.base_url) as client:
            headers = token_of(sandbox, client)
            answer = client.get("/v1/estate/1", headers=headers)
            token = headers["authorization"].split()[1]
        assert answer.status_code == 500
        assert answer.json()["message"] == "the function of /v1/estate/{id} raised KeyError"
        assert sandbox.log[-1].status == 500
    ours = [entry for entry in caught.traceback if "testing" in str(entry.path)]
    assert ours
    assert token not in repr([entry.locals for entry in ours[1:]])


def test_a_function_that_fails_in_a_test_that_fails() -> None:
    """The error of the block itself is the one that is seen."""
    with pytest.raises(ZeroDivisionError), Sandbox() as sandbox:  # noqa: PT012  so it is used
        sandbox.route("GET", "/v1/thing", fail)
        with httpx.Client(base_url=sandbox.base_url) as client:
            client.get("/v1/thing", headers=token_of(sandbox, client))
        1 / 0  # noqa: B018  for the error


async def stream(_: Request) -> AsyncIterator[bytes]:
    yield b""


@pytest.mark.parametrize(
    ("function", "named"),
    [(lambda _: None, "NoneType"), (lambda _: "text", "str"), (stream, "async_generator")],
    ids=["nothing", "text", "a stream"],
)
def test_a_function_that_returns_no_answer(function: Any, named: str) -> None:
    """A forgotten return, or a string, is an error that says what is an answer."""
    wanted = f"an answer is an Answer, a dict or a list, not {named}"
    with pytest.raises(TypeError, match=wanted), Sandbox() as sandbox:  # noqa: PT012  so it is used
        sandbox.route("GET", "/v1/thing", function)
        with httpx.Client(base_url=sandbox.base_url) as client:
            client.get("/v1/thing", headers=token_of(sandbox, client))


@pytest.mark.parametrize(
    ("path", "answer", "error", "said"),
    [
        ("v1/thing", {}, ValueError, "'v1/thing' is no path like /v1/estate/{id}"),
        ("https://x.example/v1", {}, ValueError, "is no path like"),
        ("/v1/thing?a=b", {}, ValueError, "without a query"),
        ("/v1/{thing", {}, ValueError, "is no path like"),
        ("/v1/{}", {}, ValueError, "is no path like"),
        ("/v1/thing", "text", TypeError, "an answer is an Answer, a dict or a list, not str"),
        ("/v1/thing", {"a": {1}}, TypeError, "not JSON serializable"),
        ("/v1/thing", None, LookupError, "nothing is answered to GET /v1/thing yet: give"),
        ("/v1/oauth/token", {}, ValueError, r"script_token\(\)"),
    ],
)
def test_bad_use(path: str, answer: Any, error: type[Exception], said: str) -> None:
    """What cannot be a route is an error where it is written, and names the cause."""
    method = "POST" if path == "/v1/oauth/token" else "GET"
    with pytest.raises(error, match=said):
        Sandbox().route(method, path, answer)


@pytest.mark.parametrize("script", ["script_api", "script_token"])
def test_a_script_of_no_answer(script: str) -> None:
    """What is no answer is refused where it is scripted."""
    with pytest.raises(TypeError, match="an answer is an Answer, a dict or a list, not int"):
        getattr(Sandbox(), script)(503)
