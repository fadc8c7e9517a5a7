"""What holds for all pages: each is reached, and no link, command or name leads nowhere."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from mkdocs.exceptions import PluginError
from ruamel.yaml import YAML

import setle
import setle.testing
from docs.offline import on_post_page
from setle.testing import Sandbox

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.glob("**/*.md"))]
TEXTS = {page.relative_to(ROOT).as_posix(): page.read_text("utf-8") for page in PAGES}
SHELL = [
    block
    for page, text in TEXTS.items()
    if page != "docs/cli.md"  # whose tests run them
    for block in re.findall(r"^```shell\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
]


@pytest.mark.parametrize("page", TEXTS)
def test_links_lead_somewhere(page: str) -> None:
    """Each link within the repository names a file that is there."""
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", TEXTS[page]):
        assert ((ROOT / page).parent / target).exists(), target


def test_the_site_has_every_page() -> None:
    """Each page is in the navigation, and each name in the navigation is a page."""
    nav = YAML(typ="safe").load((ROOT / "mkdocs.yml").read_text("utf-8"))["nav"]
    named = [
        name for part in nav for pages in part.values() for page in pages for name in page.values()
    ]
    assert sorted(named) == sorted(
        page.relative_to(DOCS).as_posix() for page in DOCS.glob("**/*.md")
    )


def test_the_commands_are_those_of_the_makefile() -> None:
    """Whoever types what a page says finds the target."""
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = {*re.findall(r"^([a-z-]+):", makefile, re.MULTILINE)}
    for page, text in TEXTS.items():
        named = {*re.findall(r"(?:^(?:    )?|`)make ([a-z-]+)", text, re.MULTILINE)}
        assert named <= targets, page


def test_the_extras_can_be_installed() -> None:
    """Each that a page, or a message that it lists, names is there."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    for page, text in TEXTS.items():
        named = {*re.findall(r"(?:setle-client|'\.)\[(\w+)\]", text)}
        assert named <= project["optional-dependencies"].keys(), page
        assert {*re.findall(r"pip install '?([a-z]\w+(?:-\w+)*)", text)} <= {project["name"]}, page


@pytest.mark.parametrize("number", range(len(SHELL)))
def test_a_shell_block_runs(sandbox: Sandbox, tmp_path: Path, number: int) -> None:
    """It ends well, but for what installs, or works on the repository."""
    lines = SHELL[number].splitlines()
    script = [line for line in lines if not line.startswith(("make ", "pip install "))]
    environment = {
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
        "HOME": str(tmp_path),
        "SETLE_BASE_URL": sandbox.base_url,
        "SETLE_CLIENT_ID": sandbox.client_id,
        "SETLE_CLIENT_SECRET": sandbox.client_secret,
    }
    subprocess.run(
        ["bash", "-eu", "-c", "\n".join(script)], check=True, cwd=tmp_path, env=environment
    )


@pytest.mark.parametrize("module", [setle, setle.testing])
def test_the_reference_has_every_public_name(module: object) -> None:
    """All that ``__all__`` names is on the page of the module."""
    name: str = getattr(module, "__name__", "")
    page = TEXTS[f"docs/reference/{name.rpartition('.')[2]}.md"]
    found = {each.rpartition(".")[2] for each in re.findall(r"^::: ([\w.]+)$", page, re.MULTILINE)}
    assert {*getattr(module, "__all__", ())} <= found


@pytest.mark.parametrize(
    "part",
    [
        '<script async src="https://example.org/a.js"></script>',
        '<link rel="stylesheet" href=//example.org/a.css>',
        '<img alt="" src="http://example.org/a.png">',
        "<style>body { background: url('https://example.org/a.png') }</style>",
        '<div class="mermaid">graph</div>',
    ],
)
def test_a_page_that_fetches_something_stops_the_build(part: str) -> None:
    """Whatever a browser would load from elsewhere by itself; not a link, nor what lies beside."""
    fine = '<a href="https://example.org/"><img src="life.svg"></a><link href="style.css">'
    assert on_post_page(fine, "a page", None) == fine
    with pytest.raises(PluginError, match="a page would fetch"):
        on_post_page(fine + part, "a page", None)
