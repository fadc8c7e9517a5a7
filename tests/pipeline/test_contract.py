"""What the wrapper relies on is in the published description; else: what to change where."""

import copy
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import setle
from setle.testing import Sandbox
from tests.pipeline.described import parsed
from tests.pipeline.serving import token_endpoint_alone

ROOT = Path(__file__).parents[2]
WRAPPER = ROOT / "wrapper" / "setle"
PATH, METHOD = "/v1/oauth/token", "post"
HEADERS = ("x-setle-client-id", "x-setle-client-secret")
ANSWER = {"access_token": "string", "expires_in": "number", "token_type": "string"}


def where(text: str) -> str:
    """Return the modules of the wrapper that hold *text*, which are what is to be changed."""
    found = [
        path.relative_to(ROOT).as_posix()
        for path in sorted(WRAPPER.rglob("*.py"))
        if text in path.read_text(encoding="utf-8")
    ]
    return " and ".join(found) or WRAPPER.relative_to(ROOT).as_posix()


def moved(spec: Any) -> list[str]:
    """Return what of *spec* is no longer as the wrapper needs it, and what to do."""
    rest = f"adapt openapi.overlay.yaml, {where('import create_access_token')} and setle.testing"
    found = []
    servers = [server["url"] for server in spec.get("servers", [])]
    if servers != [setle.TokenSource(setle.ClientCredentials("an-id", "a-secret")).base_url]:
        found.append(f"servers are {servers}: change the URL in {where('DEFAULT_BASE_URL = ')}")
    operation = spec["paths"].get(PATH, {}).get(METHOD)
    if operation is None:
        return [*found, f"{METHOD.upper()} {PATH} is gone: {rest}"]
    if "servers" in operation or "servers" in spec["paths"][PATH]:
        found.append(f"{PATH} has servers of its own: change {where('import create_access_token')}")
    if "requestBody" in operation:
        found.append(f"{PATH} takes a body: {rest}")
    parameters = [
        (parameter["name"], parameter["in"])
        for parameter in operation.get("parameters", [])
        if parameter.get("required")
    ]
    if sorted(parameters) != [(name, "header") for name in HEADERS]:
        found.append(f"{PATH} requires {parameters}: {rest}")
    schema = operation["responses"].get("200", {}).get("content", {}).get("application/json", {})
    name = schema.get("schema", {}).get("$ref", "").rpartition("/")[2]
    answer = spec["components"]["schemas"].get(name, {})
    types = {key: value.get("type") for key, value in answer.get("properties", {}).items()}
    if not types.items() >= ANSWER.items() or not {*answer.get("required", [])} >= {*ANSWER}:
        found.append(f"{PATH} answers {types}: change {where('def token_of')}")
    return found


def test_the_published_description_is_what_the_wrapper_needs() -> None:
    """A failure names each thing that moved, and the place to change, and is the only one."""
    if problems := moved(parsed((ROOT / "openapi.yaml").read_text(encoding="utf-8"))):
        pytest.fail("openapi.yaml moved: " + "\nand ".join(problems), pytrace=False)
    # Only now is it sure that there is such a module.
    from setle_api import Client
    from setle_api.api.general import create_access_token

    with Sandbox() as sandbox, Client(sandbox.base_url) as client:
        response = create_access_token.sync_detailed(
            client=client,
            x_setle_client_id=sandbox.client_id,
            x_setle_client_secret=sandbox.client_secret,
        )
    assert response.status_code == 200, "setle.testing answers otherwise than described: adapt it"


def token(spec: Any) -> Any:
    return spec["paths"][PATH][METHOD]


CHANGES: dict[str, tuple[Callable[[Any], object], str]] = {
    "server": (
        lambda spec: spec["servers"][0].update(url="https://api.setle.app"),
        r"servers are .*https://api.setle.app.*: change the URL in wrapper/setle/.*base_url\.py",
    ),
    "path": (
        lambda spec: spec["paths"].update({"/v2": spec["paths"].pop(PATH)}),
        r"POST /v1/oauth/token is gone: adapt openapi\.overlay\.yaml, wrapper/setle/\S*\.py and",
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
        r"answers .*: change wrapper/setle/\S*\.py",
    ),
}


@pytest.mark.parametrize(("change", "message"), CHANGES.values(), ids=CHANGES)
def test_what_moves_is_named_with_the_place_to_change(
    change: Callable[[Any], object], message: str
) -> None:
    """One thing moves, one message."""
    spec = parsed(token_endpoint_alone())
    change(spec)
    [problem] = moved(spec)
    assert re.search(message, problem)


def test_an_optional_parameter_is_no_concern() -> None:
    """The wrapper does not have to send it."""
    spec = copy.deepcopy(parsed(token_endpoint_alone()))
    token(spec)["parameters"].append({"name": "x-tenant", "in": "header"})
    assert moved(spec) == []
