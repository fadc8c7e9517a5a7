import pytest

from pipeline import PipelineError
from pipeline.links import Link, definitions, links


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("- [A](a.md): first", [Link("A", "a.md")]),
        ("- [[Beta] List](e.md)", [Link("[Beta] List", "e.md")]),
        (r"- [\[Beta\] List](e.md)", [Link("[Beta] List", "e.md")]),
        ("- [List](<a b.md>)", [Link("List", "a b.md")]),
        ('- [List](a.md "The list")', [Link("List", "a.md")]),
        ("- [f(x)](f(x).md)", [Link("f(x)", "f(x).md")]),
        ("- [List][one]", [Link("List", "https://x/one.md")]),
        ("- [One][]", [Link("One", "https://x/one.md")]),
        ("- [one]", [Link("one", "https://x/one.md")]),
        ("- https://x/a.md", [Link("", "https://x/a.md")]),
        (
            "- <https://x/a.md>, and https://x/b.md.",
            [Link("", "https://x/a.md"), Link("", "https://x/b.md")],
        ),
        ("- [A](a.md), [B](b.md)", [Link("A", "a.md"), Link("B", "b.md")]),
        ("- [ ] to do, [x] done, [sic]", []),
        (r"\[no link\](a.md", []),
        ("[one]: https://x/one.md", []),
        ("# A heading", []),
    ],
)
def test_every_form_of_link_is_read(line: str, found: list[Link]) -> None:
    """Inline, with brackets within brackets, escaped, by reference and bare."""
    assert list(links(line, {"one": "https://x/one.md"})) == found


def test_definitions_are_found_in_the_whole_text() -> None:
    """Wherever they stand, whatever their case."""
    assert definitions("- [A][One Two]\n\n[one  two]: <a.md>\n") == {"one two": "a.md"}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("- [A](a b.md)", r"the line '- \[A\]\(a b.md\)' holds a link that cannot be read; vendor"),
        ("- A](a.md)", "holds a link that cannot be read"),
        ("- [A][gone]", "refers to 'gone', which the index does not define"),
    ],
)
def test_a_line_that_cannot_be_read_is_named(line: str, reason: str) -> None:
    """No page is lost because its link is odd."""
    with pytest.raises(PipelineError, match=reason):
        list(links(line, {}))
