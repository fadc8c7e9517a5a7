import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline import PipelineError
from pipeline.document import dump, parse

BOMB = "openapi: 3.0.0\na0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12)
)
MERGES = "openapi: 3.0.0\na0: &a0 {x: 1}\n" + "".join(
    f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 10)}], x{n}: 1}}\n" for n in range(1, 12)
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (BOMB, "aliases stand for more than 200,000 values"),
        (MERGES, "aliases stand for more than 200,000 values"),
        ("openapi: 3.0.0\na: &a [*a]", "alias a stands within what it means"),
        ("openapi: 3.0.0\na: *b", "alias b stands"),
        ("openapi: 3.0.0\na: " + "[" * 600, "nested too deeply"),
        ('{"openapi": ' + "[" * 100_000, "nested too deeply"),
        ("openapi: [", "not the YAML or JSON of a description: "),
        ("openapi: 1\nopenapi: 2", "duplicate key"),
        ('{"openapi": "3.0.0", "paths": {}, "paths": {}}', "key 'paths' twice in one object"),
        ('{"openapi": ', "Expecting value"),
        ("", "has no `openapi` key"),
        ("[]", "has no `openapi` key"),
        ("swagger: '2.0'", "has no `openapi` key"),
        ("paths:\n  path: /p\n  method: get\n  request: {}\n", "old exports of Mintlify"),
    ],
)
def test_what_is_no_description_is_refused(text: str, reason: str) -> None:
    """The error names the file and the reason, and does not take long."""
    with pytest.raises(PipelineError, match=reason) as caught:
        parse(text, "x.yaml")
    assert str(caught.value).startswith("x.yaml ")
    assert "; vendor " in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_few_aliases_are_written_out() -> None:
    """An anchor used again is the same thing twice, merge keys included."""
    text = "openapi: 3.0.0\na: &a {x: 1}\nb: [*a, *a]\nc: {<<: *a, y: 2}\n"
    assert dump(parse(text, "x")) == (
        "openapi: 3.0.0\na:\n  x: 1\nb:\n  - x: 1\n  - x: 1\nc:\n  x: 1\n  y: 2\n"
    )


def test_json_and_yaml_are_the_same_document() -> None:
    """Also what looks like a date, a number or a smiley in two halves."""
    document = {"openapi": "3.0.0", "info": {"version": "1.0", "x": ["2026-11-23", "\U0001f600"]}}
    assert parse(json.dumps(document, indent="\t"), "x") == document
    assert parse(dump(document), "x") == document
    assert parse("openapi: 3.0.0\nx: 2026-11-23T12:00:00Z", "x")["x"] == "2026-11-23T12:00:00Z"


def test_text_of_several_lines_stays_readable() -> None:
    """It is written line by line."""
    assert dump({"description": "One.\nTwo.\n"}) == "description: |\n  One.\n  Two.\n"


@given(VALUES)
@example("a\x85b\u2028\ufeff\x1f\n")
@example({"a\x85\n": " x \n\ny: #\n "})
def test_whatever_is_written_is_read_again(value: Any) -> None:
    """No value is changed by the form it is given."""
    document = {"openapi": "3.0.0", "value": value}
    read = parse(dump(document), "x")
    assert json.dumps(read) == json.dumps(document)
