"""What of a description is a fault, where it stands, and the action that mends it."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from pipeline import PipelineError, generate, overlay, run
from pipeline.faults import actions_of, jsonpath, pasted, place_of
from pipeline.validate import faults
from tests.pipeline.described import get, of, parsed, with_more

TEXT = {"type": "string"}


def lines(spec: Any) -> list[str]:
    return list(map(str, faults(spec)))


FAULTS: dict[str, tuple[Any, str]] = {
    "a type": (
        of({"/a": get({"type": "text"})}),
        "GET /a, query x, schema: type 'text' is not one of array, boolean, integer, null, number, "
        "object, string; correct it",
    ),
    "a default of another type": (
        of({}, {"A": {"type": "object", "properties": {"b": {"type": "integer", "default": "1"}}}}),
        "schema A, properties/b: the default '1' is not of type 'integer'; leave it out",
    ),
    "a default that is no value": (
        of({}, {"A": {**TEXT, "enum": ["a"], "default": "b"}}),
        "schema A: the default 'b' is not one of its values; leave it out",
    ),
    "a reference": (
        of({"/a": get({"$ref": "#/components/schemas/Gone"})}),
        "GET /a, query x, schema: '#/components/schemas/Gone' does not exist; correct it",
    ),
    "an operationId twice": (
        of({"/a": get(), "/b": get()}),
        "GET /b: the operationId 'getIt' is not unique, GET /a has it too; give it one of its own",
    ),
    "a parameter of the path": (
        of({"/a/{b}": get()}),
        "GET /a/{b}: the path's parameter 'b' is not declared; declare it",
    ),
    "a parameter in no path": (
        of({"/a": get(TEXT, **{"in": "path", "required": True})}),
        "GET /a: the parameter 'x' is not in the path; leave it out",
    ),
    "servers": (
        of({"/a": {"get": {**get()["get"], "servers": [{"url": "https://x"}]}}}),
        "GET /a: has servers of its own, but goes to the base URL; remove its `servers`",
    ),
    "an answer without a description": (
        of({"/a": get(answers={"204": {}})}),
        "GET /a, responses/204: 'description' is a required property; give it one",
    ),
    "a key that is none": (
        of({"/a": {"get": {**get()["get"], "paramters": []}}}),
        "GET /a, paramters: 'paramters' is nothing that OpenAPI has there; correct it",
    ),
}


@pytest.mark.parametrize(("spec", "line"), FAULTS.values(), ids=FAULTS)
@pytest.mark.parametrize("version", ["3.0.0", "3.1.0"])
def test_a_fault_is_one_line_and_its_action_mends_it(version: str, spec: Any, line: str) -> None:
    """Place, reason and remedy; with what is printed in the overlay, the fault is gone."""
    spec = copy.deepcopy(spec) | {"openapi": version}
    found = list(faults(spec))
    said = [str(fault) for fault in found]
    assert line in said
    actions = actions_of(found)
    assert actions
    text = pasted(actions).partition("\n\n")[2]
    overlay.apply(spec, f"overlay: 1.1.0\nactions:\n{text}")
    assert lines(spec) == []


def test_all_faults_are_told_at_once() -> None:
    """Whoever mends them need not come back for each."""
    spec = of({f"/{name}": get({"type": "text"}) for name in "abc"})
    found = [line for line in lines(spec) if "type 'text'" in line]
    assert [line[:6] for line in found] == ["GET /a", "GET /b", "GET /c"]


HARMLESS: dict[str, Any] = {
    "a pattern that Python does not know": of({"/a": get({**TEXT, "pattern": r"^[\p{L}]+$"})}),
    "a name twice in required": of({}, {"A": {"type": "object", "required": ["a", "a"]}}),
    "nothing in required": of({}, {"A": {"type": "object", "required": []}}),
    "a place in a bearer scheme": of({})
    | {
        "components": {
            "securitySchemes": {"a": {"type": "http", "scheme": "bearer", "in": "header"}}
        }
    },
    "an example of another type": of({}, {"A": {**TEXT, "example": 1}}),
    "a contact without an address": of({}) | {"info": {"title": "A", "version": 1.0}},
    "a word too many in a schema": of({}, {"A": {**TEXT, "exclusive": True}}),
    "a property that is called type": of(
        {}, {"A": {"type": "object", "properties": {"type": TEXT, "default": TEXT}}}
    ),
}


@pytest.mark.parametrize("spec", HARMLESS.values(), ids=HARMLESS)
@pytest.mark.parametrize("version", ["3.0.0", "3.1.0"])
def test_what_bends_no_call_is_no_fault(version: str, spec: Any) -> None:
    """The generator takes it, and no user minds."""
    assert lines(copy.deepcopy(spec) | {"openapi": version}) == []


def test_the_vendored_description_has_no_fault() -> None:
    """Nor has that of the token endpoint alone."""
    assert lines(parsed(with_more())) == []


def test_the_actions_are_printed_after_the_lines(
    one_endpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ready to paste at the end of the overlay, which is all there is to do."""
    text = with_more(
        "  /v1/x: {get: {servers: [{url: https://x}], responses: {'204': {description: .}}}}\n"
    )
    (one_endpoint / "openapi.yaml").write_text(text, encoding="utf-8")
    assert run(lambda: generate.generate(one_endpoint)) == 1
    error, ready, *actions = capsys.readouterr().err.split("\n", 2)
    assert error == (
        "error: GET /v1/x: has servers of its own, but goes to the base URL; remove its `servers`"
    )
    assert ready == "ready to paste at the end of openapi.overlay.yaml:"
    with (one_endpoint / "openapi.overlay.yaml").open("a", encoding="utf-8") as file:
        file.write(actions[0])
    generate.generate(one_endpoint)


def test_a_place_is_called_as_people_call_it() -> None:
    """Operations by method and path, parameters by place and name, schemas by name."""
    spec = of({"/a": get(TEXT)})
    assert (
        place_of(spec, ("paths", "/a", "get", "parameters", 0, "schema"))
        == "GET /a, query x, schema"
    )
    assert place_of(spec, ("paths", "/a", "parameters", 0)) == "/a, parameters/0"
    assert (
        place_of(spec, ("components", "schemas", "A", "properties", "b"))
        == "schema A, properties/b"
    )
    assert place_of(spec, ("openapi",)) == "openapi"
    assert place_of(spec, ()) == "the whole"


def test_a_path_is_a_jsonpath() -> None:
    """Quoted where it has to be."""
    assert jsonpath(("paths", "/a'b", "get", 0)) == "$.paths['/a\\'b'].get[0]"


def test_a_stop_without_actions_is_its_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """One for each."""

    def step() -> None:
        raise PipelineError("one\ntwo")

    assert run(step) == 1
    assert capsys.readouterr().err == "error: one\nerror: two\n"
    assert json.dumps(PipelineError("x").actions) == "[]"
