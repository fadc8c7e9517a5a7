"""What an index, its pages and the files they name hold, on a small site on the disk."""

import asyncio
import json
from pathlib import Path

import pytest

from pipeline import PipelineError, sources, vendor
from pipeline.document import dump
from pipeline.fetch import places
from pipeline.sources import Found
from tests.pipeline.described import parsed, with_more
from tests.pipeline.serving import Answer, serving

TOKEN = with_more()
THINGS = dump(
    {
        "openapi": "3.0.0",
        "info": parsed(TOKEN)["info"],
        "servers": parsed(TOKEN)["servers"],
        "security": [],
        "tags": [],
        "paths": {"/v1/things": {"get": {"responses": {"204": {"description": "No."}}}}},
    }
)


def page(text: str, info: str, fence: str = "````") -> str:
    return f"# A page\n\n## OpenAPI\n\n{fence}yaml {info}\n{text}{fence}\n"


def read(root: Path, **files: str) -> Found:
    """Return what is found in an index beside *files*, by their names with ``__`` for ``/``."""
    for name, text in files.items():
        path = root / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return asyncio.run(sources.read(str(root / "llms.txt")))


@pytest.mark.parametrize("name", ["spec.json", "/spec.json"])
def test_a_file_that_a_page_names_is_at_the_root_of_the_documentation(
    tmp_path: Path, name: str
) -> None:
    """The folder of the index comes before the page's own."""
    text = json.dumps(parsed(TOKEN))
    found = read(
        tmp_path,
        llms_txt="- [T](api/t.md)\n",
        api__t_md=page("openapi: 3.0.0\n", f"{name} post /v1/oauth/token"),
        spec_json=text,
        api__spec_json="{}",
    )
    assert list(found.descriptions.values()) == [text]


def test_a_file_beside_the_page_will_do(tmp_path: Path) -> None:
    """Where there is none at the root."""
    found = read(
        tmp_path,
        llms_txt="- [T](api/t.md)\n",
        api__t_md=page("openapi: 3.0.0\n", "spec.yaml post /v1/oauth/token"),
        api__spec_yaml=TOKEN,
    )
    assert list(found.descriptions.values()) == [TOKEN]


def test_below_a_base_path_a_file_is_looked_for_in_that_order() -> None:
    """The documentation's root, the host's, and beside the page."""
    assert places("https://x/docs/llms.txt", "https://x/docs/api/t.md", "/v2/openapi.json") == [
        "https://x/docs/v2/openapi.json",
        "https://x/v2/openapi.json",
        "https://x/docs/api/v2/openapi.json",
    ]


@pytest.mark.parametrize("file", [None, "<!doctype html>", "{}"])
def test_a_file_that_cannot_be_had_falls_back_to_the_block(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], file: str | None
) -> None:
    """Gone, a page of HTML or no OpenAPI: a note says why the page's own block is taken."""
    more = {} if file is None else {"spec_json": file}
    found = read(
        tmp_path,
        llms_txt="- [T](t.md)\n",
        t_md=page(TOKEN, "spec.json post /v1/oauth/token"),
        **more,
    )
    assert list(found.descriptions.values()) == [TOKEN]
    note = capsys.readouterr().err
    assert note.startswith(f"note: {tmp_path}/t.md names spec.json, but ")
    assert note.endswith("; taken is the page's own block\n")


@pytest.mark.parametrize("file", [None, "<!doctype html>", '{"asyncapi": "3.0.0"}'])
def test_a_stale_link_to_a_file_falls_back_to_the_pages(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], file: str | None
) -> None:
    """What is listed under "OpenAPI Specs" may be gone."""
    more = {} if file is None else {"openapi_json": file}
    found = read(
        tmp_path,
        llms_txt="- [T](t.md)\n## OpenAPI Specs\n- [openapi](openapi.json)\n",
        t_md=page(TOKEN, "post /v1/oauth/token"),
        **more,
    )
    assert list(found.descriptions.values()) == [TOKEN]
    assert capsys.readouterr().err.endswith("; taken are the pages instead\n")


def test_a_stale_link_without_pages_is_an_error(tmp_path: Path) -> None:
    """There is nothing to fall back to."""
    with pytest.raises(PipelineError, match="cannot read "):
        read(tmp_path, llms_txt="## OpenAPI Specs\n- [openapi](openapi.json)\n")


def test_a_guide_with_a_sample_is_a_guide(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """OpenAPI, or `docs.json` with its key of that name; a note says so."""
    found = read(
        tmp_path,
        llms_txt="- [T](t.md)\n- [G](g.md)\n- [H](h.md)\n",
        t_md=page(TOKEN, "post /v1/oauth/token"),
        g_md="# Guide\n\n```yaml openapi.yaml\nopenapi: 3.1.0\ninfo: {}\n```\n",
        h_md='# Guide\n\n```json docs.json\n{"openapi": "openapi.json"}\n```\n',
    )
    assert list(found.descriptions.values()) == [TOKEN]
    assert capsys.readouterr().err == "".join(
        f"note: {tmp_path}/{name}.md holds a sample of OpenAPI, and is taken for a guide\n"
        for name in "gh"
    )


def test_every_page_of_an_index_is_read(tmp_path: Path) -> None:
    """Whatever the form of its link."""
    found = read(
        tmp_path,
        llms_txt="- [[Beta] Things](e.md)\n- [Token][t]\n\n[t]: t.md\n",
        t_md=page(TOKEN, "post /v1/oauth/token"),
        e_md=page(THINGS, "get /v1/things"),
    )
    assert set(found.descriptions.values()) == {TOKEN, THINGS}


def test_a_webhook_of_which_nothing_is_told_is_noted(
    one_endpoint: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exported with `paths: {}`, it would be lost without a word."""
    monkeypatch.setattr(vendor, "show", lambda *_: 0)  # it generates two clients
    head = THINGS[: THINGS.index("paths:")]
    answers: dict[str, Answer] = {
        "/llms.txt": "- [T](t.md)\n- [thing.created](w.md)\n- [E](e.md)\n",
        "/t.md": page(TOKEN, "post /v1/oauth/token"),
        "/e.md": page(THINGS, "get /v1/things"),
        "/w.md": page(f"{head}paths: {{}}\n", "webhook thing.created"),
    }
    with serving(answers) as url:
        vendor.vendor(one_endpoint, f"{url}/llms.txt")
    assert capsys.readouterr().err.startswith(
        f"note: {url}/w.md is of the webhook thing.created, of which its description says nothing; "
        "the client gets no model of what it sends\n"
    )
