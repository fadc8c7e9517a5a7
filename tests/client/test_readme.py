"""Every example in the README and the pages of the documentation works as it stands."""

import re
from typing import Any
from urllib.error import HTTPError

import httpx
import pytest

from setle.testing import Answer, Sandbox
from tests.support.examples import ROOT, recipe_in

# The examples of these take more than the environment; tests of their own run them.
ELSEWHERE = ("docs/cli.md", "docs/recipes", "docs/testing.md")
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md"))]
EXAMPLES = [
    program
    for page in PAGES
    if not page.relative_to(ROOT).as_posix().startswith(ELSEWHERE)
    for program in recipe_in(page.read_text("utf-8")).programs
]
FIRST = EXAMPLES[0]


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_an_example_runs(sandbox: Sandbox, settings: dict[str, Any], number: int) -> None:
    """With the settings in the environment, it runs to its end without a warning."""
    exec(compile(EXAMPLES[number], f"example {number + 1}", "exec"), settings)
    for name, value in settings.items():
        if name.startswith("test_") and callable(value):
            value(setle_environment=sandbox)  # which the settings are


def test_the_first_example_lists_what_can_be_renovated(
    sandbox: Sandbox, settings: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """It prints a reference and a link for each estate, and costs one token request."""
    exec(FIRST, settings)
    lines = capsys.readouterr().out.splitlines()
    assert lines
    assert all(re.fullmatch(r"\S+ https://\S+", line) for line in lines)
    assert sandbox.token_requests == 1


@pytest.mark.parametrize(
    "answer",
    [
        Answer(500, json={"statusCode": 500, "message": "Internal server error"}),
        Answer(502, body=b"<html>Bad Gateway</html>", headers={"Content-Type": "text/html"}),
    ],
    ids=["500", "an HTML 502"],
)
def test_the_first_example_says_what_the_server_said(
    sandbox: Sandbox, settings: dict[str, Any], answer: Answer
) -> None:
    """A server that fails is named with status and address, not by a fault in its JSON."""
    sandbox.script_api(answer)
    with pytest.raises(httpx.HTTPStatusError, match=f"{answer.status} .*/v1/estate/list"):
        exec(FIRST, settings)


def test_hooks_that_raise_come_after_the_authentications_own(
    sandbox: Sandbox, settings: dict[str, Any]
) -> None:
    """As the first steps show it: the call with a revoked token fails, and the next one works."""
    (example,) = [example for example in EXAMPLES if "auth.heed" in example]
    exec(example, settings)
    with httpx.Client(
        base_url=sandbox.base_url, auth=settings["auth"], event_hooks=settings["hooks"]
    ) as client:
        sandbox.revoke()
        with pytest.raises(httpx.HTTPStatusError, match="401"):
            client.get("/v1/estate/list")
        assert client.get("/v1/estate/list").status_code == 200


def test_the_example_without_httpx_replaces_a_rejected_token(
    sandbox: Sandbox, settings: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """Its second attempt has another token; what is no 401 is not tried again."""
    (program,) = (example for example in EXAMPLES if "urlopen" in example)
    sandbox.script_api(Answer(401))
    exec(program, settings)
    assert capsys.readouterr().out == "200\n"
    assert sandbox.token_requests == 2
    sandbox.script_api(Answer(500))
    with pytest.raises(HTTPError, match="500"):
        exec(program, settings)
    assert sandbox.api_requests == 3
