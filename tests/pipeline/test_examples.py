"""An example answer is made for each operation: valid, and what the sandbox serves."""

import json
import re
from collections.abc import Iterator
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import httpx
import openapi_core
import pytest
from openapi_core.testing import MockRequest, MockResponse

import setle
from pipeline import generate, roundtrip
from pipeline.examples import examples, write
from pipeline.spec import described
from setle.testing import Sandbox, _routes
from tests.support import credentials_of

ROOT = Path(__file__).parents[2]

ESTATE = {
    "type": "object",
    "required": ["id", "price", "label", "address", "sold_at"],
    "properties": {
        "id": {"type": "string", "format": "uuid"},
        "reference": {"type": "string", "pattern": "^SK-[0-9]{4}$"},
        "title": {"type": "string", "minLength": 30, "maxLength": 40},
        "kind": {"type": "string", "example": "HOUSE"},
        "rooms": {"type": "integer", "minimum": 1, "maximum": 20, "multipleOf": 5},
        "score": {"type": "number", "minimum": 0, "maximum": 1, "exclusiveMaximum": True},
        "price": {"type": "number", "example": "not a number"},
        "label": {"type": "string", "enum": ["A", "B", "C", "D"]},
        "sold_at": {"type": "string", "format": "date-time", "nullable": True},
        "secret": {"type": "string", "writeOnly": True},
        "is_new": {"type": "boolean", "default": True},
        "address": {"$ref": "#/components/schemas/Address"},
        "part_of": {"$ref": "#/components/schemas/Estate"},
        "files": {"type": "array", "minItems": 3, "items": {"type": "string", "format": "uri"}},
        "points": {"type": "array", "maxItems": 1, "items": {"type": "number"}},
        "extras": {"type": "object", "additionalProperties": {"type": "integer"}},
    },
}
SCHEMAS = {
    "Address": {
        "type": "object",
        "additionalProperties": False,
        "required": ["zip_code"],
        "properties": {"zip_code": {"type": "string"}, "country": {"type": "string"}},
        "example": {"zip_code": "9000", "country": "BE"},
    },
    "Estate": ESTATE,
    "House": {
        "type": "object",
        "required": ["roof"],
        "additionalProperties": False,
        "properties": {"roof": {"type": "string", "enum": ["flat"]}},
    },
    "Flat": {
        "type": "object",
        "required": ["floor"],
        "additionalProperties": False,
        "properties": {"floor": {"type": "integer"}},
    },
    "Loose": {"type": "object", "properties": {"floor": {}}},
}


def json_of(schema: Any, **more: Any) -> dict[str, Any]:
    return {"application/json": {"schema": schema, **more}}


def ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


ANSWERS: dict[str, Any] = {
    "GET /v1/estate/{id}": {"200": {"content": json_of(ref("Estate"))}},
    "GET /v1/estates": {"200": {"content": json_of({"type": "array", "items": ref("Estate")})}},
    "POST /v1/either": {
        "201": {"content": json_of({"oneOf": [ref("Loose"), ref("Flat"), ref("House")]})},
        "400": {"content": json_of({"type": "string"})},
    },
    "GET /v1/both": {
        "200": {"content": json_of({"allOf": [ref("Loose"), {"required": ["floor"]}]})}
    },
    "GET /v1/any": {"default": {"content": {"*/*": {"schema": {}}}}},
    "GET /v1/told": {"200": {"content": json_of(ref("Address"), example={"zip_code": "3000"})}},
    "GET /v1/told/{id}/again": {
        "2XX": {
            "content": json_of(
                ref("Address"),
                examples={"bad": {"value": {"zip": 1}}, "good": {"value": {"zip_code": "1000"}}},
            )
        }
    },
    "GET /v1/problem": {
        "200": {"content": {"application/problem+json": {"schema": ref("Address")}}}
    },
    "GET /v1/text": {
        "200": {
            "headers": {
                "X-Count": {"required": True, "schema": {"type": "integer"}},
                "X-Name": {"schema": {"type": "string", "example": "one"}},
            },
            "content": {"text/csv": {"schema": {"type": "string"}, "example": "a,b\n1,2\n"}},
        }
    },
    "DELETE /v1/estate/{id}": {"204": {"description": "Gone."}},
    "GET /v1/foreign": {
        "200": {"content": json_of({"type": "string", "pattern": r"^\p{L}+$", "maxLength": 3})}
    },
}
IMPOSSIBLE = {
    "GET /v1/nothing": {"200": {"content": json_of({"type": "string", "enum": []})}},
    "GET /v1/moved": {"302": {"description": "Elsewhere."}},
    "GET /v1/xml": {"200": {"content": {"application/xml": {"schema": ref("Address")}}}},
    "GET /v1/none": {
        "200": {"content": json_of({"type": "string", "pattern": "^a$", "minLength": 2})}
    },
}


def spec_of(answers: dict[str, Any]) -> dict[str, Any]:
    paths: dict[str, Any] = {}
    for called, responses in answers.items():
        method, path = called.split()
        parameters = [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
            for name in re.findall("{(.+?)}", path)
        ]
        described_so = {c: {"description": "An answer."} | r for c, r in responses.items()}
        paths.setdefault(path, {})[method.lower()] = {
            "parameters": parameters,
            "responses": described_so,
        }
    return {
        "openapi": "3.0.0",
        "info": {"title": "Made up", "version": "1"},
        "servers": [{"url": "https://made-up.example"}],
        "paths": paths,
        "components": {"schemas": SCHEMAS},
    }


SPEC = spec_of(ANSWERS)


@pytest.fixture
def sandbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """A sandbox for the made-up description."""
    assert write(SPEC, tmp_path) == []
    package = ModuleSpec("setle_api", None, origin=str(tmp_path / "__init__.py"))
    monkeypatch.setattr(_routes, "find_spec", lambda _: package)
    _routes.described.cache_clear()
    with Sandbox() as running:
        yield running
    _routes.described.cache_clear()


def test_the_sandbox_serves_them_all(sandbox: Sandbox) -> None:
    """Each described operation is answered as described, to who has a token."""
    judge = openapi_core.OpenAPI.from_dict(
        # The judge cannot read the patterns of another dialect.
        {**SPEC, "paths": {p: i for p, i in SPEC["paths"].items() if p != "/v1/foreign"}},
        config=openapi_core.Config(
            extra_media_type_deserializers={
                "text/csv": bytes.decode,
                "application/problem+json": json.loads,
            }
        ),
    )
    with setle.connect(credentials_of(sandbox), base_url=sandbox.base_url) as client:
        for called in ANSWERS.keys() - {"GET /v1/foreign"}:
            method, path = called.replace("{id}", "some id").split(" ", 1)
            answer = client.get_httpx_client().request(method, path)
            judge.validate_response(
                MockRequest("https://made-up.example", method.lower(), path.replace(" ", "%20")),
                MockResponse(
                    answer.content,
                    answer.status_code,
                    dict(answer.headers),
                    answer.headers.get("content-type", ""),
                ),
            )
    anonymous = httpx.get(sandbox.base_url + "/v1/estates", trust_env=False)
    assert anonymous.status_code == 401


def test_they_are_routes_like_any_other(sandbox: Sandbox) -> None:
    """A described operation can be given another answer, and a built-in one stays as it is."""
    sandbox.route("GET", "/v1/estate/{estate}", [1])
    assert sandbox.route("GET", "/v1/estates").method == "GET"
    with setle.connect(credentials_of(sandbox), base_url=sandbox.base_url) as client:
        http = client.get_httpx_client()
        assert http.get("/v1/estate/x").json() == [1]
        assert len(http.get("/v1/estate/list").json()) == 5


def test_the_list_of_estates_is_as_described(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once it is, the example takes the place of the made-up ones, but not of given ones."""
    page = {"type": "object", "required": ["total"], "properties": {"total": {"const": 7}}}
    write(spec_of({"GET /v1/estate/list": {"200": {"content": json_of(page)}}}), tmp_path)
    package = ModuleSpec("setle_api", None, origin=str(tmp_path / "__init__.py"))
    monkeypatch.setattr(_routes, "find_spec", lambda _: package)
    _routes.described.cache_clear()
    options: Any
    for options, listed in (({}, {"total": 7}), ({"estates": []}, [])):
        with (
            Sandbox(**options) as sandbox,
            setle.connect(credentials_of(sandbox), base_url=sandbox.base_url) as client,
        ):
            assert client.get_httpx_client().get("/v1/estate/list").json() == listed
    _routes.described.cache_clear()


def answer_of(called: str, spec: dict[str, Any] = SPEC) -> Any:
    made, _ = examples(spec)
    (found,) = [one["answer"] for one in made if f"{one['method']} {one['path']}" == called]
    return found


def test_an_example_that_is_held_is_taken() -> None:
    """Of an answer, a schema or a property, if it is valid; a bad one is passed over."""
    assert answer_of("GET /v1/told")["json"] == {"zip_code": "3000"}
    assert answer_of("GET /v1/told/{id}/again")["json"] == {"zip_code": "1000"}
    estate = answer_of("GET /v1/estate/{id}")["json"]
    assert estate["address"] == {"zip_code": "9000", "country": "BE"}
    assert (estate["kind"], estate["is_new"]) == ("HOUSE", True)
    assert isinstance(estate["price"], float)
    assert answer_of("GET /v1/text")["body"] == "a,b\n1,2\n"
    assert answer_of("GET /v1/text")["headers"]["x-name"] == "one"


def test_an_example_holds_what_an_answer_may() -> None:
    """Properties that need not be there as well, and none that is only written."""
    estate = answer_of("GET /v1/estate/{id}")["json"]
    assert ESTATE["properties"].keys() - estate.keys() == {"secret"}  # type: ignore[attr-defined]  # see above
    assert re.fullmatch("SK-[0-9]{4}", estate["reference"])
    assert len(estate["files"]) == 3


def test_openapi_3_1() -> None:
    """Types in a list, constants and exclusive limits that are numbers are understood."""
    schema = {
        "type": "object",
        "required": ["a", "b", "c", "d"],
        "properties": {
            "a": {"type": ["null", "string"]},
            "b": {"const": 5},
            "c": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
            "d": {"type": "string", "examples": [7, "seven"]},
        },
    }
    spec = spec_of({"GET /v1/thing": {"200": {"content": json_of(schema)}}})
    made = answer_of("GET /v1/thing", {**spec, "openapi": "3.1.0"})["json"]
    assert isinstance(made["a"], str)
    assert (made["b"], made["d"]) == (5, "seven")
    assert 0 < made["c"] < 1


def test_what_cannot_be_made_is_told(tmp_path: Path) -> None:
    """An operation without an example is named, and the others have theirs."""
    told = write(spec_of({**IMPOSSIBLE, "GET /v1/told": ANSWERS["GET /v1/told"]}), tmp_path)
    assert sorted(line.partition(":")[0] for line in told) == sorted(IMPOSSIBLE)
    (made,) = json.loads((tmp_path / "examples.json").read_text("utf-8"))
    assert made["path"] == "/v1/told"


def test_generate_tells_it(
    scratch: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`make generate` names each operation that the sandbox has no example for."""

    def build(_: Path, aside: Path) -> generate.Build:
        (aside / "setle_api").mkdir()
        return generate.Build(aside / "setle_api", {}, [], ["GET /v1/moved: no example"])

    monkeypatch.setattr(generate, "build", build)
    monkeypatch.setattr(roundtrip, "check", lambda *_: "nothing was called")
    generate.generate(scratch)
    assert "GET /v1/moved: no example" in capsys.readouterr().out


def test_the_same_comes_of_it_again() -> None:
    """Two runs make the same, so that a drift is a change of the description."""
    assert examples(SPEC) == examples(json.loads(json.dumps(SPEC)))


def test_the_vendored_examples_are_valid() -> None:
    """What the installed client holds is what is described."""
    judge = openapi_core.OpenAPI.from_dict(described(ROOT))
    made = json.loads((ROOT / "generated" / "setle_api" / "examples.json").read_text("utf-8"))
    assert made
    for one in made:
        answer = one["answer"]
        body = json.dumps(answer["json"]).encode() if "json" in answer else b""
        path = re.sub("{.+?}", "x", one["path"])
        judge.validate_response(
            MockRequest("https://public-api.setle.app", one["method"].lower(), path),
            MockResponse(body, answer["status"], answer["headers"]),
        )
