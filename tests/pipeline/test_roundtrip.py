"""The round trip passes a right client, and finds and names what is wrong with another."""

import shutil
import sys
from pathlib import Path

import pytest

from pipeline import PipelineError, generate, roundtrip, rules
from tests.pipeline.described import repository, with_everything, with_more
from tests.pipeline.test_generate import snapshot

CHANGE, FILE, SEARCH, RAW = (
    "POST /v1/things/{thingId}",
    "PUT /v1/things/{thingId}/files",
    "POST /v1/search",
    "PUT /v1/raw",
)
ENDPOINT, ADD, THING = "api/things/change_thing.py", "api/things/add_file.py", "models/thing.py"

BENT = """\
  /v1/bent:
    get:
      parameters:
        - name: by
          in: query
          style: deepObject
          schema: {type: object, properties: {a: {type: string}}}
      responses: {'204': {description: No.}}
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> generate.Build:
    """Return the client of a description with one of everything, each kind of place in it."""
    root = repository(tmp_path_factory.mktemp("round") / "trip", with_everything())
    (root / "aside").mkdir()
    return generate.build(root, root / "aside")


def faults(built: generate.Build, package: Path) -> list[str]:
    wrapper = built.package.parents[1] / "wrapper"
    return list(map(str, roundtrip.faults(built.described, package, wrapper, built.outcomes)))


def test_a_right_client_passes(built: generate.Build) -> None:
    """Sync and async, the least, the most and nulls: nothing differs."""
    assert faults(built, built.package) == []


MUTATIONS = {
    "a path's parameter": (
        ENDPOINT,
        "quote(str(thing_id)",
        "quote(str(x_tenant)",
        CHANGE,
        "path thingId",
    ),
    "a path": (ENDPOINT, '"url": "/v1/things/', '"url": "/v2/things/', CHANGE, "name"),
    "a method": (ENDPOINT, '"method": "post"', '"method": "put"', CHANGE, "name"),
    "a query parameter's name": (
        ENDPOINT,
        'params["pageSize"]',
        'params["page_size"]',
        CHANGE,
        "query pageSize",
    ),
    "a query parameter's value": (
        ENDPOINT,
        'params["since"] = json_since',
        'params["since"] = str(since)',
        CHANGE,
        "query since",
    ),
    "a query parameter that is lost": (
        ENDPOINT,
        'params["isOpen"] = is_open',
        "pass",
        CHANGE,
        "query isOpen",
    ),
    "a list in a query": (
        ENDPOINT,
        "json_kinds.append(kinds_item)",
        "json_kinds = [kinds_item]",
        CHANGE,
        "query kinds",
    ),
    "a default": (
        ENDPOINT,
        "page_size: int | Unset = 20",
        "page_size: int | Unset = 21",
        CHANGE,
        "query pageSize",
    ),
    "brackets": (ENDPOINT, 'params["price[min]"]', 'params["min"]', CHANGE, "query price[min]"),
    "two parameters that are swapped": (
        ENDPOINT,
        'params["price[min]"] = price_min',
        'params["price[min]"] = price_max',
        CHANGE,
        "query price[min]",
    ),
    "an argument": (ENDPOINT, "is_open", "isopened", CHANGE, "query isOpen"),
    "a header": (
        ENDPOINT,
        'headers["x-tenant"]',
        'headers["x-tennant"]',
        CHANGE,
        "header x-tenant",
    ),
    "a header's value": (ENDPOINT, "str(x_tries)", "str(x_tries + 1)", CHANGE, "header x-tries"),
    "a cookie": (ENDPOINT, 'cookies["session"]', 'cookies["sessions"]', CHANGE, "cookie session"),
    "a body": (ENDPOINT, '_kwargs["json"] = body.to_dict()', "pass", CHANGE, "body"),
    "a content type": (ENDPOINT, '"application/json"', '"text/plain"', CHANGE, "body"),
    "a field that is sent": (THING, 'field_dict["weight"] = weight', "pass", CHANGE, "body.weight"),
    "the name of a field that is sent": (
        THING,
        '"madeAt": made_at',
        '"made_at": made_at',
        CHANGE,
        "body.madeAt",
    ),
    "a null that is sent": (
        THING,
        "if bought_on is not UNSET:",
        "if bought_on:",
        CHANGE,
        "body.boughtOn",
    ),
    "a nested field": (
        "models/problem.py",
        'field_dict["hint"] = hint',
        'field_dict["hint"] = ""',
        CHANGE,
        "body.owner.hint",
    ),
    "a field that is read": (
        THING,
        'weight = d.pop("weight", UNSET)',
        "weight = UNSET",
        CHANGE,
        "answer 200.weight",
    ),
    "the name of a field that is read": (
        THING,
        'd.pop("isNew", UNSET)',
        'd.pop("is_new", UNSET)',
        CHANGE,
        "answer 200.isNew",
    ),
    "the name of an attribute": (THING, "bought_on", "buyed_on", CHANGE, "body.boughtOn"),
    "a model that is read as a dict": (
        THING,
        "owner_type_0 = Problem.from_dict(data)",
        "raise TypeError",
        CHANGE,
        "answer 200.owner",
    ),
    "an enum without a value": ("models/kind.py", '"large"', '"larger"', CHANGE, "body.kind"),
    "a time that is read": (
        THING,
        "datetime.datetime.fromisoformat(",
        "datetime.datetime.strptime('2026', '%Y') or (",
        CHANGE,
        "answer 200.madeAt",
    ),
    "an answer that is not parsed": (
        ENDPOINT,
        "response.status_code == 404",
        "response.status_code == 405",
        CHANGE,
        "answer 404",
    ),
    "an answer of another model": (
        ENDPOINT,
        "Problem.from_dict(response.json())",
        "Thing.from_dict(response.json())",
        CHANGE,
        "answer 404",
    ),
    "asyncio alone": (
        ENDPOINT,
        "    response = await client",
        '    kwargs["params"] = {}\n    response = await client',
        CHANGE,
        "query since",
    ),
    "the short form alone": (
        ENDPOINT,
        "return sync_detailed(\n        thing_id=thing_id,\n",
        "since = UNSET\n    return sync_detailed(\n        thing_id=thing_id,\n",
        CHANGE,
        "query since",
    ),
    "a file": (
        "models/add_file_body.py",
        'files.append(("file", self.file.to_tuple()))',
        "pass",
        FILE,
        "body.file",
    ),
    "a field of a form": (
        "models/add_file_body.py",
        '"caption", (None',
        '"captions", (None',
        FILE,
        "body.caption",
    ),
    "a list that is read": (
        ADD,
        "response_201 = cast(list[str], response.json())",
        "response_201 = response.json()[:1]",
        FILE,
        "answer 201",
    ),
    "a urlencoded body": (
        "api/things/search.py",
        '_kwargs["data"]',
        '_kwargs["json"]',
        SEARCH,
        "body.text",
    ),
    "bytes": ("api/things/send.py", "body.payload.read()", "body.payload.read()[:3]", RAW, "body"),
    "bytes that are read": (
        "api/things/send.py",
        "BytesIO(response.content)",
        "BytesIO(b'')",
        RAW,
        "answer 200",
    ),
    "an import": (ENDPOINT, "import datetime\n", "import nothing\n", "setle_api.api", "import"),
}


@pytest.mark.parametrize(
    ("file", "old", "new", "operation", "place"), MUTATIONS.values(), ids=MUTATIONS
)
def test_a_client_with_one_thing_broken_is_caught(
    built: generate.Build, tmp_path: Path, file: str, old: str, new: str, operation: str, place: str
) -> None:
    """The fault names operation and place."""
    package = tmp_path / "setle_api"
    shutil.copytree(built.package, package)
    code = (package / file).read_text(encoding="utf-8")
    assert old in code
    (package / file).write_text(code.replace(old, new), encoding="utf-8")
    found = faults(built, package)
    assert any(one.startswith(operation) and f", {place}: described is " in one for one in found), (
        found
    )


def test_what_differs_stops_make_generate(scratch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is written; each fault is a line, with an action to paste where one would help."""
    monkeypatch.setattr(rules, "RULES", ())
    (scratch / "openapi.yaml").write_text(with_more(BENT), encoding="utf-8")
    before = snapshot(scratch / "generated" / "setle_api")
    with pytest.raises(PipelineError) as caught:
        generate.generate(scratch)
    assert snapshot(scratch / "generated" / "setle_api") == before
    assert str(caught.value).splitlines() == [
        "GET /v1/bent, query by[a]: described is text 2, seen was nothing; "
        "mend it in openapi.overlay.yaml, as below",
        "GET /v1/bent, query a: described is nothing, seen was text 2; "
        "mend it in openapi.overlay.yaml",
    ]
    assert [action["target"] for action in caught.value.actions] == [
        "$.paths['/v1/bent'].get.parameters[0]"
    ]


def test_a_long_round_trip_shows_a_bar(
    built: generate.Build, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On a terminal, and nowhere else."""
    monkeypatch.setattr(roundtrip, "SMALL", 2)
    assert faults(built, built.package) == []
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    assert faults(built, built.package) == []
    assert "calling" in capsys.readouterr().err


def test_a_crash_of_the_round_trip_is_one_line(built: generate.Build, tmp_path: Path) -> None:
    """A package that cannot be imported at all is told by the last line."""
    package = tmp_path / "setle_api"
    shutil.copytree(built.package, package)
    (package / "__init__.py").write_text("import nothing\n", encoding="utf-8")
    with pytest.raises(PipelineError, match=r"the round trip: ModuleNotFoundError: .*'nothing'"):
        faults(built, package)
