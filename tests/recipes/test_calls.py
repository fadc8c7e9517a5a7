"""The recipes for calls, each as it stands, and what they promise."""

import logging
import re
import ssl
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn.config

import setle
import setle_api
from setle.testing import Answer, Sandbox
from tests.recipes.conftest import Company
from tests.support.examples import RECIPES
from tests.support.faults import fault, named, naming, saw, yes
from tests.support.proxying import Proxy
from tests.support.worlds import ESTATES, World

# Each as it stands on its page.
RETRYING = RECIPES["Try API calls again"].program
ON_AIOHTTP = RECIPES["Faster async calls, on aiohttp"].program
UNDESCRIBED = RECIPES["Call an endpoint that is not described yet"].program
THROUGH_PROXY = RECIPES["Go through a proxy"].program
COMPANY = RECIPES["Trust a company's authority"].program


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


def test_a_proxy_of_the_environment(
    company: Company, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is what token requests and calls go through, sync and async, as is SSL_CERT_FILE."""
    monkeypatch.setenv("SSL_CERT_FILE", "company-root.pem")
    assert statuses(setle.connect()) == [200, 200]
    assert company.sandbox.token_requests == 1
    assert proxy.take_tunnels() == ["CONNECT setle.example"] * 3


def test_a_proxy_of_the_client(
    company: Company, settings: dict[str, Any], proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So is one that is an argument."""
    monkeypatch.setenv("SSL_CERT_FILE", "company-root.pem")
    monkeypatch.setenv("COMPANY_PROXY", proxy.url())
    monkeypatch.delenv("HTTPS_PROXY")
    exec(THROUGH_PROXY, settings)
    assert statuses(settings["client"]) == [200, 200]
    assert company.sandbox.token_requests == 1
    assert set(proxy.take_tunnels()) == {"CONNECT setle.example"}


def test_a_password_with_signs_that_urls_use(
    company: Company, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Percent-encoded, it is the password that the proxy gets."""
    monkeypatch.setenv("SSL_CERT_FILE", "company-root.pem")
    monkeypatch.setenv("HTTPS_PROXY", proxy.url(password="p%34ssw0rd"))
    assert statuses(setle.connect()) == [200, 200]


@fault(
    "Proxies",
    "a proxy that refuses its password: 407",
    "the message says that it was the proxy, and shows no password",
)
def test_a_proxy_that_refuses_is_told_without_its_password(
    company: Company,
    proxy: Proxy,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Token requests and calls that have a token already say that it was the proxy."""
    monkeypatch.setenv("SSL_CERT_FILE", "company-root.pem")
    refused = setle.connect(httpx_args={"proxy": proxy.url(password="wr0ng")})
    with caplog.at_level(logging.DEBUG), pytest.raises(setle.TokenUnavailableError) as token:
        refused.get_httpx_client().get(ESTATES)
    setle.TokenSource().get_token()
    with caplog.at_level(logging.DEBUG), pytest.raises(httpx.ProxyError) as call:
        refused.get_httpx_client().get(ESTATES)
    for error in (token.value, call.value):
        assert "407 Proxy Authentication Required" in str(error)
        assert "wr0ng" not in f"{error} {error!r}"
    assert "wr0ng" not in caplog.text
    assert "setle.example" in str(token.value)
    saw(
        named(token.value),
        naming(token.value, "407"),
        f"password shown: {yes('wr0ng' in str(token.value))}",
    )


def test_an_authority_of_the_company(
    company: Company, settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A context serves token requests and calls, where a certificate is asked for as well."""
    make: Any = uvicorn.config.create_ssl_context

    def demanding(*args: Any, **more: Any) -> ssl.SSLContext:
        context: ssl.SSLContext = make(*args, **more)
        company.authority.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
        return context

    monkeypatch.setattr("uvicorn.config.create_ssl_context", demanding)
    ours = company.authority.issue_cert("client.example")
    ours.private_key_and_cert_chain_pem.write_to_path("our-certificate.pem")
    with Sandbox(ssl_certfile="server.pem") as sandbox:
        sandbox.client_id, sandbox.client_secret = company.credentials
        base_url = sandbox.base_url.replace("127.0.0.1", "setle.example")
        monkeypatch.setenv("SETLE_BASE_URL", base_url)
        with pytest.raises(setle.TokenUnavailableError, match="TLS settings"):
            exec(COMPANY.replace("tls.load_cert", "# "), settings)
        exec(COMPANY, settings)
        assert statuses(settings["client"]) == [200, 200]
        assert sandbox.token_requests == 1


def test_an_authority_by_its_path(company: Company) -> None:
    """A path serves both as well."""
    assert statuses(setle.connect(verify_ssl="company-root.pem")) == [200, 200]
    assert company.sandbox.token_requests == 1


def test_an_authority_that_is_not_trusted_is_told(company: Company) -> None:
    """Whoever forgets it reads of certificates, and where the settings are."""
    with pytest.raises(setle.TokenUnavailableError, match=r"setle\.example.*CERTIFICATE.*TLS"):
        setle.TokenSource().get_token()
