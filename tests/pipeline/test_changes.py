"""One-line changes of the vendored description: each works, or stops and says why."""

from pathlib import Path

import pytest

from pipeline import PipelineError, generate, generator
from tests.pipeline.test_generate import contents

MODULE = "api/general/create_access_token.py"
TOKEN = "models/access_token_response.py"
ANSWER = "      responses:\n        '200':"
JSON = (
    "application/json:\n              schema:\n                $ref: '#/components/schemas/Request"
)
NUMBER = "expires_in:\n          type: number"
SCHEMAS = "components:\n  schemas:\n"
SCHEMA = "{type: object, properties: {a: {type: string}}}\n"
DTO = "    RequestBearerTokenActionOutputDto:\n      type: object\n      properties:\n"


def body(content: str) -> str:
    return f"      requestBody: {{content: {{{content}}}}}\n{ANSWER}"


def header(parameter: str) -> str:
    return f"        - {{{parameter}, schema: {{type: string}}}}\n{ANSWER}"


def used(schema: str) -> str:
    return f"    {schema}: {SCHEMA}{DTO}        more: {{$ref: '#/components/schemas/{schema}'}}\n"


def endpoint(
    *,
    method: str = "get",
    path: str = "/v1/x",
    tag: str = "Estate",
    name: str = "list_x",
    **more: str,
) -> str:
    extra = "".join(f", {key}: {value}" for key, value in more.items())
    return (
        f"paths:\n  {path}: {{{method}: {{tags: [{tag}], operationId: {name}, "
        f"responses: {{'204': {{description: No.}}}}{extra}}}}}\n"
    )


WORKS = {
    "a vendor type that is JSON": (
        JSON,
        JSON.replace("json", "vnd.setle.v1+json"),
        {MODULE: "AccessTokenResponse.from_dict(response.json())"},
    ),
    "a body in a vendor type": (
        ANSWER,
        body("application/vnd.setle.v1+json: {schema: {type: string}}"),
        {MODULE: '"Content-Type"] = "application/vnd.setle.v1+json"'},
    ),
    "an optional body that is one of two models": (
        ANSWER,
        body(
            "application/json: {schema: {oneOf: ["
            "{$ref: '#/components/schemas/DefaultHttpException'},"
            "{$ref: '#/components/schemas/RequestBearerTokenActionOutputDto'}]}}"
        ),
        {MODULE: "elif not isinstance(body, Unset):"},
    ),
    "a file upload": (
        ANSWER,
        body("multipart/form-data: {schema: {type: object, properties: {f: {format: binary}}}}"),
        {MODULE: '_kwargs["files"] = body.to_multipart()'},
    ),
    "an odd status": ("'400':", "'599':", {MODULE: "raise errors.UnexpectedStatus"}),
    "a status without quotes": ("'400':", "400:", {MODULE: "response.status_code == 400"}),
    "a body in XML alone": (
        ANSWER,
        body("application/xml: {schema: {type: string}}"),
        {MODULE: '"Content-Type"] = "application/xml"'},
    ),
    "a body in JSON or XML": (
        ANSWER,
        body("application/json: {schema: {type: string}}, application/xml: {schema: {}}"),
        {MODULE: '"Content-Type"] = "application/json"'},
    ),
    "an answer in XML alone": (JSON, JSON.replace("json", "xml"), {MODULE: "BytesIO(response."}),
    "an answer in JSON or CSV": (
        JSON,
        f"text/csv: {{}}\n            {JSON}",
        {MODULE: "AccessTokenResponse.from_dict(response.json())"},
    ),
    "schemas that differ by case": (
        DTO,
        used("defaultHttpException"),
        {"models/default_http_exception_2.py": "a: str | Unset"},
    ),
    "values that give one name": (
        NUMBER,
        f"{NUMBER.replace('number', 'string')}\n          enum: [a-b, a_b]",
        {"models/access_token_response_expires_in.py": 'A_B_1 = "a_b"'},
    ),
    "a list in one parameter": (
        "paths:\n",
        endpoint(
            parameters="[{name: ids, in: query, explode: false, schema: {type: array, items: {}}}]"
        ),
        {"api/estate/list_x.py": "ids: str | Unset"},
    ),
    "an object in brackets": (
        "paths:\n",
        endpoint(
            parameters="[{name: by, in: query, style: deepObject, schema: {type: object,"
            " properties: {minPrice: {type: number}}}}]"
        ),
        {"api/estate/list_x.py": 'params["by[minPrice]"] = by_min_price'},
    ),
    "a parameter in JSON": (
        "paths:\n",
        endpoint(parameters="[{name: q, in: query, content: {application/json: {}}}]"),
        {"api/estate/list_x.py": 'params["q"] = q'},
    ),
    "a range of statuses": ("'400':", "'4XX':", {MODULE: "400 <= response.status_code <= 499"}),
    "a default answer": ("'400':", "default:", {MODULE: "response_default = ApiError"}),
    "a renamed operation": (
        "PublicApiController_requestBearerToken",
        "TokenController_create",
        {MODULE: "def sync("},
    ),
    "a second tag": ("- General\n", "- General\n        - Token\n", {MODULE: "def sync("}),
    "a new endpoint": ("paths:\n", endpoint(), {"api/estate/list_x.py": '"url": "/v1/x"'}),
    "a rare method": ("paths:\n", endpoint(method="trace"), {"api/estate/list_x.py": '"trace"'}),
    "an operation named as a keyword": (
        "paths:\n",
        endpoint(name="import", tag="class"),
        {"api/class_/import_.py": '"url": "/v1/x"'},
    ),
    "a new required header": (
        ANSWER,
        header("name: x-tenant, in: header, required: true"),
        {MODULE: 'headers["x-tenant"] = x_tenant'},
    ),
    "a renamed header": ("x-setle-client-id", "x-id", {MODULE: 'headers["x-id"] = x_id'}),
    "two headers that differ by case": (
        ANSWER,
        header("name: X-Setle-Client-Id, in: header"),
        {MODULE: 'headers["X-Setle-Client-Id"] = '},
    ),
    "a changed server": ("https://public-api", "https://api", {MODULE: '"/v1/oauth/token"'}),
    "security": ("security: []", "security: [{bearer: []}]", {MODULE: "AuthenticatedClient"}),
    "OpenAPI 3.1": ("openapi: 3.0.0", "openapi: 3.1.0", {MODULE: "def sync("}),
    "a renamed property": ("expires_in", "lifetime", {TOKEN: "lifetime: float"}),
    "a nullable property": (NUMBER, f"{NUMBER}\n          nullable: true", {TOKEN: "float | None"}),
    "an optional property": ("        - expires_in\n", "", {TOKEN: "expires_in: float | Unset"}),
    "a schema named as a keyword": (DTO, used("class"), {"models/class_.py": "class Class"}),
    "a quotation that would end the docstring": (
        "credentials grant\n",
        'credentials """ grant\n',
        {MODULE: "def sync("},
    ),
    "line ends of Windows": ("\n", "\r\n", {MODULE: "def sync("}),
}

OVERLAY = r"overlay action {} \(.*\) matches nothing: upstream moved; adapt or drop the action$"
RESTORE = "; restore it, or vendor it anew$"
STOPS = {
    "a dangling reference": (
        "schemas/DefaultHttpException'",
        "schemas/Gone'",
        r"POST /v1/oauth/token, responses/400/.*/schemas/Gone' does not exist; correct",
    ),
    "an operationId twice": (
        "paths:\n",
        endpoint(name="list_x") + endpoint(path="/v1/y", name="list_x").removeprefix("paths:\n"),
        "GET /v1/y: the operationId 'list_x' is not unique, GET /v1/x has it too; give it one of",
    ),
    "the operationId of the overlay twice": (
        "paths:\n",
        endpoint(name="create_access_token"),
        "POST /v1/oauth/token: the operationId 'create_access_token' is not unique, GET /v1/x has",
    ),
    "operationIds that differ by case": (
        "paths:\n",
        endpoint(tag="general", name="createAccessToken"),
        r"token: its module general\.create_access_token would be that of GET /v1/x; give it",
    ),
    "an undeclared path parameter": (
        "paths:\n",
        endpoint(path="/v1/{tenant}"),
        r"GET /v1/\{tenant\}: the path's parameter 'tenant' is not declared; declare it",
    ),
    "a status that is none": (
        "'400':",
        "'600':",
        "POST /v1/oauth/token, responses/600: '600' is nothing that OpenAPI has there; correct it",
    ),
    "a bad default": (
        NUMBER,
        f"{NUMBER}\n          default: soon",
        "schema .*, properties/expires_in: the default 'soon' is not of type 'number'; leave",
    ),
    "a type that is none": (
        NUMBER,
        NUMBER.replace("number", "float"),
        "expires_in: type 'float' is not one of",
    ),
    "a renamed tag": (
        "- General",
        "- Authentication",
        r"^wrapper/setle/_endpoint/ask\.py imports create_access_token from"
        r" setle_api\.api\.general, where it is no longer: keep tag and names in"
        r" openapi\.overlay\.yaml, or adapt",
    ),
    "a renamed schema": (
        "RequestBearerTokenActionOutputDto",
        "BearerTokenDto",
        "class override RequestBearerTokenActionOutputDto matches no schema: upstream moved; "
        r"adapt or drop it in generator-config\.yaml$",
    ),
    "a moved token endpoint": ("/v1/oauth/token", "/v2/oauth/token", OVERLAY.format(1)),
    "another method of it": ("    post:", "    get:", OVERLAY.format(1)),
    "an empty object that is gone": (
        "InternalServerErrorException",
        "ServerException",
        OVERLAY.format(5),
    ),
    "an empty object that says something": (
        "properties: {}",
        "properties: {trace: {type: string}}",
        OVERLAY.format(5),
    ),
    "an error without its name": ("        - error\n", "", OVERLAY.format(4)),
    "a server of an operation's own": (
        "      operationId:",
        "      servers: [{url: https://x.setle.app}]\n      operationId:",
        "token: has servers of its own, but goes to the base URL; remove its `servers`$",
    ),
    "a server of a path's own": (
        "/v1/oauth/token:\n",
        "/v1/oauth/token:\n    servers: [{url: https://x.setle.app}]\n",
        "token: has servers of its own, but goes to the base URL; remove its `servers`$",
    ),
    "Swagger 2": ("openapi: 3.0.0", "swagger: '2.0'", f"names no version, and 3.0 .*{RESTORE}"),
    "OpenAPI 3.2": ("openapi: 3.0.0", "openapi: 3.2.0", f"says version 3.2.0, and 3.0 .*{RESTORE}"),
    "a key twice": ("info:\n", "info: {}\ninfo:\n", f'duplicate key "info".*{RESTORE}'),
    "no YAML": ("info:\n", "info: [\n", f"openapi.yaml is not YAML: .*{RESTORE}"),
}


def change(root: Path, old: str, new: str) -> None:
    text = (root / "openapi.yaml").read_text(encoding="utf-8")
    assert old in text
    (root / "openapi.yaml").write_text(text.replace(old, new), encoding="utf-8", newline="")


def stops(root: Path, message: str) -> None:
    before = contents(root)
    with pytest.raises(PipelineError, match=f"(?s){message}"):
        generate.generate(root)
    assert contents(root) == before


@pytest.mark.parametrize(("old", "new", "holds"), WORKS.values(), ids=WORKS)
def test_a_change_that_the_client_can_follow_works(
    one_endpoint: Path, old: str, new: str, holds: dict[str, str]
) -> None:
    """The new package holds what the description now says."""
    change(one_endpoint, old, new)
    generate.generate(one_endpoint)
    for name, text in holds.items():
        assert text in (one_endpoint / generator.PACKAGE / name).read_text(encoding="utf-8")


@pytest.mark.parametrize(("old", "new", "message"), STOPS.values(), ids=STOPS)
def test_a_change_that_needs_a_decision_stops(
    one_endpoint: Path, old: str, new: str, message: str
) -> None:
    """The message names the cause and the remedy, and the tree is untouched."""
    change(one_endpoint, old, new)
    stops(one_endpoint, message)


def test_an_endpoint_that_is_removed_stops(one_endpoint: Path) -> None:
    """The overlay's corrections of it tell, even where nothing else is left."""
    text = (one_endpoint / "openapi.yaml").read_text(encoding="utf-8")
    start, end = text.index("paths:"), text.index("components:")
    change(one_endpoint, text[start:end], "paths: {}\n")
    stops(one_endpoint, OVERLAY.format(1))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", f"^openapi.yaml is empty{RESTORE}"),
        ("<!doctype html><title>Not found</title>", f"is not a mapping{RESTORE}"),
        ("- a\n", f"is not a mapping{RESTORE}"),
    ],
)
def test_a_file_that_is_no_description_stops(one_endpoint: Path, text: str, message: str) -> None:
    """What a server may hand out instead is told apart."""
    (one_endpoint / "openapi.yaml").write_text(text, encoding="utf-8")
    stops(one_endpoint, message)


def test_a_wrapper_that_needs_a_removed_name_stops(one_endpoint: Path) -> None:
    """A name within a module counts as a module does."""
    with (one_endpoint / "wrapper" / "setle" / "_token.py").open("a", encoding="utf-8") as module:
        module.write("\nfrom setle_api.models import AccessTokenResponse, Gone\n")
    stops(one_endpoint, r"_token\.py imports Gone from setle_api\.models, where it is no longer")


def test_a_reference_leads_to_what_it_names(one_endpoint: Path) -> None:
    """A parameter that stands elsewhere is sent as well."""
    change(
        one_endpoint, "paths:\n", endpoint(parameters="[{$ref: '#/components/parameters/a~1b'}]")
    )
    change(
        one_endpoint,
        SCHEMAS,
        "components:\n  parameters: {a/b: {name: q, in: query, content: {text/plain: {}}}}\n"
        "  schemas:\n",
    )
    generate.generate(one_endpoint)
    module = one_endpoint / generator.PACKAGE / "api/estate/list_x.py"
    assert 'params["q"] = q' in module.read_text(encoding="utf-8")


def test_a_wrapper_that_gets_no_token_is_warned_of(
    one_endpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The new client is there to adapt the wrapper to, and the warning says so."""
    change(one_endpoint, "x-setle-client-id", "x-id")
    generate.generate(one_endpoint)
    assert capsys.readouterr().err.startswith("warning: setle gets no token with this client: ")


def test_there_are_as_many_endpoint_modules_as_operations(one_endpoint: Path) -> None:
    """Operations of one path, and tags of several operations, count each."""
    for name in ("c", "b", "a"):
        change(one_endpoint, "paths:\n", endpoint(path=f"/v1/{name}", name=name))
    generate.generate(one_endpoint)
    modules = (one_endpoint / generator.PACKAGE).glob("api/*/[!_]*.py")
    assert sorted(module.stem for module in modules) == ["a", "b", "c", "create_access_token"]
