from pathlib import Path

import pytest

from pipeline import PipelineError
from pipeline.page import Block, find_block, listing

SITE = Path(__file__).parent / "site"
BLOCK = "openapi: 3.0.0\npaths: {}\n"


def fenced(info: str, text: str = BLOCK, fence: str = "````") -> str:
    return f"# A page\n\n{fence}{info}\n{text}{fence}"


@pytest.mark.parametrize(
    ("info", "source", "operation"),
    [
        ("yaml POST /p", None, ("POST", "/p")),
        ("yaml post /p", None, ("POST", "/p")),
        ("YAML  Get  /p/{id}", None, ("GET", "/p/{id}")),
        ("yml GET /p theme={null}", None, ("GET", "/p")),
        ("json GET /p", None, ("GET", "/p")),
        ("yaml https://host/openapi.json get /p", "https://host/openapi.json", ("GET", "/p")),
        ("yaml /spec.json get /p", "/spec.json", ("GET", "/p")),
        ("yaml spec.yaml GET /p", "spec.yaml", ("GET", "/p")),
        ("yaml webhook estate.updated", None, None),
        ("yaml /spec.json webhook estate.updated", "/spec.json", None),
        ("yaml", None, None),
    ],
)
def test_every_form_of_the_fence_is_read(
    info: str, source: str | None, operation: tuple[str, str] | None
) -> None:
    """Its first line tells the endpoint, and the file the block was taken from."""
    block = find_block(fenced(info), "a.md")
    assert block is not None
    assert block == Block(BLOCK, source, operation, block.webhook)


@pytest.mark.parametrize("fence", ["```", "`````", "~~~"])
def test_any_fence_of_markdown_will_do(fence: str) -> None:
    """Its kind and length make no difference."""
    block = find_block(fenced("yaml GET /p", fence=fence), "a.md")
    assert block is not None
    assert block.text == BLOCK


def test_the_block_is_kept_byte_for_byte() -> None:
    """Blank lines, line ends, shorter fences and odd separators stay."""
    text = "openapi: 3.0.0\r\n\n  ```\n\u2028 x\n\n"
    block = find_block(fenced("yaml GET /p", text), "a.md")
    assert block is not None
    assert block.text == text


@pytest.mark.parametrize(
    "page",
    [
        "# Quickstart\n\nNothing of the sort.",
        "```json\n{}\n```",
        "```yaml\nname: ci\n```",
        "```bash GET /p\n```",
        f"`````md\n{fenced('yaml GET /p')}\n`````",
    ],
    ids=["no fence", "json", "yaml", "other language", "a sample of a page"],
)
def test_what_only_looks_like_a_block_is_none(page: str) -> None:
    """Code samples are left alone."""
    assert find_block(page, "a.md") is None


def test_two_blocks_are_refused() -> None:
    """Which of them were right is not for us to guess."""
    page = fenced("yaml GET /p") + "\n" + fenced("yaml GET /q")
    with pytest.raises(PipelineError, match=r"^a\.md has 2 OpenAPI blocks instead of one; save"):
        find_block(page, "a.md")


def test_a_page_that_was_cut_off_is_refused() -> None:
    """Half a description may be valid YAML."""
    with pytest.raises(PipelineError, match=r"^a\.md ends within its OpenAPI block: cut off"):
        find_block(fenced("yaml GET /p").removesuffix("````"), "a.md")


def test_the_published_page_gives_its_block() -> None:
    """To the byte, the trailing blank line included."""
    page = (SITE / "api-reference" / "create-access-token.md").read_bytes().decode()
    block = find_block(page, "create-access-token.md")
    assert block is not None
    assert block.text.endswith("properties: {}\n\n")
    assert page.endswith(f"\n````yaml POST /v1/oauth/token\n{block.text}````")


def test_an_index_lists_files_pages_and_others() -> None:
    """Each once; a file is one called OpenAPI, or under the heading for them."""
    found = listing(
        "# Setle\n- [A](https://x/a.md): first\n- [B](/b.mdx?v=1), [A](https://x/a.md)\n"
        "- [Blog](https://blog)\n- [Postman](/postman.json)\n- [OpenAPI](/v1.yaml)\n"
        "## OpenAPI Specs\n\n- [v2](/v2)\n## Optional\n- [C](c.md)\n"
    )
    assert found.pages == ["https://x/a.md", "/b.mdx?v=1", "c.md"]
    assert found.files == ["/v1.yaml", "/v2"]
    assert found.others == ["https://blog", "/postman.json"]
