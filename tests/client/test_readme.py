"""Every example in the README, the recipes and the log's page works as it stands."""

import asyncio
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme

import setle
from setle._time import refresh_after, stale_after
from setle.testing import Answer, Sandbox
from setle_api import AuthenticatedClient

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")


def examples_of(text: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


EXAMPLES = examples_of(README)
FIRST = EXAMPLES[0]
RECIPES = examples_of((ROOT / "docs" / "recipes.md").read_text("utf-8"))
(RETRYING,) = [recipe for recipe in RECIPES if "RetryTransport" in recipe]
LOG = examples_of((ROOT / "docs" / "log.md").read_text("utf-8"))


@pytest.fixture
def settings(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[dict[str, Any]]:
    """Put the sandbox into the environment, and yield what an example leaves behind."""
    for name in ("base_url", "client_id", "client_secret"):
        monkeypatch.setenv(f"SETLE_{name.upper()}", getattr(sandbox, name))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (tmp_path / "credentials.txt").write_text(f"{sandbox.client_id} {sandbox.client_secret}\n")
    monkeypatch.chdir(tmp_path)
    levels = {name: logging.getLogger(name).level for name in ("", "setle")}
    names: dict[str, Any] = {"__name__": "__main__"}
    yield names
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)
    if isinstance(names.get("client"), AuthenticatedClient):
        names["client"].get_httpx_client().close()


@pytest.mark.parametrize("number", range(len([*EXAMPLES, *RECIPES, *LOG])))
def test_an_example_runs(sandbox: Sandbox, settings: dict[str, Any], number: int) -> None:
    """With the settings in the environment, it runs to its end without a warning."""
    example = [*EXAMPLES, *RECIPES, *LOG][number]
    exec(compile(example, f"example {number + 1}", "exec"), settings)
    for name, value in settings.items():
        if name.startswith("test_") and callable(value):
            value(setle_sandbox=sandbox)


def test_the_first_example_lists_what_can_be_renovated(
    sandbox: Sandbox, settings: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """It prints a reference and a link for each estate, and costs one token request."""
    exec(FIRST, settings)
    lines = capsys.readouterr().out.splitlines()
    assert lines
    assert all(re.fullmatch(r"\S+ https://\S+", line) for line in lines)
    assert sandbox.token_requests == 1


@pytest.mark.parametrize(
    "answer",
    [
        Answer(500, json={"statusCode": 500, "message": "Internal server error"}),
        Answer(502, body=b"<html>Bad Gateway</html>", headers={"Content-Type": "text/html"}),
    ],
    ids=["500", "an HTML 502"],
)
def test_the_first_example_says_what_the_server_said(
    sandbox: Sandbox, settings: dict[str, Any], answer: Answer
) -> None:
    """A server that fails is named with status and address, not by a fault in its JSON."""
    sandbox.script_api(answer)
    with pytest.raises(httpx.HTTPStatusError, match=f"{answer.status} .*/v1/estate/list"):
        exec(FIRST, settings)


def test_the_retry_recipe_tries_again(sandbox: Sandbox, settings: dict[str, Any]) -> None:
    """Sync and async calls get through a blip, and a token revoked meanwhile is replaced."""
    exec(RETRYING.replace("backoff_factor=0.5", "backoff_factor=0.01"), settings)
    client, path = settings["client"], "/v1/estate/list"
    before = sandbox.api_requests
    sandbox.script_api(Answer(503), Answer(502), Answer(401))
    assert client.get_httpx_client().get(path).status_code == 200
    assert sandbox.api_requests == before + 4
    sandbox.script_api(Answer(503), Answer(504))

    async def call() -> int:
        async with client.get_async_httpx_client() as http:
            status: int = (await http.get(path)).status_code
            return status

    assert asyncio.run(call()) == 200
    assert sandbox.api_requests == before + 7
    assert sandbox.token_requests == 2


def test_the_retry_recipe_keeps_the_proxies_of_the_environment(
    sandbox: Sandbox, settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """API calls go to the proxy that the environment names, and token requests directly."""
    with Sandbox() as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.base_url)
        with pytest.raises(httpx.HTTPStatusError):  # the stand-in knows no such path
            exec(RETRYING, settings)
        assert [(record.method, record.status) for record in proxy.log] == [("GET", 404)]
    assert sandbox.token_requests == 1


def test_the_retry_recipe_keeps_the_tls_settings(
    settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A server that only the context in the recipe trusts is called, sync and async."""
    authority = trustme.CA()
    server = authority.issue_cert("127.0.0.1")
    server.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "server.pem"))
    authority.cert_pem.write_to_path(str(tmp_path / "root.pem"))
    root = "__import__('ssl').create_default_context(cafile='root.pem')"
    recipe = RETRYING.replace("httpx.create_ssl_context()", root)
    with Sandbox(ssl_certfile=tmp_path / "server.pem") as sandbox:
        for name in ("base_url", "client_id", "client_secret"):
            monkeypatch.setenv(f"SETLE_{name.upper()}", getattr(sandbox, name))
        exec(recipe, settings)
        client = settings["client"]

        async def call() -> int:
            async with client.get_async_httpx_client() as http:
                status: int = (await http.get("/v1/estate/list")).status_code
                return status

        assert asyncio.run(call()) == 200
        assert sandbox.token_requests == 1


def test_the_aiohttp_recipe_serves_async_calls_only(settings: dict[str, Any]) -> None:
    """A sync call says so, instead of failing somewhere in the transport."""
    (recipe,) = [recipe for recipe in RECIPES if "AiohttpTransport" in recipe]
    exec(recipe, settings)
    client = setle.connect(httpx_args={"transport": settings["on_aiohttp"]}, token_httpx_args={})
    with pytest.raises(setle.ConfigurationError, match="AiohttpTransport"):
        client.get_httpx_client()


def test_hooks_that_raise_come_after_the_authentications_own(
    sandbox: Sandbox, settings: dict[str, Any]
) -> None:
    """As the README shows it: the call with a revoked token fails, and the next one works."""
    (example,) = [example for example in EXAMPLES if "auth.heed" in example]
    exec(example, settings)
    with httpx.Client(
        base_url=sandbox.base_url, auth=settings["auth"], event_hooks=settings["hooks"]
    ) as client:
        sandbox.revoke()
        with pytest.raises(httpx.HTTPStatusError, match="401"):
            client.get("/v1/estate/list")
        assert client.get("/v1/estate/list").status_code == 200


def test_the_worked_example_is_what_the_package_does() -> None:
    """The seconds that the README gives for a token of an hour are those of the arithmetic."""

    def said(seconds: float) -> str:
        return f"{seconds:,.0f}"

    first, last = refresh_after(3600, 1.0), refresh_after(3600, 0.0)
    assert f"| {said(first)} … {said(last)} s |" in README
    assert f"| {said(stale_after(3600))} s |" in README


def test_the_commands_are_those_of_the_makefile() -> None:
    """Whoever types what the README says finds the target."""
    makefile = (ROOT / "Makefile").read_text("utf-8")
    commands = re.findall(r"^    make ([a-z-]+)", README, re.MULTILINE)
    assert commands
    for command in commands:
        assert re.search(rf"^{command}:", makefile, re.MULTILINE), command


@pytest.mark.parametrize(
    "page", ["README.md", "CONTRIBUTING.md", *(f"docs/{p.name}" for p in ROOT.glob("docs/*.md"))]
)
def test_links_lead_somewhere(page: str) -> None:
    """Each link within the repository names a file that is there."""
    text = (ROOT / page).read_text("utf-8")
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
        assert ((ROOT / page).parent / target).exists(), target
