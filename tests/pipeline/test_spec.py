from pathlib import Path

import pytest

from pipeline import PipelineError
from pipeline.spec import SPEC, described, load, operations

ROOT = Path(__file__).parents[2]


def test_the_description_differs_only_in_what_the_overlay_says(one_endpoint: Path) -> None:
    """Applying the corrections by hand gives the same document."""
    published = load((one_endpoint / SPEC).read_text(encoding="utf-8"), "it", remedy="")
    operation = published["paths"]["/v1/oauth/token"]["post"]
    operation["operationId"] = "create_access_token"
    del operation["responses"]["500"]
    schemas = published["components"]["schemas"]
    del schemas["DefaultHttpException"]["properties"]["message"]["type"]
    schemas["DefaultHttpException"]["required"] = ["statusCode"]
    del schemas["InternalServerErrorException"]
    assert described(one_endpoint) == published


def test_a_fault_of_the_published_text_can_be_mended(one_endpoint: Path) -> None:
    """What counts is what the overlay makes of it."""
    text = (one_endpoint / SPEC).read_text(encoding="utf-8")
    broken = text.replace("type: number", "type: float", 1)
    (one_endpoint / SPEC).write_text(broken, encoding="utf-8")
    with pytest.raises(PipelineError, match="type 'float' is not one of"):
        described(one_endpoint)
    with (one_endpoint / "openapi.overlay.yaml").open("a", encoding="utf-8") as overlay:
        overlay.write(
            "\n  - target: $.components.schemas.*.properties[?@.type == 'float'].type\n"
            "    description: It is a number.\n    update: number\n"
        )
    described(one_endpoint)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("openapi: 4.0.0", "it says version 4.0.0, and 3.0 and 3.1 are"),
        ("openapi: 3.0", "it says version 3.0, and"),
        ("swagger: '2.0'", "it names no version"),
        ("openapi: [", "it is not YAML: "),
        ('{"openapi": ', "it is not YAML: Expecting value"),
        ("[]", "it is empty"),
        ("- a", "it is not a mapping"),
    ],
)
def test_what_is_no_description_is_refused(text: str, message: str) -> None:
    """The error says why, in one line, and what to do."""
    with pytest.raises(PipelineError, match=message) as caught:
        load(text, "it", remedy="vendor another")
    assert str(caught.value).endswith("; vendor another")
    assert "\n" not in str(caught.value)


def test_a_description_is_what_json_holds() -> None:
    """Numbers as keys, dates and one object at two places are nothing of YAML's own any more."""
    spec = load("openapi: 3.0.0\na: &a {200: 2026-11-23}\nb: *a\n", "it", remedy="")
    assert spec == {"openapi": "3.0.0", "a": {"200": "2026-11-23"}, "b": {"200": "2026-11-23"}}
    assert spec["a"] is not spec["b"]


@pytest.mark.parametrize("name", ["openapi.yaml", "openapi.overlay.yaml"])
def test_a_file_that_is_gone_is_named(scratch: Path, name: str) -> None:
    """The error names the file to restore."""
    (scratch / name).unlink()
    with pytest.raises(PipelineError, match=f"cannot read {name}: .*; restore it"):
        described(scratch)


def test_everything_that_may_be_an_operation_counts_as_one() -> None:
    """Methods unknown today and references count; the rest of a path item does not."""
    item = {"get": {}, "query": {}, "$ref": "x", "parameters": [], "summary": "", "x-a": {}}
    assert operations({"paths": {"/a": item, "x-b": {"get": {}}}}) == [
        ("GET", "/a"),
        ("QUERY", "/a"),
        ("$REF", "/a"),
    ]
    assert operations({}) == []
