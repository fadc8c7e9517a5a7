"""A wider description, end to end: vendored, generated, installed and called in a scratch copy."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from http.server import BaseHTTPRequestHandler
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

import openapi_core
import pytest
from openapi_core.testing import MockRequest, MockResponse
from ruamel.yaml import YAML
from werkzeug.datastructures import MultiDict

from pipeline.compare import differences
from pipeline.generate import generate
from pipeline.spec import corrected_spec, operations
from pipeline.vendor import vendor
from tests.pipeline.serving import serving, site, token_endpoint_alone

ROOT = Path(__file__).parents[2]
ID = "5b0c8f3e-6a51-4f0b-9d5c-0f6f3a0f7b11"
NOON = "2026-11-23T12:00:00+00:00"
ADDRESS = {
    "street": "Kouter",
    "number": "1",
    "box": None,
    "postal_code": "9000",
    "city": "Gent",
    "country": "BE",
}
ESTATE = {
    "id": ID,
    "estate_type": "HOUSE",
    "external_id": "SK-1",
    "quality_label": "B",
    "address": ADDRESS,
    "living_area": 143.5,
    "created_at": NOON,
    "built_on": "1931-05-01",
}
ITEM = {"estate": ESTATE, "referral_link": f"https://r.setle.example/{ID}", "updated_at": NOON}
MEASURE = {"name": "Insulate the roof", "cost": 18_000.5}
IMAGE = {"id": ID, "file_name": "front.jpg", "size": 21}
MEMBER = {"id": ID, "email": "a@example.com", "role": "AGENT", "joined_at": None}
ANSWERS: dict[str, tuple[int, Any]] = {
    "estate.create_estate": (201, ESTATE),
    "estate.delete_estate": (204, None),
    "estate.get_estate": (200, ESTATE),
    "estate.list_estates": (200, {"items": [ITEM], "total": 51, "next_page": None}),
    "estate.list_images": (200, [IMAGE, IMAGE]),
    "estate.update_estate": (200, ESTATE | {"built_on": None}),
    "estate.upload_image": (201, IMAGE),
    "organisation.get_organisation": (200, {"id": ID, "name": "Agency", "settings": {"a": "b"}}),
    "organisation.invite_member": (201, MEMBER),
    "organisation.list_members": (200, [MEMBER, MEMBER | {"joined_at": NOON}]),
    "organisation.remove_member": (204, None),
    "simulation.get_simulation": (
        200,
        {"cost": 18_000.5, "energy_label": None, "measures": [MEASURE], "computed_at": NOON},
    ),
}
TOKEN: tuple[int, Any] = (
    200,
    {"access_token": "a-token", "expires_in": 3600, "token_type": "Bearer"},
)
OPERATIONS = {
    "POST /v1/estate": "estate.create_estate",
    f"DELETE /v1/estate/{ID}": "estate.delete_estate",
    f"GET /v1/estate/{ID}": "estate.get_estate",
    "GET /v1/estate/list": "estate.list_estates",
    f"GET /v1/estate/{ID}/images": "estate.list_images",
    f"PATCH /v1/estate/{ID}": "estate.update_estate",
    f"POST /v1/estate/{ID}/images": "estate.upload_image",
    "GET /v1/organisation": "organisation.get_organisation",
    "POST /v1/organisation/members": "organisation.invite_member",
    "GET /v1/organisation/members": "organisation.list_members",
    f"DELETE /v1/organisation/members/{ID}": "organisation.remove_member",
    f"GET /v1/estate/{ID}/simulation": "simulation.get_simulation",
}


class Wide(NamedTuple):
    """What came of the made-up site."""

    root: Path
    said: str
    installed: Path
    spec: dict[str, Any]
    files: list[str]
    answers: dict[str, list[list[Any]]]
    requests: list[tuple[str, bytes]]
    errors: list[str]


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wide]:
    """Vendor, generate, install and call, each once."""
    root = tmp_path_factory.mktemp("wide")
    ignore = shutil.ignore_patterns("__pycache__")
    for folder in ("generated", "wrapper"):
        shutil.copytree(ROOT / folder, root / folder, ignore=ignore)
    # The rest of what the build reads.
    for path in ROOT.glob("[!.]*.*"):
        shutil.copy(path, root)
    shutil.copy(ROOT / "LICENSE", root)
    (root / "openapi.yaml").write_bytes(token_endpoint_alone().encode())

    said = StringIO()
    with serving(site()) as url, redirect_stdout(said):
        vendor(root, f"{url}/llms.txt")
    generate(root)

    installed = root / "installed"
    pip = [sys.executable, "-m", "pip", "--isolated", "--quiet", "--disable-pip-version-check"]
    options = ["--no-index", "--no-deps", "--no-build-isolation", "--no-compile"]
    subprocess.run([*pip, "install", *options, "--target", installed, root], check=True)

    spec = YAML(typ="safe").load(corrected_spec(root))
    requests: list[tuple[str, bytes]] = []
    errors: list[str] = []
    with serving({"*": stand_in(spec, requests, errors)}) as url:
        result = subprocess.run(
            [sys.executable, Path(__file__).with_name("new_endpoints.py"), url],
            env={**os.environ, "PYTHONPATH": str(installed), "PYTHONWARNINGS": "error"},
            cwd=root,
            stdout=subprocess.PIPE,
            check=False,
        )
    assert result.returncode == 0, errors
    told = json.loads(result.stdout)
    yield Wide(
        root, said.getvalue(), installed, spec, told["files"], told["answers"], requests, errors
    )
    shutil.rmtree(root)


def stand_in(spec: dict[str, Any], requests: list[tuple[str, bytes]], errors: list[str]) -> Any:
    """Return what answers a request, holding both it and its answer against *spec*."""
    openapi = openapi_core.OpenAPI.from_dict(spec)

    def answer(handler: BaseHTTPRequestHandler) -> None:
        url = urlsplit(handler.path)
        called = f"{handler.command} {url.path}"
        body = handler.rfile.read(int(handler.headers.get("content-length", 0)))
        requests.append((called, body))
        status, value = ANSWERS[OPERATIONS[called]] if called in OPERATIONS else TOKEN
        content = b"" if value is None else json.dumps(value).encode()
        request = MockRequest(
            "https://public-api.setle.app",
            handler.command,
            url.path,
            args=MultiDict(parse_qsl(url.query)),
            headers=dict(handler.headers),
            data=body,
            content_type=handler.headers.get("content-type", ""),
        )
        try:
            openapi.validate_request(request)
            openapi.validate_response(request, MockResponse(content, status))
        except Exception as error:  # noqa: BLE001 - the test gets to see all of them
            errors.append(f"{called}: {error!r} {error.__cause__!r}")
        handler.send_response(status)
        handler.send_header("content-type", "application/json")
        handler.send_header("content-length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)

    return answer


def test_every_operation_has_its_module(wide: Wide) -> None:
    """As many endpoint modules as operations, and all the new ones among them."""
    modules = list((wide.root / "generated" / "setle_api").glob("api/*/[!_]*.py"))
    assert len(operations(wide.spec)) == len(modules) == 1 + len(OPERATIONS)


def test_every_operation_has_an_example(wide: Wide) -> None:
    """The sandbox answers them all from their first day."""
    made = json.loads((wide.root / "generated/setle_api/examples.json").read_text("utf-8"))
    assert {(one["method"], one["path"]) for one in made} == set(operations(wide.spec))


def test_the_report_calls_what_is_added_compatible(wide: Wide) -> None:
    """Every new endpoint is listed, and nothing is breaking: what was there stays as it was."""
    lines = wide.said.split("Python names:\n")[1].splitlines()
    assert not [line for line in lines if line.startswith("- breaking")]
    new = [
        line for line in lines if re.fullmatch(r"- compatible `setle_api\.api\.\S+` is new", line)
    ]
    assert len(new) == len(ANSWERS)


def test_a_webhook_brings_its_model_and_no_endpoint(wide: Wide) -> None:
    """What a webhook sends can be parsed with the generated client."""
    assert (wide.root / "generated/setle_api/models/estate_updated_event_dto.py").is_file()
    assert "webhooks" not in wide.spec


def test_the_wrapper_is_taken_as_it_is(wide: Wide) -> None:
    """Not a line of it is touched, and it is the installed copy that made the calls."""
    assert differences(ROOT / "wrapper" / "setle", wide.installed / "setle") == []
    assert [Path(file).parent for file in wide.files] == [
        wide.installed / "setle",
        wide.installed / "setle_api",
    ]


def test_requests_and_answers_are_as_described(wide: Wide) -> None:
    """Two calls of each operation, one token for all, and nothing the description does not say."""
    assert wide.errors == []
    called = [call for call, _ in wide.requests]
    assert sorted(called) == sorted([*OPERATIONS, *OPERATIONS, "POST /v1/oauth/token"])


@pytest.mark.parametrize("name", ANSWERS)
def test_a_new_endpoint_answers_sync_and_async(wide: Wide, name: str) -> None:
    """Both ways give the answer as models, which turn back into what was sent."""
    assert wide.answers[name] == [list(ANSWERS[name])] * 2


def test_a_nested_body_arrives(wide: Wide) -> None:
    """Enums, date-times, lists and defaults are sent as described."""
    body = next(body for call, body in wide.requests if call == "POST /v1/estate")
    assert json.loads(body) == {
        "estate_type": "HOUSE",
        "external_id": "SK-1",
        "address": {key: value for key, value in ADDRESS.items() if key != "box"},
        "rooms": [{"name": "attic", "area": 12.5, "heated": True}],
        "asking_price": 325_000,
        "visited_at": NOON,
    }


def test_an_upload_arrives(wide: Wide) -> None:
    """The file goes as multipart, byte for byte, with its name and type."""
    bodies = [body for call, body in wide.requests if call == f"POST /v1/estate/{ID}/images"]
    file = (
        b'name="file"; filename="front.jpg"\r\nContent-Type: image/jpeg\r\n\r\n\xff\xd8 not a real'
    )
    assert file in bodies[0]
    assert b'name="caption"' in bodies[0]
