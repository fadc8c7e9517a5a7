"""The recipes for calls, each as it stands, and what they promise."""

import re
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import setle
import setle_api
from setle.testing import Answer, Sandbox
from tests.recipes.conftest import Company
from tests.support.examples import RECIPES
from tests.support.proxying import Proxy
from tests.support.worlds import World

# Each as it stands on its page.
RETRYING = RECIPES["Try API calls again"].program
ON_AIOHTTP = RECIPES["Faster async calls, on aiohttp"].program
UNDESCRIBED = RECIPES["Call an endpoint that is not described yet"].program


def test_each_recipe_has_a_test() -> None:
    """Whoever writes another one finds here that it is to be run."""
    tests = "".join(path.read_text("utf-8") for path in Path(__file__).parent.glob("test_*.py"))
    for title in RECIPES:
        assert f'RECIPES["{title}"]' in tests


def statuses(client: setle_api.AuthenticatedClient) -> list[int]:
    """Return the status of a sync and of an async call; close the client."""
    with closing(client.get_httpx_client()):
        return [World(kind).call(client).status_code for kind in ("sync", "asyncio")]


def test_the_retry_recipe_tries_again(sandbox: Sandbox, settings: dict[str, Any]) -> None:
    """Sync and async calls get through a blip, and a token revoked meanwhile is replaced."""
    exec(RETRYING.replace("backoff_factor=0.5", "backoff_factor=0.01"), settings)
    before = sandbox.api_requests
    sandbox.script_api(Answer(503), Answer(502), Answer(401))
    assert World("sync").call(settings["client"]).status_code == 200
    assert sandbox.api_requests == before + 4
    sandbox.script_api(Answer(503), Answer(504))
    assert World("asyncio").call(settings["client"]).status_code == 200
    assert sandbox.api_requests == before + 7
    assert sandbox.token_requests == 2


def test_the_retry_recipe_keeps_proxies_and_tls_settings(
    company: Company, settings: dict[str, Any], proxy: Proxy
) -> None:
    """Through a real proxy, to a server that only the recipe's context trusts, in a blip."""
    context = "__import__('ssl').create_default_context(cafile='company-root.pem')"
    recipe = RETRYING.replace("backoff_factor=0.5", "backoff_factor=0.01")
    company.sandbox.script_api(Answer(503))
    exec(recipe.replace("httpx.create_ssl_context()", context), settings)
    assert company.sandbox.api_requests == 2
    company.sandbox.script_api(Answer(502), Answer(200), Answer(503))
    assert statuses(settings["client"]) == [200, 200]
    assert company.sandbox.api_requests == 6
    assert company.sandbox.token_requests == 1
    assert set(proxy.take_tunnels()) == {"CONNECT setle.example"}


def test_the_aiohttp_recipe_serves_async_calls_only(
    sandbox: Sandbox, settings: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """A sync call says so, instead of failing somewhere in the transport."""
    exec(ON_AIOHTTP, settings)
    assert capsys.readouterr().out == "{200}\n"
    assert sandbox.token_requests == 1
    client = setle.connect(httpx_args={"transport": settings["on_aiohttp"]}, token_httpx_args={})
    with pytest.raises(setle.ConfigurationError, match="AiohttpTransport"):
        client.get_httpx_client()


def test_the_functions_over_paths(
    sandbox: Sandbox, settings: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """They print a link for each estate that can be renovated."""
    exec(UNDESCRIBED, settings)
    assert re.fullmatch(r"(https://\S+\n)+", capsys.readouterr().out)
    assert sandbox.token_requests == 1
