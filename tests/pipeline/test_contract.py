"""What the wrapper relies on is in the published description; else: what to change where."""

import copy
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from setle._endpoint.base_url import DEFAULT_BASE_URL
from setle.testing import _sandbox
from setle_api import Client
from setle_api.api.general import create_access_token

ROOT = Path(__file__).parents[2]
PUBLISHED: Any = YAML(typ="safe").load(ROOT / "openapi.yaml")
PATH, METHOD = "/v1/oauth/token", "post"
HEADERS = ("x-setle-client-id", "x-setle-client-secret")
ANSWER = {"access_token": "string", "expires_in": "number", "token_type": "string"}
CREDENTIALS = {"x_setle_client_id": "an-id", "x_setle_client_secret": "a-secret"}
REST = "adapt openapi.overlay.yaml, setle/_endpoint.py and setle.testing, then this test"


def moved(spec: Any) -> list[str]:
    """Return what of *spec* is no longer as the wrapper needs it, and what to do."""
    found = []
    servers = [server["url"] for server in spec.get("servers", [])]
    if servers != [DEFAULT_BASE_URL]:
        found.append(f"servers are {servers}: change DEFAULT_BASE_URL in setle/_base_url.py")
    operation = spec["paths"].get(PATH, {}).get(METHOD)
    if operation is None:
        return [*found, f"{METHOD.upper()} {PATH} is gone: {REST}"]
    if "servers" in operation or "servers" in spec["paths"][PATH]:
        found.append(f"{PATH} has servers of its own: change TokenEndpoint in setle/_endpoint.py")
    if "requestBody" in operation:
        found.append(f"{PATH} takes a body: {REST}")
    parameters = [
        (parameter["name"], parameter["in"])
        for parameter in operation.get("parameters", [])
        if parameter.get("required")
    ]
    if sorted(parameters) != [(name, "header") for name in HEADERS]:
        found.append(f"{PATH} requires {parameters}: {REST}")
    schema = operation["responses"].get("200", {}).get("content", {}).get("application/json", {})
    name = schema.get("schema", {}).get("$ref", "").rpartition("/")[2]
    answer = spec["components"]["schemas"].get(name, {})
    types = {key: value.get("type") for key, value in answer.get("properties", {}).items()}
    if not types.items() >= ANSWER.items() or not {*answer.get("required", [])} >= {*ANSWER}:
        found.append(f"{PATH} answers {types}: change token_of in setle/_answer.py")
    # The overlay takes these answers away because there is nothing in them.
    if spec["components"]["schemas"].get("InternalServerErrorException", {}).get("properties"):
        found.append("a 500 says something now: drop its removal in openapi.overlay.yaml")
    return found


def test_the_published_description_is_what_the_wrapper_needs() -> None:
    """A failure names each thing that moved, and the place to change."""
    assert not (problems := moved(PUBLISHED)), "openapi.yaml moved; " + "; ".join(problems)


def test_the_generated_endpoint_is_what_is_checked() -> None:
    """Path, method and headers of the request are those of the description."""
    assert create_access_token._get_kwargs(**CREDENTIALS) == {
        "method": METHOD,
        "url": PATH,
        "headers": dict(zip(HEADERS, CREDENTIALS.values(), strict=True)),
    }


def test_the_sandbox_answers_as_described() -> None:
    """It takes the same headers at the same path."""
    assert _sandbox.CREDENTIALS == HEADERS
    with _sandbox.Sandbox() as sandbox, Client(sandbox.base_url) as client:
        response = create_access_token.sync_detailed(
            client=client,
            x_setle_client_id=sandbox.client_id,
            x_setle_client_secret=sandbox.client_secret,
        )
    assert response.status_code == 200


def token(spec: Any) -> Any:
    return spec["paths"][PATH][METHOD]


CHANGES: dict[str, tuple[Callable[[Any], object], str]] = {
    "server": (
        lambda spec: spec["servers"][0].update(url="https://api.setle.app"),
        "servers are .*https://api.setle.app.*: change DEFAULT_BASE_URL in setle/_base_url.py",
    ),
    "path": (
        lambda spec: spec["paths"].update({"/v2": spec["paths"].pop(PATH)}),
        "POST /v1/oauth/token is gone: adapt .*setle/_endpoint.py",
    ),
    "method": (
        lambda spec: spec["paths"][PATH].update(get=spec["paths"][PATH].pop(METHOD)),
        "POST /v1/oauth/token is gone: adapt",
    ),
    "own server": (lambda spec: token(spec).update(servers=[{}]), "servers of its own: change"),
    "body": (lambda spec: token(spec).update(requestBody={}), "takes a body: adapt"),
    "header": (
        lambda spec: token(spec)["parameters"][0].update(name="x-id"),
        r"requires \[\('x-id', 'header'\), .*: adapt",
    ),
    "one more": (
        lambda spec: token(spec)["parameters"].append(
            {"name": "x-tenant", "in": "header", "required": True}
        ),
        "requires .*x-tenant.*: adapt",
    ),
    "answer": (
        lambda spec: spec["components"]["schemas"]["RequestBearerTokenActionOutputDto"][
            "properties"
        ].pop("expires_in"),
        "answers .*: change token_of in setle/_answer.py",
    ),
    "500": (
        lambda spec: spec["components"]["schemas"]["InternalServerErrorException"].update(
            properties={"trace": {"type": "string"}}
        ),
        "a 500 says something now: drop",
    ),
}


@pytest.mark.parametrize(("change", "message"), CHANGES.values(), ids=CHANGES)
def test_what_moves_is_named_with_the_place_to_change(
    change: Callable[[Any], object], message: str
) -> None:
    """One thing moves, one message."""
    spec = copy.deepcopy(PUBLISHED)
    change(spec)
    [problem] = moved(spec)
    assert re.search(message, problem)


def test_an_optional_parameter_is_no_concern() -> None:
    """The wrapper does not have to send it."""
    spec = copy.deepcopy(PUBLISHED)
    token(spec)["parameters"].append({"name": "x-tenant", "in": "header"})
    assert moved(spec) == []
