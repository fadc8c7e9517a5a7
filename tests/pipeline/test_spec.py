from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from pipeline import PipelineError
from pipeline.spec import corrected_spec, operations, validated

ROOT = Path(__file__).parents[2]


@pytest.fixture
def published() -> Any:
    return YAML(typ="safe").load(ROOT / "openapi.yaml")


def test_the_corrected_spec_differs_only_in_what_the_overlay_says(one_endpoint: Path) -> None:
    """Applying the corrections by hand gives the same document."""
    published = YAML(typ="safe").load(one_endpoint / "openapi.yaml")
    operation = published["paths"]["/v1/oauth/token"]["post"]
    operation["operationId"] = "create_access_token"
    del operation["responses"]["500"]
    schemas = published["components"]["schemas"]
    del schemas["DefaultHttpException"]["properties"]["message"]["type"]
    schemas["DefaultHttpException"]["required"] = ["statusCode"]
    del schemas["InternalServerErrorException"]
    assert YAML(typ="safe").load(corrected_spec(one_endpoint)) == published


def test_the_corrected_spec_changes_only_the_touched_lines(one_endpoint: Path) -> None:
    """But for the lines corrected, the text is the published one."""
    before = (one_endpoint / "openapi.yaml").read_text(encoding="utf-8").splitlines()
    after = corrected_spec(one_endpoint).splitlines()
    assert [line for line in after if line not in before] == [
        "      operationId: create_access_token"
    ]
    assert len(before) - len(after) == 12


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("in: header", "in: hedder", r"'hedder' is not one of .*\(at paths//v1/oauth/token/post"),
        ("title: Setle API", "titel: Setle API", "title' is a required property"),
        ("openapi: 3.0.0", "openapi: 4.0.0", "it says version 4.0.0, and 3.0 and 3.1 are"),
        ("openapi: 3.0.0", "openapi: 3.0", "is not valid OpenAPI"),
        ("'200':", "200:", "has the key 200; put it in quotes"),
        ("ref: '#/components/schemas/DefaultHttpException'", "ref: '#/components/x'", "/x' does"),
        ("type: object", "type: objct", "'objct' is not one of"),
        ("info:", "info: [", "openapi.yaml is not YAML"),
    ],
)
def test_an_invalid_spec_is_refused(scratch: Path, old: str, new: str, message: str) -> None:
    """The error says what is wrong and where, in a few words."""
    text = (scratch / "openapi.yaml").read_text(encoding="utf-8")
    assert old in text
    (scratch / "openapi.yaml").write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(PipelineError, match=message) as caught:
        corrected_spec(scratch)
    assert str(caught.value).startswith("openapi.yaml ")
    assert "as corrected" not in str(caught.value)
    assert len(str(caught.value)) < 500


def test_two_operations_with_one_id_are_refused(published: Any) -> None:
    """An operationId that is there twice would make two operations one module."""
    published["paths"]["/v2"] = published["paths"]["/v1/oauth/token"]
    text = str(published).replace("'", '"').replace("True", "true").replace("False", "false")
    with pytest.raises(PipelineError, match="is not unique"):
        validated(text, name="it", remedy="none")


def test_a_correction_that_breaks_the_spec_is_refused(scratch: Path) -> None:
    """What the overlay makes of the spec is validated too, and the overlay gets the blame."""
    with (scratch / "openapi.overlay.yaml").open("a", encoding="utf-8") as overlay:
        overlay.write("\n  - target: $.info.title\n    description: No.\n    remove: true\n")
    with pytest.raises(PipelineError, match=r"as corrected .*; adapt openapi\.overlay\.yaml"):
        corrected_spec(scratch)


@pytest.mark.parametrize("name", ["openapi.yaml", "openapi.overlay.yaml"])
def test_a_file_that_is_gone_is_named(scratch: Path, name: str) -> None:
    """The error names the file to restore."""
    (scratch / name).unlink()
    with pytest.raises(PipelineError, match=f"cannot read {name}: .*; restore it"):
        corrected_spec(scratch)


def test_everything_that_may_be_an_operation_counts_as_one() -> None:
    """Methods unknown today and references count; the rest of a path item does not."""
    item = {"get": {}, "query": {}, "$ref": "x", "parameters": [], "summary": "", "x-a": {}}
    assert operations({"paths": {"/a": item, "x-b": {"get": {}}}}) == [
        ("GET", "/a"),
        ("QUERY", "/a"),
        ("$REF", "/a"),
    ]
    assert operations({}) == []
