import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from pipeline import PipelineError
from pipeline.document import dump, parse
from pipeline.merge import label, merge
from pipeline.spec import operations

SITE = Path(__file__).parent / "site"
INFO = {"title": "Setle API", "version": "1.0"}
ESTATE = {"type": "object", "properties": {"id": {"type": "number", "default": 1}}}


def spec(path: str = "/a", method: str = "get", **changes: Any) -> dict[str, Any]:
    """Return what a page says: *changes* by root key, taken away where None."""
    operation = {"responses": {"204": {"description": "Done."}}, "tags": ["T"]}
    whole = {
        "openapi": "3.0.0",
        "info": INFO,
        "servers": [{"url": "https://public-api.setle.app"}],
        "security": [],
        "paths": {path: {method: operation}},
        "components": {"schemas": {"Estate": ESTATE}},
    }
    return {key: value for key, value in (whole | changes).items() if value is not None}


def estate(**changes: Any) -> dict[str, Any]:
    return {"schemas": {"Estate": ESTATE | changes}}


def with_item(path: str, **changes: Any) -> dict[str, Any]:
    whole = spec(path, "post")
    whole["paths"][path] |= changes
    return whole


def test_pages_are_put_together_whatever_their_order() -> None:
    """All operations and components, each once; order and names of the pages have no say."""
    pages = [dump(spec("/b")), dump(spec("/a", "post")), dump(spec("/a"))]
    outcomes = {
        merge(dict(zip(names, order, strict=True)))
        for order in itertools.permutations(pages)
        for names in ("xyz", "zyx")
    }
    assert len(outcomes) == 1
    merged = parse(outcomes.pop(), "merged")
    assert operations(merged) == [("GET", "/a"), ("POST", "/a"), ("GET", "/b")]
    assert merged["components"] == {"schemas": {"Estate": ESTATE}}
    assert list(merged) == ["openapi", "info", "servers", "security", "paths", "components"]


def test_the_order_of_keys_is_no_difference() -> None:
    """Two pages may write one thing in two orders; the outcome is the same for both orders."""
    one = spec("/a", components=estate())
    other = spec("/b", components={"schemas": {"Estate": dict(reversed(ESTATE.items()))}})
    merged = merge({"a": dump(one), "b": dump(other)})
    assert merged == merge({"b": dump(one), "a": dump(other)})


@pytest.mark.parametrize("ending", ["", "\n\n", "# said by Setle\n"])
def test_one_text_comes_back_byte_for_byte(ending: str) -> None:
    """However many pages have it."""
    text = dump(spec()) + ending
    assert merge({"a": text, "b": text}) == merge({"a": text}) == text


def test_json_becomes_yaml() -> None:
    """The same as if it had been YAML, in the order it has."""
    document = dict(reversed(spec().items()))
    assert merge({"a": json.dumps(document)}) == dump(document)


def test_webhook_pages_are_taken() -> None:
    """Both forms: no paths but a model, and the webhooks of OpenAPI 3.1."""
    hook = {"post": {"responses": {"200": {"description": "Heard."}}}}
    pages = [
        spec(openapi="3.1.0"),
        spec(paths={}, components={"schemas": {"Event": ESTATE}}, openapi="3.1.0"),
        spec(paths=None, webhooks={"estate.updated": hook}, openapi="3.1.0"),
    ]
    merged = parse(merge({str(number): dump(page) for number, page in enumerate(pages)}), "merged")
    assert merged["webhooks"] == {"estate.updated": hook}
    assert sorted(merged["components"]["schemas"]) == ["Estate", "Event"]
    assert operations(merged) == [("GET", "/a")]


def test_tags_are_put_together_by_name() -> None:
    """Each page may list its own."""
    pages = {name: dump(spec(f"/{name}", tags=[{"name": name}, {"name": "T"}])) for name in "ba"}
    assert parse(merge(pages), "merged")["tags"] == [{"name": "T"}, {"name": "a"}, {"name": "b"}]


@pytest.mark.parametrize(
    ("other", "place"),
    [
        (spec("/b", components=estate(type="string")), "components/schemas/Estate/type"),
        (spec("/b", components=estate(required=["id"])), "components/schemas/Estate/required"),
        (
            spec("/b", components=estate(properties={"id": {"type": "number", "default": 1.0}})),
            "components/schemas/Estate/properties/id/default",
        ),
        (spec("/b", info=INFO | {"version": "2.0"}), "info/version"),
        (spec("/b", openapi="3.0.1"), "openapi"),
        (spec("/b", servers=[{"url": "https://x.setle.app"}]), "servers/0/url"),
        (spec("/b", security=[{}]), "security"),
        (spec("/a", paths={"/a": {"get": {"responses": {"204": {"description": "No."}}}}}), "/a/"),
    ],
)
@pytest.mark.parametrize("names", [("one.md", "two.md"), ("two.md", "one.md")])
def test_two_things_under_one_name_stop_it(
    other: dict[str, Any], place: str, names: tuple[str, str]
) -> None:
    """The error names both pages and the place."""
    pages = {names[0]: dump(spec()), names[1]: dump(other)}
    with pytest.raises(PipelineError, match=rf"at \S*{place}\S*; tell Setle") as caught:
        merge(pages)
    assert all(name in str(caught.value) for name in names)


@pytest.mark.parametrize(
    ("other", "place"),
    [
        (spec("/b", security=None), "security"),
        (spec("/b") | {"x-mint": {"a": 1}}, "x-mint"),
        (
            with_item("/a", parameters=[{"$ref": "#/components/parameters/P"}]),
            "paths//a/parameters",
        ),
    ],
)
def test_what_holds_for_a_whole_page_must_stand_in_both(other: dict[str, Any], place: str) -> None:
    """Put together, it would change what the other page says of its endpoint."""
    parameter = {"name": "n", "in": "query", "schema": {"type": "string"}}
    other["components"] = {**other["components"], "parameters": {"P": parameter}}
    with pytest.raises(PipelineError, match=rf"^\w+ has {place}, \w+ has not; tell Setle"):
        merge({"one": dump(spec()), "two": dump(other)})


@pytest.mark.parametrize("names", ["abc", "bac"])
def test_of_two_pages_with_one_text_the_first_is_named(names: str) -> None:
    """The error too is the same for any order."""
    one, other = dump(spec()), dump(spec("/b", openapi="3.0.1"))
    texts = {"a": one, "b": one, "c": other}
    with pytest.raises(PipelineError, match=r"^a and c do not say the same at openapi"):
        merge({name: texts[name] for name in names})


def test_a_page_that_is_no_description_is_named() -> None:
    """Before anything is put together; what an overlay can mend is no such thing."""
    with pytest.raises(PipelineError, match=r"^b\.md has no `openapi` key"):
        merge({"a.md": dump(spec("/a")), "b.md": "swagger: '2.0'"})
    assert "paths:" in merge({"a.md": dump(spec("/a", info={})), "b.md": dump(spec("/b", info={}))})


def test_places_are_called_as_users_call_them() -> None:
    """An operation by its method and path."""
    assert label(("paths", "/a", "get")) == "GET /a"
    assert label(("paths", "/a", "parameters")) == "paths//a/parameters"
    assert label(("components", "schemas", "Estate")) == "components/schemas/Estate"
