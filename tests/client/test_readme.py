"""Every example in the README and on the log's page works as it stands."""

import re
from typing import Any

import httpx
import pytest

from setle._time import refresh_after, stale_after
from setle.testing import Answer, Sandbox
from tests.support.examples import ROOT, recipe_in

README = (ROOT / "README.md").read_text("utf-8")
EXAMPLES = recipe_in(README).programs
FIRST = EXAMPLES[0]
PAGES = sorted(ROOT.glob("docs/**/*.md"))
LOG = recipe_in((ROOT / "docs" / "log.md").read_text("utf-8")).programs


@pytest.mark.parametrize("number", range(len([*EXAMPLES, *LOG])))
def test_an_example_runs(sandbox: Sandbox, settings: dict[str, Any], number: int) -> None:
    """With the settings in the environment, it runs to its end without a warning."""
    example = [*EXAMPLES, *LOG][number]
    exec(compile(example, f"example {number + 1}", "exec"), settings)
    for name, value in settings.items():
        if name.startswith("test_") and callable(value):
            value(setle_sandbox=sandbox)


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
    """As the README shows it: the call with a revoked token fails, and the next one works."""
    (example,) = [example for example in EXAMPLES if "auth.heed" in example]
    exec(example, settings)
    with httpx.Client(
        base_url=sandbox.base_url, auth=settings["auth"], event_hooks=settings["hooks"]
    ) as client:
        sandbox.revoke()
        with pytest.raises(httpx.HTTPStatusError, match="401"):
            client.get("/v1/estate/list")
        assert client.get("/v1/estate/list").status_code == 200


def test_the_worked_example_is_what_the_package_does() -> None:
    """The seconds that the README gives for a token of an hour are those of the arithmetic."""

    def said(seconds: float) -> str:
        return f"{seconds:,.0f}"

    first, last = refresh_after(3600, 1.0), refresh_after(3600, 0.0)
    assert f"| {said(first)} … {said(last)} s |" in README
    assert f"| {said(stale_after(3600))} s |" in README


def test_the_commands_are_those_of_the_makefile() -> None:
    """Whoever types what the README says finds the target."""
    makefile = (ROOT / "Makefile").read_text("utf-8")
    commands = re.findall(r"^    make ([a-z-]+)", README, re.MULTILINE)
    assert commands
    for command in commands:
        assert re.search(rf"^{command}:", makefile, re.MULTILINE), command


@pytest.mark.parametrize(
    "page", ["README.md", "CONTRIBUTING.md", *(str(p.relative_to(ROOT)) for p in PAGES)]
)
def test_links_lead_somewhere(page: str) -> None:
    """Each link within the repository names a file that is there."""
    text = (ROOT / page).read_text("utf-8")
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
        assert ((ROOT / page).parent / target).exists(), target
